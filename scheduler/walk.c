/* SPDX-License-Identifier: MIT */
/*
 * The walk: a binary heap of the shapes that have entries left, by their next ones.
 *
 * Invariant: no shape stands before the one above it. The order is total, for ids are unique, so
 * what a walk shows does not depend on the form of the heap. A pass looks at all shapes in each of
 * its rounds anyway and does without one (candidates.c); a list of thousands may be of thousands of
 * shapes. Deliberately not here: which order (policy.c). Read next: later.c.
 */
#include "scheduler/walk.h"

#include <stdlib.h>

static bool goes_first(const struct walk *walk, size_t a, size_t b)
{
	const struct walk_lot *x = &walk->lots[a], *y = &walk->lots[b];

	return walk->compare(walk->ctx, queue_shape(x->lot), &x->waiting->key, queue_shape(y->lot),
			     &y->waiting->key) < 0;
}

/* The shape at this place may stand too far up: let it sink. */
static void sink(struct walk *walk, size_t at)
{
	for (;;) {
		size_t first = at, child = 2 * at + 1;
		struct walk_lot lot = walk->lots[at];

		for (size_t i = child; i < child + 2 && i < walk->n; i++)
			if (goes_first(walk, i, first))
				first = i;
		if (first == at)
			return;
		walk->lots[at] = walk->lots[first];
		walk->lots[first] = lot;
		at = first;
	}
}

void walk_init(struct walk *walk, const struct queue *queue, walk_compare_fn *compare, void *ctx)
{
	size_t n = queue_n_lots(queue);

	*walk = (struct walk){queue, compare, ctx, xcalloc(n, sizeof(*walk->lots)), n};
	for (size_t i = 0; i < n; i++) {
		const struct lot *lot = queue_lot(queue, i);

		walk->lots[i] = (struct walk_lot){lot, queue_first(queue, lot)};
	}
	for (size_t i = n / 2; i-- > 0;)
		sink(walk, i);
}

void walk_finish(struct walk *walk)
{
	free(walk->lots);
	*walk = (struct walk){0};
}

const struct waiting *walk_at(const struct walk *walk, const struct shape **ret_shape)
{
	if (walk->n == 0)
		return NULL;
	*ret_shape = queue_shape(walk->lots[0].lot);
	return walk->lots[0].waiting;
}

void walk_next(struct walk *walk)
{
	struct walk_lot *first = &walk->lots[0];

	first->waiting = queue_next(walk->queue, first->lot, first->waiting);
	if (first->waiting)
		sink(walk, 0);
	else
		walk_drop_shape(walk);
}

void walk_drop_shape(struct walk *walk)
{
	walk->lots[0] = walk->lots[--walk->n];
	if (walk->n > 0)
		sink(walk, 0);
}
