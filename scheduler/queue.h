/* SPDX-License-Identifier: MIT */
/*
 * What waits, grouped by shape, each group in order.
 *
 * The order is one for all: ascending rank, then submit time, then id. The rank is a policy's doing
 * (policy.h) and static: it is computed once, so nothing is ever sorted again. Jobs of one shape
 * are placed alike, so when one does not fit, none of its shape does: a pass asks each shape once.
 * Within a shape the tree also knows the least estimate below each entry, which is what backfill
 * asks for: the first in order that would be over in time.
 */
#pragma once

#include "scheduler/job.h"

/* Where an entry stands in the one order. */
struct queue_key {
	int64_t rank;
	int64_t submit_ns;
	uint64_t id;
};

/* <0, 0, >0 as a stands before, at, after b. */
int queue_key_compare(const struct queue_key *a, const struct queue_key *b);

struct queue;

struct queue *queue_create(void);
void queue_destroy(struct queue *queue);

/* Add an entry. estimate_ns: its predicted run time, TIME_NEVER when unknown. O(log n). */
void queue_insert(struct queue *queue, const struct request *shape, const struct queue_key *key,
		  int64_t estimate_ns);

/* Remove the entry with this key. False when it is not there. O(log n). */
bool queue_remove(struct queue *queue, const struct request *shape, const struct queue_key *key);

size_t queue_count(const struct queue *queue);

/* The shapes that have entries, 0 .. n-1. Indices are valid until the next insert or remove. */
size_t queue_n_shapes(const struct queue *queue);
const struct request *queue_shape(const struct queue *queue, size_t index);

/* The first entry of a shape. */
void queue_first(const struct queue *queue, size_t index, struct queue_key *ret_key,
		 int64_t *ret_estimate_ns);

/* The first entry of a shape with an estimate of at most limit_ns < TIME_NEVER. False when there is
 * none. O(log n). */
bool queue_first_within(const struct queue *queue, size_t index, int64_t limit_ns,
			struct queue_key *ret_key, int64_t *ret_estimate_ns);

/* A note to oneself about a shape, for the length of one pass; it moves with the shape. New shapes
 * and queue_clear_marks() have 0. */
unsigned queue_mark(const struct queue *queue, size_t index);
void queue_set_mark(struct queue *queue, size_t index, unsigned mark);
void queue_clear_marks(struct queue *queue);

/* How many entries stand before this key, over all shapes. O(shapes x log n). */
size_t queue_count_before(const struct queue *queue, const struct queue_key *key);

/* Walk all entries in order; a non-zero result of fn stops and is returned. O(n x shapes) in all.
 */
int queue_walk(const struct queue *queue,
	       int (*fn)(void *ctx, const struct request *shape, const struct queue_key *key),
	       void *ctx);
