/* SPDX-License-Identifier: MIT */
/*
 * The jobs whose begin time has not come.
 *
 * They are kept in the order in which they will stand, so that lists and forecasts merge them into
 * the line without sorting, and are found by their begin time all the same.
 */
#pragma once

#include "scheduler/queue.h"

struct later;

/* by_length: shapes are told apart by it (policy.h). */
struct later *later_create(bool by_length);
void later_destroy(struct later *later);

/* Add an entry, not to be considered before begin_ns; TIME_NEVER: not at all. O(log n). */
void later_insert(struct later *later, const struct shape *shape, const struct waiting *waiting,
		  int64_t begin_ns);

/* Remove the entry with this key and estimate. False when there is none. O(log n). */
bool later_remove(struct later *later, const struct shape *shape, const struct waiting *waiting);

bool later_is_empty(const struct later *later);

/* The earliest begin time; TIME_NEVER when there is none. O(1), or after a removal O(shapes). */
int64_t later_next_ns(struct later *later);

/* Take out all that may begin at now_ns, and hand each to `fn`; in no order that is promised.
 * O(1) when there are none, else O(shapes + log n each). */
typedef void later_take_fn(void *ctx, const struct shape *shape, const struct waiting *waiting);
void later_take_due(struct later *later, int64_t now_ns, later_take_fn *fn, void *ctx);

/* All of them, to be walked; later_read() says what an entry of it stands for. */
const struct queue *later_queue(const struct later *later);

/* What was inserted, and its begin time as the result. */
int64_t later_read(const struct later *later, const struct shape *shape,
		   const struct waiting *waiting, struct shape *ret_shape,
		   struct waiting *ret_waiting);
