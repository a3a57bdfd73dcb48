/* SPDX-License-Identifier: MIT */
/* The one list of the columns of `job`: SQL text, writing and reading follow from it. */
#pragma once

#include <sqlite3.h>

#include "common/buf.h"
#include "store/store.h"

/* Append the text of a statement on the table `job` whose ?N are bound by sqlite_row_bind(). */
void sqlite_row_insert_sql(struct buf *sql);
void sqlite_row_update_sql(struct buf *sql);

/* Append the columns, comma-separated, in the order in which sqlite_row_read() expects them. */
void sqlite_row_columns(struct buf *sql);

/* What follows them for a row's spec and owner, and what follows FROM job for these. Of a spec that
 * is gone, NULL. */
#define SQLITE_ROW_SPEC                                                                  \
	", CASE WHEN job.changed_spec IS NULL THEN spec.spec ELSE changed_spec.spec END" \
	", spec.owner"
#define SQLITE_ROW_SPEC_FROM                                        \
	" LEFT JOIN spec ON spec.job = coalesce(job.array, job.id)" \
	" LEFT JOIN changed_spec ON changed_spec.number = job.changed_spec"

/* How many columns those are: what follows them in a result has this index and up. */
int sqlite_row_n_columns(void);

/* Bind every column. The row's strings are borrowed until the statement is reset. An SQLite code.
 */
int sqlite_row_bind(sqlite3_stmt *stmt, const struct store_row *row);

/*
 * Read every column. Strings are the statement's: valid until its next step. 0 or -EUCLEAN with a
 * sentence when a column holds what no store_commit() wrote.
 */
int sqlite_row_read(sqlite3_stmt *stmt, struct store_row *ret_row, struct err *err);
