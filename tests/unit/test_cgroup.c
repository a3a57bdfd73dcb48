/* SPDX-License-Identifier: MIT */
/* runner/cgroup.h and runner/sweep.h, on real groups where this machine lets one be made. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/cgroup.h"
#include "runner/sweep.h"

static char *base; /* of the running test; NULL: this machine has no cgroups for us */
static char reason[256];

static int make_base(void **state)
{
	_cleanup_(free_ptr) char *key = xasprintf("test %d", (int)getpid());

	(void)state;
	base = cgroup_base_create(key, reason, sizeof(reason));
	return 0;
}

static int remove_base(void **state)
{
	int r = 0;

	(void)state;
	if (base) {
		cgroup_base_remove(base);
		r = access(base, F_OK) == 0 ? -1 : 0; /* a test left something in it */
	}
	free(TAKE_PTR(base));
	return r;
}

/* A group empties a moment after its last process has died. */
static void wait_until_empty(const char *leaf)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/cgroup.events", leaf);
	struct pollfd watch = {.events = POLLPRI};

	watch.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(watch.fd >= 0);
	for (int tries = 0; cgroup_leaf_is_populated(leaf) && tries < 600; tries++) {
		char text[256];

		assert_true(pread(watch.fd, text, sizeof(text), 0) > 0); /* arms the poll */
		if (cgroup_leaf_is_populated(leaf))
			poll(&watch, 1, 100);
	}
	assert_false(cgroup_leaf_is_populated(leaf));
	close(watch.fd);
}

/* A child in `leaf` (NULL: none), with a child of its own in another session, both deaf. *ret_fd
 * reads end of file when the last of the two is gone. */
static pid_t spawn_tree(const char *leaf, int *ret_fd)
{
	int ready[2];
	char bytes[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGTERM, SIG_IGN);
		if (leaf && cgroup_leaf_enter(leaf) < 0)
			_exit(1);
		if (fork() == 0)
			setsid();
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(read(ready[0], &bytes[i], 1), 1);
	*ret_fd = ready[0];
	return pid;
}

static void assert_tree_is_gone(pid_t pid, int fd)
{
	char byte;
	int status;

	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0) /* orphans, where this is the subreaper */
		;
}

static void test_there_is_always_a_sentence(void **state)
{
	(void)state;
	assert_string_not_equal(reason, "");
	assert_non_null(strstr(reason, "jobs are ended by"));
	assert_true(base != NULL || strstr(reason, "kinship") != NULL);
}

static void test_base_is_made_once(void **state)
{
	_cleanup_(free_ptr) char *key = NULL, *again = NULL, *other = NULL;

	(void)state;
	if (!base)
		skip(); /* jumps: nothing may be held yet */
	key = xasprintf("test %d", (int)getpid());
	again = cgroup_base_create(key, reason, sizeof(reason));
	assert_string_equal(base, again); /* a daemon that is started again finds its base */
	other = cgroup_base_create("another state directory", reason, sizeof(reason));
	assert_string_not_equal(base, other);
	cgroup_base_remove(other);
}

static void test_leaves_are_fresh(void **state)
{
	_cleanup_(free_ptr) char *first = NULL, *second = NULL;

	(void)state;
	if (!base)
		skip();
	first = cgroup_leaf_create(base, 12, 3, 0);
	second = cgroup_leaf_create(base, 12, 3, 0);
	assert_non_null(first);
	assert_non_null(second);
	assert_string_not_equal(first, second);
	assert_non_null(strstr(first, "/12.3"));
	assert_false(cgroup_leaf_is_populated(first));
	cgroup_base_remove(base); /* not while a leaf is in it */
	assert_int_equal(access(base, F_OK), 0);
	assert_int_equal(cgroup_leaf_remove(first), 0);
	assert_int_equal(cgroup_leaf_remove(second), 0);
	assert_int_equal(cgroup_leaf_remove(second), 0); /* gone is as good */
}

static void test_a_base_that_is_gone_is_made_again(void **state)
{
	_cleanup_(free_ptr) char *leaf = NULL;

	(void)state;
	if (!base)
		skip();
	cgroup_base_remove(base); /* as the last runner of a daemon that is gone does */
	assert_int_not_equal(access(base, F_OK), 0);
	leaf = cgroup_leaf_create(base, 12, 3, 0);
	assert_non_null(leaf);
	assert_int_equal(cgroup_leaf_remove(leaf), 0);
}

static void test_killing_reaches_every_session(void **state)
{
	_cleanup_(free_ptr) char *leaf = NULL;
	struct cgroup_usage usage;
	pid_t pid;
	int fd;

	(void)state;
	if (!base)
		skip();
	leaf = cgroup_leaf_create(base, 1, 1, 0);
	pid = spawn_tree(leaf, &fd);
	assert_true(cgroup_leaf_is_populated(leaf));
	assert_int_equal(cgroup_leaf_remove(leaf), -EBUSY);
	cgroup_leaf_usage(leaf, &usage);
	assert_true(usage.cpu_ns >= 0);
	cgroup_leaf_kill(leaf);
	assert_tree_is_gone(pid, fd);
	wait_until_empty(leaf);
	assert_int_equal(cgroup_leaf_remove(leaf), 0);
}

static void test_groups_within_are_killed_and_removed(void **state)
{
	_cleanup_(free_ptr) char *leaf = NULL, *inner = NULL, *innermost = NULL;
	pid_t pid;
	int fd;

	(void)state;
	if (!base)
		skip();
	leaf = cgroup_leaf_create(base, 1, 1, 0);
	inner = xasprintf("%s/inner", leaf);
	innermost = xasprintf("%s/innermost", inner);
	assert_int_equal(mkdir(inner, 0755), 0);
	assert_int_equal(mkdir(innermost, 0755), 0);
	pid = spawn_tree(innermost, &fd);
	assert_true(cgroup_leaf_is_populated(leaf));
	cgroup_leaf_kill(leaf);
	assert_tree_is_gone(pid, fd);
	wait_until_empty(leaf);
	assert_int_equal(cgroup_leaf_remove(leaf), 0);
}

static void write_text(const char *dir, const char *name, const char *text)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void remove_text(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);

	unlink(path);
}

/* The files of a memory controller, written by hand: this machine's kernel may have none. */
static void test_usage_is_read(void **state)
{
	char dir[] = "/tmp/tgpu-cgroup-XXXXXX";
	struct cgroup_usage usage;

	(void)state;
	assert_non_null(mkdtemp(dir));
	cgroup_leaf_usage(dir, &usage);
	assert_int_equal(usage.cpu_ns, -1);
	assert_int_equal(usage.peak_bytes, -1);
	assert_int_equal(usage.oom_kills, -1);
	write_text(dir, "cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n");
	write_text(dir, "memory.peak", "73728\n");
	write_text(dir, "memory.events", "low 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 1\n");
	cgroup_leaf_usage(dir, &usage);
	assert_int_equal(usage.cpu_ns, 1500000);
	assert_int_equal(usage.peak_bytes, 73728);
	assert_int_equal(usage.oom_kills, 1);
	remove_text(dir, "cpu.stat");
	remove_text(dir, "memory.peak");
	remove_text(dir, "memory.events");
	assert_int_equal(rmdir(dir), 0);
}

/* Only what says that it is empty is: else its GPUs would be given away under it. */
static void test_doubt_counts_as_populated(void **state)
{
	char dir[] = "/tmp/tgpu-cgroup-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_false(cgroup_leaf_is_populated("/sys/fs/cgroup/no/such/group"));
	write_text(dir, "cgroup.events", "populated 0\nfrozen 0\n");
	assert_false(cgroup_leaf_is_populated(dir));
	write_text(dir, "cgroup.events", "populated 1\nfrozen 0\n");
	assert_true(cgroup_leaf_is_populated(dir));
	write_text(dir, "cgroup.events", "");
	assert_true(cgroup_leaf_is_populated(dir));
	remove_text(dir, "cgroup.events");
	assert_int_equal(rmdir(dir), 0);
}

static void test_leaf_without_a_base(void **state)
{
	(void)state;
	assert_null(cgroup_leaf_create("/nowhere/at/all", 1, 1, 0));
	assert_int_equal(cgroup_leaf_enter("/nowhere/at/all"), -ENOENT);
}

/* The grandchild has left the session, and is an orphan once its parent is gone. */
static void test_sweep_finds_descendants(void **state)
{
	pid_t pid;
	int fd;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid = spawn_tree(NULL, &fd);
	assert_int_equal(sweep_signal(getpid(), 0), 2);
	assert_int_equal(sweep_signal(pid, 0), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(sweep_signal(getpid(), SIGTERM), 1); /* deaf */
	assert_int_equal(sweep_kill(getpid()), 1);
	assert_true(waitpid(-1, NULL, 0) > 0);
	assert_int_equal(sweep_kill(getpid()), 0);
	close(fd);
}

static void test_sweep_kills_the_stopped(void **state)
{
	pid_t pid;
	int fd;

	(void)state;
	pid = spawn_tree(NULL, &fd);
	kill(pid, SIGSTOP);
	assert_int_equal(sweep_kill(getpid()), 2);
	assert_tree_is_gone(pid, fd);
}

static void test_sweep_of_a_session(void **state)
{
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	/* the kernel's own threads have session 0 */
	assert_int_equal(sweep_attempt(0, "TGPU_ATTEMPT=nobody"), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setsid();
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(sweep_attempt(pid, "TGPU_ATTEMPT=nobody"), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(sweep_attempt(pid, "TGPU_ATTEMPT=nobody"), 0);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
#define IN_BASE(test) cmocka_unit_test_setup_teardown(test, make_base, remove_base)
	const struct CMUnitTest tests[] = {
		IN_BASE(test_there_is_always_a_sentence),
		IN_BASE(test_base_is_made_once),
		IN_BASE(test_leaves_are_fresh),
		IN_BASE(test_a_base_that_is_gone_is_made_again),
		IN_BASE(test_killing_reaches_every_session),
		IN_BASE(test_groups_within_are_killed_and_removed),
		cmocka_unit_test(test_usage_is_read),
		cmocka_unit_test(test_doubt_counts_as_populated),
		cmocka_unit_test(test_leaf_without_a_base),
		cmocka_unit_test(test_sweep_finds_descendants),
		cmocka_unit_test(test_sweep_kills_the_stopped),
		cmocka_unit_test(test_sweep_of_a_session),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
