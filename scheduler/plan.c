/* SPDX-License-Identifier: MIT */
/*
 * The plan, as a list of steps.
 *
 * Invariants: steps ascend; no promise is booked where it is not free; a job found by plan_find()
 * is free to be booked there. A list and not a tree: the steps of a queue that people look at are
 * some hundreds, and a promise reaches over many of them anyway. Deliberately not here: who is
 * promised what, and in which order (pass.c: the first K; conservative.c: everybody).
 * Read next: window.c.
 */
#include "scheduler/plan.h"

#include <assert.h>
#include <stdlib.h>

void plan_finish(struct plan *plan)
{
	for (size_t i = 0; i < plan->capacity; i++)
		ledger_scratch_finish(&plan->steps[i].free);
	free(plan->steps);
	ledger_scratch_finish(&plan->gap);
	*plan = (struct plan){0};
}

/* Open a gap at index `at`. Steps beyond n keep their ledgers' memory for later. */
static struct step *insert_step(struct plan *plan, size_t at)
{
	struct step spare;

	if (plan->n == plan->capacity) {
		size_t old = plan->capacity;

		xgrow(&plan->steps, &plan->capacity, plan->n + 1, sizeof(*plan->steps));
		memset(plan->steps + old, 0, (plan->capacity - old) * sizeof(*plan->steps));
	}
	spare = plan->steps[plan->n];
	memmove(&plan->steps[at + 1], &plan->steps[at], (plan->n - at) * sizeof(*plan->steps));
	plan->steps[at] = spare;
	plan->n++;
	return &plan->steps[at];
}

void plan_copy(struct plan *copy, const struct plan *original)
{
	for (size_t i = 0; i < original->n; i++) {
		struct step *step = insert_step(copy, i);

		step->at_ns = original->steps[i].at_ns;
		ledger_scratch_copy(&step->free, &original->steps[i].free);
	}
	copy->far_ns = original->far_ns;
}

/* The last step that begins at or before `at_ns`; 0 when that would be before all. */
static size_t step_at(const struct plan *plan, int64_t at_ns)
{
	size_t low = 0, high = plan->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (plan->steps[middle].at_ns <= at_ns)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The step that begins exactly then; makes one. */
static size_t split_at(struct plan *plan, int64_t at_ns)
{
	size_t at = step_at(plan, at_ns);
	struct step *step;

	if (plan->steps[at].at_ns >= at_ns)
		return at;
	step = insert_step(plan, at + 1);
	step->at_ns = at_ns;
	ledger_scratch_copy(&step->free, &plan->steps[at].free);
	return at + 1;
}

/* The index behind the last step before end_ns. */
static size_t end_index(struct plan *plan, int64_t end_ns)
{
	return end_ns == TIME_NEVER ? plan->n : split_at(plan, end_ns);
}

int64_t plan_end(const struct plan *plan, int64_t start_ns, int64_t length_ns)
{
	int64_t end_ns = time_add(start_ns, length_ns);

	if (end_ns < TIME_NEVER)
		return end_ns;
	return plan->far_ns > start_ns ? plan->far_ns : start_ns + 1;
}

void plan_book(struct plan *plan, const struct allocation *alloc, int64_t start_ns, int64_t end_ns)
{
	size_t first = split_at(plan, start_ns), end = end_index(plan, end_ns);

	for (size_t i = first; i < end; i++)
		ledger_take(&plan->steps[i].free, alloc);
	if (plan->far_ns <= end_ns)
		plan->far_ns = time_add(end_ns, 1);
}

void plan_unbook(struct plan *plan, const struct allocation *alloc, int64_t start_ns,
		 int64_t end_ns)
{
	size_t first = split_at(plan, start_ns), end = end_index(plan, end_ns);

	for (size_t i = first; i < end; i++)
		ledger_give(&plan->steps[i].free, alloc);
}

bool plan_is_free(const struct plan *plan, const struct allocation *alloc, int64_t start_ns,
		  int64_t end_ns)
{
	size_t i = step_at(plan, start_ns);

	do {
		if (!ledger_is_free(&plan->steps[i].free, alloc))
			return false;
	} while (++i < plan->n && plan->steps[i].at_ns < end_ns);
	return true;
}

bool plan_has_room_before(const struct plan *plan, const struct request *request, int64_t start_ns)
{
	for (size_t i = 0; i < plan->n && plan->steps[i].at_ns < start_ns; i++)
		if (placement_fits(&plan->steps[i].free, request))
			return true;
	return false;
}

void plan_keep(struct plan *plan, const struct windows *windows, uint32_t uid)
{
	for (size_t w = 0; w < windows->n; w++) {
		const struct window *window = &windows->items[w];
		size_t first, end;

		if (window->uid == uid)
			continue;
		first = split_at(plan, window->start_ns);
		end = split_at(plan, window->end_ns);
		for (size_t i = first; i < end; i++)
			plan->steps[i].free.nodes[window->node].kept |= window->gpus;
	}
}

void plan_keep_nothing(struct plan *plan, const struct windows *windows)
{
	for (size_t i = 0; i < plan->n && windows->n > 0; i++)
		windows_keep_nothing(windows, &plan->steps[i].free);
}

void plan_advance(struct plan *plan, int64_t now_ns)
{
	size_t past = step_at(plan, now_ns);
	_cleanup_(free_ptr) struct step *spare = NULL;

	if (past > 0) { /* their memory is for steps to come */
		spare = xcalloc(past, sizeof(*spare));
		memcpy(spare, plan->steps, past * sizeof(*spare));
		plan->n -= past;
		memmove(plan->steps, plan->steps + past, plan->n * sizeof(*spare));
		memcpy(plan->steps + plan->n, spare, past * sizeof(*spare));
	}
	if (plan->steps[0].at_ns < now_ns)
		plan->steps[0].at_ns = now_ns;
}

static bool is_same(const struct ledger *a, const struct ledger *b)
{
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct node *x = &a->nodes[i], *y = &b->nodes[i];

		if (x->taken != y->taken || x->ready != y->ready ||
		    x->taken_cpus != y->taken_cpus || x->taken_mem_bytes != y->taken_mem_bytes)
			return false;
	}
	return true;
}

void plan_tidy(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 1; i < plan->n; i++) {
		struct step spare;

		if (is_same(&plan->steps[kept].free, &plan->steps[i].free))
			continue;
		spare = plan->steps[++kept];
		plan->steps[kept] = plan->steps[i];
		plan->steps[i] = spare;
	}
	plan->n = kept + 1;
}

/* GPUs that are being cleaned will be ready in a moment, like those of an overdue job. */
static bool expect_cleaned(struct plan *plan)
{
	bool any = false;

	for (size_t s = 1; s < plan->n; s++)
		any |= ledger_scratch_expect_cleaned(&plan->steps[s].free);
	return any;
}

void plan_make(struct plan *plan, const struct ledger *ledger, struct running *const *running,
	       size_t n_running, int64_t now_ns)
{
	struct step *now;

	plan->n = 0;
	plan->far_ns = PLAN_FAR_NS;
	now = insert_step(plan, 0);
	now->at_ns = now_ns;
	ledger_scratch_copy(&now->free, ledger);
	split_at(plan, now_ns + 1);
	plan->soon_ns = expect_cleaned(plan) ? now_ns + 1 : 0;
	for (size_t i = 0; i < n_running; i++) {
		int64_t end_ns = running[i]->end_ns;

		if (end_ns == TIME_NEVER)
			end_ns = plan->far_ns++;
		else if (end_ns <= now_ns)
			end_ns = plan->soon_ns = now_ns + 1;
		plan_unbook(plan, &running[i]->alloc, end_ns, TIME_NEVER);
	}
}

/* What is free in both: narrow `gap` by `step`. */
static void narrow(struct ledger *gap, const struct ledger *step)
{
	for (size_t i = 0; i < gap->n_nodes; i++) {
		struct node *node = &gap->nodes[i];
		const struct node *other = &step->nodes[i];

		node->ready &= other->ready;
		node->taken |= other->taken;
		node->kept |= other->kept;
		if (other->taken_cpus > node->taken_cpus)
			node->taken_cpus = other->taken_cpus;
		if (other->taken_mem_bytes > node->taken_mem_bytes)
			node->taken_mem_bytes = other->taken_mem_bytes;
	}
}

/*
 * Leave in the gap what is free from the step `first` on for as long as `request` fits into it,
 * but no longer than until end_ns. The index of the first step that is not covered.
 */
static size_t open_gap(struct plan *plan, size_t first, int64_t end_ns,
		       const struct request *request)
{
	size_t i = first;

	ledger_scratch_copy(&plan->gap, &plan->steps[first].free);
	while (placement_fits(&plan->gap, request)) {
		if (++i == plan->n || plan->steps[i].at_ns >= end_ns)
			return i;
		narrow(&plan->gap, &plan->steps[i].free);
	}
	return i;
}

static bool is_covered(const struct plan *plan, size_t i, int64_t end_ns)
{
	return i == plan->n || plan->steps[i].at_ns >= end_ns;
}

int plan_find(struct plan *plan, const struct request *request, int64_t length_ns,
	      int64_t *ret_start_ns, struct allocation *ret_alloc)
{
	size_t first = 0;

	while (first < plan->n) {
		int64_t start_ns = plan->steps[first].at_ns;
		int64_t end_ns = plan_end(plan, start_ns, length_ns);
		size_t stop = open_gap(plan, first, end_ns, request);

		if (stop > first && is_covered(plan, stop, end_ns)) {
			int r = placement_find(&plan->gap, request, ret_alloc);

			assert(r == 0);
			*ret_start_ns = start_ns;
			return r;
		}
		/* No start before a step into which it does not fit even by itself can do. */
		if (!placement_fits(&plan->steps[stop].free, request))
			first = stop;
		first++;
	}
	return PLAN_NEVER;
}

int plan_find_now(struct plan *plan, const struct request *request, int64_t length_ns,
		  struct allocation *ret_alloc, int64_t *ret_longest_ns)
{
	int64_t now_ns = plan->steps[0].at_ns, end_ns = plan_end(plan, now_ns, length_ns);
	size_t stop = open_gap(plan, 0, end_ns, request);

	if (stop > 0 && is_covered(plan, stop, end_ns))
		return placement_find(&plan->gap, request, ret_alloc);
	*ret_longest_ns = plan->steps[stop].at_ns - now_ns;
	return PLACE_NO_FIT;
}
