/* SPDX-License-Identifier: MIT */
/*
 * tgpu-runner: one attempt at one job, from the launch record to the status record.
 *
 * A process of its own so that tgpud may die, be killed or be replaced without a job noticing, and
 * because only a parent learns an exit code. It links libc alone and sleeps while the job runs.
 *
 * Invariants: `runner` is written before the job is forked, `status` after its last process is
 * gone; the lock descriptor stays open until the very end. No PDEATHSIG towards the daemon, on
 * purpose. Read next: job.c, then supervise.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "runner/cgroup.h"
#include "runner/runner.h"

#define RETRY_S 1 /* between tries to write the status on a full disk */

/* All signals arrive through a descriptor; the daemon started this process with all of them
 * blocked. */
static int open_signals(void)
{
	sigset_t all, watched;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&watched);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGINT);
	sigaddset(&watched, SIGCHLD);
	return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int read_launch(struct launch *launch, struct err *err)
{
	_cleanup_(free_ptr) char *data = NULL;
	size_t len;
	int r = read_all(LAUNCH_SPEC_FD, LAUNCH_RECORD_MAX, &data, &len);

	close(LAUNCH_SPEC_FD);
	if (r < 0)
		return err_set(err, r, "cannot read the launch record: %s", strerror(-r));
	return launch_decode(data, len, launch, err);
}

/* Tell the daemon that there is a new file. Lost hints do not matter. */
static void hint(const struct launch *launch, const char *file)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[128];

	if (fd < 0 || !launch->hint_socket ||
	    strlen(launch->hint_socket) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, launch->hint_socket, strlen(launch->hint_socket) + 1);
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu32 " %s", launch->job, launch->attempt,
		 file);
	(void)sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof(address));
}

/* Say who we are, before anything runs. */
static int announce(const struct launch *launch, char *leaf)
{
	struct launch_runner runner = {.cgroup = leaf};
	int r = procid_get(getpid(), &runner.runner);

	if (r == 0)
		r = launch_runner_write(launch->dir, &runner);
	if (r == 0)
		hint(launch, LAUNCH_FILE_RUNNER);
	return r;
}

/* Write the job's script into the attempt's directory, for its user to execute. */
static int write_script(struct launch *launch, struct err *err)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", launch->dir, LAUNCH_FILE_SCRIPT);
	_cleanup_(close_fd) int fd = -1;
	int r = 0;

	if (!launch->script)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
	if (fd < 0)
		return err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	r = write_all(fd, launch->script, strlen(launch->script));
	if (r == 0 && launch->drop_ids && fchown(fd, launch->uid, launch->gid) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "cannot write %s: %s", path, strerror(-r));
	launch->argv = xreallocarray(launch->argv, launch->n_argv + 2, sizeof(char *));
	memmove(launch->argv + 1, launch->argv, (launch->n_argv + 1) * sizeof(char *));
	launch->argv[0] = TAKE_PTR(path);
	launch->n_argv++;
	return 0;
}

static void run(struct launch *launch, const char *leaf, int signal_fd,
		struct launch_status *status)
{
	struct job_process process;
	struct launch_started started;
	struct err err = {0};
	int code = write_script(launch, &err) < 0 ? 126 : 0;

	if (code == 0)
		code = job_start(launch, leaf, &process, &err);
	if (code != 0) {
		status->cause = LAUNCH_CAUSE_LAUNCH;
		status->exit_code = code;
		status->end_ns = clock_wall_ns();
		snprintf(status->error, sizeof(status->error), "%s", err.msg);
		return;
	}
	started = (struct launch_started){process.pid, process.start_ns};
	if (launch_started_write(launch->dir, &started) == 0)
		hint(launch, LAUNCH_FILE_STARTED);
	supervise(launch, leaf, &process, signal_fd, status);
}

/* The end must not be lost, so a disk that is full is waited out; the lock says that we are there.
 */
static void record_end(const struct launch *launch, const struct launch_status *status)
{
	int r;

	while ((r = launch_status_write(launch->dir, status)) < 0) {
		log_error("cannot write a job's end, trying again job=%" PRIu64 " error=\"%s\"",
			  launch->job, strerror(-r));
		sleep(RETRY_S);
	}
	hint(launch, LAUNCH_FILE_STATUS);
}

int main(void)
{
	_cleanup_(launch_finish) struct launch launch = {0};
	_cleanup_(free_ptr) char *leaf = NULL;
	struct launch_status status = {.exit_code = -1, .cpu_ns = -1, .peak_bytes = -1};
	struct err err = {0};
	int signal_fd = open_signals(), r;

	log_init("tgpu-runner", LOG_LEVEL_INFO);
	fcntl(LAUNCH_LOCK_FD, F_SETFD, FD_CLOEXEC);
	umask(077);
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = signal_fd < 0 ? -errno : read_launch(&launch, &err);
	if (r < 0) {
		log_error("%s", err.msg[0] ? err.msg : strerror(-r));
		return 1;
	}
	if (launch.cgroup)
		leaf = cgroup_leaf_create(launch.cgroup, launch.job, launch.attempt,
					  launch.mem_bytes);
	r = announce(&launch, leaf);
	if (r < 0) {
		log_error("cannot write to %s, so nothing is started: %s", launch.dir,
			  strerror(-r));
		return 1;
	}
	run(&launch, leaf, signal_fd, &status);
	record_end(&launch, &status);
	if (leaf)
		cgroup_leaf_remove(leaf);
	return 0;
}
