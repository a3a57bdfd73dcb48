/* SPDX-License-Identifier: MIT */
/* The SQLite store on a disk whose Nth call fails. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "faulty_vfs.h"
#include "store_file.h"

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

static const struct fault_kind fault_kinds[] = {
	{SQLITE_FULL, -ENOSPC, false, false},
	{SQLITE_FULL, -ENOSPC, true, false},
	{SQLITE_IOERR, -EIO, false, false},
	{SQLITE_IOERR, -EIO, true, false},
};

/* Every call counts: opening, reading, locking, looking. */
static const struct fault_kind any_call = {SQLITE_IOERR, -EIO, false, true};
static const struct fault_kind any_call_on = {SQLITE_IOERR, -EIO, true, true};

/*
 * Three commits, the second of `size` bytes, on a fresh store, with call N failing: in a child,
 * so that it ends as the daemon would, without closing anything. Its exit status: commits that were
 * acknowledged, +10 when the last one was refused as unknown, +100 when no call was left to fail.
 */
static int commits_under_fault(const struct fault_kind *kind, int n, size_t size)
{
	struct store *store = must_open();
	uint64_t id;

	faulty_arm(kind, n);
	for (id = 1; id <= 3; id++) {
		struct err err = {0};
		int r = commit_job(store, id, id == 2 ? size : 20, &err);

		if (r == 0)
			continue;
		if (!faulty_hit() || (r != kind->want && r != -EIO && r != -ENOSPC) || !err.msg[0])
			return 255;
		return (int)id - 1 + (strstr(err.msg, "unknown until") ? 10 : 0);
	}
	return 3 + (faulty_hit() ? 0 : 100);
}

static int in_child(const struct fault_kind *kind, int n, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(commits_under_fault(kind, n, size));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status)); /* no crash */
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return WEXITSTATUS(status);
}

/* Every step'th call fails, until there is none left. */
static void fail_in_turn(const struct fault_kind *kind, size_t size, int step)
{
	int status = 0, n_refused = 0;

	for (int n = 1; status < 100; n += step) {
		bool unknown;
		uint64_t acked;

		status = in_child(kind, n, size);
		unknown = status % 100 >= 10;
		acked = (uint64_t)status % 10;
		n_refused += acked < 3;
		/* Unknown, which only a disk that fails for good leaves, is all or nothing. */
		assert_true(!unknown || kind->for_good);
		assert_commits(acked, acked + unknown);
		unlink(path);
		unlink(wal);
	}
	assert_true(n_refused > 3);
}

static void test_failed_commits_leave_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fault_kinds); i++)
		fail_in_turn(&fault_kinds[i], 20000, 1);
	fail_in_turn(&any_call, 20000, 1);
	fail_in_turn(&any_call_on, 20000, 1);
}

/* So large that SQLite copies the log into the database after the commit, which may fail unseen. */
static void test_failed_checkpoints_lose_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fault_kinds); i++)
		fail_in_turn(&fault_kinds[i], 5 << 20, 397);
}

/* A store that could not be made is made by the next attempt, and says why in between. */
static void test_failed_creation_is_repeatable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fault_kinds); i++)
		for (int n = 1;; n++) {
			struct store *store = NULL;
			struct err err = {0};
			int r;

			faulty_arm(&fault_kinds[i], n);
			r = store_sqlite_open(path, &store, &err);
			assert_true(r == 0 || (faulty_hit() && err.msg[0] != '\0'));
			store_close(store);
			faulty_disarm();
			assert_commits(0, 0);
			unlink(path);
			unlink(wal);
			if (!faulty_hit())
				break;
		}
}

static void test_read_only_is_refused(void **state)
{
	(void)state;
	make_jobs(1);
	faulty_set_read_only(true);
	assert_refused(-EROFS, "cannot be written");
	faulty_set_read_only(false);
	assert_commits(1, 1);
}

static int ignore_window(void *ctx, const struct store_window *window)
{
	(void)ctx;
	(void)window;
	return 0;
}

static int ignore_drain(void *ctx, const struct store_drain *drain)
{
	(void)ctx;
	(void)drain;
	return 0;
}

/* Open the store of `n` jobs and read all of it. 0 only when that was all of it. */
static int read_everything(uint64_t n, struct err *err)
{
	struct store_filter all = {.uid = -1, .with_spec = true};
	struct store_filter active = {.uid = -1, .active_only = true};
	uint64_t n_rows = 0, n_active = 0, n_events = 0, id;
	struct store *store = NULL;
	int r = store_sqlite_open(path, &store, err);

	if (r == 0)
		r = store_walk(store, &all, count_row, &n_rows, err);
	if (r == 0)
		r = store_walk(store, &active, count_row, &n_active, err);
	for (uint64_t job = 1; r == 0 && job <= n; job++)
		r = store_walk_events(store, job, 0, count_event, &n_events, err);
	if (r == 0)
		r = store_walk_drains(store, ignore_drain, NULL, err);
	if (r == 0)
		r = store_walk_windows(store, ignore_window, NULL, err);
	if (r == 0 && store_find_key(store, 0, "none", &id, err) != -ENOENT)
		r = err_set(err, -EIO, "a key that nobody has");
	store_close(store);
	assert_true(r < 0 || (n_rows == n && n_active == 1 && n_events == n));
	return r;
}

/* Never 0 with a part of what there is, and the file is none the worse for it. */
static void test_failed_reads_are_told(void **state)
{
	enum { JOBS = 40 };
	struct store *store = must_open();
	int n_refused = 0;
	bool hit = true;

	(void)state;
	for (uint64_t id = 1; id <= JOBS; id++)
		assert_int_equal(commit_job(store, id, 80000, NULL), 0); /* beyond the page cache */
	store_close(store);
	for (int n = 1; hit; n += n < 60 ? 1 : 29) {
		struct err err = {0};
		int r;

		faulty_arm(n % 2 ? &any_call : &any_call_on, n);
		r = read_everything(JOBS, &err);
		hit = faulty_hit();
		faulty_disarm();
		assert_true(r == 0 || (hit && err.msg[0]));
		n_refused += r < 0;
	}
	assert_true(n_refused > 50);
	assert_commits(JOBS, JOBS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failed_commits_leave_nothing, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_failed_checkpoints_lose_nothing, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_failed_creation_is_repeatable, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_failed_reads_are_told, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_read_only_is_refused, set_up_faults,
						tear_down_faults),
	};

	return cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
}
