/* SPDX-License-Identifier: MIT */
/*
 * The line: all that waits, in today's order.
 *
 * The queue walks its shapes side by side; those whose begin time has not come are not in it and
 * are merged in where they will stand. Cost: O(shapes + log n) per entry walked, however many wait.
 * Read next: preempt.c.
 */
#include <stdlib.h>

#include "scheduler/core_internal.h"

struct line {
	struct policy_order order;
	const struct later **later; /* owned: by that order */
	size_t n_later, next_later;
	sched_walk_fn *fn;
	void *ctx;
};

static int compare_later(const void *a, const void *b, void *order)
{
	const struct later *const *x = a, *const *y = b;

	return policy_compare(order, &(*x)->shape, &(*x)->waiting.key, &(*y)->shape,
			      &(*y)->waiting.key);
}

static void sort_later(struct line *line, const struct sched *sched)
{
	line->later = xcalloc(sched->n_later, sizeof(struct later *));
	line->n_later = sched->n_later;
	for (size_t i = 0; i < sched->n_later; i++)
		line->later[i] = &sched->later[i];
	if (line->n_later > 1)
		qsort_r(line->later, line->n_later, sizeof(struct later *), compare_later,
			&line->order);
}

static int walk_next_later(struct line *line)
{
	const struct later *later = line->later[line->next_later++];

	return line->fn(line->ctx, &later->shape, &later->waiting, later->begin_ns);
}

/* The next entry of the queue, after those that will go before it. */
static int walk_entry(void *ctx, const struct shape *shape, const struct waiting *waiting)
{
	struct line *line = ctx;
	const struct later entry = {.shape = *shape, .waiting = *waiting}, *next = &entry;
	int r = 0;

	while (r == 0 && line->next_later < line->n_later &&
	       compare_later(&line->later[line->next_later], &next, &line->order) < 0)
		r = walk_next_later(line);
	return r ? r : line->fn(line->ctx, shape, waiting, TIME_UNKNOWN);
}

int sched_walk(struct sched *sched, int64_t now_ns, sched_walk_fn *fn, void *ctx)
{
	struct line line = {.order = sched_order(sched, now_ns), .fn = fn, .ctx = ctx};
	int r;

	sort_later(&line, sched);
	r = queue_walk(sched->queue, policy_compare, &line.order, walk_entry, &line);
	while (r == 0 && line.next_later < line.n_later)
		r = walk_next_later(&line);
	free(line.later);
	return r;
}
