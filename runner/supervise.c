/* SPDX-License-Identifier: MIT */
/*
 * The life of a running job, seen by its runner.
 *
 *     running --(SIGTERM, time limit, first process gone)--> ending --(grace over)--> killing -->
 * over
 *        `----------------------(SIGINT)--------------------------------------------^
 *
 * Invariants: over means that no process of the job is left: the runner is the subreaper of all of
 * them, so "no child" says it, and the cgroup says it again. The exit code is the first process's,
 * whatever became of the others. What cannot be killed (stuck in a driver) is waited for: its GPU
 * is not free. Cost: asleep in poll() but for signals and deadlines.
 */
#include <errno.h>
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
#include "runner/runner.h"
#include "runner/sweep.h"

#define REKILL_MS      100 /* between two kills while somebody is left */
#define GONE_POLL_MS   10  /* a group empties a moment after its last process is reaped */
#define STUCK_AFTER_MS 30000

enum phase { PHASE_RUNNING, PHASE_ENDING, PHASE_KILLING };

struct watch {
	const struct launch *launch;
	const char *leaf; /* NULL: none */
	pid_t job;
	enum phase phase;
	bool told;	 /* ended by us: cause says why */
	bool first_gone; /* the first process has been reaped: wait_status */
	int wait_status;
	enum launch_cause cause;
	int64_t limit_at_ns; /* monotonic; TIME_NEVER */
	int64_t kill_at_ns;  /* end of the grace, then the next kill; TIME_NEVER */
	int64_t killing_since_ns;
	bool stuck_logged;
	struct rusage usage; /* summed over the reaped */
	int64_t max_rss_bytes;
};

/* Ask for the end: the first process's group; when that is gone, whoever is left. */
static void ask(const struct watch *watch, int signal)
{
	if (watch->first_gone) {
		sweep_signal(getpid(), signal);
		sweep_signal(getpid(), SIGCONT);
		return;
	}
	kill(-watch->job, signal);
	kill(-watch->job, SIGCONT);
}

static void kill_all(struct watch *watch)
{
	int64_t now_ns = clock_mono_ns();

	if (watch->phase != PHASE_KILLING)
		watch->killing_since_ns = now_ns;
	watch->phase = PHASE_KILLING;
	if (watch->leaf)
		cgroup_leaf_kill(watch->leaf);
	sweep_descendants(getpid());
	watch->kill_at_ns = now_ns + REKILL_MS * NS_PER_MS;
	if (now_ns - watch->killing_since_ns > STUCK_AFTER_MS * NS_PER_MS && !watch->stuck_logged) {
		log_warn("a job's processes do not die; its GPUs stay reserved until they do "
			 "job=%llu",
			 (unsigned long long)watch->launch->job);
		watch->stuck_logged = true;
	}
}

static void begin_ending(struct watch *watch)
{
	if (watch->phase != PHASE_RUNNING)
		return;
	watch->phase = PHASE_ENDING;
	watch->kill_at_ns = clock_mono_ns() + watch->launch->grace_ms * NS_PER_MS;
	ask(watch, watch->launch->signal);
}

static void tell(struct watch *watch, enum launch_cause cause)
{
	if (watch->told || watch->first_gone)
		return;
	watch->told = true;
	watch->cause = cause;
}

static void add_usage(struct watch *watch, const struct rusage *usage)
{
	timeradd(&watch->usage.ru_utime, &usage->ru_utime, &watch->usage.ru_utime);
	timeradd(&watch->usage.ru_stime, &usage->ru_stime, &watch->usage.ru_stime);
	if (usage->ru_maxrss * INT64_C(1024) > watch->max_rss_bytes)
		watch->max_rss_bytes = usage->ru_maxrss * INT64_C(1024);
}

/* Reap whoever is dead. False when no child is left. */
static bool reap(struct watch *watch)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		add_usage(watch, &usage);
		if (pid != watch->job)
			continue;
		watch->first_gone = true;
		watch->wait_status = status;
	}
	return pid == 0;
}

static void read_signals(struct watch *watch, int signal_fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		tell(watch, LAUNCH_CAUSE_STOPPED);
		if (info.ssi_signo == SIGINT)
			kill_all(watch);
		else
			begin_ending(watch);
	}
}

static void check_deadlines(struct watch *watch)
{
	int64_t now_ns = clock_mono_ns();

	if (now_ns >= watch->limit_at_ns) {
		watch->limit_at_ns = TIME_NEVER;
		tell(watch, LAUNCH_CAUSE_TIMEOUT);
		begin_ending(watch);
	}
	if (watch->phase != PHASE_RUNNING && now_ns >= watch->kill_at_ns)
		kill_all(watch);
}

static int next_timeout_ms(const struct watch *watch)
{
	int64_t at =
		watch->limit_at_ns < watch->kill_at_ns ? watch->limit_at_ns : watch->kill_at_ns;
	int64_t wait_ms;

	if (at == TIME_NEVER)
		return -1;
	wait_ms = (at - clock_mono_ns()) / NS_PER_MS + 1;
	return wait_ms < 0 ? 0 : wait_ms > 3600000 ? 3600000 : (int)wait_ms;
}

static void wait_for_end(struct watch *watch, int signal_fd)
{
	struct pollfd poll_fd = {.fd = signal_fd, .events = POLLIN};

	while (reap(watch)) {
		if (watch->first_gone)
			begin_ending(watch); /* those it left behind */
		check_deadlines(watch);
		poll(&poll_fd, 1, next_timeout_ms(watch));
		read_signals(watch, signal_fd);
	}
	while (watch->leaf && cgroup_leaf_is_populated(watch->leaf)) {
		cgroup_leaf_kill(watch->leaf); /* one that was moved in from outside */
		poll(NULL, 0, GONE_POLL_MS);
	}
}

static int64_t timeval_ns(const struct timeval *tv)
{
	return tv->tv_sec * NS_PER_S + tv->tv_usec * NS_PER_US;
}

static void fill_status(const struct watch *watch, struct launch_status *status)
{
	struct cgroup_usage usage = {-1, -1, -1};
	int wait_status = watch->wait_status;

	if (watch->leaf)
		cgroup_leaf_usage(watch->leaf, &usage);
	status->exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
	status->signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	status->cause = status->signal ? LAUNCH_CAUSE_SIGNAL : LAUNCH_CAUSE_EXIT;
	if (watch->told)
		status->cause = watch->cause;
	else if (usage.oom_kills > 0)
		status->cause = LAUNCH_CAUSE_OOM;
	status->end_ns = clock_wall_ns();
	status->cpu_ns = usage.cpu_ns >= 0 ? usage.cpu_ns
					   : timeval_ns(&watch->usage.ru_utime) +
						     timeval_ns(&watch->usage.ru_stime);
	status->peak_bytes = usage.peak_bytes >= 0 ? usage.peak_bytes : watch->max_rss_bytes;
}

void supervise(const struct launch *launch, const char *leaf, const struct job_process *process,
	       int signal_fd, struct launch_status *status)
{
	struct watch watch = {
		.launch = launch,
		.leaf = leaf,
		.job = process->pid,
		.limit_at_ns = TIME_NEVER,
		.kill_at_ns = TIME_NEVER,
	};

	if (launch->limit_ms > 0)
		watch.limit_at_ns = time_add(clock_mono_ns(), launch->limit_ms * NS_PER_MS);
	status->start_ns = process->start_ns;
	wait_for_end(&watch, signal_fd);
	fill_status(&watch, status);
}
