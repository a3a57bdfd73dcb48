/* SPDX-License-Identifier: MIT */
/*
 * Starting runners, telling them to end, and the hints they send.
 *
 * Invariants: a runner is spawned only for a committed `starting` record, once: its attempt's
 * directory carries the attempt's number and holds the lock from before the spawn. Processes are
 * spawned by posix_spawn (a fork of a large daemon would copy its page tables) with all signals
 * blocked and nothing of the daemon's environment or descriptors but what is listed. Deliberately
 * not here: what the job gets to see (launch_spec.c), what a runner's files mean (attempt.c). Cost:
 * one mkdir, one memfd, one spawn per start. Read next: launch_spec.c, attempt.c.
 */
#include "daemon/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/attempt.h"
#include "daemon/launch_spec.h"
#include "daemon/turn.h"

#define HINTS_PER_CALLBACK 1000 /* so that a flood of hints cannot hold up the turn */
#define START_RETRY_MS	   1000 /* after a start that failed for want of resources */

/* Is `path`, as /proc/PID/cgroup tells it, the group at `dir` or below it? `dir` has the mount
 * point in front, so some leading part of the path must be its end. */
static bool is_within(const char *path, const char *dir, size_t dir_len)
{
	for (size_t k = 1; k <= strlen(path) && k <= dir_len; k++)
		if ((path[k] == '/' || path[k] == '\0') && memcmp(dir + dir_len - k, path, k) == 0)
			return true;
	return false;
}

bool launch_owns_process(const struct record *record, const struct gpu_process *process)
{
	const struct attempt *attempt = record->attempt;

	if (attempt->cgroup && process->cgroup &&
	    is_within(process->cgroup, attempt->cgroup, strlen(attempt->cgroup)))
		return true;
	for (size_t i = 0; i < process->n_ancestors; i++)
		if (attempt->runner.pid && process->ancestors[i] == attempt->runner.pid)
			return true;
	return false;
}

/* Make the attempt's directory and take its lock. The lock's descriptor or -errno. */
static int make_locked_dir(const struct daemon *daemon, const char *dir)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, LAUNCH_FILE_LOCK);
	int fd;

	/* The system's jobs run as their users, who must reach a script in here; nothing else is
	 * readable for them. */
	if (mkdir(dir, daemon->paths.system ? 0711 : 0700) < 0 && errno != EEXIST)
		return -errno;
	if (daemon->paths.system && chmod(dir, 0711) < 0)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -EBUSY;
	}
	return fd;
}

static int make_memfd(const struct launch *launch)
{
	_cleanup_(free_ptr) char *data = NULL;
	_cleanup_(close_fd) int fd = memfd_create("tgpu-launch", MFD_CLOEXEC);
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	launch_encode(launch, &data, &len);
	r = write_all(fd, data, len);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int spawn_runner(const char *program, int spec_fd, int lock_fd, pid_t *ret_pid)
{
	char *const argv[] = {(char *)program, NULL};
	char *const no_environment[] = {NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all;
	int r;

	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, spec_fd, LAUNCH_SPEC_FD);
	posix_spawn_file_actions_adddup2(&files, lock_fd, LAUNCH_LOCK_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &all);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawn(ret_pid, program, &files, &attributes, argv, no_environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

/* Move a descriptor out of the way of the two fixed numbers it may be dup'ed to. */
static int above_fixed(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, LAUNCH_LOCK_FD + 1);

	close(fd);
	return moved < 0 ? -errno : moved;
}

static int start_runner(struct daemon *daemon, struct record *record, struct err *err)
{
	_cleanup_(launch_finish) struct launch launch = {0};
	_cleanup_(close_fd) int spec_fd = -1, lock_fd = -1;
	_cleanup_(free_ptr) char *program = paths_program("tgpu-runner");
	struct attempt *attempt = record->attempt;
	int r;

	if (!program)
		return err_set(err, -ENOENT,
			       "cannot find tgpu-runner; install it or set TGPU_LIBEXEC_DIR");
	r = launch_spec_make(daemon, record, &launch, &attempt->port, err);
	if (r < 0)
		return r;
	lock_fd = make_locked_dir(daemon, attempt->dir);
	if (lock_fd < 0)
		return err_set(err, lock_fd, "cannot make %s: %s", attempt->dir,
			       strerror(-lock_fd));
	spec_fd = make_memfd(&launch);
	lock_fd = above_fixed(lock_fd);
	spec_fd = spec_fd < 0 ? spec_fd : above_fixed(spec_fd);
	if (spec_fd < 0 || lock_fd < 0)
		return err_set(err, -EMFILE,
			       "out of descriptors or memory while starting a runner");
	r = spawn_runner(program, spec_fd, lock_fd, &attempt->runner.pid);
	if (r < 0)
		return err_set(err, r, "cannot start %s: %s", program, strerror(-r));
	attempt->child = true;
	attempt_watch_pid(attempt);
	return 0;
}

/* Want of processes, descriptors, memory or disk: nothing of the job's making, and it passes. */
static bool is_shortage(int r)
{
	return r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -ENOSPC ||
	       r == -EDQUOT;
}

static void try_start(struct daemon *daemon, struct record *record);

static void on_start_again(uv_timer_t *timer)
{
	struct attempt *attempt = timer->data;
	struct record *record = attempt_record(attempt);

	if (record && record->job.state == JOB_STARTING)
		try_start(attempt->daemon, record);
}

static void try_start(struct daemon *daemon, struct record *record)
{
	struct attempt *attempt = record->attempt;
	struct job_event fail = job_event_make(JOB_EVENT_FAIL, clock_wall_ns());
	struct err err = {0};
	int r = start_runner(daemon, record, &err);
	bool noted = attempt->unborn;

	attempt->unborn = is_shortage(r);
	if (attempt->unborn) {
		uv_timer_start(&attempt->retry, on_start_again, START_RETRY_MS, 0);
		if (!noted)
			turn_note(daemon, record, "start-delayed", err.msg);
	} else if (r < 0) {
		fail.cause = JOB_CAUSE_LAUNCH;
		turn_apply(daemon, record, &fail, err.msg);
	}
	if (r < 0 && !noted)
		log_error("a job could not be started%s job=%" PRIu64 " error=\"%s\"",
			  attempt->unborn ? ", trying again" : "", record->job.id, err.msg);
}

static void start(struct daemon *daemon, struct record *record)
{
	attempt_create(daemon, record);
	try_start(daemon, record);
}

/* Ordered to end before there was a runner. */
static void end_unborn(struct daemon *daemon, struct record *record)
{
	struct job_event end = job_event_make(JOB_EVENT_CANCEL, clock_wall_ns());

	end.type = job_end_event(&record->job, JOB_CAUSE_LAUNCH, -1, &end.cause);
	turn_apply(daemon, record, &end, "ended before it ran");
}

/* Tell the runner to end the job; each strength once. */
static void stop(struct daemon *daemon, struct record *record)
{
	struct attempt *attempt = record->attempt;
	int signal = record->job.kill_now ? SIGINT : SIGTERM;

	if (!attempt || attempt->unborn) {
		end_unborn(daemon, record);
		return;
	}
	if (attempt->signalled == signal || attempt->signalled == SIGINT || attempt->pidfd < 0)
		return;
	if (pidfd_send_signal(attempt->pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
		log_warn("cannot signal a runner job=%" PRIu64 " error=\"%s\"", record->job.id,
			 strerror(errno));
	attempt->signalled = signal;
}

int launch_remove_dir(const char *dir)
{
	static const char *const files[] = {LAUNCH_FILE_SCRIPT, LAUNCH_FILE_STARTED,
					    LAUNCH_FILE_RUNNER, LAUNCH_FILE_STATUS,
					    LAUNCH_FILE_LOCK};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, files[i]);

		unlink(path);
	}
	return rmdir(dir) < 0 && errno != ENOENT ? -errno : 0;
}

/* The end is on disk: the attempt's directory has served. */
static void tidy(struct record *record)
{
	int r = launch_remove_dir(record->attempt->dir);

	if (r < 0)
		log_warn("cannot remove an attempt's directory job=%" PRIu64 " error=\"%s\"",
			 record->job.id, strerror(-r));
	attempt_detach(record->attempt);
}

void launch_act(struct daemon *daemon, struct record *record)
{
	bool has_gpus = job_state_has_gpus(record->job.state);

	/* Over, or already placed again. */
	if (record->attempt && (!has_gpus || record->attempt->number != record->job.attempt))
		tidy(record);
	if (record->job.state == JOB_STARTING && !record->attempt)
		start(daemon, record);
	else if (record->job.state == JOB_STOPPING)
		stop(daemon, record);
}

/* "ID ATTEMPT FILE": look at that attempt, if it is the current one. */
static void fold_hint(struct daemon *daemon, const char *hint)
{
	uint64_t id;
	uint32_t attempt;
	struct record *record;

	if (sscanf(hint, "%" SCNu64 " %" SCNu32, &id, &attempt) != 2)
		return;
	record = record_find(daemon, id);
	if (record && record->attempt && record->job.attempt == attempt &&
	    job_state_has_gpus(record->job.state))
		attempt_look(record->attempt);
}

static void on_hint(uv_poll_t *poll, int status, int events)
{
	struct daemon *daemon = poll->data;
	char hint[128];
	ssize_t n;

	(void)status;
	(void)events;
	for (int i = 0; i < HINTS_PER_CALLBACK; i++) {
		n = recv(daemon->hint_fd, hint, sizeof(hint) - 1, MSG_DONTWAIT);
		if (n < 0)
			return;
		hint[n] = '\0';
		fold_hint(daemon, hint);
	}
}

static int make_dir(const struct daemon *daemon, const char *name, struct err *err)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", daemon->paths.state_dir, name);

	if (mkdir(path, daemon->paths.system ? 0711 : 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "cannot make %s: %s", path, strerror(errno));
	if (daemon->paths.system && chmod(path, 0711) < 0)
		return err_set(err, -errno, "cannot open up %s: %s", path, strerror(errno));
	return 0;
}

char *launch_default_log(const struct daemon *daemon, uint32_t uid, uint64_t job)
{
	if (daemon->paths.system)
		return xasprintf("%s/logs/%" PRIu32 "/%" PRIu64 ".log", daemon->paths.state_dir,
				 uid, job);
	return xasprintf("%s/logs/%" PRIu64 ".log", daemon->paths.state_dir, job);
}

static int open_hint_socket(struct daemon *daemon, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(err, -errno, "cannot make the hint socket: %s", strerror(errno));
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/hint.sock",
		     daemon->paths.state_dir) >= (int)sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "the state directory's path is too long for a socket: %s; "
			       "set TGPU_STATE_DIR to a shorter one",
			       daemon->paths.state_dir);
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, -errno, "cannot bind %s: %s", address.sun_path,
			       strerror(errno));
	daemon->hint_fd = TAKE_FD(fd);
	uv_poll_init(&daemon->loop, &daemon->hint_poll, daemon->hint_fd);
	daemon->hint_poll.data = daemon;
	uv_poll_start(&daemon->hint_poll, UV_READABLE, on_hint);
	return 0;
}

int launch_init(struct daemon *daemon, struct err *err)
{
	int r = make_dir(daemon, "jobs", err);

	if (r == 0)
		r = make_dir(daemon, "logs", err);
	if (r == 0)
		r = open_hint_socket(daemon, err);
	return r;
}

void launch_finish_all(struct daemon *daemon)
{
	daemon->hint_fd = fd_close(daemon->hint_fd);
}
