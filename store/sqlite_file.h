/* SPDX-License-Identifier: MIT */
/* The database file: safely created, ours alone, whole, at the newest schema. */
#pragma once

#include <sqlite3.h>

#include "common/err.h"

/*
 * Open `path` as store_sqlite_open() promises. 0 with a connection that the caller closes
 * (sqlite3_close); a negative errno with a sentence otherwise. Blocks on the disk.
 */
int sqlite_file_open(const char *path, sqlite3 **ret_db, struct err *err);

/* Turn the last failure of `db` into a negative errno, and a sentence with the remedy. */
int sqlite_file_error(sqlite3 *db, struct err *err);

/* Run statements that yield nothing. 0 or as sqlite_file_error(). */
int sqlite_file_exec(sqlite3 *db, const char *sql, struct err *err);

/* The file's name, for sentences; of a copy, that of the original. Borrowed from the connection. */
const char *sqlite_file_path(sqlite3 *db);

/* What a row of integrity_check or quick_check says, without SQLite's headline: "ok" or the faults.
 */
const char *sqlite_file_fault(sqlite3_stmt *stmt);
