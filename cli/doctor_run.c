/* SPDX-License-Identifier: MIT */
/*
 * tgpu's other programs, run to look for something without a daemon.
 *
 * They are bounded in time because a GPU driver may hang, and a disk. What cannot be killed either
 * (a task in the driver) is left to init.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "common/clock.h"

#define OUTPUT_MAX (16u << 20)

extern char **environ;

/* Start it with its output on a pipe. The reading end, or -errno. */
static int spawn(const char *program, char *const argv[], pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, fds[1], STDOUT_FILENO);
	r = posix_spawn(ret_pid, program, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	fd_close(fds[1]);
	if (r == 0)
		return fds[0];
	fd_close(fds[0]);
	return -r;
}

/* Everything up to the end of the stream, within time and size. */
static int read_in_time(int fd, int timeout_ms, struct buf *text)
{
	int64_t end = clock_mono_ns() + timeout_ms * NS_PER_MS;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char block[4096];
	int64_t left_ms;

	while ((left_ms = (end - clock_mono_ns()) / NS_PER_MS) > 0) {
		ssize_t n;

		if (poll(&wait, 1, (int)left_ms) <= 0)
			continue;
		n = read(fd, block, sizeof(block));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			buf_append(text, block, (size_t)n);
		if (text->len > OUTPUT_MAX)
			return -EMSGSIZE;
	}
	return -ETIMEDOUT;
}

int doctor_run(char *const argv[], int timeout_ms, struct buf *ret_output, struct err *err)
{
	_cleanup_(free_ptr) char *program = paths_program(argv[0]);
	_cleanup_(close_fd) int fd = -1;
	pid_t pid;
	int r;

	if (!program)
		return err_set(err, -ENOENT, "the program %s is not installed", argv[0]);
	fd = spawn(program, argv, &pid);
	if (fd < 0)
		return err_set(err, fd, "cannot run %s: %s", program, strerror(-fd));
	r = read_in_time(fd, timeout_ms, ret_output);
	if (r < 0)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, r < 0 ? WNOHANG : 0);
	return r < 0 ? err_set(err, r, "%s does not answer: %s", argv[0], strerror(-r)) : 0;
}

enum doctor_level doctor_ask(struct doctor *doctor, char *const argv[], int timeout_ms,
			     const char *what)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct err err = {0};
	json_t *findings;

	if (doctor_run(argv, timeout_ms, &text, &err) < 0) {
		doctor_say(doctor, DOCTOR_FAIL, NULL, "%s: %s", what, err.msg);
		return DOCTOR_FAIL;
	}
	findings = json_loads(buf_get(&text), 0, NULL);
	if (json_array_size(findings) > 0)
		return doctor_take(doctor, findings);
	json_decref(findings);
	doctor_say(doctor, DOCTOR_FAIL, "install tgpu again", "%s: %s printed no findings", what,
		   argv[0]);
	return DOCTOR_FAIL;
}
