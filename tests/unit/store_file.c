/* SPDX-License-Identifier: MIT */
/* What the tests of the SQLite store share: a file of one's own, and commits that can be counted.
 */
#include "store_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

char dir[32], path[48], wal[52];

int set_up(void **state)
{
	(void)state;
	/* Thousands of syncs, none of which has to outlive the machine. */
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/test_store.XXXXXX"
						  : "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(wal);
	return rmdir(dir); /* fails if anything else, such as -shm, was left */
}

struct store *must_open(void)
{
	struct store *store = NULL;
	struct err err = {0};

	if (store_sqlite_open(path, &store, &err) < 0)
		fail_msg("%s", err.msg);
	return store;
}

/* Opening is refused with this error and a sentence that names the file and contains `word`. */
void assert_refused(int want, const char *word)
{
	struct store *store = NULL;
	struct err err = {0};
	int r = store_sqlite_open(path, &store, &err);

	if (r != want || !strstr(err.msg, word) || !strstr(err.msg, path))
		fail_msg("%d instead of %d (%s): %s", r, want, word, err.msg);
	assert_null(store);
}

/* Commit one job with a spec of `size` bytes, its first event, and the end of the job before it. */
int commit_job(struct store *store, uint64_t id, size_t size, struct err *err)
{
	_cleanup_(free_ptr) char *spec = xcalloc(1, size + 1);
	struct store_row row = {
		.name = "n", .spec = spec, .owner = "{}", .alloc = "", .message = ""};
	struct store_row previous = row;
	struct store_event event = {id, 1, 1, "submit", ""};
	struct store_batch batch = {.inserts = &row,
				    .n_inserts = 1,
				    .updates = &previous,
				    .n_updates = id > 1,
				    .events = &event,
				    .n_events = 1};
	uint64_t revision;

	memset(spec, 'x', size);
	job_init(&row.job);
	row.job.id = id;
	previous.job = row.job;
	previous.job.id = id - 1;
	previous.job.state = JOB_FINISHED;
	return store_commit(store, &batch, &revision, err);
}

void must_commit(struct store *store, uint64_t id)
{
	struct err err = {0};

	if (commit_job(store, id, 20, &err) < 0)
		fail_msg("%s", err.msg);
}

int count_row(void *ctx, const struct store_row *row)
{
	(void)row;
	++*(uint64_t *)ctx;
	return 0;
}

int count_event(void *ctx, const struct store_event *event)
{
	(void)event;
	++*(uint64_t *)ctx;
	return 0;
}

/* How many commits of commit_job() the store holds; each of them must be there as a whole. */
uint64_t whole_commits(struct store *store)
{
	struct store_filter all = {.uid = -1, .with_spec = true};
	struct store_filter active = {.uid = -1, .active_only = true};
	uint64_t id, revision, n_rows = 0, n_active = 0, n_events = 0;

	assert_int_equal(store_last(store, &id, &revision, NULL), 0);
	assert_int_equal(store_walk(store, &all, count_row, &n_rows, NULL), 0);
	assert_int_equal(store_walk(store, &active, count_row, &n_active, NULL), 0);
	for (uint64_t job = 1; job <= id + 1; job++)
		store_walk_events(store, job, 0, count_event, &n_events, NULL);
	assert_int_equal(id, revision);
	assert_int_equal(n_rows, revision);
	assert_int_equal(n_events, revision);
	assert_int_equal(n_active, revision > 0);
	return revision;
}

void assert_commits(uint64_t least, uint64_t most)
{
	struct store *store = must_open();

	assert_in_range(whole_commits(store), least, most);
	store_close(store);
}

void sql(const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

void make_jobs(uint64_t n)
{
	struct store *store = must_open();

	for (uint64_t id = 1; id <= n; id++)
		must_commit(store, id);
	store_close(store);
}
