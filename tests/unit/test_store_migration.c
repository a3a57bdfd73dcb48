/* SPDX-License-Identifier: MIT */
/*
 * From every earlier schema to today's. tests/fixtures/schema-N.sql was made by the last tgpud of
 * schema N (make_schema.py there): a new schema needs the file of the one before, and no line here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/buf.h"
#include "faulty_vfs.h"
#include "store/schema.h"
#include "store_file.h"

#define JOBS 8
#define STATES                                                                                  \
	((1u << JOB_QUEUED) | (1u << JOB_RUNNING) | (1u << JOB_FINISHED) | (1u << JOB_FAILED) | \
	 (1u << JOB_CANCELLED))
#define SHAPE "SELECT type || name || sql FROM sqlite_schema ORDER BY 1"

/* The rows of a query, a line each. */
static void query(const char *text, struct buf *ret_lines)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		buf_printf(ret_lines, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	sqlite3_close(db);
}

static size_t version(void)
{
	_cleanup_(buf_finish) struct buf text = {0};

	query("PRAGMA user_version", &text);
	return (size_t)atoi(buf_get(&text));
}

static void load(size_t number)
{
	_cleanup_(free_ptr) char *name =
		xasprintf("%s/tests/fixtures/schema-%zu.sql", getenv("TGPU_SOURCE_ROOT"), number);
	_cleanup_(free_ptr) char *text = NULL;

	if (read_file(name, 1 << 20, &text, NULL) < 0)
		fail_msg("%s is missing: make it with make_schema.py, by the last tgpud of "
			 "schema %zu",
			 name, number);
	unlink(path);
	unlink(wal);
	sql(text);
	assert_int_equal(version(), number);
}

/* A query that yields everything in the tables and columns that there are now. */
static void everything(struct buf *ret_sql)
{
	query("SELECT group_concat(one, ' UNION ALL ') FROM ("
	      "SELECT 'SELECT \"' || t.name || '\" || ' "
	      "|| group_concat('quote(' || c.name || ')', '||') || ' FROM ' || t.name AS one "
	      "FROM sqlite_schema t, pragma_table_info(t.name) c "
	      "WHERE t.type = 'table' GROUP BY t.name)",
	      ret_sql);
}

static int note_state(void *ctx, const struct store_row *row)
{
	*(uint32_t *)ctx |= 1u << row->job.state;
	assert_true(row->spec[0] && row->owner[0]);
	return 0;
}

/* It is a store like any other: read, and written. */
static void assert_usable(void)
{
	struct store_filter all = {.uid = -1, .with_spec = true};
	struct store *store = must_open();
	uint64_t id, revision, n_events = 0;
	uint32_t states = 0;

	assert_int_equal(store_last(store, &id, &revision, NULL), 0);
	assert_int_equal(id, JOBS);
	assert_int_equal(store_walk(store, &all, note_state, &states, NULL), 0);
	assert_int_equal(states, STATES);
	assert_int_equal(store_walk_events(store, 1, 0, count_event, &n_events, NULL), 0);
	assert_int_equal(n_events, 4); /* submit, place, start, finish */
	must_commit(store, JOBS + 1);
	store_close(store);
}

static void test_nothing_is_lost(void **state)
{
	_cleanup_(buf_finish) struct buf fresh = {0};

	(void)state;
	store_close(must_open());
	query(SHAPE, &fresh);
	for (size_t number = 1; number < schema_n_steps; number++) {
		_cleanup_(buf_finish) struct buf all = {0}, before = {0}, after = {0}, shape = {0};

		load(number);
		everything(&all);
		query(buf_get(&all), &before);
		store_close(must_open());
		assert_int_equal(version(), schema_n_steps);
		query(buf_get(&all), &after);
		assert_string_equal(buf_get(&after), buf_get(&before));
		query(SHAPE, &shape);
		assert_string_equal(buf_get(&shape), buf_get(&fresh));
		assert_usable();
	}
}

/* Open with the Nth call failing, in a child that closes nothing. Was there an Nth call? */
static bool open_in_child(const struct fault_kind *kind, int n)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *store = NULL;
		struct err err = {0};
		int r;

		faulty_arm(kind, n);
		r = store_sqlite_open(path, &store, &err);
		_exit(r < 0 && !(faulty_hit() && err.msg[0]) ? 1 : faulty_hit() ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) != 0;
}

/* The old schema or the new one with everything in it, wherever the way is cut off. */
static void cut_off(size_t number, const struct fault_kind *kind)
{
	_cleanup_(buf_finish) struct buf all = {0}, before = {0};
	bool hit = true, seen_old = false;

	load(number);
	everything(&all);
	query(buf_get(&all), &before);
	for (int n = 1; hit; n++) {
		_cleanup_(buf_finish) struct buf after = {0}, shape = {0};
		size_t reached;

		load(number);
		hit = open_in_child(kind, n);
		reached = version();
		assert_true(reached == schema_n_steps || (hit && reached == number));
		seen_old |= reached == number;
		everything(&shape);
		assert_int_equal(STREQ(buf_get(&shape), buf_get(&all)), reached == number);
		query(buf_get(&all), &after);
		assert_string_equal(buf_get(&after), buf_get(&before));
		assert_usable();
	}
	assert_true(seen_old);
}

static void test_cut_off_anywhere(void **state)
{
	static const struct fault_kind kinds[] = {
		{SQLITE_FULL, -ENOSPC, false, false},
		{SQLITE_IOERR, -EIO, true, false},
		{SQLITE_IOERR, -EIO, false, true},
		{FAULT_KILL, 0, true, false},
	};

	(void)state;
	for (size_t number = 1; number < schema_n_steps; number++)
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			cut_off(number, &kinds[i]);
}

static void test_newer_is_refused(void **state)
{
	(void)state;
	load(schema_n_steps - 1);
	store_close(must_open());
	sql("PRAGMA user_version = 1000000");
	assert_refused(-EPROTO, "install the newer tgpu");
	assert_int_equal(version(), 1000000);
}

static int version_of(sqlite3 *db, int *ret_objects)
{
	sqlite3_stmt *stmt;
	int version;

	sqlite3_prepare_v2(db,
			   "SELECT user_version, (SELECT count(*) FROM sqlite_schema) "
			   "FROM pragma_user_version",
			   -1, &stmt, NULL);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	version = sqlite3_column_int(stmt, 0);
	*ret_objects = sqlite3_column_int(stmt, 1);
	sqlite3_finalize(stmt);
	return version;
}

/* All missing steps or none of them; then the rest from where it is. */
static void test_migration(void **state)
{
	static const struct schema_step bad[] = {{"0001", "CREATE TABLE a (x);"},
						 {"0002", "CREATE TABLE b (x); nonsense;"}};
	static const struct schema_step good[] = {{"0001", "CREATE TABLE a (x);"},
						  {"0002", "CREATE TABLE b (x);"},
						  {"0003", "CREATE TABLE c (x);"}};
	sqlite3 *db = NULL;
	struct err err = {0};
	int objects;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_true(schema_migrate(db, bad, 2, &err) < 0);
	assert_non_null(strstr(err.msg, "0002"));
	assert_int_equal(version_of(db, &objects), 0);
	assert_int_equal(objects, 0);
	assert_int_equal(schema_migrate(db, good, 1, &err), 0);
	assert_true(schema_migrate(db, bad, 2, &err) < 0);
	assert_int_equal(version_of(db, &objects), 1);
	assert_int_equal(objects, 1);
	assert_int_equal(schema_migrate(db, good, 3, &err), 0);
	assert_int_equal(version_of(db, &objects), 3);
	assert_int_equal(objects, 3);
	assert_int_equal(schema_migrate(db, good, 2, &err), -EPROTO);
	sqlite3_close(db);
}

static int set_up_faults(void **state)
{
	faulty_install();
	return set_up(state);
}

static int tear_down_faults(void **state)
{
	faulty_remove();
	return tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_migration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_newer_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cut_off_anywhere, set_up_faults,
						tear_down_faults),
	};

	return cmocka_run_group_tests_name("store_migration", tests, NULL, NULL);
}
