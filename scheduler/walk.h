/* SPDX-License-Identifier: MIT */
/*
 * A walk over all that waits, in an order over all shapes.
 *
 * Each shape is in order by itself (queue.h), so what comes next is the first of the shapes' own
 * next entries. Nothing is sorted, and who stops early pays for little more than what was seen.
 */
#pragma once

#include "scheduler/queue.h"

/* <0, 0, >0 as the first stands before, at, after the second. Two of one shape must stand as they
 * do in the queue. */
typedef int walk_compare_fn(void *ctx, const struct shape *shape_a, const struct queue_key *a,
			    const struct shape *shape_b, const struct queue_key *b);

/* A shape that has entries left, and the next of them; both of the queue's. */
struct walk_lot {
	const struct lot *lot;
	const struct waiting *waiting;
};

struct walk {
	const struct queue *queue; /* borrowed */
	walk_compare_fn *compare;
	void *ctx;
	struct walk_lot *lots; /* owned: a heap, the first in order at 0 */
	size_t n;
};

/* Begin at the first entry. The queue must not change until the walk is over. O(shapes). */
void walk_init(struct walk *walk, const struct queue *queue, walk_compare_fn *compare, void *ctx);
void walk_finish(struct walk *walk);

/* The entry that the walk has come to, and its shape; NULL: it is through. O(1). */
const struct waiting *walk_at(const struct walk *walk, const struct shape **ret_shape);

/* On to the next entry; not after the last. O(log shapes + log n). */
void walk_next(struct walk *walk);

/* On to the next entry of another shape: all others of this one are left out. O(log shapes). */
void walk_drop_shape(struct walk *walk);
