/* SPDX-License-Identifier: MIT */
/*
 * Which version a database has (PRAGMA user_version, inside the file) and how it becomes the
 * newest.
 *
 * Invariants: a database that is not known to be ours is never written; the missing steps and the
 * new version are one transaction, so a database is at one version or another, never between.
 * Deliberately not here: the way back. A newer file is refused, with the version that made it.
 * Cost: two reads of page 1 when there is nothing to do. Read next: schema/0001_first.sql.
 */
#include "store/schema.h"

#include <errno.h>

#include "common/log.h"
#include "store/sqlite_file.h"

/* The integer that `sql` yields. */
static int query_int(sqlite3 *db, const char *sql, int *ret_value, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		*ret_value = sqlite3_column_int(stmt, 0);
	else
		r = sqlite_file_error(db, err);
	sqlite3_finalize(stmt);
	return r;
}

/* Read the version; refuse what is not a store of ours that we know how to read. */
static int check_version(sqlite3 *db, size_t newest, int *ret_version, struct err *err)
{
	int id = 0, version = 0, objects = 0, r;

	r = query_int(db, "PRAGMA application_id", &id, err);
	if (r == 0)
		r = query_int(db, "PRAGMA user_version", &version, err);
	if (r == 0)
		r = query_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (r < 0)
		return r;
	if (id != SCHEMA_APPLICATION_ID && (id != 0 || version != 0 || objects != 0))
		return err_set(err, -EPROTO,
			       "store %s is another program's database; choose another path",
			       sqlite_file_path(db));
	if (version < 0 || (size_t)version > newest)
		return err_set(
			err, -EPROTO,
			"store %s has schema version %d, but this tgpud knows versions up to "
			"%zu; install the newer tgpu that made it",
			sqlite_file_path(db), version, newest);
	*ret_version = version;
	return 0;
}

int schema_check(sqlite3 *db, size_t newest, struct err *err)
{
	int version;

	return check_version(db, newest, &version, err);
}

static int take_steps(sqlite3 *db, const struct schema_step *steps, size_t from, size_t to,
		      struct err *err)
{
	char numbers[96];
	int r;

	if (from > 0) /* it may take a while: seconds for a million jobs */
		log_info("bringing the store to a new version from=%zu to=%zu", from, to);
	r = sqlite_file_exec(db, "BEGIN IMMEDIATE", err);

	for (size_t i = from; i < to && r == 0; i++) {
		r = sqlite_file_exec(db, steps[i].sql, err);
		if (r < 0)
			err_wrap(err, "schema step %s", steps[i].name);
	}
	if (r < 0)
		return r;
	snprintf(numbers, sizeof(numbers), "PRAGMA application_id = %d; PRAGMA user_version = %zu",
		 SCHEMA_APPLICATION_ID, to);
	r = sqlite_file_exec(db, numbers, err);
	return r < 0 ? r : sqlite_file_exec(db, "COMMIT", err);
}

int schema_migrate(sqlite3 *db, const struct schema_step *steps, size_t n, struct err *err)
{
	int version = 0;
	int r = check_version(db, n, &version, err);

	if (r < 0 || (size_t)version == n)
		return r;
	r = take_steps(db, steps, (size_t)version, n, err);
	if (r < 0 && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}
