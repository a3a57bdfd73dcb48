/* SPDX-License-Identifier: MIT */
/* common/procid.h: a process that cannot be mistaken for another. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/procid.h"

/* A child that lives until it is killed, under a name that a careless reader of /proc trips over.
 */
static pid_t spawn_child(const char *name)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_boot_id_is_this_boots(void **state)
{
	char first[BOOT_ID_SIZE], second[BOOT_ID_SIZE];

	(void)state;
	assert_int_equal(boot_id_get(first), 0);
	assert_int_equal(boot_id_get(second), 0);
	assert_string_equal(first, second);
	assert_int_equal(strlen(first), BOOT_ID_SIZE - 1);
	assert_int_equal(strspn(first, "0123456789abcdef-"), BOOT_ID_SIZE - 1);
}

static void test_identity_of_a_live_process(void **state)
{
	struct procid mine, again;

	(void)state;
	assert_int_equal(procid_get(getpid(), &mine), 0);
	assert_int_equal(procid_get(getpid(), &again), 0);
	assert_int_equal(mine.pid, getpid());
	assert_true(mine.start_ticks > 0);
	assert_int_equal(mine.start_ticks, again.start_ticks);
}

static void test_names_do_not_confuse(void **state)
{
	static const char *const names[] = {"a b", "x) S 1 2 3", ")", "((", "1 2 3 4 5 6 7 8"};
	struct procid mine, child;

	(void)state;
	assert_int_equal(procid_get(getpid(), &mine), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		pid_t pid = spawn_child(names[i]);

		assert_int_equal(procid_get(pid, &child), 0);
		assert_true(child.start_ticks >= mine.start_ticks);
		end_child(pid);
	}
}

static void test_nobody_has_no_identity(void **state)
{
	pid_t pid = spawn_child("short");
	struct procid id = {.pid = 77};

	(void)state;
	end_child(pid);
	assert_int_equal(procid_get(pid, &id), -ESRCH);
	assert_int_equal(id.pid, 77); /* written on success only */
}

static void test_pidfd_is_of_that_process(void **state)
{
	pid_t pid = spawn_child("pinned");
	struct pollfd watch = {.events = POLLIN};
	struct procid id;

	(void)state;
	assert_int_equal(procid_get(pid, &id), 0);
	watch.fd = procid_open(&id);
	assert_true(watch.fd >= 0);
	assert_true(fcntl(watch.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(poll(&watch, 1, 0), 0);
	end_child(pid);
	assert_int_equal(poll(&watch, 1, 0), 1);
	close(watch.fd);
	assert_int_equal(procid_open(&id), -ESRCH);
}

static void test_strangers_are_refused(void **state)
{
	struct procid mine, other;

	(void)state;
	assert_int_equal(procid_get(getpid(), &mine), 0);
	other = mine;
	other.start_ticks++; /* the pid has been given to another since */
	assert_int_equal(procid_open(&other), -ESRCH);
	other = mine;
	other.boot_id[0] = other.boot_id[0] == '0' ? '1' : '0';
	assert_int_equal(procid_open(&other), -ESRCH);
	other = mine;
	other.pid = 0;
	assert_int_equal(procid_open(&other), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_id_is_this_boots),
		cmocka_unit_test(test_identity_of_a_live_process),
		cmocka_unit_test(test_names_do_not_confuse),
		cmocka_unit_test(test_nobody_has_no_identity),
		cmocka_unit_test(test_pidfd_is_of_that_process),
		cmocka_unit_test(test_strangers_are_refused),
	};

	return cmocka_run_group_tests_name("procid", tests, NULL, NULL);
}
