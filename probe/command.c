/* SPDX-License-Identifier: MIT */
/*
 * A child process with a deadline.
 *
 * The child leads a process group of its own; at the deadline the group is killed. A child in an
 * uninterruptible sleep (in a driver, on a sick GPU) does not die even of that: it is remembered
 * and no other is started while it is there, or each report would leave one more.
 *
 * Invariants: at most one child at a time; the bound on its output is kept while reading.
 * Cost: one posix_spawn. Blocks for the timeout plus KILL_WAIT_MS at most.
 */
#include "probe/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

#define KILL_WAIT_MS 1000

extern char **environ;

/* The environment with LC_ALL=C; the array is the caller's, the strings are borrowed. */
static char **environment_make(void)
{
	static char c_locale[] = "LC_ALL=C";
	size_t n = 0, kept = 0;
	char **made;

	while (environ && environ[n])
		n++;
	made = xcalloc(n + 2, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "LC_ALL=", strlen("LC_ALL=")) != 0)
			made[kept++] = environ[i];
	made[kept] = c_locale;
	return made;
}

static int spawn(char *const argv[], int out, pid_t *ret_pid)
{
	_cleanup_(free_ptr) char **env = environment_make();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	r = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Read to the end, the bound or the deadline. */
static int collect(int fd, int64_t deadline_ns, size_t max, struct buf *text)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left_ns = deadline_ns - clock_mono_ns();
		char chunk[4096];
		ssize_t n;

		if (left_ns <= 0)
			return -ETIMEDOUT;
		if (poll(&in, 1, (int)(left_ns / NS_PER_MS) + 1) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			buf_append(text, chunk, (size_t)n);
		if (text->len > max)
			return -EFBIG;
	}
}

/* Wait for the child until the deadline. 1: it has ended; 0: it has not. */
static int reap(pid_t pid, int64_t deadline_ns, int *ret_code)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == pid)
			break;
		if (clock_mono_ns() >= deadline_ns)
			return 0;
		poll(NULL, 0, 5);
	}
	*ret_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 1;
}

/* See the child off, by force where it took too long. */
static int finish(struct command *command, pid_t pid, int64_t deadline_ns, int *ret_code)
{
	if (reap(pid, deadline_ns, ret_code))
		return 0;
	kill(-pid, SIGKILL);
	if (!reap(pid, clock_mono_ns() + KILL_WAIT_MS * NS_PER_MS, ret_code))
		command->stuck = pid;
	return -ETIMEDOUT;
}

int command_run(struct command *command, char *const argv[], int timeout_ms, size_t max,
		char **ret_text, int *ret_code, struct err *err)
{
	_cleanup_(buf_finish) struct buf text = {0};
	int64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
	int pipe_fds[2], code = 0, r, end;
	pid_t pid;

	if (command->stuck && !reap(command->stuck, 0, &code))
		return err_set(err, -EBUSY,
			       "%s: an earlier run (pid %d) hangs and cannot be killed", argv[0],
			       (int)command->stuck);
	command->stuck = 0;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: no pipe: %s", argv[0], strerror(errno));
	r = spawn(argv, pipe_fds[1], &pid);
	close(pipe_fds[1]);
	if (r == 0)
		r = collect(pipe_fds[0], deadline_ns, max, &text);
	else
		pid = 0;
	close(pipe_fds[0]);
	if (pid == 0)
		return r == -ENOENT
			       ? COMMAND_ABSENT
			       : err_set(err, r, "%s: cannot be run: %s", argv[0], strerror(-r));
	end = finish(command, pid, r < 0 ? 0 : deadline_ns, &code);
	r = r < 0 ? r : end;
	if (r < 0)
		return err_set(err, r, "%s: %s", argv[0],
			       r == -ETIMEDOUT ? "did not answer in time and was killed"
					       : strerror(-r));
	*ret_text = buf_take(&text);
	*ret_code = code;
	return 0;
}
