/* SPDX-License-Identifier: MIT */
/*
 * The candidates of a pass, in an array that shrinks.
 *
 * Invariants: each open shape has one entry, a closed one has none; no job of a shape that is short
 * enough stands before its `waiting`. That one may itself be too long: the queue is searched for
 * one that is not when nobody looked at before goes first, which few of a round's shapes come to.
 * An array that every round walks and not a heap: an entry is a few words, shapes are some tens,
 * and a review would touch all of a heap anyway. Read next: core.c.
 */
#include "scheduler/candidates.h"

#include <stdlib.h>

static void set_waiting(const struct candidates *candidates, struct candidate *candidate,
			const struct waiting *waiting)
{
	const struct policy_order *order = candidates->order;

	candidate->waiting = waiting;
	if (waiting && order->policy->score)
		candidate->score =
			order->policy->score(&order->view, candidate->shape, &waiting->key);
}

/* The first of its shape, short enough or not. */
static void restart(const struct candidates *candidates, struct candidate *candidate)
{
	set_waiting(candidates, candidate,
		    candidates->by_length ? queue_shortest(candidates->queue, candidate->lot)
					  : queue_first(candidates->queue, candidate->lot));
}

/* The first that is short enough, where the one at hand is not. */
static void skip_longer(const struct candidates *candidates, struct candidate *candidate)
{
	set_waiting(candidates, candidate,
		    candidates->by_length ? NULL
					  : queue_first_within(candidates->queue, candidate->lot,
							       candidate->limit_ns));
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
		struct lot *lot = queue_lot(queue, i);

		candidates->items[i] = (struct candidate){
			.lot = lot,
			.shape = queue_shape(lot),
			.limit_ns = TIME_NEVER,
		};
		restart(candidates, &candidates->items[i]);
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

	for (size_t i = 0; i < candidates->n;) {
		struct candidate *next = &candidates->items[i];
		bool first = next->waiting && (!best || goes_first(candidates, next, best));

		if (first && next->waiting->estimate_ns > next->limit_ns) {
			skip_longer(candidates, next); /* and look at it again */
			continue;
		}
		if (first)
			best = next;
		i++;
	}
	return best;
}

void candidates_close(struct candidates *candidates, struct candidate *candidate)
{
	*candidate = candidates->items[--candidates->n];
}

void candidates_review(struct candidates *candidates, candidates_longest_fn *longest, void *ctx)
{
	for (size_t i = candidates->n; i-- > 0;) {
		struct candidate *candidate = &candidates->items[i];

		if (candidate->limit_ns < TIME_NEVER)
			restart(candidates, candidate);
		candidate->limit_ns = longest(ctx, candidate);
		if (candidate->limit_ns == 0)
			candidates_close(candidates, candidate);
	}
}

void candidates_sort_by_length(struct candidates *candidates)
{
	candidates->by_length = true;
	for (size_t i = 0; i < candidates->n; i++)
		restart(candidates, &candidates->items[i]);
}

void candidates_pop(struct candidates *candidates, struct candidate *candidate)
{
	if (queue_pop(candidates->queue, candidate->lot, &candidate->waiting->key))
		restart(candidates, candidate);
	else
		candidates_close(candidates, candidate); /* it was the last of its shape */
}
