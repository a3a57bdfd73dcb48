/* SPDX-License-Identifier: MIT */
/* The SQLite store against its file: damage, full disks, failing calls, kill -9, other versions. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/buf.h"
#include "store/schema.h"
#include "store/store.h"
#include "store_file.h"

static sqlite3 *last_db; /* the connection opened last, to look inside */

static void flip(const char *file, off_t at, size_t n)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	char byte;

	assert_true(fd >= 0);
	for (; n > 0; n--, at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte = (char)~byte;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
}

static void test_files_are_private(void **state)
{
	mode_t old = umask(0);
	struct store *store = must_open();
	struct stat st;

	(void)state;
	must_commit(store, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	store_close(store);
	assert_int_equal(chmod(path, 0644), 0);
	store_close(must_open());
	stat(path, &st);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	umask(old);
}

static void test_links_and_directories_are_refused(void **state)
{
	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_refused(-EINVAL, "not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(-EINVAL, "not a regular file");
	rmdir(path);
}

static void test_missing_directory(void **state)
{
	(void)state;
	rmdir(dir);
	assert_refused(-ENOENT, "cannot be created");
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void test_somebody_elses_file(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	store_close(must_open());
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_refused(-EPERM, "uid 12345");
}

/* Another connection of this process, and another process, and still so after the first refusal. */
static void test_second_open_is_busy(void **state)
{
	struct store *store = must_open();
	int status;
	pid_t pid;

	(void)state;
	assert_refused(-EBUSY, "another process");
	pid = fork();
	if (pid == 0) {
		struct store *second;

		_exit(store_sqlite_open(path, &second, NULL) == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	must_commit(store, 1);
	store_close(store);
	assert_commits(1, 1);
}

static void test_damage_is_refused(void **state)
{
	(void)state;
	make_jobs(200);
	flip(path, 4096 * 5, 4096); /* a page in the middle */
	assert_refused(-EUCLEAN, "doctor --store");
	flip(path, 4096 * 5, 4096);
	assert_commits(200, 200);
	flip(path, 0, 16); /* "SQLite format 3" */
	assert_refused(-EUCLEAN, "doctor --store");
	flip(path, 0, 16);
	assert_int_equal(truncate(path, 4096 * 3), 0);
	assert_refused(-EUCLEAN, "doctor --store");
}

/* What a daemon that was killed leaves is a log; without its database it must not vanish. */
static void test_orphaned_log_is_refused(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		must_commit(must_open(), 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(unlink(path), 0);
	assert_refused(-EUCLEAN, "-wal");
	assert_int_equal(access(path, F_OK), -1); /* nothing was begun in its place */
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_refused(-EUCLEAN, "-wal");
	assert_int_equal(access(wal, F_OK), 0);
}

static int ignore_row(void *ctx, const struct store_row *row)
{
	(void)ctx;
	(void)row;
	return 0;
}

static void test_rows_of_no_meaning(void **state)
{
	static const struct {
		const char *change, *word;
	} cases[] = {
		{"UPDATE job SET state = 'lost'", "state = 'lost'"},
		{"UPDATE job SET state = 'queued', cause = '?'", "cause = '?'"},
		{"UPDATE job SET cause = NULL, boot_id = hex(zeroblob(40))", "boot_id"},
		{"UPDATE job SET boot_id = NULL; DELETE FROM spec", "spec of job 1"},
	};
	struct store_filter all = {.uid = -1, .with_spec = true};

	(void)state;
	make_jobs(1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct store *store;
		struct err err = {0};

		sql(cases[i].change);
		store = must_open();
		assert_int_equal(store_walk(store, &all, ignore_row, NULL, &err), -EUCLEAN);
		assert_non_null(strstr(err.msg, cases[i].word));
		store_close(store);
	}
}

static void test_other_versions_are_refused(void **state)
{
	struct stat before, after;

	(void)state;
	make_jobs(1);
	sql("PRAGMA user_version = 999");
	stat(path, &before);
	assert_refused(-EPROTO, "version 999");
	stat(path, &after);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	sql("PRAGMA user_version = 1; PRAGMA application_id = 5");
	assert_refused(-EPROTO, "another program");
	unlink(path);
	sql("CREATE TABLE theirs (x)");
	assert_refused(-EPROTO, "another program");
}

/* Commit until killed; tell each acknowledged revision through the pipe. */
static void commit_for_ever(int fd)
{
	struct store *store = must_open();
	uint64_t id = whole_commits(store);

	for (;;) {
		must_commit(store, ++id);
		if (write(fd, &id, sizeof(id)) != sizeof(id))
			_exit(1);
	}
}

/* Kill it after `n` commits, wherever it is by then. What it had acknowledged by its death. */
static uint64_t kill_after(int n)
{
	uint64_t id = 0, acked = 0;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		commit_for_ever(fds[1]);
	}
	close(fds[1]);
	for (; read(fds[0], &id, sizeof(id)) == sizeof(id); n--) {
		acked = id;
		if (n == 0)
			kill(pid, SIGKILL);
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return acked;
}

static void test_kill_loses_no_commit(void **state)
{
	(void)state;
	for (int round = 0; round < 30; round++) {
		uint64_t acked = kill_after(round);

		assert_commits(acked, acked + 1); /* one may have been on its way to the pipe */
	}
}

static int remember_db(sqlite3 *db, char **message, const void *api)
{
	(void)message;
	(void)api;
	last_db = db;
	return SQLITE_OK;
}

static void fill(struct store *store, uint64_t n)
{
	enum { BATCH = 1000 };
	struct store_row *rows = xcalloc(BATCH, sizeof(*rows));
	struct store_batch batch = {.inserts = rows, .n_inserts = BATCH};
	uint64_t revision;

	for (uint64_t id = 1; id <= n;) {
		for (size_t i = 0; i < BATCH; i++, id++) {
			rows[i] = (struct store_row){.name = "n",
						     .spec = "{}",
						     .owner = "{}",
						     .alloc = "",
						     .message = ""};
			job_init(&rows[i].job);
			rows[i].job.id = id;
			rows[i].job.uid = id % 10000 == 1 ? 1 : 2;
			rows[i].job.state = id % 10000 == 0   ? JOB_RUNNING
					    : id % 10000 == 2 ? JOB_FAILED
					    : id % 20000 == 3 ? JOB_CANCELLED
							      : JOB_FINISHED;
		}
		assert_int_equal(store_commit(store, &batch, &revision, NULL), 0);
	}
	free(rows);
}

/* The plan of the statement that was prepared last, and the steps that it took. */
static int plan_of_last(struct buf *plan)
{
	sqlite3_stmt *stmt = sqlite3_next_stmt(last_db, NULL), *explain = NULL;
	_cleanup_(free_ptr) char *text = NULL;

	text = xasprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(stmt));
	assert_int_equal(sqlite3_prepare_v2(last_db, text, -1, &explain, NULL), SQLITE_OK);
	while (sqlite3_step(explain) == SQLITE_ROW)
		buf_printf(plan, "%s\n", (const char *)sqlite3_column_text(explain, 3));
	sqlite3_finalize(explain);
	return sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
}

/* What one task of a large array has gone through, among what all the others have. */
static void test_a_history_does_not_touch_those_of_other_tasks(void **state)
{
	enum { BATCH = 1000, N = 100000 };
	struct store_event *events = xcalloc(BATCH, sizeof(*events));
	struct store_batch batch = {.events = events, .n_events = BATCH};
	_cleanup_(buf_finish) struct buf plan = {0};
	struct store *store;
	uint64_t revision, n = 0;

	(void)state;
	sqlite3_auto_extension((void (*)(void))remember_db);
	store = must_open();
	fill(store, N);
	for (uint64_t id = 1; id <= N; id += BATCH) {
		for (size_t i = 0; i < BATCH; i++)
			events[i] = (struct store_event){id + i, 1, 1, "start", ""};
		if (id == 1)
			events[0] = (struct store_event){1, N, 1, "submit", ""};
		assert_int_equal(store_commit(store, &batch, &revision, NULL), 0);
	}
	assert_int_equal(store_walk_events(store, N, 1, count_event, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_in_range(plan_of_last(&plan), 2, 200);
	assert_non_null(strstr(buf_get(&plan), "event_range (job>? AND job<?)"));
	sqlite3_reset_auto_extension();
	store_close(store);
	free(events);
}

static void test_walks_do_not_touch_the_rest(void **state)
{
	static const struct {
		struct store_filter filter;
		const char *plan;
	} cases[] = {
		{{.uid = -1, .active_only = true, .with_spec = true}, "job_active"},
		{{.uid = 1, .final_only = true, .with_spec = true}, "job_user_ended (uid=? AND"},
		{{.uid = 2, .states = 1u << JOB_FAILED}, "job_user_ended (uid=? AND state=?"},
		{{.uid = -1, .states = 1u << JOB_FAILED}, "job_ended (state=?"},
		{{.uid = -1, .states = 1u << JOB_FAILED, .last_id = 99999}, "rowid<?"},
		{{.uid = -1, .final_only = true, .newest_first = true, .limit = 10}, "MERGE"},
		{{.uid = -1, .first_id = 50000, .last_id = 50009}, "INTEGER PRIMARY KEY"},
	};
	struct store *store;

	(void)state;
	sqlite3_auto_extension((void (*)(void))remember_db);
	store = must_open();
	fill(store, 100000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_finish) struct buf plan = {0};
		uint64_t n = 0;
		int steps;

		assert_int_equal(store_walk(store, &cases[i].filter, count_row, &n, NULL), 0);
		assert_int_equal(n, 10);
		steps = plan_of_last(&plan);
		assert_non_null(strstr(buf_get(&plan), cases[i].plan));
		assert_null(strstr(buf_get(&plan), "TEMP B-TREE")); /* no sorting either */
		assert_in_range(steps, 10, 2000); /* 100,000 rows would take millions */
	}
	sqlite3_reset_auto_extension();
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files_are_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links_and_directories_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_missing_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_somebody_elses_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_second_open_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_orphaned_log_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rows_of_no_meaning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_versions_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kill_loses_no_commit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_history_does_not_touch_those_of_other_tasks,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_walks_do_not_touch_the_rest, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("store_disk", tests, NULL, NULL);
}
