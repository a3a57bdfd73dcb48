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
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "runner/cgroup.h"
#include "runner/job.h"
#include "runner/oom.h"
#include "runner/record.h"
#include "runner/supervise.h"

#define NOT_RUNNABLE 126 /* the shell's code for what could not be executed */

/* Whoever tries this program by hand has neither. */
static bool has_descriptors(void)
{
	return fcntl(LAUNCH_SPEC_FD, F_SETFD, FD_CLOEXEC) == 0 &&
	       fcntl(LAUNCH_LOCK_FD, F_SETFD, FD_CLOEXEC) == 0;
}

/* All signals arrive through a descriptor. The daemon started this process with all of them
 * blocked, so that none was lost or deadly in between. */
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

/* Stand apart from the daemon: its session, its directory, its fate. 0 or -errno. */
static int detach(void)
{
	setsid();
	(void)!chdir("/");
	umask(077);
	oom_protect();
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0;
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

static char *make_leaf(const struct launch *launch)
{
	char *leaf;

	if (!launch->cgroup)
		return NULL;
	leaf = cgroup_leaf_create(launch->cgroup, launch->job, launch->attempt, launch->mem_bytes);
	if (!leaf)
		log_warn("no cgroup for a job, so it is watched by kinship only job=%" PRIu64
			 " in=%s",
			 launch->job, launch->cgroup);
	return leaf;
}

static void remove_leaf(const struct launch *launch, const char *leaf)
{
	int r = leaf ? cgroup_leaf_remove(leaf) : 0;

	if (r < 0)
		log_warn("a job's cgroup cannot be removed job=%" PRIu64 " cgroup=%s error=\"%s\"",
			 launch->job, leaf, strerror(-r));
}

/* Write the job's script into the attempt's directory, for its user to execute: it becomes the
 * first word of the command. */
static int write_script(struct launch *launch, struct err *err)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", launch->dir, LAUNCH_FILE_SCRIPT);
	_cleanup_(close_fd) int fd = -1;
	int r;

	if (!launch->script)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
	r = fd < 0 ? -errno : write_all(fd, launch->script, strlen(launch->script));
	if (r == 0 && launch->drop_ids && fchown(fd, launch->uid, launch->gid) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "cannot write the job's script to %s: %s", path,
			       strerror(-r));
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
	struct err err = {0};

	if (write_script(launch, &err) == 0 && job_fork(launch, leaf, &process, &err) == 0) {
		supervise(launch, leaf, &process, signal_fd, status);
		return;
	}
	*status = (struct launch_status){
		.cause = LAUNCH_CAUSE_LAUNCH,
		.exit_code = NOT_RUNNABLE,
		.end_ns = clock_wall_ns(),
		.cpu_ns = -1,
		.peak_bytes = -1,
	};
	memcpy(status->error, err.msg, sizeof(status->error));
}

int main(void)
{
	_cleanup_(launch_finish) struct launch launch = {0};
	_cleanup_(free_ptr) char *leaf = NULL;
	struct launch_status status;
	struct err err = {0};
	int signal_fd, r;

	log_init("tgpu-runner", LOG_LEVEL_INFO);
	if (!has_descriptors()) {
		log_error(
			"tgpu-runner is started by tgpud, not by hand; see \"tgpu submit --help\"");
		return 2;
	}
	signal_fd = open_signals();
	if (signal_fd < 0) {
		log_error("cannot listen to signals: %s", strerror(errno));
		return 1;
	}
	r = detach();
	if (r < 0) {
		log_error("nothing is started, because its orphans would not be seen error=\"%s\"",
			  strerror(-r));
		return 1;
	}
	if (read_launch(&launch, &err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	leaf = make_leaf(&launch);
	r = record_runner(&launch, leaf);
	if (r < 0) {
		log_error("nothing is started, because its directory cannot be written to "
			  "job=%" PRIu64 " dir=%s error=\"%s\"",
			  launch.job, launch.dir, strerror(-r));
		remove_leaf(&launch, leaf);
		return 1;
	}
	run(&launch, leaf, signal_fd, &status);
	record_status(&launch, &status);
	remove_leaf(&launch, leaf);
	if (leaf && record_is_alone(&launch))
		cgroup_base_remove(launch.cgroup);
	return 0;
}
