/* SPDX-License-Identifier: MIT */
/*
 * Spawn tgpud detached and wait for its word.
 *
 * Invariants: clients start a daemon one at a time, under the lock, so of two first commands one
 * starts it and the other finds it; nothing of the client (signal mask, ignored signals,
 * descriptors, working directory, terminal) reaches the daemon but its environment. Deliberately
 * not here: connecting (client.c); the daemon's own lock, which is what guarantees that there is
 * only one.
 */
#include "cli/autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

#define READY_FD	 3
#define READY_TIMEOUT_MS 30000 /* a daemon that recovers many jobs after a crash needs a while */
#define READY_LINE_MAX	 512
#define LOCK_FILE_MAX	 4096 /* a pid and a path */
#define LOCKS_MAX	 (1u << 20)

extern char **environ;

/* mkdir -p, the directories made being private. */
static int make_directories(const char *path)
{
	_cleanup_(free_ptr) char *copy = xstrdup(path);

	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int autostart_lock(const struct paths *paths, struct err *err)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/start.lock", paths->state_dir);
	_cleanup_(close_fd) int fd = -1;
	int r = make_directories(paths->state_dir);

	if (r < 0)
		return err_set(err, -ENOTCONN,
			       "no daemon can run here: cannot make the state directory %s: %s; "
			       "set TGPU_STATE_DIR to a directory of yours",
			       paths->state_dir, strerror(-r));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -ENOTCONN, "cannot open %s: %s", path, strerror(errno));
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(err, -ENOTCONN, "cannot lock %s: %s", path, strerror(errno));
	return TAKE_FD(fd);
}

/* Is this process a tgpud? Its number may be another's by now. */
static bool is_tgpud(pid_t pid)
{
	_cleanup_(free_ptr) char *path = xasprintf("/proc/%d/comm", (int)pid), *name = NULL;
	size_t len;

	return read_file(path, 64, &name, &len) == 0 && STREQ(name, "tgpud\n");
}

/* A process whose parent has not looked after it yet is over all the same. */
static bool has_ended(int pidfd)
{
	return poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0) > 0;
}

/* Is the lock in this process's hands? Its number may be another daemon's by now, after a crash in
 * a container or a reboot. By the kernel's list, because to try the lock would be to hold it. */
static bool holds(pid_t pid, const char *path)
{
	_cleanup_(free_ptr) char *text = NULL;
	char *rest, *line;
	struct stat st;

	if (stat(path, &st) < 0 || read_file("/proc/locks", LOCKS_MAX, &text, NULL) < 0)
		return true; /* nobody can tell */
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		unsigned long inode;
		int holder;

		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %*x:%*x:%lu", &holder, &inode) ==
			    2 &&
		    holder == (int)pid && inode == st.st_ino)
			return true;
	}
	return false;
}

/* "812\n/run/user/1000/tgpu.sock\n" */
int autostart_find(const struct paths *paths, struct autostart_found *ret_found)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/lock", paths->state_dir), *text = NULL;
	_cleanup_(close_fd) int fd = -1;
	const char *second;
	size_t len;
	pid_t pid;

	if (read_file(path, LOCK_FILE_MAX, &text, &len) < 0)
		return -ESRCH;
	pid = (pid_t)atoi(text);
	if (pid > 0)
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || !is_tgpud(pid) || has_ended(fd) || !holds(pid, path))
		return -ESRCH;
	second = text + strcspn(text, "\n");
	second += *second == '\n';
	*ret_found =
		(struct autostart_found){TAKE_FD(fd), pid, xstrndup(second, strcspn(second, "\n"))};
	return 0;
}

void autostart_found_finish(struct autostart_found *found)
{
	found->pidfd = fd_close(found->pidfd);
	free(found->socket);
	found->socket = NULL;
}

static void set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(attr);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
					       POSIX_SPAWN_SETSIGDEF);
}

static void set_files(posix_spawn_file_actions_t *files, const char *log, int ready)
{
	posix_spawn_file_actions_init(files);
	posix_spawn_file_actions_adddup2(files, ready, READY_FD);
	posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND,
					 0600);
	posix_spawn_file_actions_adddup2(files, STDOUT_FILENO, STDERR_FILENO);
	posix_spawn_file_actions_addchdir_np(files, "/");
	posix_spawn_file_actions_addclosefrom_np(files, READY_FD + 1);
}

static int spawn(const char *program, const char *log, int ready)
{
	char name[] = "tgpud", option[] = "--ready-fd", fd[] = "3",
	     *argv[] = {name, option, fd, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	pid_t pid;
	int r;

	set_attributes(&attr);
	set_files(&files, log, ready);
	r = posix_spawn(&pid, program, &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* Read one line, or what there is of it at the end of the stream. -ETIMEDOUT when neither comes. */
static int read_ready_line(int fd, char line[READY_LINE_MAX])
{
	int64_t end = clock_mono_ns() + READY_TIMEOUT_MS * NS_PER_MS;
	size_t len = 0;

	for (;;) {
		int64_t left_ms = (end - clock_mono_ns()) / NS_PER_MS;
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t n;

		line[len] = '\0';
		if (strchr(line, '\n') || len == READY_LINE_MAX - 1)
			break;
		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (poll(&wait, 1, (int)left_ms) <= 0)
			continue;
		n = read(fd, line + len, READY_LINE_MAX - 1 - len);
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

static int wait_ready(int fd, const char *log, struct err *err)
{
	char line[READY_LINE_MAX];
	int r = read_ready_line(fd, line);

	if (r < 0)
		return err_set(err, -ENOTCONN,
			       "the daemon was started but is not ready: %s; see %s", strerror(-r),
			       log);
	if (STREQ(line, "ready"))
		return 0;
	if (line[0])
		return err_set(err, -ENOTCONN, "the daemon could not start: %s", line);
	return err_set(err, -ENOTCONN, "the daemon ended before it was ready; see %s", log);
}

int autostart_spawn(const struct paths *paths, struct err *err)
{
	_cleanup_(free_ptr) char *program = paths_program("tgpud");
	_cleanup_(free_ptr) char *log = xasprintf("%s/%s", paths->state_dir, AUTOSTART_LOG);
	_cleanup_(close_fd) int ours = -1, theirs = -1;
	int fds[2], r;

	if (!program)
		return err_set(
			err, -ENOTCONN,
			"no daemon runs, and the program tgpud is not installed beside tgpu; "
			"set TGPU_LIBEXEC_DIR to its directory");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
	ours = fds[0];
	theirs = fcntl(fds[1], F_DUPFD_CLOEXEC, READY_FD + 1);
	fd_close(fds[1]);
	if (theirs < 0)
		return err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
	r = spawn(program, log, theirs);
	if (r < 0)
		return err_set(err, -ENOTCONN, "cannot start %s: %s", program, strerror(-r));
	theirs = fd_close(theirs);
	return wait_ready(ours, log, err);
}
