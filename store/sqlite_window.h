/* SPDX-License-Identifier: MIT */
/* The table `window` of a SQLite store. Private to sqlite.c. */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

/* Write one change within the transaction under way. 0 or -errno with a sentence. */
int sqlite_window_write(sqlite3 *db, const struct store_window *window, struct err *err);

/* As store_walk_windows(). */
int sqlite_window_walk(sqlite3 *db, store_window_fn *fn, void *ctx, struct err *err);
