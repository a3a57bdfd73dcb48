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
	const struct waiting *waiting; /* the first within the limit; NULL: there is none */
	double score;		       /* of it, where the policy has scores */
	int64_t limit_ns;	       /* only jobs of at most this length; TIME_NEVER: any */
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

/* The first in order; NULL when there is none. Valid until the next call. O(open shapes). */
struct candidate *candidates_first(const struct candidates *candidates);

/* What it asks for, and whose it is. */
const struct shape *candidate_shape(const struct candidate *candidate);

/* Nothing of this shape is to be considered any more. */
void candidates_close(struct candidates *candidates, struct candidate *candidate);

/* Close all shapes of which `fits` says that they do not. */
void candidates_keep(struct candidates *candidates,
		     bool (*fits)(void *ctx, const struct request *request), void *ctx);

/* Of this shape only jobs of at most this length, until candidates_widen(). */
void candidates_narrow(struct candidates *candidates, struct candidate *candidate,
		       int64_t limit_ns);
void candidates_widen(struct candidates *candidates);

/* From now on the shortest goes first. */
void candidates_sort_by_length(struct candidates *candidates);

/* This candidate has been started: it leaves the queue. O(log n). */
void candidates_pop(struct candidates *candidates, struct candidate *candidate);
