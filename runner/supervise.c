/* SPDX-License-Identifier: MIT */
/*
 * The life of a running job, seen by its runner.
 *
 *     launching --(exec)--> running --(SIGTERM, limit, first process gone)--> ending
 *         |                    |                                                 |
 *         `--(SIGTERM, SIGINT)-+--(SIGINT)--> killing <--------(grace over)------'
 *
 * It is over when no process of the job is left: the runner is the subreaper of all of them, so "no
 * child" says it, and the cgroup says it again.
 *
 * Invariants: the exit code is the first process's, whatever became of the others. What a job is
 * asked to end with goes to its first process's group, as a terminal would do it; once that process
 * is gone, to whoever is left. What cannot be killed (stuck in a driver) is waited for, because its
 * GPU is not free. Cost: asleep in poll() but for signals and deadlines.
 * Read next: sweep.c, cgroup.c, which do the killing.
 */
#include "runner/supervise.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "runner/cgroup.h"
#include "runner/logcap.h"
#include "runner/record.h"
#include "runner/sweep.h"

#define REKILL_FIRST_MS 100  /* who was being forked just then is found by the second round */
#define REKILL_MAX_MS	1000 /* later ones only matter for the stuck, and each reads all of /proc */
#define GONE_POLL_MS	10   /* a group empties a moment after its last process is reaped */
#define STUCK_AFTER_MS	30000
#define POLL_MAX_MS	3600000 /* poll() takes an int */

enum phase { PHASE_LAUNCHING, PHASE_RUNNING, PHASE_ENDING, PHASE_KILLING };

/* What a signal to the runner asks for; the stronger one wins. */
enum wish { WISH_NONE, WISH_END, WISH_KILL };

struct watch {
	const struct launch *launch;
	const char *leaf; /* NULL: none */
	pid_t job;
	int report_fd; /* owned; -1 once the exec has succeeded or failed */
	const struct job_failure *report;
	int signal_fd;
	enum phase phase;
	bool failed; /* nothing ran: failure */
	struct job_failure failure;
	bool told; /* ended by the runner: cause says why */
	enum launch_cause cause;
	bool first_gone; /* the first process has been reaped: wait_status */
	int wait_status;
	int64_t start_ns;    /* wall clock; TIME_UNKNOWN before the exec */
	int64_t limit_at_ns; /* monotonic; TIME_NEVER */
	int64_t kill_at_ns;  /* end of the grace, then the next kill; TIME_NEVER */
	int64_t stuck_at_ns; /* when to say that it does not die; TIME_NEVER */
	int64_t rekill_ms;
	struct logcap logcap;
	int64_t cpu_ns; /* summed over the reaped, as is the next */
	int64_t max_rss_bytes;
};

/* Ask for the end. A stopped process must go on to hear it. */
static void ask(const struct watch *watch)
{
	int signals[] = {watch->launch->signal, SIGCONT};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (watch->first_gone)
			sweep_signal(getpid(), signals[i]);
		else
			kill(-watch->job, signals[i]);
	}
}

static void begin_ending(struct watch *watch)
{
	watch->phase = PHASE_ENDING;
	watch->kill_at_ns = time_add(clock_mono_ns(), watch->launch->grace_ms * NS_PER_MS);
	ask(watch);
}

static void kill_all(struct watch *watch)
{
	int64_t now_ns = clock_mono_ns();

	if (watch->phase != PHASE_KILLING) {
		watch->stuck_at_ns = now_ns + STUCK_AFTER_MS * NS_PER_MS;
		watch->rekill_ms = REKILL_FIRST_MS;
	}
	watch->phase = PHASE_KILLING;
	if (watch->leaf)
		cgroup_leaf_kill(watch->leaf);
	sweep_kill(getpid());
	watch->kill_at_ns = now_ns + watch->rekill_ms * NS_PER_MS;
	if (watch->rekill_ms < REKILL_MAX_MS)
		watch->rekill_ms *= 2;
	if (now_ns >= watch->stuck_at_ns) {
		log_warn("a job's processes do not die; its GPUs stay reserved until they do "
			 "job=%" PRIu64,
			 watch->launch->job);
		watch->stuck_at_ns = TIME_NEVER;
	}
}

/* The runner ends the job: unless it has already ended by itself, that is the cause. */
static void tell(struct watch *watch, enum launch_cause cause)
{
	if (watch->told || watch->first_gone)
		return;
	watch->told = true;
	watch->cause = cause;
}

/* The exec has succeeded, or a step before it has failed or was the child's last. */
static void take_report(struct watch *watch)
{
	watch->report_fd = fd_close(watch->report_fd);
	watch->failure = *watch->report;
	watch->failed = watch->failure.error || watch->failure.step < JOB_STEP_EXEC;
	if (watch->failed || watch->phase != PHASE_LAUNCHING)
		return;
	watch->phase = PHASE_RUNNING;
	watch->start_ns = clock_wall_ns();
	logcap_open(&watch->logcap, watch->launch);
	if (watch->launch->limit_ms > 0)
		watch->limit_at_ns = time_add(clock_mono_ns(), watch->launch->limit_ms * NS_PER_MS);
	record_started(watch->launch, watch->job, watch->start_ns);
}

static enum wish read_signals(const struct watch *watch)
{
	struct signalfd_siginfo info;
	enum wish wish = WISH_NONE;

	while (read(watch->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGINT)
			wish = WISH_KILL;
		else if (info.ssi_signo == SIGTERM && wish == WISH_NONE)
			wish = WISH_END;
	}
	return wish;
}

static int64_t timeval_ns(const struct timeval *tv)
{
	return tv->tv_sec * NS_PER_S + tv->tv_usec * NS_PER_US;
}

/* The first process has ended by itself or at last: those that it left behind are to follow. */
static void end_the_rest(struct watch *watch)
{
	if (watch->phase == PHASE_ENDING)
		ask(watch); /* they were not in its group, perhaps; the grace runs on */
	else if (watch->phase != PHASE_KILLING)
		begin_ending(watch);
}

/* -1: there is no child, and nothing else. */
static pid_t reap_one(int *status, struct rusage *usage)
{
	pid_t pid;

	do
		pid = wait4(-1, status, WNOHANG, usage);
	while (pid < 0 && errno == EINTR);
	return pid;
}

/* Reap whoever is dead. False when no child is left. */
static bool reap(struct watch *watch)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = reap_one(&status, &usage)) > 0) {
		watch->cpu_ns += timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
		if (usage.ru_maxrss * INT64_C(1024) > watch->max_rss_bytes)
			watch->max_rss_bytes = usage.ru_maxrss * INT64_C(1024);
		if (pid != watch->job)
			continue;
		watch->first_gone = true;
		watch->wait_status = status;
	}
	return pid == 0;
}

static void obey(struct watch *watch, enum wish wish)
{
	if (wish == WISH_NONE)
		return;
	tell(watch, LAUNCH_CAUSE_STOPPED);
	/* Before the exec there is nobody who could make use of a grace. */
	if (wish == WISH_KILL || watch->phase == PHASE_LAUNCHING)
		kill_all(watch);
	else if (watch->phase == PHASE_RUNNING)
		begin_ending(watch);
}

static void check_deadlines(struct watch *watch)
{
	int64_t now_ns = clock_mono_ns();

	if (now_ns >= watch->limit_at_ns) {
		watch->limit_at_ns = TIME_NEVER;
		tell(watch, LAUNCH_CAUSE_TIMEOUT);
		if (watch->phase == PHASE_RUNNING)
			begin_ending(watch);
	}
	if (now_ns >= watch->kill_at_ns)
		kill_all(watch);
	logcap_check(&watch->logcap);
}

static int next_timeout_ms(const struct watch *watch)
{
	int64_t at =
		watch->limit_at_ns < watch->kill_at_ns ? watch->limit_at_ns : watch->kill_at_ns;
	int64_t wait_ms;

	if (watch->logcap.check_at_ns < at)
		at = watch->logcap.check_at_ns;
	if (at == TIME_NEVER)
		return -1;
	wait_ms = (at - clock_mono_ns()) / NS_PER_MS + 1;
	return wait_ms < 0 ? 0 : wait_ms > POLL_MAX_MS ? POLL_MAX_MS : (int)wait_ms;
}

/* Signals are drained before the reaping, so that a death in between wakes the next poll(); and
 * obeyed after it, so that a job that has just ended by itself counts as that. What the first
 * process reported is read before its death has consequences: it may have begun and ended at once.
 */
static void wait_for_end(struct watch *watch)
{
	bool alive = true, first_gone = false;

	while (alive) {
		struct pollfd fds[] = {{watch->signal_fd, POLLIN, 0},
				       {watch->report_fd, POLLIN, 0}};
		enum wish wish;

		poll(fds, ARRAY_SIZE(fds), next_timeout_ms(watch));
		wish = read_signals(watch);
		alive = reap(watch);
		if (watch->report_fd >= 0 && (fds[1].revents || watch->first_gone))
			take_report(watch);
		if (!alive)
			break;
		if (watch->first_gone && !first_gone)
			end_the_rest(watch);
		first_gone = watch->first_gone;
		obey(watch, wish);
		check_deadlines(watch);
	}
	while (watch->leaf && cgroup_leaf_is_populated(watch->leaf)) {
		cgroup_leaf_kill(watch->leaf); /* one that was moved in from outside */
		poll(NULL, 0, GONE_POLL_MS);
	}
}

static void fill_usage(const struct watch *watch, struct launch_status *status,
		       int64_t *ret_oom_kills)
{
	struct cgroup_usage usage = {-1, -1, -1};

	if (watch->leaf)
		cgroup_leaf_usage(watch->leaf, &usage);
	status->cpu_ns = usage.cpu_ns >= 0 ? usage.cpu_ns : watch->cpu_ns;
	status->peak_bytes = usage.peak_bytes >= 0 ? usage.peak_bytes : watch->max_rss_bytes;
	*ret_oom_kills = usage.oom_kills;
}

static void fill_end(const struct watch *watch, int64_t oom_kills, struct launch_status *status)
{
	int wait_status = watch->wait_status;
	struct err err;

	/* A child that was killed for memory on its way: that says more than that it never ran. */
	if (watch->failed && !watch->told && (watch->failure.error || oom_kills <= 0)) {
		status->cause = LAUNCH_CAUSE_LAUNCH;
		status->exit_code = job_explain(watch->launch, &watch->failure, &err);
		memcpy(status->error, err.msg, sizeof(status->error));
		return;
	}
	status->exit_code =
		WIFEXITED(wait_status) && !watch->failed ? WEXITSTATUS(wait_status) : -1;
	status->signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	status->cause = status->signal ? LAUNCH_CAUSE_SIGNAL : LAUNCH_CAUSE_EXIT;
	if (watch->told)
		status->cause = watch->cause;
	else if (oom_kills > 0)
		status->cause = LAUNCH_CAUSE_OOM;
}

void supervise(const struct launch *launch, const char *leaf, const struct job_process *process,
	       int signal_fd, struct launch_status *ret_status)
{
	struct watch watch = {
		.launch = launch,
		.leaf = leaf,
		.job = process->pid,
		.report_fd = process->report_fd,
		.report = process->report,
		.signal_fd = signal_fd,
		.start_ns = TIME_UNKNOWN,
		.limit_at_ns = TIME_NEVER,
		.kill_at_ns = TIME_NEVER,
		.stuck_at_ns = TIME_NEVER,
		.logcap = {{-1, -1}, 0, TIME_NEVER},
	};
	int64_t oom_kills;

	wait_for_end(&watch);
	logcap_close(&watch.logcap);
	*ret_status = (struct launch_status){.start_ns = watch.start_ns, .end_ns = clock_wall_ns()};
	fill_usage(&watch, ret_status, &oom_kills);
	fill_end(&watch, oom_kills, ret_status);
}
