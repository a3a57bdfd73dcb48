/* SPDX-License-Identifier: MIT */
/*
 * The line: who goes before whom among all that waits, as of one time.
 */
#pragma once

#include "scheduler/core.h"

/* The order over all shapes at now_ns. */
struct policy_order sched_order(const struct sched *sched, int64_t now_ns);

/* <0, 0, >0 as waiting job a stands before, with, after b at now_ns. */
int sched_compare(struct sched *sched, const struct job *a, const struct job *b, int64_t now_ns);

/* How many jobs go before this waiting one at now_ns; those whose begin time has not come do not
 * count. O(shapes x log n): not for each job of a list. */
size_t sched_ahead(struct sched *sched, const struct job *job, int64_t now_ns);

/* Walk all that waits in the order of now_ns; begin_ns: not before, else TIME_UNKNOWN. A non-zero
 * result of `fn`, which may not change who waits, stops the walk and is returned. O(shapes), and
 * O(log shapes + log n) per entry. */
typedef int sched_walk_fn(void *ctx, const struct shape *shape, const struct waiting *waiting,
			  int64_t begin_ns);
int sched_walk(struct sched *sched, int64_t now_ns, sched_walk_fn *fn, void *ctx);
