/* SPDX-License-Identifier: MIT */
/*
 * Watching one runner: what its directory says, and its death.
 *
 * Invariants: the truth is in the files; hints, the pidfd and timers only say when to look. A
 * status file is taken only once (its event leaves the active states). Resources are given back
 * when the status is there, because the runner writes it after the last process of the job is gone;
 * if the runner itself was killed, only after what it left behind has been killed and has gone.
 * Deliberately not here: starting and signalling (launch.c).
 * Read next: recover.c, which starts from the same files.
 */
#include "daemon/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/machine.h"
#include "daemon/turn.h"
#include "runner/cgroup.h"
#include "runner/sweep.h"

#define RETRY_FIRST_MS 50   /* before another look; doubled each time */
#define RETRY_MAX_MS   1000 /* a look at what does not die may read all of /proc */

char *attempt_dir(const struct daemon *daemon, uint64_t job, uint32_t attempt)
{
	return xasprintf("%s/jobs/%" PRIu64 ".%" PRIu32, daemon->paths.state_dir, job, attempt);
}

struct record *attempt_record(const struct attempt *attempt)
{
	struct record *record = record_find(attempt->daemon, attempt->job);

	return record && record->attempt == attempt ? record : NULL;
}

/* Its record, while the attempt's end has not been folded yet. */
static struct record *open_record(const struct attempt *attempt)
{
	struct record *record = attempt_record(attempt);

	if (!record || record->job.attempt != attempt->number)
		return NULL;
	return job_state_has_gpus(record->job.state) ? record : NULL;
}

static void on_retry(uv_timer_t *timer)
{
	attempt_look(timer->data);
}

static void look_again_soon(struct attempt *attempt)
{
	uv_timer_start(&attempt->retry, on_retry, attempt->retry_ms, 0);
	attempt->retry_ms =
		attempt->retry_ms * 2 < RETRY_MAX_MS ? attempt->retry_ms * 2 : RETRY_MAX_MS;
}

struct attempt *attempt_create(struct daemon *daemon, struct record *record)
{
	struct attempt *attempt = xcalloc(1, sizeof(*attempt));

	attempt->daemon = daemon;
	attempt->job = record->job.id;
	attempt->number = record->job.attempt;
	attempt->pidfd = -1;
	attempt->retry_ms = RETRY_FIRST_MS;
	attempt->dir = attempt_dir(daemon, record->job.id, record->job.attempt);
	uv_timer_init(&daemon->loop, &attempt->retry);
	attempt->retry.data = attempt;
	record->attempt = attempt;
	return attempt;
}

static void free_attempt(uv_handle_t *timer)
{
	struct attempt *attempt = timer->data;

	fd_close(attempt->pidfd);
	free(attempt->dir);
	free(attempt->cgroup);
	free(attempt);
}

static void close_timer(uv_handle_t *poll)
{
	struct attempt *attempt = poll->data;

	uv_close((uv_handle_t *)&attempt->retry, free_attempt);
}

static void destroy(struct attempt *attempt)
{
	if (attempt->child)
		waitpid(attempt->runner.pid, NULL, WNOHANG);
	if (attempt->pidfd >= 0)
		uv_close((uv_handle_t *)&attempt->poll, close_timer);
	else
		uv_close((uv_handle_t *)&attempt->retry, free_attempt);
}

void attempt_detach(struct attempt *attempt)
{
	struct record *record = attempt_record(attempt);
	siginfo_t info = {0};

	if (record)
		record->attempt = NULL;
	uv_timer_stop(&attempt->retry);
	/* A child that is about to exit is reaped when its pidfd says so. */
	if (attempt->child &&
	    waitid(P_PIDFD, (id_t)attempt->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0)
		return;
	destroy(attempt);
}

static void on_runner_gone(uv_poll_t *poll, int status, int events)
{
	struct attempt *attempt = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	if (!attempt_record(attempt)) {
		destroy(attempt);
		return;
	}
	attempt->gone = true;
	attempt_look(attempt);
}

void attempt_watch(struct attempt *attempt, int pidfd)
{
	attempt->pidfd = pidfd;
	uv_poll_init(&attempt->daemon->loop, &attempt->poll, pidfd);
	attempt->poll.data = attempt;
	uv_poll_start(&attempt->poll, UV_READABLE, on_runner_gone);
}

void attempt_watch_pid(struct attempt *attempt)
{
	int pidfd = pidfd_open(attempt->runner.pid, 0);

	if (pidfd >= 0)
		attempt_watch(attempt, pidfd);
	else
		look_again_soon(attempt);
}

static enum job_cause job_cause_of(enum launch_cause cause)
{
	switch (cause) {
	case LAUNCH_CAUSE_EXIT: return JOB_CAUSE_EXIT;
	case LAUNCH_CAUSE_SIGNAL: return JOB_CAUSE_SIGNAL;
	case LAUNCH_CAUSE_STOPPED: return JOB_CAUSE_SIGNAL;
	case LAUNCH_CAUSE_TIMEOUT: return JOB_CAUSE_TIMEOUT;
	case LAUNCH_CAUSE_OOM: return JOB_CAUSE_OOM;
	case LAUNCH_CAUSE_LAUNCH: return JOB_CAUSE_LAUNCH;
	}
	return JOB_CAUSE_NONE;
}

/* Its end, in words, where the cause alone does not say it. */
static void describe_end(const struct record *record, const struct launch_status *status,
			 enum job_cause cause, char *text, size_t size)
{
	text[0] = '\0';
	if (cause == JOB_CAUSE_GPU_ERROR)
		snprintf(text, size, "%s", record->message); /* as machine_fault.c put it */
	else if (status->cause == LAUNCH_CAUSE_LAUNCH)
		snprintf(text, size, "%s", status->error);
	else if (status->cause == LAUNCH_CAUSE_STOPPED && record->job.state != JOB_STOPPING)
		snprintf(text, size, "its runner was told to end it, but not by tgpud");
	else if (status->cause == LAUNCH_CAUSE_OOM)
		snprintf(text, size, "the kernel killed it or a part of it for want of memory");
}

static void fold_status(struct attempt *attempt, const struct launch_status *status)
{
	struct record *record = attempt_record(attempt);
	_cleanup_(buf_finish) struct buf text = {0};
	char message[320];
	struct job_event end = {
		.time_ns = status->end_ns,
		.exit_code = status->exit_code,
		.signal = status->signal,
		.uid = -1,
		.cpu_ns = status->cpu_ns,
		.peak_bytes = status->peak_bytes,
	};

	end.type = job_end_event(&record->job, job_cause_of(status->cause), status->exit_code,
				 &end.cause);
	describe_end(record, status, end.cause, message, sizeof(message));
	buf_puts(&text, message);
	machine_describe_unused(attempt->daemon, record, &text);
	if (status->start_ns != TIME_UNKNOWN)
		record->job.start_ns = status->start_ns;
	if (status->start_ns != TIME_UNKNOWN && record->job.state == JOB_STARTING) {
		struct job_event start = {.type = JOB_EVENT_START, .time_ns = status->start_ns};

		turn_apply(attempt->daemon, record, &start, "");
	}
	turn_apply(attempt->daemon, record, &end, buf_get(&text));
}

static void fold_started(struct attempt *attempt)
{
	struct record *record = attempt_record(attempt);
	struct launch_started started;
	struct err err = {0};
	struct job_event start = {.type = JOB_EVENT_START};

	if (attempt->job_pid || launch_started_read(attempt->dir, &started, &err) < 0)
		return;
	attempt->job_pid = started.job_pid;
	start.time_ns = started.start_ns;
	if (record->job.state == JOB_STARTING || record->job.state == JOB_STOPPING)
		turn_apply(attempt->daemon, record, &start, "");
}

/* Learn who the runner is; an adopted one is watched from then on. */
static void fold_runner(struct attempt *attempt)
{
	struct launch_runner runner = {0};
	struct err err = {0};
	int pidfd;
	bool known = attempt->cgroup && attempt->pidfd >= 0;

	if (known || launch_runner_read(attempt->dir, &runner, &err) < 0)
		return;
	free(attempt->cgroup);
	attempt->cgroup = TAKE_PTR(runner.cgroup);
	attempt->runner = runner.runner;
	launch_runner_finish(&runner);
	if (attempt->pidfd >= 0)
		return;
	pidfd = procid_open(&attempt->runner);
	if (pidfd < 0)
		return;
	attempt_watch(attempt, pidfd);
	turn_touch(attempt->daemon, attempt_record(attempt)); /* it may be due to be signalled */
}

/* Kill what is left of the job. True once nothing is. */
static bool remains_are_gone(const struct attempt *attempt)
{
	_cleanup_(free_ptr) char *variable = xasprintf("TGPU_ATTEMPT=%s", attempt->dir);

	if (attempt->cgroup) {
		cgroup_leaf_kill(attempt->cgroup);
		return !cgroup_leaf_is_populated(attempt->cgroup);
	}
	return sweep_attempt(attempt->job_pid, variable) == 0;
}

/* The runner is dead and there is no status: kill what it left, then fold the loss. */
static void fold_loss(struct attempt *attempt)
{
	struct record *record = attempt_record(attempt);
	struct launch_runner runner = {0};
	bool ran = launch_runner_read(attempt->dir, &runner, NULL) != -ENOENT;
	struct job_event end = job_event_make(JOB_EVENT_FAIL, clock_wall_ns());

	launch_runner_finish(&runner);
	if (ran && !remains_are_gone(attempt)) {
		look_again_soon(attempt);
		return;
	}
	if (ran && attempt->cgroup)
		cgroup_leaf_remove(attempt->cgroup);
	end.type = job_end_event(&record->job, JOB_CAUSE_RUNNER_LOST, -1, &end.cause);
	if (!ran && end.type == JOB_EVENT_FAIL && record->job.attempt < JOB_ATTEMPTS_MAX)
		end.type = JOB_EVENT_REQUEUE; /* nothing ran, so running it is no second time */
	log_warn("a runner died without a record job=%" PRIu64 " ran=%d", attempt->job, ran);
	turn_apply(attempt->daemon, record, &end,
		   ran ? "its runner was killed; what it left was ended"
		       : "its runner never began");
}

bool attempt_lock_is_held(const char *dir)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, LAUNCH_FILE_LOCK);
	_cleanup_(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	/* What cannot be asked now may be held. */
	return fd < 0 ? errno != ENOENT : flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Is there a status, perhaps, that only cannot be read now? One that is not whole never will be. */
static bool may_be_read_later(int r)
{
	return r != -ENOENT && r != -EINVAL && r != -EFBIG;
}

void attempt_look(struct attempt *attempt)
{
	struct launch_status status;
	struct err err = {0};
	int r;

	if (!open_record(attempt))
		return;
	/* Asked before the files are read: a runner that has let go of the lock has written all. */
	attempt->gone |= attempt->pidfd < 0 && !attempt_lock_is_held(attempt->dir);
	fold_runner(attempt);
	r = launch_status_read(attempt->dir, &status, &err);
	if (r == 0) {
		fold_status(attempt, &status);
		return;
	}
	if (r != -ENOENT)
		log_warn("a status record cannot be read job=%" PRIu64 " error=\"%s\"",
			 attempt->job, err.msg[0] ? err.msg : strerror(-r));
	fold_started(attempt);
	if (attempt->gone && !may_be_read_later(r))
		fold_loss(attempt);
	else if (attempt->gone || attempt->pidfd < 0)
		look_again_soon(attempt);
}
