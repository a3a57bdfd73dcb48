/* SPDX-License-Identifier: MIT */
/*
 * Promises to everybody.
 *
 * Invariants: while `is_made`, the plan holds the running jobs until their predicted ends and every
 * promise; promises are in the order of the queue. A job that cannot be promised anything (what it
 * needs is broken) has no promise and blocks nobody. What the plan did not foresee (a job that
 * outlives its estimate, a GPU that breaks) makes it anew, and then a promise may move to later:
 * that is no decision of the scheduler's. Of the tasks of an array only the next one is promised
 * anything.
 * Cost: one plan_find() per new job; per end one for every waiting job. Read next:
 * forecast.c.
 */
#include "scheduler/conservative.h"

#include <assert.h>
#include <stdlib.h>

#include "scheduler/core_internal.h"

struct promise {
	struct shape shape;
	struct waiting waiting;
	int64_t start_ns;	 /* TIME_UNKNOWN: nothing is promised */
	struct allocation alloc; /* owned */
	bool is_new;		 /* has come since the last pass */
};

void conservative_finish(struct conservative *conservative)
{
	for (size_t i = 0; i < conservative->n; i++)
		allocation_finish(&conservative->promises[i].alloc);
	free(conservative->promises);
	plan_finish(&conservative->plan);
	*conservative = (struct conservative){0};
}

void conservative_restart(struct conservative *conservative)
{
	conservative->is_made = false;
}

void conservative_release(struct conservative *conservative, const struct running *running,
			  int64_t now_ns)
{
	if (!conservative->is_made)
		return;
	conservative->was_freed = true;
	if (running->end_ns <= now_ns)
		return;
	if (running->end_ns == TIME_NEVER) { /* the plan has it end at a time of its own choice */
		conservative_restart(conservative);
		return;
	}
	plan_advance(&conservative->plan, now_ns);
	plan_unbook(&conservative->plan, &running->alloc, now_ns, running->end_ns);
}

static int64_t end_of(const struct promise *promise)
{
	return time_add(promise->start_ns, promise->waiting.estimate_ns);
}

/* Take its place out of the plan. */
static void withdraw(struct conservative *conservative, struct promise *promise)
{
	if (promise->start_ns == TIME_UNKNOWN)
		return;
	plan_unbook(&conservative->plan, &promise->alloc, promise->start_ns, end_of(promise));
	allocation_finish(&promise->alloc);
	promise->start_ns = TIME_UNKNOWN;
}

static void remove_promise(struct conservative *conservative, size_t at)
{
	allocation_finish(&conservative->promises[at].alloc);
	memmove(&conservative->promises[at], &conservative->promises[at + 1],
		(--conservative->n - at) * sizeof(*conservative->promises));
}

void conservative_forget(struct conservative *conservative, uint64_t job)
{
	for (size_t i = 0; i < conservative->n; i++) {
		if (conservative->promises[i].waiting.key.id != job)
			continue;
		if (conservative->is_made && conservative->promises[i].start_ns != TIME_UNKNOWN) {
			withdraw(conservative, &conservative->promises[i]);
			conservative->was_freed = true;
		}
		remove_promise(conservative, i);
		return;
	}
}

int64_t conservative_promised(const struct conservative *conservative, uint64_t job)
{
	for (size_t i = 0; i < conservative->n; i++)
		if (conservative->promises[i].waiting.key.id == job)
			return conservative->promises[i].start_ns;
	return TIME_UNKNOWN;
}

/* Give it the earliest place there is. */
static void promise_earliest(struct conservative *conservative, struct promise *promise)
{
	if (plan_find(&conservative->plan, &promise->shape.request, promise->waiting.estimate_ns,
		      &promise->start_ns, &promise->alloc) == PLAN_NEVER) {
		promise->start_ns = TIME_UNKNOWN;
		return;
	}
	plan_book(&conservative->plan, &promise->alloc, promise->start_ns, end_of(promise));
}

/* A plan of the running jobs, and of the promises that can be kept as they are. */
static void make_plan(struct sched *sched, int64_t now_ns)
{
	struct conservative *conservative = &sched->conservative;
	size_t n;
	struct running *const *running = sched_running(sched, &n);

	plan_make(&conservative->plan, &sched->ledger, running, n, now_ns);
	for (size_t i = 0; i < conservative->n; i++) {
		struct promise *promise = &conservative->promises[i];

		if (promise->start_ns == TIME_UNKNOWN)
			continue;
		if (promise->start_ns >= now_ns &&
		    plan_is_free(&conservative->plan, &promise->alloc, promise->start_ns,
				 end_of(promise))) {
			plan_book(&conservative->plan, &promise->alloc, promise->start_ns,
				  end_of(promise));
			continue;
		}
		allocation_finish(&promise->alloc);
		promise->start_ns = TIME_UNKNOWN;
	}
	conservative->is_made = true;
	conservative->was_freed = true;
	conservative->generation = sched->ledger.generation;
}

/* Offer what has come free to all, in order. */
static void compress(struct conservative *conservative)
{
	for (size_t i = 0; i < conservative->n; i++) {
		struct promise *promise = &conservative->promises[i];

		if (promise->is_new)
			continue; /* after all that were here before */
		if (promise->start_ns != TIME_UNKNOWN &&
		    !plan_has_room_before(&conservative->plan, &promise->shape.request,
					  promise->start_ns))
			continue; /* its own place is not in the way: it lies behind */
		withdraw(conservative, promise);
		promise_earliest(conservative, promise);
	}
	plan_tidy(&conservative->plan);
	conservative->was_freed = false;
}

/* Is everything that runs within its time, and the machine as it was? */
static bool is_true(struct sched *sched, int64_t now_ns)
{
	size_t n;
	struct running *const *running = sched_running(sched, &n);

	return sched->conservative.is_made &&
	       sched->conservative.generation == sched->ledger.generation &&
	       (n == 0 || running[0]->end_ns > now_ns);
}

void conservative_add(struct conservative *conservative, const struct shape *shape,
		      const struct waiting *waiting)
{
	size_t at = conservative->n;

	xgrow(&conservative->promises, &conservative->capacity, conservative->n + 1,
	      sizeof(*conservative->promises));
	while (at > 0 &&
	       queue_key_compare(&conservative->promises[at - 1].waiting.key, &waiting->key) > 0)
		at--;
	memmove(&conservative->promises[at + 1], &conservative->promises[at],
		(conservative->n - at) * sizeof(*conservative->promises));
	conservative->promises[at] = (struct promise){
		.shape = *shape,
		.waiting = *waiting,
		.is_new = true,
	};
	conservative->n++;
}

/* Those that have just come take what the others leave. */
static void promise_newcomers(struct conservative *conservative)
{
	for (size_t i = 0; i < conservative->n; i++) {
		struct promise *promise = &conservative->promises[i];

		if (promise->is_new)
			promise_earliest(conservative, promise);
		promise->is_new = false;
	}
}

/* Its time has come: carry the promise out. Its place in the plan is the running job's now. */
static void keep(struct sched *sched, size_t at, int64_t now_ns, struct decisions *decisions)
{
	struct conservative *conservative = &sched->conservative;
	struct promise *promise = &conservative->promises[at];
	struct waiting next = promise->waiting;
	struct shape shape = promise->shape;

	sched_book_start(sched, &shape, &promise->waiting, now_ns, &promise->alloc, decisions);
	queue_pop(sched->queue, &shape, &promise->waiting.key);
	remove_promise(conservative, at);
	if (next.n > 1) { /* the next task of an array has come to the front */
		next.key.id++;
		next.n--;
		conservative_add(conservative, &shape, &next);
	}
}

static bool may_start(struct sched *sched, struct promise *promise)
{
	if (!ledger_is_free(&sched->ledger, &promise->alloc)) {
		conservative_restart(&sched->conservative);
		return false;
	}
	if (sched_shape_bound(sched, &promise->shape) == SCHED_UNBOUND)
		return true;
	withdraw(&sched->conservative, promise); /* its own limit, so its place is for others */
	promise->is_new = true;
	return false;
}

/*
 * The first in line, and the next start that is promised. It may come without anything happening:
 * who moved to an earlier place has left a gap that nobody who comes later is told of.
 */
static void look_ahead(struct sched *sched, int64_t now_ns)
{
	const struct conservative *conservative = &sched->conservative;

	for (size_t i = 0; i < conservative->n; i++) {
		const struct promise *promise = &conservative->promises[i];

		if (promise->start_ns <= now_ns) /* unknown, or held back by its own limit */
			continue;
		if (!sched->head) {
			sched->head = promise->waiting.key.id;
			sched->head_shadow_ns = promise->start_ns;
		}
		if (promise->start_ns < sched->wake_ns)
			sched->wake_ns = promise->start_ns;
	}
}

void conservative_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions)
{
	struct conservative *conservative = &sched->conservative;
	size_t i = 0;

	if (is_true(sched, now_ns))
		plan_advance(&conservative->plan, now_ns);
	else
		make_plan(sched, now_ns);
	if (conservative->was_freed)
		compress(conservative);
	promise_newcomers(conservative);
	while (i < conservative->n) {
		struct promise *promise = &conservative->promises[i];

		if (promise->start_ns != TIME_UNKNOWN && promise->start_ns <= now_ns &&
		    may_start(sched, promise)) {
			keep(sched, i, now_ns, decisions);
			i = 0;
			promise_newcomers(conservative);
			continue;
		}
		i++;
	}
	look_ahead(sched, now_ns);
}
