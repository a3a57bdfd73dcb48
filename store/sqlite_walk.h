/* SPDX-License-Identifier: MIT */
/* Reading jobs and events from a SQLite store. Private to sqlite.c. */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

struct sqlite_walks;

/* The statements for walks of this database, which is borrowed and closed after destroying them. */
struct sqlite_walks *sqlite_walks_create(sqlite3 *db);
void sqlite_walks_destroy(struct sqlite_walks *walks);

/* As store_walk(), store_walk_events() and store_walk_log(). */
int sqlite_walk_jobs(struct sqlite_walks *walks, const struct store_filter *filter,
		     store_row_fn *fn, void *ctx, struct err *err);
int sqlite_walk_history(struct sqlite_walks *walks, uint64_t job, uint64_t array,
			store_event_fn *fn, void *ctx, struct err *err);
int sqlite_walk_all_events(struct sqlite_walks *walks, uint64_t revision, uint64_t n, size_t limit,
			   store_event_fn *fn, void *ctx, struct err *err);
