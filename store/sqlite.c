/* SPDX-License-Identifier: MIT */
/*
 * The store in a file: jobs, specs and histories in SQLite, in a write-ahead log with full sync.
 *
 * Invariants: one commit is one transaction, whole on disk before it returns; last_id and revision
 * are those of table meta, which nobody else can change while we hold the file; a statement under
 * way is never stepped by a second walk. Deliberately not here: queries for people (they have the
 * sqlite3 program, on a copy or while tgpud is stopped). Cost: see the numbers at commit().
 * Read next: sqlite_row.c for the columns, sqlite_file.c for the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "store/sqlite_drain.h"
#include "store/sqlite_file.h"
#include "store/sqlite_row.h"
#include "store/sqlite_window.h"

/* The terms of the partial index job_active, word for word, or SQLite could not use it. */
#define IS_ACTIVE "state <> 'finished' AND state <> 'failed' AND state <> 'cancelled'"

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

#define EVENT_COLUMNS "job, revision, n, time_ns, event, detail, n_tasks"
/* Those that begin with the job, and those of several tasks of its array that begin before it. */
#define WALK_EVENTS                                                     \
	"SELECT " EVENT_COLUMNS " FROM event WHERE job = ?1 UNION ALL " \
	"SELECT " EVENT_COLUMNS " FROM event INDEXED BY event_range "   \
	"WHERE job >= ?2 AND job < ?1 AND n_tasks > 1 AND n_tasks > ?1 - job ORDER BY revision, n"
#define WALK_LOG                                                         \
	"SELECT " EVENT_COLUMNS " FROM event INDEXED BY event_revision " \
	"WHERE (revision, n) > (?1, ?2) ORDER BY revision, n LIMIT ?3"

/* The states of jobs that are over, in the order of the bits of walk_kind.ended. */
static const enum job_state ends[] = {JOB_FINISHED, JOB_FAILED, JOB_CANCELLED};

/* What of a filter makes another statement. */
struct walk_kind {
	unsigned ended; /* only those in these states: bits, one tree each, merged; 0: any */
	bool of_user;	/* ... and one user's */
	bool active;	/* only those that are not over */
	bool newest_first, with_spec;
};

#define WALK_KIND_COUNT 128

struct sqlite_store {
	struct store base;
	sqlite3 *db;
	uint64_t last_id, revision;
	sqlite3_stmt *stmts[STMT_COUNT];
	sqlite3_stmt *walk_events, *walk_log;
	sqlite3_stmt *walks[WALK_KIND_COUNT]; /* prepared when first needed, NULL while in use */
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

/* A statement for one walk: the prepared one, or, within a walk that has it, another. */
static int take_stmt(struct sqlite_store *sqlite, sqlite3_stmt **slot, const char *text,
		     sqlite3_stmt **ret_stmt, struct err *err)
{
	if (!*slot)
		return prepare(sqlite, text, ret_stmt, err);
	*ret_stmt = TAKE_PTR(*slot);
	return 0;
}

static void put_back_stmt(sqlite3_stmt **slot, sqlite3_stmt *stmt)
{
	rewind_stmt(stmt);
	if (*slot)
		sqlite3_finalize(stmt);
	else
		*slot = stmt;
}

/* Which states does the filter let through, as bits? Not 0, but for a filter of contradictions. */
static uint32_t wanted_states(const struct store_filter *filter)
{
	uint32_t wanted = filter->states ? filter->states : UINT32_MAX;

	for (unsigned i = 0; i < JOB_STATE_COUNT; i++)
		if (job_state_is_final((enum job_state)i) ? filter->active_only
							  : filter->final_only)
			wanted &= ~(1u << i);
	return wanted & ((1u << JOB_STATE_COUNT) - 1);
}

static struct walk_kind walk_kind(const struct store_filter *filter)
{
	struct walk_kind kind = {.newest_first = filter->newest_first,
				 .with_spec = filter->with_spec};
	uint32_t wanted = wanted_states(filter), others = wanted;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (wanted & (1u << ends[i]))
			kind.ended |= 1u << i;
		others &= ~(1u << ends[i]);
	}
	kind.active = kind.ended == 0;
	if (others)
		kind.ended = 0;
	kind.of_user = kind.ended && filter->uid >= 0;
	return kind;
}

/* The row that has job ?1 may begin at an earlier task. */
#define FIRST_ROW "coalesce((SELECT max(id) FROM job WHERE id <= ?1), ?1)"

/* All jobs that `where` lets through, found in this tree. LEFT JOIN, so that a job whose spec is
 * gone is noticed instead of skipped. */
static void select_sql(const struct walk_kind *kind, const char *tree, const char *where,
		       struct buf *sql)
{
	buf_puts(sql, "SELECT ");
	sqlite_row_columns(sql);
	if (kind->with_spec)
		buf_puts(sql, SQLITE_ROW_SPEC);
	buf_printf(sql, " FROM job %s", tree);
	if (kind->with_spec)
		buf_puts(sql, SQLITE_ROW_SPEC_FROM);
	buf_printf(sql, " WHERE id BETWEEN " FIRST_ROW " AND ?2%s", where);
}

/* Each tree is in order of id, so SQLite merges them and reads no further than the walk goes. */
static void select_ended_sql(const struct walk_kind *kind, struct buf *sql)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char where[64];

		if (!(kind->ended & (1u << i)))
			continue;
		snprintf(where, sizeof(where), " AND state = '%s'%s", job_state_name(ends[i]),
			 kind->of_user ? " AND uid = ?3" : "");
		if (kind->ended & ((1u << i) - 1))
			buf_puts(sql, " UNION ALL ");
		select_sql(kind,
			   kind->of_user ? "INDEXED BY job_user_ended" : "INDEXED BY job_ended",
			   where, sql);
	}
}

static void walk_sql(const struct walk_kind *kind, struct buf *sql)
{
	if (kind->ended)
		select_ended_sql(kind, sql);
	else if (kind->active)
		select_sql(kind, "INDEXED BY job_active", " AND " IS_ACTIVE, sql);
	else
		select_sql(kind, "NOT INDEXED", "", sql);
	buf_printf(sql, " ORDER BY id %s", kind->newest_first ? "DESC" : "ASC");
}

static sqlite3_stmt **walk_slot(struct sqlite_store *sqlite, const struct walk_kind *kind)
{
	return &sqlite->walks[kind->ended << 4 | (unsigned)kind->of_user << 3 |
			      (unsigned)kind->active << 2 | (unsigned)kind->newest_first << 1 |
			      (unsigned)kind->with_spec];
}

static int64_t id_bound(uint64_t id)
{
	return id > INT64_MAX ? INT64_MAX : (int64_t)id;
}

static void bind_walk(sqlite3_stmt *stmt, const struct store_filter *filter)
{
	sqlite3_bind_int64(stmt, 1, id_bound(filter->first_id));
	sqlite3_bind_int64(stmt, 2, filter->last_id ? id_bound(filter->last_id) : INT64_MAX);
	if (sqlite3_bind_parameter_count(stmt) > 2)
		sqlite3_bind_int64(stmt, 3, filter->uid);
}

static int read_row(sqlite3_stmt *stmt, bool with_spec, struct store_row *ret_row, struct err *err)
{
	int n = sqlite_row_n_columns();
	int r = sqlite_row_read(stmt, ret_row, err);

	if (r < 0 || !with_spec)
		return r;
	ret_row->spec = (const char *)sqlite3_column_text(stmt, n);
	ret_row->owner = (const char *)sqlite3_column_text(stmt, n + 1);
	if (ret_row->spec && ret_row->owner)
		return 0;
	return err_set(err, -EUCLEAN, "store %s: the spec of job %" PRIu64 " is missing",
		       sqlite_file_path(sqlite3_db_handle(stmt)), ret_row->job.id);
}

static int walk_rows(struct sqlite_store *sqlite, sqlite3_stmt *stmt,
		     const struct store_filter *filter, store_row_fn *fn, void *ctx,
		     struct err *err)
{
	size_t n_found = 0;
	int code, r = 0;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_row row;

		r = read_row(stmt, filter->with_spec, &row, err);
		if (r == 0 && !store_filter_matches(filter, &row.job))
			continue;
		if (r == 0)
			r = fn(ctx, &row);
		if (r != 0 || ++n_found == filter->limit)
			return r;
	}
	return code == SQLITE_DONE ? 0 : sqlite_file_error(sqlite->db, err);
}

static int sqlite_walk(struct store *store, const struct store_filter *filter, store_row_fn *fn,
		       void *ctx, struct err *err)
{
	struct sqlite_store *sqlite = sqlite_of(store);
	_cleanup_(buf_finish) struct buf sql = {0};
	struct walk_kind kind = walk_kind(filter);
	sqlite3_stmt **slot = walk_slot(sqlite, &kind), *stmt = NULL;
	int r;

	if (wanted_states(filter) == 0)
		return 0;
	walk_sql(&kind, &sql);
	r = take_stmt(sqlite, slot, buf_get(&sql), &stmt, err);
	if (r < 0)
		return r;
	bind_walk(stmt, filter);
	r = walk_rows(sqlite, stmt, filter, fn, ctx, err);
	put_back_stmt(slot, stmt);
	return r;
}

static int walk_event_rows(struct sqlite_store *sqlite, sqlite3_stmt *stmt, store_event_fn *fn,
			   void *ctx, struct err *err)
{
	int code, r;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 4);
		const char *detail = (const char *)sqlite3_column_text(stmt, 5);
		struct store_event event = {
			.job = (uint64_t)sqlite3_column_int64(stmt, 0),
			.revision = (uint64_t)sqlite3_column_int64(stmt, 1),
			.n = (uint64_t)sqlite3_column_int64(stmt, 2),
			.time_ns = sqlite3_column_int64(stmt, 3),
			.event = text ? text : "",
			.detail = detail ? detail : "",
			.n_tasks = (uint32_t)sqlite3_column_int64(stmt, 6),
		};

		r = fn(ctx, &event);
		if (r != 0)
			return r;
	}
	return code == SQLITE_DONE ? 0 : sqlite_file_error(sqlite->db, err);
}

static int sqlite_walk_events(struct store *store, uint64_t job, uint64_t array, store_event_fn *fn,
			      void *ctx, struct err *err)
{
	struct sqlite_store *sqlite = sqlite_of(store);
	sqlite3_stmt *stmt = NULL;
	int r = take_stmt(sqlite, &sqlite->walk_events, WALK_EVENTS, &stmt, err);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)job);
	sqlite3_bind_int64(stmt, 2, (int64_t)(array ? array : job));
	r = walk_event_rows(sqlite, stmt, fn, ctx, err);
	put_back_stmt(&sqlite->walk_events, stmt);
	return r;
}

static int sqlite_walk_log(struct store *store, uint64_t revision, uint64_t n, size_t limit,
			   store_event_fn *fn, void *ctx, struct err *err)
{
	struct sqlite_store *sqlite = sqlite_of(store);
	sqlite3_stmt *stmt = NULL;
	int r = take_stmt(sqlite, &sqlite->walk_log, WALK_LOG, &stmt, err);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, id_bound(revision));
	sqlite3_bind_int64(stmt, 2, id_bound(n));
	sqlite3_bind_int64(stmt, 3, id_bound(limit));
	r = walk_event_rows(sqlite, stmt, fn, ctx, err);
	put_back_stmt(&sqlite->walk_log, stmt);
	return r;
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
	for (size_t i = 0; i < ARRAY_SIZE(sqlite->walks); i++)
		sqlite3_finalize(sqlite->walks[i]);
	sqlite3_finalize(sqlite->walk_events);
	sqlite3_finalize(sqlite->walk_log);
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
