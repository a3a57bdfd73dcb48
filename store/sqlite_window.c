/* SPDX-License-Identifier: MIT */
/*
 * GPUs reserved for a time, in SQLite.
 *
 * Invariants: a row per window that is not over. Cost: statements are prepared anew each time, as
 * in sqlite_drain.c, and for the same reason: people make some a week.
 */
#include "store/sqlite_window.h"

#include "store/sqlite_file.h"

#define WRITE                                                                \
	"INSERT OR REPLACE INTO window"                                      \
	" (id, uid, start_ns, end_ns, gpus, reason, created_by, created_ns)" \
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
#define ERASE "DELETE FROM window WHERE id = ?1"
#define WALK                                                                                 \
	"SELECT id, uid, start_ns, end_ns, gpus, reason, created_by, created_ns FROM window" \
	" ORDER BY id"

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct err *err)
{
	return sqlite3_prepare_v2(db, sql, -1, ret_stmt, NULL) == SQLITE_OK
		       ? 0
		       : sqlite_file_error(db, err);
}

int sqlite_window_write(sqlite3 *db, const struct store_window *window, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = prepare(db, window->gone ? ERASE : WRITE, &stmt, err);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)window->id);
	if (!window->gone) {
		sqlite3_bind_int64(stmt, 2, window->uid);
		sqlite3_bind_int64(stmt, 3, window->start_ns);
		sqlite3_bind_int64(stmt, 4, window->end_ns);
		sqlite3_bind_text(stmt, 5, window->gpus, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 6, window->reason, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 7, window->created_by);
		sqlite3_bind_int64(stmt, 8, window->created_ns);
	}
	if (sqlite3_step(stmt) != SQLITE_DONE)
		r = sqlite_file_error(db, err);
	sqlite3_finalize(stmt);
	return r;
}

int sqlite_window_walk(sqlite3 *db, store_window_fn *fn, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int code = SQLITE_DONE, r = prepare(db, WALK, &stmt, err);

	while (r == 0 && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_window window = {
			.id = (uint64_t)sqlite3_column_int64(stmt, 0),
			.uid = (uint32_t)sqlite3_column_int64(stmt, 1),
			.start_ns = sqlite3_column_int64(stmt, 2),
			.end_ns = sqlite3_column_int64(stmt, 3),
			.gpus = (const char *)sqlite3_column_text(stmt, 4),
			.reason = (const char *)sqlite3_column_text(stmt, 5),
			.created_by = (uint32_t)sqlite3_column_int64(stmt, 6),
			.created_ns = sqlite3_column_int64(stmt, 7),
		};

		r = fn(ctx, &window);
	}
	if (r == 0 && code != SQLITE_DONE)
		r = sqlite_file_error(db, err);
	sqlite3_finalize(stmt);
	return r;
}
