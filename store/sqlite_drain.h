/* SPDX-License-Identifier: MIT */
/* The table `drain` of a SQLite store. Private to sqlite.c. */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

/* Write one change within the transaction under way. 0 or -errno with a sentence. */
int sqlite_drain_write(sqlite3 *db, const struct store_drain *drain, struct err *err);

/* As store_walk_drains(). */
int sqlite_drain_walk(sqlite3 *db, store_drain_fn *fn, void *ctx, struct err *err);
