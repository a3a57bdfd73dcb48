/* SPDX-License-Identifier: MIT */
/*
 * Conservative backfill: every job is promised a start when it comes, and nobody who comes later
 * delays it.
 *
 * Whenever a job ends, what it gives back early, and the gaps that those have left who moved
 * before, are offered to all who wait, in order: each is taken out of the plan and put back at the
 * earliest time, which is never later than before. So a start that was promised can only come
 * earlier. [Mu'alem & Feitelson, IEEE TPDS 2001; "compression" there]
 */
#pragma once

#include "scheduler/core.h"
#include "scheduler/plan.h"

struct promise;

/* What has been promised. Zero-initialised: nothing yet. */
struct conservative {
	struct plan plan;
	struct promise *promises; /* owned; in the order in which jobs go first */
	size_t n, capacity;
	bool is_made;	     /* the plan is there and true */
	bool was_freed;	     /* something was given back before its time */
	uint64_t generation; /* of the ledger when the plan was made */
};

void conservative_finish(struct conservative *conservative);

/* A job waits; its promise is made in the next pass. */
void conservative_add(struct conservative *conservative, const struct shape *shape,
		      const struct waiting *waiting);

/* A running job is over; if before its time, the rest of it is free for others. */
void conservative_release(struct conservative *conservative, const struct running *running,
			  int64_t now_ns);

/* A waiting job is gone, and its promise with it. */
void conservative_forget(struct conservative *conservative, uint64_t job);

/* The plan is no longer true: make it anew with the next pass, keeping what promises can be kept.
 */
void conservative_restart(struct conservative *conservative);

/* What one has promised is promised in the other too, to those who wait there; for forecasts. */
void conservative_copy(struct conservative *copy, const struct conservative *original);

/* The part of sched_pass() that decides. */
void conservative_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions);

/* The start that a waiting job has been promised; TIME_UNKNOWN: none. */
int64_t conservative_promised(const struct conservative *conservative, uint64_t job);
