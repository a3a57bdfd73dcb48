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

static char dir[32], path[48], wal[52];
static sqlite3 *last_db; /* the connection opened last, to look inside */

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(wal);
	return rmdir(dir); /* fails if anything else, such as -shm, was left */
}

static struct store *must_open(void)
{
	struct store *store = NULL;
	struct err err = {0};

	if (store_sqlite_open(path, &store, &err) < 0)
		fail_msg("%s", err.msg);
	return store;
}

/* Opening is refused with this error and a sentence that names the file and contains `word`. */
static void assert_refused(int want, const char *word)
{
	struct store *store = NULL;
	struct err err = {0};
	int r = store_sqlite_open(path, &store, &err);

	if (r != want || !strstr(err.msg, word) || !strstr(err.msg, path))
		fail_msg("%d instead of %d (%s): %s", r, want, word, err.msg);
	assert_null(store);
}

/* Commit one job with a spec of `size` bytes, its first event, and the end of the job before it. */
static int commit_job(struct store *store, uint64_t id, size_t size, struct err *err)
{
	_cleanup_(free_ptr) char *spec = xcalloc(1, size + 1);
	struct store_row row = {
		.name = "n", .spec = spec, .owner = "{}", .alloc = "", .message = ""};
	struct store_row previous = row;
	struct store_event event = {id, 1, "submit", ""};
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

static void must_commit(struct store *store, uint64_t id)
{
	struct err err = {0};

	if (commit_job(store, id, 20, &err) < 0)
		fail_msg("%s", err.msg);
}

static int count_row(void *ctx, const struct store_row *row)
{
	(void)row;
	++*(uint64_t *)ctx;
	return 0;
}

static int count_event(void *ctx, const struct store_event *event)
{
	(void)event;
	++*(uint64_t *)ctx;
	return 0;
}

/* How many commits of commit_job() the store holds; each of them must be there as a whole. */
static uint64_t whole_commits(struct store *store)
{
	struct store_filter all = {.uid = -1, .with_spec = true};
	struct store_filter active = {.uid = -1, .active_only = true};
	uint64_t id, revision, n_rows = 0, n_active = 0, n_events = 0;

	assert_int_equal(store_last(store, &id, &revision, NULL), 0);
	assert_int_equal(store_walk(store, &all, count_row, &n_rows, NULL), 0);
	assert_int_equal(store_walk(store, &active, count_row, &n_active, NULL), 0);
	for (uint64_t job = 1; job <= id + 1; job++)
		store_walk_events(store, job, count_event, &n_events, NULL);
	assert_int_equal(id, revision);
	assert_int_equal(n_rows, revision);
	assert_int_equal(n_events, revision);
	assert_int_equal(n_active, revision > 0);
	return revision;
}

static void assert_commits(uint64_t least, uint64_t most)
{
	struct store *store = must_open();

	assert_in_range(whole_commits(store), least, most);
	store_close(store);
}

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

static void sql(const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
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

static void make_jobs(uint64_t n)
{
	struct store *store = must_open();

	for (uint64_t id = 1; id <= n; id++)
		must_commit(store, id);
	store_close(store);
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

/*
 * A layer over the real file system in which the Nth writing call fails, once or from then on. Only
 * those methods of a file are replaced, in a copy for databases (which lock) and one for logs.
 */
struct faulty_methods {
	sqlite3_io_methods methods; /* first: a file's pMethods leads here */
	const sqlite3_io_methods *real;
};

static struct {
	sqlite3_vfs vfs;
	struct faulty_methods database, log;
	int countdown; /* calls until one fails; 0: none will */
	int code;
	bool for_good, hit, read_only;
} fault;

static const sqlite3_io_methods *real_of(sqlite3_file *file)
{
	return ((const struct faulty_methods *)file->pMethods)->real;
}

static bool fails(void)
{
	if (fault.hit && fault.for_good)
		return true;
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	fault.hit = true;
	return true;
}

static int faulty_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
	return fails() ? fault.code : real_of(file)->xWrite(file, data, n, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	int code = fault.code == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC;

	return fails() ? code : real_of(file)->xSync(file, flags);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return fails() ? SQLITE_IOERR_TRUNCATE : real_of(file)->xTruncate(file, size);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		       int *ret_flags)
{
	struct faulty_methods *faulty = flags & SQLITE_OPEN_MAIN_DB ? &fault.database : &fault.log;
	sqlite3_vfs *real = vfs->pAppData;
	int code = real->xOpen(real, name, file, flags, ret_flags);

	if (code != SQLITE_OK || !file->pMethods)
		return code;
	if (fault.read_only && ret_flags)
		*ret_flags = (*ret_flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
	faulty->real = file->pMethods;
	faulty->methods = *file->pMethods;
	faulty->methods.xWrite = faulty_write;
	faulty->methods.xSync = faulty_sync;
	faulty->methods.xTruncate = faulty_truncate;
	file->pMethods = &faulty->methods;
	return SQLITE_OK;
}

static int set_up_faults(void **state)
{
	sqlite3_vfs *real = sqlite3_vfs_find("unix");

	memset(&fault, 0, sizeof(fault));
	fault.vfs = *real;
	fault.vfs.zName = "faulty";
	fault.vfs.pNext = NULL;
	fault.vfs.pAppData = real;
	fault.vfs.xOpen = faulty_open;
	sqlite3_vfs_register(&fault.vfs, 1);
	return set_up(state);
}

static int tear_down_faults(void **state)
{
	sqlite3_vfs_unregister(&fault.vfs);
	sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1);
	return tear_down(state);
}

static const struct fault_kind {
	int code, want;
	bool for_good;
} fault_kinds[] = {
	{SQLITE_FULL, -ENOSPC, false},
	{SQLITE_FULL, -ENOSPC, true},
	{SQLITE_IOERR_WRITE, -EIO, false},
	{SQLITE_IOERR_WRITE, -EIO, true},
};

static void arm(const struct fault_kind *kind, int n)
{
	fault.hit = false;
	fault.code = kind->code;
	fault.for_good = kind->for_good;
	fault.countdown = n;
}

static void disarm(void)
{
	fault.countdown = 0;
	fault.for_good = false;
}

/*
 * Three commits, the second of `size` bytes, on a fresh store, with call N failing: in a child,
 * so that it ends as the daemon would, without closing anything. Its exit status: commits that were
 * acknowledged, +10 when the last one was refused as unknown, +100 when no call was left to fail.
 */
static int commits_under_fault(const struct fault_kind *kind, int n, size_t size)
{
	struct store *store = must_open();
	uint64_t id;

	arm(kind, n);
	for (id = 1; id <= 3; id++) {
		struct err err = {0};
		int r = commit_job(store, id, id == 2 ? size : 20, &err);

		if (r == 0)
			continue;
		if (!fault.hit || (r != kind->want && r != -EIO && r != -ENOSPC) || !err.msg[0])
			return 255;
		return (int)id - 1 + (strstr(err.msg, "unknown until") ? 10 : 0);
	}
	return 3 + (fault.hit ? 0 : 100);
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

			arm(&fault_kinds[i], n);
			r = store_sqlite_open(path, &store, &err);
			assert_true(r == 0 || (fault.hit && err.msg[0] != '\0'));
			store_close(store);
			disarm();
			assert_commits(0, 0);
			unlink(path);
			unlink(wal);
			if (!fault.hit)
				break;
		}
}

static void test_read_only_is_refused(void **state)
{
	(void)state;
	make_jobs(1);
	fault.read_only = true;
	assert_refused(-EROFS, "cannot be written");
	fault.read_only = false;
	assert_commits(1, 1);
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
			rows[i].job.uid = id % 10000 == 0 ? 1 : 2;
			rows[i].job.state = id % 10000 == 0 ? JOB_RUNNING : JOB_FINISHED;
		}
		assert_int_equal(store_commit(store, &batch, &revision, NULL), 0);
	}
	free(rows);
}

/* The plan of the statement that ran last among those of the store, and the steps that it took. */
static int plan_of(const char *from, struct buf *plan)
{
	sqlite3_stmt *stmt = NULL, *explain = NULL;
	_cleanup_(free_ptr) char *text = NULL;

	while ((stmt = sqlite3_next_stmt(last_db, stmt)))
		if (strstr(sqlite3_sql(stmt), from))
			break;
	assert_non_null(stmt);
	text = xasprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(stmt));
	assert_int_equal(sqlite3_prepare_v2(last_db, text, -1, &explain, NULL), SQLITE_OK);
	while (sqlite3_step(explain) == SQLITE_ROW)
		buf_printf(plan, "%s\n", (const char *)sqlite3_column_text(explain, 3));
	sqlite3_finalize(explain);
	return sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
}

static void test_walks_do_not_touch_the_rest(void **state)
{
	static const struct {
		struct store_filter filter;
		const char *from, *plan;
	} cases[] = {
		{{.uid = -1, .active_only = true, .with_spec = true}, "job_active", "job_active"},
		{{.uid = 1, .final_only = false, .with_spec = true}, "job_user", "job_user"},
		{{.uid = -1, .first_id = 50000, .last_id = 50009},
		 "FROM job NOT INDEXED WHERE id",
		 "INTEGER PRIMARY KEY"},
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
		steps = plan_of(cases[i].from, &plan);
		assert_non_null(strstr(buf_get(&plan), cases[i].plan));
		assert_null(strstr(buf_get(&plan), "TEMP B-TREE")); /* no sorting either */
		assert_in_range(steps, 10, 1000); /* 100,000 rows would take millions */
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
		cmocka_unit_test_setup_teardown(test_migration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failed_commits_leave_nothing, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_failed_checkpoints_lose_nothing, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_failed_creation_is_repeatable, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_read_only_is_refused, set_up_faults,
						tear_down_faults),
		cmocka_unit_test_setup_teardown(test_kill_loses_no_commit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_walks_do_not_touch_the_rest, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("store_disk", tests, NULL, NULL);
}
