/* SPDX-License-Identifier: MIT */
/* What turn.c and turn_fold.c share, and nobody else: what a turn has gathered. */
#pragma once

#include "daemon/turn.h"
#include "scheduler/forecast.h"

struct turn {
	struct daemon *daemon;
	struct record **dirty; /* borrowed; changed jobs, new ones included */
	size_t n_dirty, dirty_capacity;
	struct store_event *events; /* detail owned here */
	size_t n_events, events_capacity;
	struct store_drain *drains; /* uuid and reason owned here */
	size_t n_drains, drains_capacity;
	struct store_window *windows; /* strings owned here */
	size_t n_windows, windows_capacity;
	uint64_t *settled; /* jobs whose dependencies hold, or never will */
	size_t n_settled, settled_capacity;
	struct forecast forecast;
	bool forecast_is_stale;
	bool forecast_is_wanted; /* somebody has asked since it became stale */
	int64_t forecast_ns;	 /* when it was made */
	bool want_pass;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t wake; /* the next begin time */
};

/* Fold what the dependencies of turn->settled have come to by now. */
void turn_fold_settled(struct daemon *daemon);

/* Fold a decision of the pass: a job is placed (its allocation is taken over), or makes room. */
void turn_fold_place(struct daemon *daemon, struct decision *decision, int64_t now_ns);
void turn_fold_preempt(struct daemon *daemon, const struct decision *decision, int64_t now_ns);
