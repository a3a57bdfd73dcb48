/* SPDX-License-Identifier: MIT */
/*
 * Programs that answer a key.
 *
 * Running `tgpu why 12` is what a person would do in another terminal, word for word, so its
 * rights, its sentences and its errors are the ones that are known; and a daemon that does not
 * answer cannot stop the keys. Invariants: at most one runs, it never outlives its struct, its
 * output is bounded. Cost: the start of one process per key.
 */
#include "cli/top_verb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20) /* bytes shown; the history of a job has some hundred lines */

extern char **environ;

/* Start argv[0]; with its output on `out` unless that is -1. */
static int spawn(char **argv, int out, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (out >= 0) {
		posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
		posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	}
	r = posix_spawn(ret_pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -r;
}

int top_verb_start(struct top_verb *verb, const char *tgpu, const char *name,
		   const struct idrange *jobs, struct err *err)
{
	_cleanup_(buf_finish) struct buf ids = {0};
	_cleanup_(free_ptr) char *program = xstrdup(tgpu), *word = xstrdup(name);
	char *argv[] = {program, word, NULL, NULL};
	_cleanup_(close_fd) int ours = -1, theirs = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
	ours = fds[0];
	theirs = fds[1];
	buf_clear(&verb->text);
	idrange_format(&ids, jobs);
	argv[2] = ids.data;
	r = spawn(argv, theirs, &verb->pid);
	if (r < 0)
		return err_set(err, r, "cannot run %s: %s", tgpu, strerror(-r));
	verb->fd = TAKE_FD(ours);
	return 0;
}

static void end(struct top_verb *verb)
{
	fd_close(verb->fd);
	waitpid(verb->pid, NULL, 0);
	verb->pid = 0;
}

int top_verb_read(struct top_verb *verb)
{
	char block[4096];
	ssize_t n = read(verb->fd, block, sizeof(block));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n > 0)
		buf_append(&verb->text, block, (size_t)n);
	if (n > 0 && verb->text.len < TEXT_MAX)
		return 0;
	if (n > 0)
		kill(verb->pid, SIGKILL);
	end(verb);
	return TOP_VERB_OVER;
}

void top_verb_finish(struct top_verb *verb)
{
	if (verb->pid > 0) {
		kill(verb->pid, SIGKILL);
		end(verb);
	}
	buf_finish(&verb->text);
}

/* The terminal hands over each key at once, unseen; Ctrl-C interrupts, and Ctrl-Z does nothing. */
static int take_keys(struct termios *ret_before)
{
	struct termios now;

	if (tcgetattr(STDIN_FILENO, &now) < 0)
		return -errno;
	*ret_before = now;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_lflag |= ISIG;
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	now.c_cc[VSUSP] = _POSIX_VDISABLE;
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &now) < 0 ? -errno : 0;
}

static bool is_leaving_key(short revents)
{
	char key = 'q';

	if (revents & POLLIN && read(STDIN_FILENO, &key, 1) < 0)
		key = 'q';
	return revents && key == 'q';
}

/* The next signal that is not only about the size of the terminal; 0: none. */
static int next_signal(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGWINCH && info.ssi_signo != SIGCONT)
			return (int)info.ssi_signo;
	return 0;
}

/* Until the child is gone and a key was pressed. */
static int watch(pid_t pid, int pidfd, int signals)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
			       {.fd = signals, .events = POLLIN},
			       {.fd = pidfd, .events = POLLIN}};
	bool leaving = false;
	int signal = 0;

	while (fds[2].fd >= 0 || !leaving) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents && signal == 0)
			signal = next_signal(signals);
		if (!leaving && (signal || is_leaving_key(fds[0].revents))) {
			leaving = true;
			fds[0].fd = -1;
			kill(pid, SIGTERM); /* not reaped yet: still its pid */
		}
		if (fds[2].revents) {
			fds[2].fd = -1;
			if (!leaving)
				fputs("-- that is all; q goes back --\n", stderr);
		}
	}
	return signal;
}

int top_verb_follow(const char *tgpu, uint64_t id, int signals, int *ret_signal, struct err *err)
{
	_cleanup_(free_ptr) char *number = xasprintf("%" PRIu64, id), *program = xstrdup(tgpu);
	char logs[] = "logs", follow[] = "-f", *argv[] = {program, logs, follow, number, NULL};
	_cleanup_(close_fd) int pidfd = -1;
	struct termios before;
	pid_t pid;
	int r = take_keys(&before);

	if (r < 0)
		return err_set(err, r, "cannot set the terminal: %s", strerror(-r));
	fprintf(stderr, "-- the log of job %s; q goes back --\n", number);
	r = spawn(argv, -1, &pid);
	if (r == 0) {
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		*ret_signal = watch(pid, pidfd, signals);
		waitpid(pid, NULL, 0);
	}
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	return r < 0 ? err_set(err, r, "cannot run %s: %s", tgpu, strerror(-r)) : 0;
}
