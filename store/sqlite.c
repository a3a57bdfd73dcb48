/* SPDX-License-Identifier: MIT */
/*
 * The store in a file: jobs, specs and histories in SQLite, in a write-ahead log with full sync.
 *
 * Invariants: one commit is one transaction, whole on disk before it returns; last_id and revision
 * are those of table meta, which nobody else can change while we hold the file. Deliberately not
 * here: queries for people (they have the sqlite3 program, on a copy or while tgpud is stopped).
 * Cost: see the numbers at commit(). Read next: sqlite_walk.c for reading, sqlite_row.c for the
 * columns, sqlite_file.c for the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "store/sqlite_drain.h"
#include "store/sqlite_file.h"
#include "store/sqlite_row.h"
#include "store/sqlite_walk.h"
#include "store/sqlite_window.h"

enum statement {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_INSERT_JOB,
	STMT_UPDATE_JOB,
	STMT_INSERT_SPEC,
	STMT_UPDATE_SPEC,
	STMT_CHANGE_SPEC,
	STMT_SET_CHANGED,
	STMT_INHERIT_CHANGED,
	STMT_INSERT_EVENT,
	STMT_UPDATE_META,
	STMT_FIND_KEY,
	STMT_COUNT,
};

static const char *const texts[STMT_COUNT] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_INSERT_SPEC] = "INSERT INTO spec (job, spec, owner) VALUES (?1, ?2, ?3)",
	[STMT_UPDATE_SPEC] = "UPDATE spec SET spec = ?2 WHERE job = ?1",
	[STMT_CHANGE_SPEC] = "INSERT INTO changed_spec (spec) VALUES (?1)",
	[STMT_SET_CHANGED] = "UPDATE job SET changed_spec = last_insert_rowid() WHERE id = ?1",
	/* The row before it in its array is the one that it was split from. */
	[STMT_INHERIT_CHANGED] =
		"UPDATE job SET changed_spec = (SELECT changed_spec FROM job WHERE id < ?1 "
		"ORDER BY id DESC LIMIT 1) WHERE id = ?1",
	[STMT_INSERT_EVENT] =
		"INSERT INTO event (job, revision, n, time_ns, event, detail, n_tasks) "
		"VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, nullif(?6, ''), ?7)",
	[STMT_UPDATE_META] = "UPDATE meta SET last_id = ?1, revision = ?2",
	[STMT_FIND_KEY] = "SELECT id FROM job WHERE uid = ?1 AND key = ?2",
};

struct sqlite_store {
	struct store base;
	sqlite3 *db;
	uint64_t last_id, revision;
	sqlite3_stmt *stmts[STMT_COUNT];
	struct sqlite_walks *walks;
};

static struct sqlite_store *sqlite_of(struct store *store)
{
	return (struct sqlite_store *)store;
}

static int prepare(struct sqlite_store *sqlite, const char *text, sqlite3_stmt **ret_stmt,
		   struct err *err)
{
	if (sqlite3_prepare_v3(sqlite->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL) ==
	    SQLITE_OK)
		return 0;
	return sqlite_file_error(sqlite->db, err);
}

/* Leave a statement ready for its next use, without a hold on the caller's strings. */
static void rewind_stmt(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

/* Run a bound statement that yields no rows. */
static int run(struct sqlite_store *sqlite, enum statement which, struct err *err)
{
	sqlite3_stmt *stmt = sqlite->stmts[which];
	int r = sqlite3_step(stmt) == SQLITE_DONE ? 0 : sqlite_file_error(sqlite->db, err);

	rewind_stmt(stmt);
	return r;
}

static int run_row(struct sqlite_store *sqlite, enum statement which, const struct store_row *row,
		   uint64_t revision, struct err *err)
{
	struct store_row stamped = *row;
	int r;

	stamped.job.revision = revision;
	if (sqlite_row_bind(sqlite->stmts[which], &stamped) != SQLITE_OK)
		r = sqlite_file_error(sqlite->db, err);
	else
		r = run(sqlite, which, err);
	if (r < 0)
		err_wrap(err, "job %" PRIu64, row->job.id);
	return r;
}

static int run_on_job(struct sqlite_store *sqlite, enum statement which, uint64_t job,
		      struct err *err)
{
	sqlite3_bind_int64(sqlite->stmts[which], 1, (int64_t)job);
	return run(sqlite, which, err);
}

/* Another spec for a job; for tasks of an array, one of their own. */
static int write_spec(struct sqlite_store *sqlite, const struct store_row *row, struct err *err)
{
	sqlite3_stmt *change = sqlite->stmts[STMT_CHANGE_SPEC];
	int r;

	if (!row->job.array) {
		sqlite3_bind_text(sqlite->stmts[STMT_UPDATE_SPEC], 2, row->spec, -1, SQLITE_STATIC);
		return run_on_job(sqlite, STMT_UPDATE_SPEC, row->job.id, err);
	}
	sqlite3_bind_text(change, 1, row->spec, -1, SQLITE_STATIC);
	r = run(sqlite, STMT_CHANGE_SPEC, err);
	return r < 0 ? r : run_on_job(sqlite, STMT_SET_CHANGED, row->job.id, err);
}

static int insert(struct sqlite_store *sqlite, const struct store_row *row, uint64_t revision,
		  struct err *err)
{
	sqlite3_stmt *spec = sqlite->stmts[STMT_INSERT_SPEC];
	int r = run_row(sqlite, STMT_INSERT_JOB, row, revision, err);

	if (r < 0)
		return r;
	if (!row->owner)
		return run_on_job(sqlite, STMT_INHERIT_CHANGED, row->job.id, err);
	sqlite3_bind_int64(spec, 1, (int64_t)row->job.id);
	sqlite3_bind_text(spec, 2, row->spec, -1, SQLITE_STATIC);
	sqlite3_bind_text(spec, 3, row->owner, -1, SQLITE_STATIC);
	return run(sqlite, STMT_INSERT_SPEC, err);
}

/* New parts of an array inherit what they were split from first; then they may have been changed.
 */
static int insert_all(struct sqlite_store *sqlite, const struct store_batch *batch,
		      uint64_t revision, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < batch->n_inserts && r == 0; i++)
		r = insert(sqlite, &batch->inserts[i], revision, err);
	for (size_t i = 0; i < batch->n_inserts && r == 0; i++)
		if (batch->inserts[i].spec && !batch->inserts[i].owner)
			r = write_spec(sqlite, &batch->inserts[i], err);
	return r;
}

static int update(struct sqlite_store *sqlite, const struct store_row *row, uint64_t revision,
		  struct err *err)
{
	int r = run_row(sqlite, STMT_UPDATE_JOB, row, revision, err);

	if (r == 0 && sqlite3_changes(sqlite->db) == 0)
		r = err_set(err, -ENOENT, "store %s: update of unknown job %" PRIu64,
			    sqlite_file_path(sqlite->db), row->job.id);
	return r < 0 || !row->spec ? r : write_spec(sqlite, row, err);
}

static int insert_event(struct sqlite_store *sqlite, const struct store_event *event,
			uint64_t revision, size_t n, struct err *err)
{
	sqlite3_stmt *stmt = sqlite->stmts[STMT_INSERT_EVENT];
	int r;

	sqlite3_bind_int64(stmt, 1, (int64_t)event->job);
	sqlite3_bind_int64(stmt, 2, (int64_t)revision);
	sqlite3_bind_int64(stmt, 3, (int64_t)n);
	sqlite3_bind_int64(stmt, 4, event->time_ns);
	sqlite3_bind_text(stmt, 5, event->event, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 6, event->detail, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 7, event->n_tasks);
	r = run(sqlite, STMT_INSERT_EVENT, err);
	if (r < 0)
		err_wrap(err, "event of job %" PRIu64, event->job);
	return r;
}

/* All of a batch, in a transaction that is still open afterwards. */
static int write_batch(struct sqlite_store *sqlite, const struct store_batch *batch,
		       uint64_t last_id, uint64_t revision, struct err *err)
{
	sqlite3_stmt *meta = sqlite->stmts[STMT_UPDATE_META];
	int r = run(sqlite, STMT_BEGIN, err);

	if (r == 0)
		r = insert_all(sqlite, batch, revision, err);
	for (size_t i = 0; i < batch->n_updates && r == 0; i++)
		r = update(sqlite, &batch->updates[i], revision, err);
	for (size_t i = 0; i < batch->n_events && r == 0; i++)
		r = insert_event(sqlite, &batch->events[i], revision, i, err);
	for (size_t i = 0; i < batch->n_drains && r == 0; i++)
		r = sqlite_drain_write(sqlite->db, &batch->drains[i], err);
	for (size_t i = 0; i < batch->n_windows && r == 0; i++)
		r = sqlite_window_write(sqlite->db, &batch->windows[i], err);
	if (r < 0)
		return r;
	sqlite3_bind_int64(meta, 1, (int64_t)last_id);
	sqlite3_bind_int64(meta, 2, (int64_t)revision);
	return run(sqlite, STMT_UPDATE_META, err);
}

/*
 * Take back a batch. When the sync at the end of COMMIT failed, the log already holds the whole
 * transaction and the next open would find it; emptying the log makes that impossible.
 */
static int undo(struct sqlite_store *sqlite, int error, struct err *err)
{
	struct err wrapped = {.code = error};

	if (!sqlite3_get_autocommit(sqlite->db))
		sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
	if (error == -EEXIST || error == -ENOENT)
		return error;
	if (sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
	    SQLITE_OK)
		return error;
	if (err)
		wrapped = *err;
	return err_set(err, error,
		       "whether this commit is on disk is unknown until tgpud starts "
		       "again: %s",
		       wrapped.msg);
}

/*
 * One fsync per call, whatever the number of rows. Measured with a spec and an event per job, as
 * ratios to one row (0.2 ms where an fsync takes 0.1 ms): 10 rows 1.1, 100 rows 4, 1000 rows 25.
 * The slower the disk, the nearer these are to 1.
 */
static int sqlite_commit(struct store *store, const struct store_batch *batch,
			 uint64_t *ret_revision, struct err *err)
{
	struct sqlite_store *sqlite = sqlite_of(store);
	uint64_t last_id = sqlite->last_id, revision = sqlite->revision + 1;
	int r;

	for (size_t i = 0; i < batch->n_inserts; i++)
		if (store_last_task(&batch->inserts[i].job) > last_id)
			last_id = store_last_task(&batch->inserts[i].job);
	r = write_batch(sqlite, batch, last_id, revision, err);
	if (r == 0)
		r = run(sqlite, STMT_COMMIT, err);
	if (r < 0)
		return undo(sqlite, r, err);
	sqlite->last_id = last_id;
	*ret_revision = sqlite->revision = revision;
	return 0;
}

static int sqlite_walk(struct store *store, const struct store_filter *filter, store_row_fn *fn,
		       void *ctx, struct err *err)
{
	return sqlite_walk_jobs(sqlite_of(store)->walks, filter, fn, ctx, err);
}

static int sqlite_walk_events(struct store *store, uint64_t job, uint64_t array, store_event_fn *fn,
			      void *ctx, struct err *err)
{
	return sqlite_walk_history(sqlite_of(store)->walks, job, array, fn, ctx, err);
}

static int sqlite_walk_log(struct store *store, uint64_t revision, uint64_t n, size_t limit,
			   store_event_fn *fn, void *ctx, struct err *err)
{
	return sqlite_walk_all_events(sqlite_of(store)->walks, revision, n, limit, fn, ctx, err);
}

static int sqlite_walk_drains(struct store *store, store_drain_fn *fn, void *ctx, struct err *err)
{
	return sqlite_drain_walk(sqlite_of(store)->db, fn, ctx, err);
}

static int sqlite_walk_windows(struct store *store, store_window_fn *fn, void *ctx, struct err *err)
{
	return sqlite_window_walk(sqlite_of(store)->db, fn, ctx, err);
}

static int sqlite_find_key(struct store *store, uint32_t uid, const char *key, uint64_t *ret_id,
			   struct err *err)
{
	struct sqlite_store *sqlite = sqlite_of(store);
	sqlite3_stmt *stmt = sqlite->stmts[STMT_FIND_KEY];
	int r = 0;

	sqlite3_bind_int64(stmt, 1, uid);
	sqlite3_bind_text(stmt, 2, key, -1, SQLITE_STATIC);
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW: *ret_id = (uint64_t)sqlite3_column_int64(stmt, 0); break;
	case SQLITE_DONE: r = -ENOENT; break;
	default: r = sqlite_file_error(sqlite->db, err);
	}
	rewind_stmt(stmt);
	return r;
}

static int sqlite_last(struct store *store, uint64_t *ret_id, uint64_t *ret_revision,
		       struct err *err)
{
	(void)err;
	*ret_id = sqlite_of(store)->last_id;
	*ret_revision = sqlite_of(store)->revision;
	return 0;
}

static void sqlite_close(struct store *store)
{
	struct sqlite_store *sqlite = sqlite_of(store);

	for (size_t i = 0; i < ARRAY_SIZE(sqlite->stmts); i++)
		sqlite3_finalize(sqlite->stmts[i]);
	sqlite_walks_destroy(sqlite->walks);
	sqlite3_close(sqlite->db);
	free(sqlite);
}

static const struct store_ops sqlite_ops = {
	.name = "sqlite",
	.commit = sqlite_commit,
	.walk = sqlite_walk,
	.walk_events = sqlite_walk_events,
	.walk_log = sqlite_walk_log,
	.walk_drains = sqlite_walk_drains,
	.walk_windows = sqlite_walk_windows,
	.find_key = sqlite_find_key,
	.last = sqlite_last,
	.close = sqlite_close,
};

static int read_meta(struct sqlite_store *sqlite, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = prepare(sqlite, "SELECT last_id, revision FROM meta", &stmt, err);

	if (r == 0 && sqlite3_step(stmt) != SQLITE_ROW)
		r = err_set(err, -EUCLEAN, "store %s: its row in table meta cannot be read (%s)",
			    sqlite_file_path(sqlite->db), sqlite3_errmsg(sqlite->db));
	if (r == 0) {
		sqlite->last_id = (uint64_t)sqlite3_column_int64(stmt, 0);
		sqlite->revision = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	sqlite3_finalize(stmt);
	return r;
}

static int prepare_all(struct sqlite_store *sqlite, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < STMT_COUNT && r == 0; i++) {
		_cleanup_(buf_finish) struct buf sql = {0};

		if (i == STMT_INSERT_JOB)
			sqlite_row_insert_sql(&sql);
		else if (i == STMT_UPDATE_JOB)
			sqlite_row_update_sql(&sql);
		else
			buf_puts(&sql, texts[i]);
		r = prepare(sqlite, buf_get(&sql), &sqlite->stmts[i], err);
	}
	return r;
}

int store_sqlite_open(const char *path, struct store **ret_store, struct err *err)
{
	struct sqlite_store *sqlite = xcalloc(1, sizeof(*sqlite));
	int r;

	sqlite->base.ops = &sqlite_ops;
	r = sqlite_file_open(path, &sqlite->db, err);
	if (r == 0)
		sqlite->walks = sqlite_walks_create(sqlite->db);
	if (r == 0)
		r = read_meta(sqlite, err);
	if (r == 0)
		r = prepare_all(sqlite, err);
	if (r < 0) {
		sqlite_close(&sqlite->base);
		return r;
	}
	*ret_store = &sqlite->base;
	return 0;
}
