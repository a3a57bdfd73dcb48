/* SPDX-License-Identifier: MIT */
/*
 * The database of tgpu itself: the jobs that ran and ended, as they were.
 *
 * A job ran from its last start to its end and was to be over by its limit; its attempts before
 * that are not replayed. Which GPU type it wanted is left out: the nodes of a replay have none.
 * The file is opened for reading only, but SQLite may leave an empty -wal and a -shm beside it, as
 * any reader's; tgpud does not mind. A database that tgpud has open is refused: tgpud keeps it to
 * itself. Cost: one pass over the table, about 2 us per job.
 */
#include <errno.h>

#include "simulator/source.h"

#include "common/paths.h"
#include "store/schema.h"
#include "store/sqlite_file.h"
#include "store/sqlite_row.h"

static void close_db(sqlite3 **db)
{
	sqlite3_close(*db);
}

static void finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static void add_row(struct source *source, const struct job *job)
{
	struct request request = job->request;

	if (!job_state_is_final(job->state))
		return;
	request.gpu_mem_bytes = 0;
	source_add(
		source,
		&(struct trace_job){
			.id = job->id,
			.submit_ns = job->submit_ns,
			.run_ns = job->start_ns == TIME_UNKNOWN ? 0 : job->end_ns - job->start_ns,
			.estimate_ns = job->limit_ns > 0 ? job->limit_ns : TIME_NEVER,
			.user = job->uid,
			.priority = job->priority,
			.request = request,
		});
}

static int read_rows(struct source *source, sqlite3 *db, struct err *err)
{
	_cleanup_(finalize) sqlite3_stmt *stmt = NULL;
	_cleanup_(buf_finish) struct buf sql = {0};
	struct store_row row;
	int code, r;

	buf_puts(&sql, "SELECT ");
	sqlite_row_columns(&sql);
	buf_puts(&sql, " FROM job ORDER BY id");
	if (sqlite3_prepare_v2(db, buf_get(&sql), -1, &stmt, NULL) != SQLITE_OK)
		return sqlite_file_error(db, err);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = sqlite_row_read(stmt, &row, err);
		if (r < 0)
			return r;
		add_row(source, &row.job);
	}
	return code == SQLITE_DONE ? 0 : sqlite_file_error(db, err);
}

static int tgpu_read(struct source *source, struct err *err)
{
	_cleanup_(close_db) sqlite3 *db = NULL;
	int r;

	source->dated = true;
	if (source->cluster)
		return err_set(err, -EINVAL,
			       "%s: --cluster %.40s: a database of tgpu has no clusters; leave "
			       "it out",
			       path_tail(source->path), source->cluster);
	if (sqlite3_open_v2(source->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE,
			    NULL) != SQLITE_OK)
		return err_set(err, -EIO, "%s: cannot open it: %s", path_tail(source->path),
			       sqlite3_errmsg(db));
	r = schema_check(db, schema_n_steps, err);
	if (r == 0)
		r = read_rows(source, db, err);
	if (r == -EBUSY)
		return err_set(err, r,
			       "%s: tgpud has it open; stop it (\"tgpu daemon stop\"), or replay "
			       "a copy that was made while it was stopped",
			       path_tail(source->path));
	return r;
}

const struct trace_format format_tgpu = {
	.name = "tgpu",
	.summary = "a database of tgpu: the jobs that ended",
	.cpu_unit = 1,
	.extension = ".db",
	.read = tgpu_read,
	.opens_itself = true,
};
