/* SPDX-License-Identifier: MIT */
/*
 * The plan: what will be free when, and who has been promised what of it.
 *
 * A list of steps, each a ledger that holds from its time to that of the next. A job that starts at
 * s and runs for e takes its resources out of every step in [s, s + e); it fits there when one
 * allocation fits in all of them at once, for a running job does not move. With one node and one
 * resource this is the "profile" of the literature. [Mu'alem & Feitelson, IEEE TPDS 2001, 2.2]
 */
#pragma once

#include "scheduler/placement.h"
#include "scheduler/running.h"
#include "scheduler/window.h"

/* Jobs without a known end are taken to end from here on: after all that is known. A start from
 * here on is one that nobody can tell. */
#define PLAN_FAR_NS (TIME_NEVER / 2)

struct step {
	int64_t at_ns;
	struct ledger free; /* scratch; owned */
};

struct plan {
	struct step *steps; /* ascending; owned. The first is now */
	size_t n, capacity;
	int64_t soon_ns; /* when what is overdue, or being cleaned, counts as free; 0: nothing is */
	int64_t far_ns;	 /* when a job whose length nobody knows counts as ending: after all
			    that is booked */
	struct ledger gap; /* scratch: what is free all through some interval; owned */
};

/* Make the plan of what is running, from now_ns on. Jobs past their end, and GPUs that are being
 * cleaned, count as free a moment later. Jobs whose end nobody knows count as ending one after the
 * other, after all that is known. `plan` is a zeroed one or one used before.
 * O(running x steps x nodes). */
void plan_make(struct plan *plan, const struct ledger *ledger, struct running *const *running,
	       size_t n_running, int64_t now_ns);
void plan_finish(struct plan *plan);

/* Make a zeroed plan the same as another. */
void plan_copy(struct plan *copy, const struct plan *original);

#define PLAN_NEVER 1 /* plan_find: however long it waits, it does not fit */

/*
 * The earliest time at which a job of this length can start, and where. It then ends at
 * plan_end(). 0 with *ret_alloc (owned by
 * the caller), or PLAN_NEVER. O(steps^2 x nodes) at worst; with one node O(steps).
 */
int plan_find(struct plan *plan, const struct request *request, int64_t length_ns,
	      int64_t *ret_start_ns, struct allocation *ret_alloc);

/*
 * Could a job of this length start now? 0 with *ret_alloc (owned by the caller), or PLACE_NO_FIT
 * with the length up to which one of this request could, 0 when none could.
 */
int plan_find_now(struct plan *plan, const struct request *request, int64_t length_ns,
		  struct allocation *ret_alloc, int64_t *ret_longest_ns);

/* When a job of this length that starts then counts as ending. */
int64_t plan_end(const struct plan *plan, int64_t start_ns, int64_t length_ns);

/* Promise these resources from start_ns to end_ns, and take a promise back. O(steps). */
void plan_book(struct plan *plan, const struct allocation *alloc, int64_t start_ns, int64_t end_ns);
void plan_unbook(struct plan *plan, const struct allocation *alloc, int64_t start_ns,
		 int64_t end_ns);

/* Is there room for it at any moment before start_ns? If not, it cannot start before. O(steps). */
bool plan_has_room_before(const struct plan *plan, const struct request *request, int64_t start_ns);

/* Are these resources free all the time from start_ns to end_ns? */
bool plan_is_free(const struct plan *plan, const struct allocation *alloc, int64_t start_ns,
		  int64_t end_ns);

/* Leave out of every step what is then in the way of this user, until plan_keep_nothing(): so what
 * is found meanwhile is for their jobs. What is booked stays. O(windows x steps). */
void plan_keep(struct plan *plan, const struct windows *windows, uint32_t uid);
void plan_keep_nothing(struct plan *plan, const struct windows *windows);

/* Time has passed: forget what was before now_ns. */
void plan_advance(struct plan *plan, int64_t now_ns);

/* Join steps that have come to be the same. O(steps x nodes). */
void plan_tidy(struct plan *plan);
