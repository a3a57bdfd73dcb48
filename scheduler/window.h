/* SPDX-License-Identifier: MIT */
/*
 * Windows: GPUs that are one user's for a time.
 *
 * A job of somebody else may not start on a window's GPUs if, as far as is planned, it would still
 * be there when the window begins, or while it lasts; its owner's jobs may use them at any time.
 * Nobody is ever told to leave for one. ("Reservation", which is what people call it, is the word
 * for what a waiting job holds here: backfill.h.)
 */
#pragma once

#include "scheduler/placement.h"

struct window {
	uint64_t id;
	uint32_t uid;		  /* whose it is */
	int64_t start_ns, end_ns; /* [start, end) */
	uint32_t node;
	uint64_t gpus; /* slots there */
};

/* All that there are. Zero-initialised: none. */
struct windows {
	struct window *items; /* owned */
	size_t n;
};

/* Replace all. The items are copied. */
void windows_set(struct windows *windows, const struct window *items, size_t n);
void windows_finish(struct windows *windows);

/* Is it in the way of what `uid` would do from start_ns to end_ns? */
bool window_is_in_way(const struct window *window, uint32_t uid, int64_t start_ns, int64_t end_ns);

/* Have the ledger leave out what is in the way of `uid` from start_ns to end_ns, until
 * windows_keep_nothing(). True when there is anything. O(windows). */
bool windows_keep(const struct windows *windows, struct ledger *ledger, uint32_t uid,
		  int64_t start_ns, int64_t end_ns);
void windows_keep_nothing(const struct windows *windows, struct ledger *ledger);

#define PLACE_KEPT 2 /* it would fit, were nothing kept for others in its time */

/* placement_find() for a job of `uid` from start_ns to end_ns. 0, PLACE_NO_FIT or PLACE_KEPT. */
int windows_place(const struct windows *windows, struct ledger *ledger,
		  const struct request *request, uint32_t uid, int64_t start_ns, int64_t end_ns,
		  struct allocation *ret_alloc);

/* The length with which what starts at start_ns is over before the last of the windows in its way
 * begins, instead of at end_ns; 0 when all of those have begun. */
int64_t windows_shorter_ns(const struct windows *windows, uint32_t uid, int64_t start_ns,
			   int64_t end_ns);

/* When the next one begins or ends after now_ns; TIME_NEVER. */
int64_t windows_next_ns(const struct windows *windows, int64_t now_ns);
