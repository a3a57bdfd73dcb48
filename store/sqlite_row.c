/* SPDX-License-Identifier: MIT */
/*
 * Between struct store_row and a row of the table `job`.
 *
 * Invariants: `columns` has one line per column of the schema, id first, and what is written comes
 * back equal; the value that means "unknown" or "none" in C is NULL on disk, so a person reading
 * the file is never shown a made-up -1. Deliberately not here: spec and owner, a table of their
 * own, and request.gpu_type, a number without meaning after a restart. Cost: about 2 us per row
 * read. Read next: sqlite.c.
 */
#include "store/sqlite_row.h"

#include <errno.h>
#include <inttypes.h>

#include "store/sqlite_file.h"

enum column_type {
	COLUMN_BOOL,
	COLUMN_I32,
	COLUMN_U32,
	COLUMN_I64, /* or uint64_t up to INT64_MAX */
	COLUMN_STATE,
	COLUMN_CAUSE,
	COLUMN_TEXT,
	COLUMN_BOOT_ID,
};

enum column_flags {
	ONCE = 1,	/* written with the job, not by updates */
	ZERO_NULL = 2,	/* 0, "" or none is NULL */
	MINUS_NULL = 4, /* -1 is NULL */
	NULL_NULL = 8,	/* NULL is NULL */
};

#define JOB(member) offsetof(struct store_row, job.member)
#define ROW(member) offsetof(struct store_row, member)

static const struct column {
	const char *name;
	enum column_type type;
	size_t offset;
	unsigned flags;
} columns[] = {
	{"id", COLUMN_I64, JOB(id), ONCE},
	{"revision", COLUMN_I64, JOB(revision), 0},
	{"uid", COLUMN_U32, JOB(uid), ONCE},
	{"key", COLUMN_TEXT, ROW(key), ONCE | NULL_NULL},
	{"name", COLUMN_TEXT, ROW(name), 0},
	{"state", COLUMN_STATE, JOB(state), 0},
	{"held", COLUMN_BOOL, JOB(held), 0},
	{"requeue", COLUMN_BOOL, JOB(requeue), 0},
	{"priority", COLUMN_I32, JOB(priority), 0},
	{"attempt", COLUMN_U32, JOB(attempt), 0},
	{"retries", COLUMN_U32, JOB(retries), 0},
	{"retried", COLUMN_U32, JOB(retried), 0},
	{"kill_now", COLUMN_BOOL, JOB(kill_now), 0},
	{"n_tasks", COLUMN_U32, JOB(n_tasks), 0},
	{"array", COLUMN_I64, JOB(array), ONCE | ZERO_NULL},
	{"array_index", COLUMN_U32, JOB(array_index), ONCE},
	{"array_limit", COLUMN_U32, JOB(array_limit), ONCE},
	{"preemptible", COLUMN_BOOL, JOB(preemptible), 0},
	{"preempted", COLUMN_U32, JOB(preempted), 0},
	{"num_gpus", COLUMN_U32, JOB(request.num_gpus), 0},
	{"cpus", COLUMN_U32, JOB(request.cpus), 0},
	{"mem_bytes", COLUMN_I64, JOB(request.mem_bytes), 0},
	{"gpu_mem_bytes", COLUMN_I64, JOB(request.gpu_mem_bytes), 0},
	{"submit_ns", COLUMN_I64, JOB(submit_ns), ZERO_NULL},
	{"begin_ns", COLUMN_I64, JOB(begin_ns), ZERO_NULL},
	{"place_ns", COLUMN_I64, JOB(place_ns), ZERO_NULL},
	{"start_ns", COLUMN_I64, JOB(start_ns), ZERO_NULL},
	{"stop_ns", COLUMN_I64, JOB(stop_ns), ZERO_NULL},
	{"end_ns", COLUMN_I64, JOB(end_ns), ZERO_NULL},
	{"limit_ns", COLUMN_I64, JOB(limit_ns), ZERO_NULL},
	{"cause", COLUMN_CAUSE, JOB(cause), ZERO_NULL},
	{"exit_code", COLUMN_I32, JOB(exit_code), MINUS_NULL},
	{"signal", COLUMN_I32, JOB(signal), ZERO_NULL},
	{"cancelled_by", COLUMN_I64, JOB(cancelled_by), MINUS_NULL},
	{"cpu_ns", COLUMN_I64, JOB(cpu_ns), MINUS_NULL},
	{"peak_bytes", COLUMN_I64, JOB(peak_bytes), MINUS_NULL},
	{"usage_looks", COLUMN_I64, ROW(usage.looks), ZERO_NULL},
	{"usage_seen_ms", COLUMN_I64, ROW(usage.seen_ms), ZERO_NULL},
	{"util_percent_ms", COLUMN_I64, ROW(usage.util_percent_ms), ZERO_NULL},
	{"util_of_ms", COLUMN_I64, ROW(usage.util_of_ms), ZERO_NULL},
	{"power_uj", COLUMN_I64, ROW(usage.power_uj), ZERO_NULL},
	{"power_of_ms", COLUMN_I64, ROW(usage.power_of_ms), ZERO_NULL},
	{"energy_mj", COLUMN_I64, ROW(usage.energy_mj), ZERO_NULL},
	{"energy_of_ms", COLUMN_I64, ROW(usage.energy_of_ms), ZERO_NULL},
	{"gpu_mem_peak_bytes", COLUMN_I64, ROW(usage.gpu_mem_peak_bytes), MINUS_NULL},
	{"gpus_used", COLUMN_I64, ROW(usage.used), ZERO_NULL},
	{"gpus_unsure", COLUMN_I64, ROW(usage.unsure), ZERO_NULL},
	{"alloc", COLUMN_TEXT, ROW(alloc), ZERO_NULL},
	{"boot_id", COLUMN_BOOT_ID, ROW(boot_id), ZERO_NULL},
	{"message", COLUMN_TEXT, ROW(message), ZERO_NULL},
};

int sqlite_row_n_columns(void)
{
	return ARRAY_SIZE(columns);
}

void sqlite_row_columns(struct buf *sql)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		buf_printf(sql, "%sjob.%s", i ? ", " : "", columns[i].name);
}

void sqlite_row_insert_sql(struct buf *sql)
{
	buf_puts(sql, "INSERT INTO job (");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		buf_printf(sql, "%s%s", i ? ", " : "", columns[i].name);
	buf_puts(sql, ") VALUES (");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		buf_printf(sql, "%s?%zu", i ? ", " : "", i + 1);
	buf_putc(sql, ')');
}

/* Columns written once stay out of SET, so that SQLite leaves their indexes alone. */
void sqlite_row_update_sql(struct buf *sql)
{
	const char *separator = "";

	buf_puts(sql, "UPDATE job SET ");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (!(columns[i].flags & ONCE)) {
			buf_printf(sql, "%s%s = ?%zu", separator, columns[i].name, i + 1);
			separator = ", ";
		}
	buf_puts(sql, " WHERE id = ?1");
}

static int bind_text(sqlite3_stmt *stmt, int n, const char *text, unsigned flags)
{
	if (!text || ((flags & ZERO_NULL) && text[0] == '\0'))
		return sqlite3_bind_null(stmt, n);
	return sqlite3_bind_text(stmt, n, text, -1, SQLITE_STATIC);
}

static int bind_number(sqlite3_stmt *stmt, int n, int64_t value, unsigned flags)
{
	if (((flags & ZERO_NULL) && value == 0) || ((flags & MINUS_NULL) && value == -1))
		return sqlite3_bind_null(stmt, n);
	return sqlite3_bind_int64(stmt, n, value);
}

static int bind_column(sqlite3_stmt *stmt, int n, const struct column *column,
		       const struct store_row *row)
{
	const void *field = (const char *)row + column->offset;
	unsigned flags = column->flags;

	switch (column->type) {
	case COLUMN_BOOL: return bind_number(stmt, n, *(const bool *)field, flags);
	case COLUMN_I32: return bind_number(stmt, n, *(const int32_t *)field, flags);
	case COLUMN_U32: return bind_number(stmt, n, *(const uint32_t *)field, flags);
	case COLUMN_I64: return bind_number(stmt, n, *(const int64_t *)field, flags);
	case COLUMN_STATE: return bind_text(stmt, n, job_state_name(row->job.state), flags);
	case COLUMN_CAUSE:
		if (row->job.cause == JOB_CAUSE_NONE)
			return sqlite3_bind_null(stmt, n);
		return bind_text(stmt, n, job_cause_name(row->job.cause), flags);
	case COLUMN_TEXT: return bind_text(stmt, n, *(const char *const *)field, flags);
	case COLUMN_BOOT_ID: return bind_text(stmt, n, field, flags);
	}
	return SQLITE_MISUSE;
}

int sqlite_row_bind(sqlite3_stmt *stmt, const struct store_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		int code = bind_column(stmt, (int)i + 1, &columns[i], row);

		if (code != SQLITE_OK)
			return code;
	}
	return SQLITE_OK;
}

static int64_t read_number(sqlite3_stmt *stmt, int i, unsigned flags)
{
	if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
		return flags & MINUS_NULL ? -1 : 0;
	return sqlite3_column_int64(stmt, i);
}

/* A damaged file may have NULL anywhere. */
static const char *read_text(sqlite3_stmt *stmt, int i, unsigned flags)
{
	const char *text = (const char *)sqlite3_column_text(stmt, i);

	return text || (flags & NULL_NULL) ? text : "";
}

static int read_column(sqlite3_stmt *stmt, int i, const struct column *column,
		       struct store_row *row)
{
	void *field = (char *)row + column->offset;
	const char *text;

	switch (column->type) {
	case COLUMN_BOOL: *(bool *)field = read_number(stmt, i, column->flags) != 0; return 0;
	case COLUMN_I32: *(int32_t *)field = (int32_t)read_number(stmt, i, column->flags); return 0;
	case COLUMN_U32:
		*(uint32_t *)field = (uint32_t)read_number(stmt, i, column->flags);
		return 0;
	case COLUMN_I64: *(int64_t *)field = read_number(stmt, i, column->flags); return 0;
	case COLUMN_STATE: return job_state_parse(read_text(stmt, i, 0), &row->job.state);
	case COLUMN_CAUSE:
		text = read_text(stmt, i, NULL_NULL);
		row->job.cause = JOB_CAUSE_NONE;
		return text ? job_cause_parse(text, &row->job.cause) : 0;
	case COLUMN_TEXT: *(const char **)field = read_text(stmt, i, column->flags); return 0;
	case COLUMN_BOOT_ID:
		text = read_text(stmt, i, column->flags);
		return snprintf(field, BOOT_ID_SIZE, "%s", text) < BOOT_ID_SIZE ? 0 : -EINVAL;
	}
	return -EINVAL;
}

int sqlite_row_read(sqlite3_stmt *stmt, struct store_row *ret_row, struct err *err)
{
	*ret_row = (struct store_row){0};
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (read_column(stmt, (int)i, &columns[i], ret_row) < 0)
			return err_set(err, -EUCLEAN,
				       "store %s: job %" PRIu64 " has %s = '%s', which no tgpud of "
				       "this version writes; correct it with sqlite3",
				       sqlite_file_path(sqlite3_db_handle(stmt)), ret_row->job.id,
				       columns[i].name,
				       (const char *)sqlite3_column_text(stmt, (int)i));
	return 0;
}
