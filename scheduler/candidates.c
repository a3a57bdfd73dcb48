/* SPDX-License-Identifier: MIT */
/*
 * The candidates of a pass, in an array that shrinks.
 *
 * Invariants: each open shape has one entry, whose `waiting` is what the queue would answer now; a
 * closed shape has none. An array that every round walks and not a heap: an entry is a few words,
 * shapes are some tens, and widening would touch all of a heap anyway. Read next: core.c.
 */
#include "scheduler/candidates.h"

#include <stdlib.h>

const struct shape *candidate_shape(const struct candidate *candidate)
{
	return queue_shape(candidate->lot);
}

/* Ask the queue who is the first of this shape. */
static void refresh(const struct candidates *candidates, struct candidate *candidate)
{
	const struct policy *policy = candidates->order->policy;
	const struct waiting *found;

	if (candidates->by_length) {
		found = queue_shortest(candidates->queue, candidate->lot);
		if (found->estimate_ns > candidate->limit_ns)
			found = NULL;
	} else if (candidate->limit_ns == TIME_NEVER) {
		found = queue_first(candidates->queue, candidate->lot);
	} else {
		found = queue_first_within(candidates->queue, candidate->lot, candidate->limit_ns);
	}
	candidate->waiting = found;
	if (found && policy->score)
		candidate->score = policy->score(&candidates->order->view,
						 candidate_shape(candidate), &found->key);
}

void candidates_open(struct candidates *candidates, struct queue *queue,
		     const struct policy_order *order)
{
	candidates->queue = queue;
	candidates->order = order;
	candidates->by_length = false;
	candidates->n = queue_n_lots(queue);
	xgrow(&candidates->items, &candidates->capacity, candidates->n + 1,
	      sizeof(*candidates->items));
	for (size_t i = 0; i < candidates->n; i++) {
		candidates->items[i] = (struct candidate){
			.lot = queue_lot(queue, i),
			.limit_ns = TIME_NEVER,
		};
		refresh(candidates, &candidates->items[i]);
	}
}

void candidates_finish(struct candidates *candidates)
{
	free(candidates->items);
	*candidates = (struct candidates){0};
}

static bool goes_first(const struct candidates *candidates, const struct candidate *a,
		       const struct candidate *b)
{
	if (candidates->by_length && a->waiting->estimate_ns != b->waiting->estimate_ns)
		return a->waiting->estimate_ns < b->waiting->estimate_ns;
	if (a->score < b->score || a->score > b->score)
		return a->score < b->score;
	return queue_key_compare(&a->waiting->key, &b->waiting->key) < 0;
}

struct candidate *candidates_first(const struct candidates *candidates)
{
	struct candidate *best = NULL;

	for (size_t i = 0; i < candidates->n; i++) {
		struct candidate *next = &candidates->items[i];

		if (next->waiting && (!best || goes_first(candidates, next, best)))
			best = next;
	}
	return best;
}

void candidates_close(struct candidates *candidates, struct candidate *candidate)
{
	*candidate = candidates->items[--candidates->n];
}

void candidates_keep(struct candidates *candidates,
		     bool (*fits)(void *ctx, const struct request *request), void *ctx)
{
	for (size_t i = candidates->n; i-- > 0;)
		if (!fits(ctx, &candidate_shape(&candidates->items[i])->request))
			candidates_close(candidates, &candidates->items[i]);
}

void candidates_narrow(struct candidates *candidates, struct candidate *candidate, int64_t limit_ns)
{
	candidate->limit_ns = limit_ns;
	refresh(candidates, candidate);
}

void candidates_widen(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->n; i++) {
		struct candidate *candidate = &candidates->items[i];

		if (candidate->limit_ns < TIME_NEVER)
			candidates_narrow(candidates, candidate, TIME_NEVER);
	}
}

void candidates_sort_by_length(struct candidates *candidates)
{
	candidates->by_length = true;
	for (size_t i = 0; i < candidates->n; i++)
		refresh(candidates, &candidates->items[i]);
}

void candidates_pop(struct candidates *candidates, struct candidate *candidate)
{
	if (queue_pop(candidates->queue, candidate->lot, &candidate->waiting->key))
		refresh(candidates, candidate);
	else
		candidates_close(candidates, candidate); /* it was the last of its shape */
}
