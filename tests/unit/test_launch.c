/* SPDX-License-Identifier: MIT */
/* common/launch.h: the launch record, and the three files that a runner leaves. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/launch.h"

static char dir[64]; /* of the running test */

static int make_own_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tgpu-launch-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_own_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A record with everything in it, values that want to break out included. */
static struct launch full_launch(void)
{
	static char *argv[] = {(char *)"sh", (char *)"", (char *)"a=b\nversion=2", NULL};
	static char *env[] = {(char *)"PATH=/bin", (char *)"ODD=two\nlines", (char *)"E=", NULL};
	static gid_t groups[] = {4, 4000000000u};

	return (struct launch){
		.job = UINT64_C(1) << 53,
		.attempt = 3,
		.dir = (char *)"/state/jobs/1.3",
		.hint_socket = (char *)"/state/hint.sock",
		.cgroup = (char *)"/sys/fs/cgroup/x",
		.drop_ids = true,
		.uid = 1000,
		.gid = 100,
		.groups = groups,
		.n_groups = 2,
		.cwd = (char *)"/home/a b",
		.output = (char *)"/home/out",
		.error = (char *)"/home/err",
		.umask = 027,
		.argv = argv,
		.n_argv = 3,
		.script = (char *)"#!/bin/sh\necho \"=\"\n",
		.env = env,
		.n_env = 3,
		.signal = SIGUSR1,
		.grace_ms = 40000,
		.limit_ms = 3600000,
		.mem_bytes = UINT64_C(1) << 40,
	};
}

static void assert_same_list(char **list, size_t n, char **want, size_t n_want)
{
	assert_int_equal(n, n_want);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(list[i], want[i]);
	assert_null(list[n]);
}

static void test_record_comes_back_whole(void **state)
{
	struct launch want = full_launch(), got;
	_cleanup_(free_ptr) char *data = NULL, *again = NULL;
	size_t len, len_again;
	struct err err = {0};

	(void)state;
	launch_encode(&want, &data, &len);
	assert_int_equal(launch_decode(data, len, &got, &err), 0);
	assert_int_equal(got.job, want.job);
	assert_string_equal(got.cwd, want.cwd);
	assert_string_equal(got.script, want.script);
	assert_same_list(got.argv, got.n_argv, want.argv, want.n_argv);
	assert_same_list(got.env, got.n_env, want.env, want.n_env);
	assert_int_equal(got.n_groups, 2);
	assert_int_equal(got.groups[1], 4000000000u);
	assert_true(got.drop_ids);
	/* Whatever was not compared by hand would be missing here. */
	launch_encode(&got, &again, &len_again);
	assert_int_equal(len, len_again);
	assert_memory_equal(data, again, len);
	launch_finish(&got);
}

static void test_what_is_optional_may_be_absent(void **state)
{
	struct launch want = full_launch(), got;
	_cleanup_(free_ptr) char *data = NULL;
	size_t len;
	struct err err = {0};

	(void)state;
	want.hint_socket = want.cgroup = want.error = NULL;
	want.n_groups = want.n_argv = want.n_env = 0;
	launch_encode(&want, &data, &len);
	assert_int_equal(launch_decode(data, len, &got, &err), 0);
	assert_null(got.hint_socket);
	assert_null(got.cgroup);
	assert_null(got.error);
	assert_same_list(got.argv, got.n_argv, NULL, 0);
	assert_same_list(got.env, got.n_env, NULL, 0);
	launch_finish(&got);
	launch_finish(&got); /* a zeroed one is fine */
}

static void test_many_words(void **state)
{
	struct launch want = full_launch(), got;
	char *words[1001];
	_cleanup_(free_ptr) char *data = NULL;
	size_t len;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = (char *)(i % 2 ? "odd" : "even");
	want.argv = words;
	want.n_argv = ARRAY_SIZE(words);
	launch_encode(&want, &data, &len);
	assert_int_equal(launch_decode(data, len, &got, &err), 0);
	assert_same_list(got.argv, got.n_argv, words, ARRAY_SIZE(words));
	launch_finish(&got);
}

/* The pieces of full_launch() with those that begin with `drop` left out and `add` put in. */
static void edit_record(const char *drop, const char *add, struct buf *out)
{
	struct launch launch = full_launch();
	_cleanup_(free_ptr) char *data = NULL;
	size_t len;

	launch_encode(&launch, &data, &len);
	for (const char *at = data; at < data + len; at += strlen(at) + 1)
		if (!drop || strncmp(at, drop, strlen(drop)) != 0)
			buf_append(out, at, strlen(at) + 1);
	if (add)
		buf_append(out, add, strlen(add) + 1);
}

static void test_bad_records_are_refused_by_name(void **state)
{
	static const struct {
		const char *drop, *add, *says;
	} rows[] = {
		{"job=", NULL, "job is missing"},
		{"dir=", NULL, "dir is missing"},
		{"cwd=", NULL, "cwd is missing"},
		{"output=", NULL, "output is missing"},
		{"signal=", NULL, "signal is missing"},
		{"grace_ms=", NULL, "grace_ms is missing"},
		{"drop_ids=", NULL, "drop_ids is missing"},
		{"version=", NULL, "version"},
		{NULL, "job=5", "job stands there twice"},
		{NULL, "cwd=/", "cwd stands there twice"},
		{NULL, "colour=red", "unknown piece 'colour=red'"},
		{NULL, "job", "unknown piece 'job'"},
		{NULL, "", "unknown piece ''"},
		{NULL, "=x", "unknown piece '=x'"},
		{NULL, "group=-1", "group: bad value '-1'"},
		{NULL, "group=4294967295", "group: bad value"}, /* "leave as it is" to setresgid */
		{"uid=", "uid=4294967295", "uid: bad value"},
		{"uid=", "uid= 5", "uid: bad value"},
		{"job=", "job=0", "job: bad value"},
		{"job=", "job=99999999999999999999", "job: bad value"},
		{"attempt=", "attempt=0", "attempt: bad value"},
		{"umask=", "umask=512", "umask: bad value"},
		{"signal=", "signal=0", "signal: bad value"},
		{"signal=", "signal=65", "signal: bad value"},
		{"limit_ms=", "limit_ms=-1", "limit_ms: bad value"},
		{"limit_ms=", "limit_ms=", "limit_ms: bad value"},
		{"grace_ms=", "grace_ms=9223372036854775807", "grace_ms: bad value"},
		{"drop_ids=", "drop_ids=yes", "drop_ids: bad value"},
		{"mem_bytes=", "mem_bytes=1G", "mem_bytes: bad value"},
		{"dir=", "dir=state", "not absolute"},
		{"cwd=", "cwd=", "not absolute"},
		{"output=", "output=out", "not absolute"},
		{"error=", "error=err", "not absolute"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buf_finish) struct buf record = {0};
		struct launch launch = {.job = 77};
		struct err err = {0};

		edit_record(rows[i].drop, rows[i].add, &record);
		assert_int_equal(launch_decode(record.data, record.len, &launch, &err), -EINVAL);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("row %zu says: %s", i, err.msg);
		assert_int_equal(launch.job, 77); /* written on success only */
	}
}

static void test_nothing_to_run(void **state)
{
	struct launch launch = full_launch();
	_cleanup_(free_ptr) char *data = NULL;
	size_t len;
	struct err err = {0};

	(void)state;
	launch.n_argv = 0;
	launch.script = NULL;
	launch_encode(&launch, &data, &len);
	assert_int_equal(launch_decode(data, len, &launch, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "nothing to run"));
}

static void test_every_cut_is_noticed(void **state)
{
	struct launch launch = full_launch();
	_cleanup_(free_ptr) char *data = NULL;
	size_t len;
	struct err err = {0};

	(void)state;
	launch_encode(&launch, &data, &len);
	for (size_t cut = 0; cut < len; cut++) {
		_cleanup_(free_ptr) char *part = xmalloc(cut); /* for the sanitizer's sake */

		memcpy(part, data, cut);
		assert_int_equal(launch_decode(part, cut, &launch, &err), -EINVAL);
	}
	assert_int_equal(launch_decode(data, LAUNCH_RECORD_MAX + 1, &launch, &err), -EINVAL);
}

static void test_causes_have_names(void **state)
{
	enum launch_cause cause;

	(void)state;
	for (int i = LAUNCH_CAUSE_EXIT; i <= LAUNCH_CAUSE_LAUNCH; i++) {
		assert_int_equal(launch_cause_parse(launch_cause_name(i), &cause), 0);
		assert_int_equal(cause, i);
	}
	assert_int_equal(launch_cause_parse("EXIT", &cause), -EINVAL);
	assert_int_equal(launch_cause_parse("", &cause), -EINVAL);
}

static void test_runner_file(void **state)
{
	struct launch_runner want = {.runner = {.pid = 4711, .start_ticks = 99},
				     .cgroup = (char *)"/sys/fs/cgroup/a=b"};
	struct launch_runner got;
	struct err err = {0};

	(void)state;
	assert_int_equal(boot_id_get(want.runner.boot_id), 0);
	assert_int_equal(launch_runner_read(dir, &got, &err), -ENOENT);
	assert_int_equal(launch_runner_write(dir, &want), 0);
	assert_int_equal(launch_runner_read(dir, &got, &err), 0);
	assert_int_equal(got.runner.pid, 4711);
	assert_int_equal(got.runner.start_ticks, 99);
	assert_string_equal(got.runner.boot_id, want.runner.boot_id);
	assert_string_equal(got.cgroup, want.cgroup);
	launch_runner_finish(&got);
	want.cgroup = NULL;
	assert_int_equal(launch_runner_write(dir, &want), 0); /* replaces the first */
	assert_int_equal(launch_runner_read(dir, &got, &err), 0);
	assert_null(got.cgroup);
	launch_runner_finish(&got);
}

static void test_started_file(void **state)
{
	struct launch_started want = {.job_pid = 12, .start_ns = INT64_C(1767225600000000001)}, got;
	struct err err = {0};

	(void)state;
	assert_int_equal(launch_started_read(dir, &got, &err), -ENOENT);
	assert_int_equal(launch_started_write(dir, &want), 0);
	assert_int_equal(launch_started_read(dir, &got, &err), 0);
	assert_int_equal(got.job_pid, want.job_pid);
	assert_int_equal(got.start_ns, want.start_ns);
}

static void test_status_file(void **state)
{
	struct launch_status want = {.cause = LAUNCH_CAUSE_LAUNCH,
				     .exit_code = 127,
				     .start_ns = 0,
				     .end_ns = 5,
				     .cpu_ns = -1,
				     .peak_bytes = -1,
				     .error = "a name with\na newline = and more"};
	struct launch_status got;
	struct err err = {0};

	(void)state;
	assert_int_equal(launch_status_read(dir, &got, &err), -ENOENT);
	assert_int_equal(launch_status_write(dir, &want), 0);
	assert_int_equal(launch_status_read(dir, &got, &err), 0);
	assert_int_equal(got.cause, want.cause);
	assert_int_equal(got.exit_code, 127);
	assert_int_equal(got.signal, 0);
	assert_int_equal(got.cpu_ns, -1);
	assert_int_equal(got.peak_bytes, -1);
	assert_string_equal(got.error, "a name with a newline = and more");
	want = (struct launch_status){.cause = LAUNCH_CAUSE_OOM, .exit_code = -1, .signal = 9};
	assert_int_equal(launch_status_write(dir, &want), 0);
	assert_int_equal(launch_status_read(dir, &got, &err), 0);
	assert_int_equal(got.cause, LAUNCH_CAUSE_OOM);
	assert_int_equal(got.exit_code, -1);
	assert_int_equal(got.signal, 9);
}

static void write_text(const char *name, const char *text, size_t len)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, len), 0);
}

static void test_damaged_files_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"end=1\n",
		"job_pid=12\nstart_ns=5\n",	   /* no end */
		"job_pid=12\nstart_ns=5\nend=1",   /* cut off */
		"job_pid=12\nstart_ns=5\nend=0\n", /* a wrong end */
		"job_pid=0\nstart_ns=5\nend=1\n",
		"job_pid=-1\nstart_ns=5\nend=1\n", /* what kill(2) takes for everybody */
		"job_pid=12x\nstart_ns=5\nend=1\n",
		"job_pid=12\nend=1\n",
		"job_pid\nstart_ns=5\nend=1\n",
	};
	static const char with_nul[] = "job_pid=1\0002\nstart_ns=5\nend=1\n";
	struct launch_started started = {.job_pid = 77};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		err = (struct err){0};
		write_text(LAUNCH_FILE_STARTED, texts[i], strlen(texts[i]));
		assert_int_equal(launch_started_read(dir, &started, &err), -EINVAL);
		assert_string_not_equal(err.msg, "");
		assert_int_equal(started.job_pid, 77);
	}
	write_text(LAUNCH_FILE_STARTED, with_nul, sizeof(with_nul) - 1);
	assert_int_equal(launch_started_read(dir, &started, &err), -EINVAL);
}

static void test_keys_of_a_newer_runner_are_passed_over(void **state)
{
	static const char text[] = "colour=red\njob_pid=12\nstart_ns=5\nend=1\n";
	struct launch_started started;
	struct err err = {0};

	(void)state;
	write_text(LAUNCH_FILE_STARTED, text, strlen(text));
	assert_int_equal(launch_started_read(dir, &started, &err), 0);
	assert_int_equal(started.job_pid, 12);
}

static void test_unwritable_directory(void **state)
{
	struct launch_status status = {0};

	(void)state;
	assert_int_equal(launch_status_write("/nowhere/at/all", &status), -ENOENT);
	assert_int_equal(launch_status_write("/dev/null", &status), -ENOTDIR);
}

/* The aside file of a runner that was killed while it wrote, or worse, of somebody's making. */
static void test_what_lies_aside_does_no_harm(void **state)
{
	struct launch_started want = {.job_pid = 12, .start_ns = 1}, got;
	_cleanup_(free_ptr) char *aside = xasprintf("%s/.started.new", dir);
	struct err err = {0};

	(void)state;
	write_text(".started.new", "half", 4);
	assert_int_equal(launch_started_write(dir, &want), 0);
	assert_int_equal(launch_started_read(dir, &got, &err), 0);
	assert_int_equal(access(aside, F_OK), -1);
	assert_int_equal(symlink("/tmp/tgpu-launch-elsewhere", aside), 0);
	assert_int_equal(launch_started_write(dir, &want), -ELOOP);
	assert_int_equal(access("/tmp/tgpu-launch-elsewhere", F_OK), -1);
}

int main(void)
{
#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_own_dir, remove_own_dir)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_comes_back_whole),
		cmocka_unit_test(test_what_is_optional_may_be_absent),
		cmocka_unit_test(test_many_words),
		cmocka_unit_test(test_bad_records_are_refused_by_name),
		cmocka_unit_test(test_nothing_to_run),
		cmocka_unit_test(test_every_cut_is_noticed),
		cmocka_unit_test(test_causes_have_names),
		ON_DISK(test_runner_file),
		ON_DISK(test_started_file),
		ON_DISK(test_status_file),
		ON_DISK(test_damaged_files_are_refused),
		ON_DISK(test_keys_of_a_newer_runner_are_passed_over),
		cmocka_unit_test(test_unwritable_directory),
		ON_DISK(test_what_lies_aside_does_no_harm),
	};

	return cmocka_run_group_tests_name("launch", tests, NULL, NULL);
}
