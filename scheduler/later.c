/* SPDX-License-Identifier: MIT */
/*
 * Jobs that begin later, in a queue of their own.
 *
 * A queue finds the first entry with an estimate of at most so much, and the least estimate there
 * is: just what is asked of begin times. So in this queue an entry's estimate is its begin time,
 * and its true one is part of the shape, as the length. A policy that tells jobs apart by length
 * has it there anyway, for all others it decides nothing: those of one true shape stand by their
 * keys, as ever. A second tree by begin time would cost as much memory again and could disagree.
 *
 * Invariants: every entry's estimate is its begin time and its shape's length its estimate;
 * `next_ns`, while it is known, is the least begin time. Deliberately not here: what becomes of
 * those that are due (pass.c), and the merged order (line.c). Read next: users.c.
 */
#include "scheduler/later.h"

#include <assert.h>
#include <stdlib.h>

struct later {
	struct queue *queue;
	bool by_length;
	bool next_is_known;
	int64_t next_ns;
};

struct later *later_create(bool by_length)
{
	struct later *later = xcalloc(1, sizeof(*later));

	later->queue = queue_create();
	later->by_length = by_length;
	return later;
}

void later_destroy(struct later *later)
{
	if (!later)
		return;
	queue_destroy(later->queue);
	free(later);
}

static struct shape with_length(const struct shape *shape, int64_t length)
{
	struct shape changed = *shape;

	changed.length = length;
	return changed;
}

void later_insert(struct later *later, const struct shape *shape, const struct waiting *waiting,
		  int64_t begin_ns)
{
	struct shape kept_shape = with_length(shape, waiting->estimate_ns);
	struct waiting kept = *waiting;

	assert(shape->length == (later->by_length ? waiting->estimate_ns : 0));
	kept.estimate_ns = begin_ns;
	queue_insert(later->queue, &kept_shape, &kept);
	if (begin_ns < later->next_ns)
		later->next_ns = begin_ns;
}

bool later_remove(struct later *later, const struct shape *shape, const struct waiting *waiting)
{
	struct shape kept_shape = with_length(shape, waiting->estimate_ns);

	later->next_is_known = false;
	return queue_remove(later->queue, &kept_shape, &waiting->key);
}

bool later_is_empty(const struct later *later)
{
	return queue_n_lots(later->queue) == 0;
}

int64_t later_next_ns(struct later *later)
{
	const struct queue *queue = later->queue;

	if (later->next_is_known)
		return later->next_ns;
	later->next_ns = TIME_NEVER;
	for (size_t i = 0; i < queue_n_lots(queue); i++) {
		int64_t least_ns = queue_shortest(queue, queue_lot(queue, i))->estimate_ns;

		if (least_ns < later->next_ns)
			later->next_ns = least_ns;
	}
	later->next_is_known = true;
	return later->next_ns;
}

int64_t later_read(const struct later *later, const struct shape *shape,
		   const struct waiting *waiting, struct shape *ret_shape,
		   struct waiting *ret_waiting)
{
	int64_t begin_ns = waiting->estimate_ns;

	*ret_waiting = *waiting;
	ret_waiting->estimate_ns = shape->length;
	*ret_shape = with_length(shape, later->by_length ? shape->length : 0);
	return begin_ns;
}

/* All that are due of the lot in this place. The lot goes with its last entry: then another takes
 * its place, and its turn. */
static void take_due_of(struct later *later, size_t lot, int64_t now_ns, later_take_fn *fn,
			void *ctx)
{
	struct queue *queue = later->queue;
	const struct waiting *due;

	while (lot < queue_n_lots(queue) &&
	       (due = queue_first_within(queue, queue_lot(queue, lot), now_ns))) {
		struct shape kept = *queue_shape(queue_lot(queue, lot)), shape;
		struct queue_key key = due->key;
		struct waiting waiting;

		later_read(later, &kept, due, &shape, &waiting);
		queue_remove(queue, &kept, &key);
		fn(ctx, &shape, &waiting);
	}
}

void later_take_due(struct later *later, int64_t now_ns, later_take_fn *fn, void *ctx)
{
	if (later_next_ns(later) > now_ns)
		return;
	for (size_t i = 0; i < queue_n_lots(later->queue); i++)
		take_due_of(later, i, now_ns, fn, ctx);
	later->next_is_known = false;
}

const struct queue *later_queue(const struct later *later)
{
	return later->queue;
}
