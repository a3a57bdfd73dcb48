/* SPDX-License-Identifier: MIT */
/*
 * GPUs out of service, in SQLite.
 *
 * Invariants: a row per drained GPU and none for others. Cost: statements are prepared anew each
 * time, because a GPU is drained once a month and the table is read once per start.
 */
#include "store/sqlite_drain.h"

#include "store/sqlite_file.h"

#define WRITE "INSERT OR REPLACE INTO drain (uuid, time_ns, uid, reason) VALUES (?1, ?2, ?3, ?4)"
#define ERASE "DELETE FROM drain WHERE uuid = ?1"
#define WALK  "SELECT uuid, time_ns, uid, reason FROM drain ORDER BY uuid"

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct err *err)
{
	return sqlite3_prepare_v2(db, sql, -1, ret_stmt, NULL) == SQLITE_OK
		       ? 0
		       : sqlite_file_error(db, err);
}

int sqlite_drain_write(sqlite3 *db, const struct store_drain *drain, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = prepare(db, drain->drained ? WRITE : ERASE, &stmt, err);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, drain->uuid, -1, SQLITE_STATIC);
	if (drain->drained) {
		sqlite3_bind_int64(stmt, 2, drain->time_ns);
		if (drain->uid >= 0)
			sqlite3_bind_int64(stmt, 3, drain->uid);
		sqlite3_bind_text(stmt, 4, drain->reason, -1, SQLITE_STATIC);
	}
	if (sqlite3_step(stmt) != SQLITE_DONE)
		r = sqlite_file_error(db, err);
	sqlite3_finalize(stmt);
	return r;
}

int sqlite_drain_walk(sqlite3 *db, store_drain_fn *fn, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int code = SQLITE_DONE, r = prepare(db, WALK, &stmt, err);

	while (r == 0 && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		bool known = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
		struct store_drain drain = {
			.uuid = (const char *)sqlite3_column_text(stmt, 0),
			.drained = true,
			.time_ns = sqlite3_column_int64(stmt, 1),
			.uid = known ? sqlite3_column_int64(stmt, 2) : -1,
			.reason = (const char *)sqlite3_column_text(stmt, 3),
		};

		r = fn(ctx, &drain);
	}
	if (r == 0 && code != SQLITE_DONE)
		r = sqlite_file_error(db, err);
	sqlite3_finalize(stmt);
	return r;
}
