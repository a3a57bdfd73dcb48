/* SPDX-License-Identifier: MIT */
/*
 * What waits, grouped by shape, each shape in order.
 *
 * Jobs of one shape are alike in all that decides whether they may start: what they ask for, and
 * whose they are where that counts. So when one does not fit, none of its shape does, and a pass
 * asks each shape once. Within a shape the order never changes: ascending rank, then submit time,
 * then id. The rank is a policy's doing (policy.h), computed once; where the order of two shapes
 * moves with time, the policy compares their first jobs, and nothing is ever sorted again. The tree
 * of a shape also knows the least estimate below each entry, which is what backfill asks for: the
 * first in order that would be over in time.
 *
 * An entry may stand for many jobs with consecutive ids that are alike in everything: the tasks of
 * an array cost one entry, however many there are.
 */
#pragma once

#include "scheduler/job.h"

/* Where an entry stands in its shape, and among shapes of equal score. */
struct queue_key {
	int64_t rank;
	int64_t submit_ns;
	uint64_t id;
};

/* <0, 0, >0 as a stands before, at, after b. */
int queue_key_compare(const struct queue_key *a, const struct queue_key *b);

/* What jobs of one shape have in common. */
struct shape {
	struct request request;
	uint32_t user;	/* 0 where users are not told apart: see policy.h, users.h */
	uint64_t array; /* of which only array_limit tasks may run at a time; 0: no such bound */
	uint32_t array_limit;
	int64_t length; /* their estimate, where a policy's order needs it; else 0 */
};

bool shape_is_same(const struct shape *a, const struct shape *b);

/* An entry: `n` jobs with the ids key.id, key.id + 1, ... */
struct waiting {
	struct queue_key key;
	int64_t estimate_ns; /* how long each will run at most; TIME_NEVER: unknown */
	uint32_t n;
	int16_t priority; /* these are only carried along */
	bool preemptible;
	bool predicted; /* the estimate is a prediction, which it may outlive */
};

struct queue;

struct queue *queue_create(void);
void queue_destroy(struct queue *queue);

/* Add an entry. O(log n). */
void queue_insert(struct queue *queue, const struct shape *shape, const struct waiting *waiting);

/* Remove the entry that begins with this key. False when there is none. O(log n). */
bool queue_remove(struct queue *queue, const struct shape *shape, const struct queue_key *key);

/* How many jobs wait. O(shapes). */
size_t queue_count(const struct queue *queue);

/* The waiting jobs of one shape. Valid until the last of them has left. */
struct lot;

/* All lots, 0 .. n-1; an index is valid until the next insert, remove or pop. */
size_t queue_n_lots(const struct queue *queue);
struct lot *queue_lot(const struct queue *queue, size_t index);

const struct shape *queue_shape(const struct lot *lot);

/* The first entry of a lot. O(1). */
const struct waiting *queue_first(const struct queue *queue, const struct lot *lot);

/* The entry after this one of the lot; NULL when it is the last. O(log n). */
const struct waiting *queue_next(const struct queue *queue, const struct lot *lot,
				 const struct waiting *waiting);

/* The first entry of a lot with an estimate of at most limit_ns < TIME_NEVER; NULL when there is
 * none. O(log n). */
const struct waiting *queue_first_within(const struct queue *queue, const struct lot *lot,
					 int64_t limit_ns);

/* The first of the entries of a lot that have its least estimate. O(log n). */
const struct waiting *queue_shortest(const struct queue *queue, const struct lot *lot);

/* One job of this entry waits no longer: the entry begins with the next id, or goes. False when
 * the lot went with it. O(log n). */
bool queue_pop(struct queue *queue, struct lot *lot, const struct queue_key *key);

/* The lot of a shape; NULL when none of it waits. O(1). */
struct lot *queue_find(const struct queue *queue, const struct shape *shape);

/* Does `key` of a shape go before something? Asked of entries in order, so it must say yes up to
 * some entry of a shape and no from there on. */
typedef bool queue_before_fn(void *ctx, const struct shape *shape, const struct queue_key *key);

/* How many jobs go before it, over all shapes. O(shapes x log n). */
size_t queue_count_before(const struct queue *queue, queue_before_fn *before, void *ctx);
