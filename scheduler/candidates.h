/* SPDX-License-Identifier: MIT */
/*
 * Who may be considered in a pass: of each shape the first that may, and the first of these.
 *
 * A pass closes a shape of which nothing fits and narrows one whose jobs must be short; so the
 * candidates become fewer and fewer. What was found of a shape is kept until something happens to
 * that shape, so a round costs a look at a few words per shape that is open.
 */
#pragma once

#include "scheduler/policy.h"

struct candidate {
	struct lot *lot;
	const struct shape *shape;
	const struct waiting *waiting; /* the first as far as is known; NULL: none within limit */
	double score;		       /* of it, where the policy has scores */
	int64_t limit_ns; /* only jobs of at most this length; TIME_NEVER: any. May be lowered */
};

struct candidates {
	struct candidate *items; /* owned; shapes that are open */
	size_t n, capacity;
	struct queue *queue;
	const struct policy_order *order;
	bool by_length; /* among all, the shortest goes first */
};

/* Open all shapes of the queue. `candidates` is a zeroed one or one used before; the queue and the
 * order must outlive its use, and nobody else may change the queue meanwhile. */
void candidates_open(struct candidates *candidates, struct queue *queue,
		     const struct policy_order *order);
void candidates_finish(struct candidates *candidates);

/* The first in order; NULL when there is none. Valid until the next call. O(open shapes), and a
 * search of the queue for each that goes before all looked at so far and is too long. */
struct candidate *candidates_first(const struct candidates *candidates);

/* Nothing of this shape is to be considered any more. */
void candidates_close(struct candidates *candidates, struct candidate *candidate);

/* How long may jobs of this candidate's shape be? 0: none of them is to be considered any more;
 * TIME_NEVER: any, or at least the candidate itself. */
typedef int64_t candidates_longest_fn(void *ctx, const struct candidate *candidate);

/* Ask it anew of each open shape. O(open shapes). */
void candidates_review(struct candidates *candidates, candidates_longest_fn *longest, void *ctx);

/* From now on the shortest goes first. */
void candidates_sort_by_length(struct candidates *candidates);

/* This candidate has been started: it leaves the queue. O(log n). */
void candidates_pop(struct candidates *candidates, struct candidate *candidate);
