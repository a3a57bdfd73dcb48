/* SPDX-License-Identifier: MIT */
/*
 * The reservation of the first job that must wait, and who may pass it.
 *
 * EASY backfill: the first blocked job (the head) gets the earliest time at which it could start if
 * every running job used its whole limit: its shadow time. A later job may start now if it is over
 * by then, or if the head would still fit at that time with the later job's resources gone. So the
 * head is never delayed by who came later. "Would fit" is asked of placement.c itself, so the
 * promise is literal. [Lifka, The ANL/IBM SP Scheduling System, JSSPP 1995; Mu'alem & Feitelson,
 * IEEE TPDS 2001]
 */
#pragma once

#include "scheduler/placement.h"
#include "scheduler/running.h"

struct reservation {
	uint64_t job; /* 0: nobody holds it */
	struct request request;
	int64_t shadow_ns;	 /* TIME_NEVER: after a job without a limit */
	struct ledger at_shadow; /* owned scratch, kept for the next: what will be free then */
	unsigned spare_gpus;	 /* of these: no job with more may pass that is not over by then */
};

#define RESERVE_NEVER 1 /* it would not fit even if every running job were gone */

/*
 * Find the shadow time of `request`. `running` in ascending order of end_ns, then start_ns; ends
 * that have passed already count as just about to happen, and so do GPUs that are being cleaned.
 * Jobs without a known end count as ending one after the other, oldest first, after all others. 0,
 * or RESERVE_NEVER and nobody holds the reservation. The reservation may be a zeroed one or one
 * used before. Cost O(nodes + running), for a gang O(running x nodes).
 */
int reservation_make(struct reservation *reservation, const struct ledger *ledger,
		     struct running *const *running, size_t n_running, uint64_t job,
		     const struct request *request, int64_t now_ns);

/* Nobody holds it any more; its memory is kept. */
void reservation_clear(struct reservation *reservation);
void reservation_finish(struct reservation *reservation);

/* May a job start now on `alloc` until end_ns without delaying the reservation? O(nodes). */
bool reservation_allows(struct reservation *reservation, const struct allocation *alloc,
			int64_t end_ns);

/* It was started: what it still holds at the shadow time is gone for others. */
void reservation_book(struct reservation *reservation, const struct allocation *alloc,
		      int64_t end_ns);
