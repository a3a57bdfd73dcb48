/* SPDX-License-Identifier: MIT */
/*
 * When will the waiting jobs start? What the scheduler would decide if nothing more came,
 * everything ran as long as is planned, and the order stayed as it is now: its own passes, on a
 * copy, with the clock turned forward from end to end.
 */
#pragma once

#include "scheduler/core.h"

struct forecast_start {
	uint64_t job;
	int64_t start_ns; /* not before */
};

struct forecast {
	struct forecast_start *starts; /* owned; ascending job */
	size_t n;
};

/*
 * Foretell the starts of the first max_jobs in order, as far as they can be told: a job that comes
 * after one whose end nobody knows is not in the list. Changes nothing. Costs as much as
 * the passes of a small replay: bound it by max_jobs, some 5 us each.
 */
void forecast_make(struct sched *sched, int64_t now_ns, size_t max_jobs,
		   struct forecast *ret_forecast);
void forecast_finish(struct forecast *forecast);

/* The foretold start of a job; TIME_UNKNOWN when there is none. O(log n). */
int64_t forecast_start_ns(const struct forecast *forecast, uint64_t job);
