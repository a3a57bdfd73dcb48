/* SPDX-License-Identifier: MIT */
/*
 * Reading from the store in a file: jobs by a filter, one job's history, what happened to all.
 *
 * Each kind of filter is a statement of its own, so that SQLite reads one index in order and no
 * further than the walk goes. Invariants: a statement under way is never stepped by a second walk,
 * which gets another; a row that does not match costs its reading and nothing else. Cost: O(log n)
 * for the first row, then per row read; of ended jobs by state and user, and of those that live,
 * only what is wanted is read.
 */
#include "store/sqlite_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "store/sqlite_file.h"
#include "store/sqlite_row.h"

/* The terms of the partial index job_active, word for word, or SQLite could not use it. */
#define IS_ACTIVE "state <> 'finished' AND state <> 'failed' AND state <> 'cancelled'"

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

struct sqlite_walks {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *history, *log;
	sqlite3_stmt *jobs[WALK_KIND_COUNT]; /* prepared when first needed, NULL while in use */
};

struct sqlite_walks *sqlite_walks_create(sqlite3 *db)
{
	struct sqlite_walks *walks = xcalloc(1, sizeof(*walks));

	walks->db = db;
	return walks;
}

void sqlite_walks_destroy(struct sqlite_walks *walks)
{
	if (!walks)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(walks->jobs); i++)
		sqlite3_finalize(walks->jobs[i]);
	sqlite3_finalize(walks->history);
	sqlite3_finalize(walks->log);
	free(walks);
}

/* A statement for one walk: the prepared one, or, within a walk that has it, another. */
static int take_stmt(struct sqlite_walks *walks, sqlite3_stmt **slot, const char *text,
		     sqlite3_stmt **ret_stmt, struct err *err)
{
	if (!*slot)
		return sqlite3_prepare_v3(walks->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt,
					  NULL) == SQLITE_OK
			       ? 0
			       : sqlite_file_error(walks->db, err);
	*ret_stmt = TAKE_PTR(*slot);
	return 0;
}

static void put_back_stmt(sqlite3_stmt **slot, sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
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

static sqlite3_stmt **walk_slot(struct sqlite_walks *walks, const struct walk_kind *kind)
{
	return &walks->jobs[kind->ended << 4 | (unsigned)kind->of_user << 3 |
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

static int walk_rows(struct sqlite_walks *walks, sqlite3_stmt *stmt,
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
	return code == SQLITE_DONE ? 0 : sqlite_file_error(walks->db, err);
}

int sqlite_walk_jobs(struct sqlite_walks *walks, const struct store_filter *filter,
		     store_row_fn *fn, void *ctx, struct err *err)
{
	_cleanup_(buf_finish) struct buf sql = {0};
	struct walk_kind kind = walk_kind(filter);
	sqlite3_stmt **slot = walk_slot(walks, &kind), *stmt = NULL;
	int r;

	if (wanted_states(filter) == 0)
		return 0;
	walk_sql(&kind, &sql);
	r = take_stmt(walks, slot, buf_get(&sql), &stmt, err);
	if (r < 0)
		return r;
	bind_walk(stmt, filter);
	r = walk_rows(walks, stmt, filter, fn, ctx, err);
	put_back_stmt(slot, stmt);
	return r;
}

static int walk_event_rows(struct sqlite_walks *walks, sqlite3_stmt *stmt, store_event_fn *fn,
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
	return code == SQLITE_DONE ? 0 : sqlite_file_error(walks->db, err);
}

int sqlite_walk_history(struct sqlite_walks *walks, uint64_t job, uint64_t array,
			store_event_fn *fn, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = take_stmt(walks, &walks->history, WALK_EVENTS, &stmt, err);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)job);
	sqlite3_bind_int64(stmt, 2, (int64_t)(array ? array : job));
	r = walk_event_rows(walks, stmt, fn, ctx, err);
	put_back_stmt(&walks->history, stmt);
	return r;
}

int sqlite_walk_all_events(struct sqlite_walks *walks, uint64_t revision, uint64_t n, size_t limit,
			   store_event_fn *fn, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = take_stmt(walks, &walks->log, WALK_LOG, &stmt, err);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, id_bound(revision));
	sqlite3_bind_int64(stmt, 2, id_bound(n));
	sqlite3_bind_int64(stmt, 3, id_bound(limit));
	r = walk_event_rows(walks, stmt, fn, ctx, err);
	put_back_stmt(&walks->log, stmt);
	return r;
}
