/* SPDX-License-Identifier: MIT */
/*
 * The future, by running the scheduler ahead of time.
 *
 * Invariants: the copy shares nothing with the original that either could change; the copy's order
 * is frozen to that of now (ranks by position), so a policy whose order moves with time is foretold
 * as of now; nobody is preempted in a forecast. Deliberately not here: arrivals that have not
 * happened. A second model of the scheduler would drift from it; this one cannot.
 * Cost: copies of the ledger's nodes and of the running jobs, then one pass per end. Read next:
 * depend.c.
 */
#include "scheduler/forecast.h"

#include <assert.h>
#include <stdlib.h>

#include "scheduler/core_internal.h"
#include "scheduler/line.h"

/* The rank is the position in today's order, handed over as the submit time. */
static int64_t frozen_rank(const struct job *job, int64_t estimate_ns,
			   const struct policy_params *params)
{
	(void)estimate_ns;
	(void)params;
	return job->submit_ns;
}

static const struct policy policy_frozen = {.name = "frozen", .rank = frozen_rank};

struct copy {
	struct sched *sched; /* owned */
	size_t n_jobs, max_jobs;
};

/* The next in line: where it stands is its rank in the copy. */
static int copy_entry(void *ctx, const struct shape *shape, const struct waiting *waiting,
		      int64_t begin_ns)
{
	struct copy *copy = ctx;
	struct shape copied_shape = *shape;
	struct waiting copied = *waiting;

	copied_shape.length = 0; /* the order is settled: fewer shapes */
	copied.key.rank = (int64_t)copy->n_jobs;
	if (copied.n > copy->max_jobs - copy->n_jobs)
		copied.n = (uint32_t)(copy->max_jobs - copy->n_jobs);
	copy->n_jobs += copied.n;
	if (begin_ns != TIME_UNKNOWN)
		later_insert(copy->sched->later, &copied_shape, &copied, begin_ns);
	else
		sched_admit(copy->sched, &copied_shape, &copied);
	return copy->n_jobs >= copy->max_jobs;
}

static void copy_running(struct sched *copy, const struct running *original)
{
	struct running running = *original;

	running.alloc = allocation_dup(&original->alloc);
	running.shape.length = 0;
	sched_count_running(copy, &running);
	runnings_add(copy->runnings, &running);
}

static struct sched *copy_sched(struct sched *sched, int64_t now_ns, size_t max_jobs)
{
	struct sched_config config = sched->config;
	struct copy copy = {.max_jobs = max_jobs};
	size_t n;
	struct running *const *running = sched_running(sched, &n);

	config.policy = &policy_frozen;
	config.preempt.enabled = false;
	copy.sched = sched_create(&config);
	ledger_finish(&copy.sched->ledger);
	ledger_scratch_copy(&copy.sched->ledger, &sched->ledger);
	ledger_scratch_expect_cleaned(&copy.sched->ledger);
	windows_set(&copy.sched->windows, sched->windows.items, sched->windows.n);
	for (size_t i = 0; i < n; i++)
		copy_running(copy.sched, running[i]);
	if (max_jobs > 0)
		sched_walk(sched, now_ns, copy_entry, &copy);
	conservative_copy(&copy.sched->conservative, &sched->conservative);
	return copy.sched;
}

/* The nodes' names and GPUs belong to the original. */
static void destroy_copy(struct sched *copy)
{
	ledger_scratch_finish(&copy->ledger);
	sched_destroy(copy);
}

/* The next time at which a pass may decide differently; TIME_NEVER: none that is known. */
static int64_t next_event(const struct sched *copy, int64_t now_ns)
{
	size_t n;
	struct running *const *running = sched_running(copy, &n);
	int64_t next_ns = sched_next_wake_ns(copy);

	if (n > 0 && running[0]->end_ns < next_ns)
		next_ns = running[0]->end_ns;
	return next_ns <= now_ns ? now_ns + 1 : next_ns; /* overdue: at any moment */
}

static void end_due(struct sched *copy, int64_t now_ns)
{
	for (;;) {
		size_t n;
		struct running *const *running = sched_running(copy, &n);

		if (n == 0 || running[0]->end_ns > now_ns)
			return;
		sched_release(copy, running[0]->job, now_ns);
	}
}

static int compare_jobs(const void *a, const void *b)
{
	const struct forecast_start *x = a, *y = b;

	return (x->job > y->job) - (x->job < y->job);
}

void forecast_make(struct sched *sched, int64_t now_ns, size_t max_jobs,
		   struct forecast *ret_forecast)
{
	struct forecast forecast = {.starts = xcalloc(max_jobs, sizeof(*forecast.starts))};
	struct sched *copy = copy_sched(sched, now_ns, max_jobs);
	struct decisions decisions = {0};

	while (now_ns < TIME_NEVER && forecast.n < max_jobs) {
		sched_pass(copy, now_ns, &decisions);
		for (size_t i = 0; i < decisions.n; i++)
			forecast.starts[forecast.n++] =
				(struct forecast_start){decisions.items[i].job, now_ns};
		decisions_clear(&decisions);
		if (queue_count(copy->queue) == 0 && later_is_empty(copy->later))
			break;
		now_ns = next_event(copy, now_ns);
		end_due(copy, now_ns);
	}
	decisions_finish(&decisions);
	destroy_copy(copy);
	if (forecast.n > 1)
		qsort(forecast.starts, forecast.n, sizeof(*forecast.starts), compare_jobs);
	*ret_forecast = forecast;
}

void forecast_finish(struct forecast *forecast)
{
	free(forecast->starts);
	*forecast = (struct forecast){0};
}

int64_t forecast_start_ns(const struct forecast *forecast, uint64_t job)
{
	const struct forecast_start key = {.job = job}, *found;

	found = forecast->n
			? bsearch(&key, forecast->starts, forecast->n, sizeof(key), compare_jobs)
			: NULL;
	return found ? found->start_ns : TIME_UNKNOWN;
}
