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
 * Cost: one plan_find() per new job; per end one for every waiting job that might come earlier.
 * Read next: forecast.c.
 */
#include "scheduler/conservative.h"

#include <assert.h>
#include <stdlib.h>

#include "scheduler/core_internal.h"

struct promise {
	struct shape shape;
	struct waiting waiting;
	int64_t start_ns;	 /* TIME_UNKNOWN: nothing is promised */
	int64_t end_ns;		 /* plan_end() of it */
	struct allocation alloc; /* owned */
	bool is_new;		 /* to be promised something: it has just come, or was held back by
				    its own limits */
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

/* Take its place out of the plan. */
static void withdraw(struct conservative *conservative, struct promise *promise)
{
	if (promise->start_ns == TIME_UNKNOWN)
		return;
	plan_unbook(&conservative->plan, &promise->alloc, promise->start_ns, promise->end_ns);
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

/* Give it the earliest place there is; none while its own limits hold it back. */
static void promise_earliest(struct sched *sched, struct promise *promise)
{
	struct conservative *conservative = &sched->conservative;

	promise->start_ns = TIME_UNKNOWN;
	promise->is_new = sched_shape_bound(sched, &promise->shape) != SCHED_UNBOUND;
	if (promise->is_new)
		return;
	if (plan_find(&conservative->plan, &promise->shape.request, promise->waiting.estimate_ns,
		      &promise->start_ns, &promise->alloc) == PLAN_NEVER) {
		promise->start_ns = TIME_UNKNOWN;
		return;
	}
	promise->end_ns =
		plan_end(&conservative->plan, promise->start_ns, promise->waiting.estimate_ns);
	plan_book(&conservative->plan, &promise->alloc, promise->start_ns, promise->end_ns);
}

/* Look for an earlier place. If nobody knows its end, it keeps its turn among those. */
static void move_up(struct sched *sched, struct promise *promise)
{
	struct plan *plan = &sched->conservative.plan;
	int64_t far_ns = plan->far_ns;

	if (promise->start_ns != TIME_UNKNOWN &&
	    !plan_has_room_before(plan, &promise->shape.request, promise->start_ns))
		return; /* its own place is not in the way: it lies behind */
	if (promise->start_ns != TIME_UNKNOWN && promise->end_ns >= PLAN_FAR_NS)
		plan->far_ns = promise->end_ns;
	withdraw(&sched->conservative, promise);
	promise_earliest(sched, promise);
	if (plan->far_ns < far_ns)
		plan->far_ns = far_ns;
}

/* A plan of the running jobs and, in order, of the promises: as they are where they can be kept. */
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
				 promise->end_ns)) {
			plan_book(&conservative->plan, &promise->alloc, promise->start_ns,
				  promise->end_ns);
			continue;
		}
		allocation_finish(&promise->alloc);
		promise_earliest(sched, promise);
	}
	conservative->is_made = true;
	conservative->was_freed = true;
	conservative->generation = sched->ledger.generation;
}

/* Offer what has come free to all, in order. True if it is worth offering again: somebody's start
 * can be told now that could not be before, or somebody has lost his promise to his own limits. */
static bool offer(struct sched *sched)
{
	struct conservative *conservative = &sched->conservative;
	bool again = false;

	for (size_t i = 0; i < conservative->n; i++) {
		struct promise *promise = &conservative->promises[i];
		int64_t before_ns = promise->start_ns;

		if (promise->is_new)
			continue; /* after all that were here before */
		move_up(sched, promise);
		again |= promise->start_ns == TIME_UNKNOWN
				 ? before_ns != TIME_UNKNOWN
				 : before_ns >= PLAN_FAR_NS && promise->start_ns < PLAN_FAR_NS;
	}
	return again;
}

/* Once, as the literature has it, but for those cases: who has a start that nobody can tell waits
 * for no other event, and might wait for ever. */
static void compress(struct sched *sched)
{
	while (offer(sched))
		;
	plan_tidy(&sched->conservative.plan);
	sched->conservative.was_freed = false;
}

/* Is everything that runs within its time, no promise's time past, and the machine as it was? */
static bool is_true(struct sched *sched, int64_t now_ns)
{
	const struct conservative *conservative = &sched->conservative;
	size_t n;
	struct running *const *running = sched_running(sched, &n);

	if (!conservative->is_made || conservative->generation != sched->ledger.generation ||
	    conservative->plan.steps[0].at_ns > now_ns || /* the clock was set back */
	    (n > 0 && running[0]->end_ns <= now_ns))
		return false;
	for (size_t i = 0; i < conservative->n; i++)
		if (conservative->promises[i].start_ns != TIME_UNKNOWN &&
		    conservative->promises[i].start_ns < now_ns)
			return false; /* who was to end by then ended later */
	return true;
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
static void promise_newcomers(struct sched *sched)
{
	for (size_t i = 0; i < sched->conservative.n; i++)
		if (sched->conservative.promises[i].is_new)
			promise_earliest(sched, &sched->conservative.promises[i]);
}

static int compare_jobs(const void *a, const void *b)
{
	const struct promise *const *x = a, *const *y = b;

	return ((*x)->waiting.key.id > (*y)->waiting.key.id) -
	       ((*x)->waiting.key.id < (*y)->waiting.key.id);
}

void conservative_copy(struct conservative *copy, const struct conservative *original)
{
	_cleanup_(free_ptr) struct promise **by_job = xcalloc(copy->n, sizeof(struct promise *));

	for (size_t i = 0; i < copy->n; i++)
		by_job[i] = &copy->promises[i];
	if (copy->n > 1)
		qsort(by_job, copy->n, sizeof(struct promise *), compare_jobs);
	for (size_t i = 0; i < original->n && copy->n > 0; i++) {
		const struct promise *promise = &original->promises[i];
		struct promise **same =
			bsearch(&promise, by_job, copy->n, sizeof(struct promise *), compare_jobs);

		if (!same)
			continue;
		(*same)->start_ns = promise->start_ns;
		(*same)->end_ns = promise->end_ns;
		(*same)->alloc = allocation_dup(&promise->alloc);
		(*same)->is_new = promise->is_new;
	}
	plan_copy(&copy->plan, &original->plan);
	copy->is_made = original->is_made;
	copy->was_freed = original->was_freed;
	copy->generation = original->generation;
}

/* Its time has come: carry the promise out. Its place in the plan is the running job's now. */
static void keep(struct sched *sched, size_t at, int64_t now_ns, struct decisions *decisions)
{
	struct conservative *conservative = &sched->conservative;
	struct promise *promise = &conservative->promises[at];
	struct waiting next = promise->waiting;
	struct shape shape = promise->shape;

	sched_book_start(sched, &shape, &promise->waiting, now_ns, &promise->alloc, decisions);
	queue_pop(sched->queue, queue_find(sched->queue, &shape), &promise->waiting.key);
	remove_promise(conservative, at);
	if (next.n > 1) { /* the next task of an array has come to the front */
		next.key.id++;
		next.n--;
		conservative_add(conservative, &shape, &next);
	}
}

/* Make the plan true for now_ns, with a promise for everybody. */
static void prepare(struct sched *sched, int64_t now_ns)
{
	struct conservative *conservative = &sched->conservative;

	if (is_true(sched, now_ns))
		plan_advance(&conservative->plan, now_ns);
	else
		make_plan(sched, now_ns);
	if (conservative->was_freed)
		compress(sched);
	promise_newcomers(sched);
}

/* Its time has come: start it, or take the promise back. */
static void fulfil(struct sched *sched, size_t at, int64_t now_ns, struct decisions *decisions)
{
	struct conservative *conservative = &sched->conservative;
	struct promise *promise = &conservative->promises[at];

	if (!ledger_is_free(&sched->ledger, &promise->alloc)) {
		conservative_restart(conservative); /* a GPU is still being cleaned */
	} else if (sched_shape_bound(sched, &promise->shape) == SCHED_UNBOUND) {
		keep(sched, at, now_ns, decisions);
	} else {
		withdraw(conservative, promise);
		promise->is_new = true;
		conservative->was_freed = true; /* its place is for others */
	}
	prepare(sched, now_ns);
}

/* The first promise that is due; n when none is. */
static size_t find_due(const struct conservative *conservative, int64_t now_ns)
{
	size_t i = 0;

	while (i < conservative->n && (conservative->promises[i].start_ns == TIME_UNKNOWN ||
				       conservative->promises[i].start_ns > now_ns))
		i++;
	return i;
}

void conservative_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions)
{
	struct conservative *conservative = &sched->conservative;
	size_t due;

	prepare(sched, now_ns);
	while ((due = find_due(conservative, now_ns)) < conservative->n)
		fulfil(sched, due, now_ns, decisions);
	for (size_t i = 0; i < conservative->n; i++) {
		const struct promise *promise = &conservative->promises[i];

		if (promise->start_ns == TIME_UNKNOWN)
			continue;
		if (!sched->head)
			sched_set_head(sched, promise->waiting.key.id, promise->start_ns);
		if (promise->start_ns != conservative->plan.soon_ns && /* that comes by itself */
		    promise->start_ns < PLAN_FAR_NS && promise->start_ns < sched->wake_ns)
			sched->wake_ns = promise->start_ns;
	}
}
