/* SPDX-License-Identifier: MIT */
/*
 * Numbers of many jobs, in groups: what GET /v1/stats answers.
 *
 * Pure: jobs are added one by one, in any order, with the time at which they are looked at. Memory
 * is bounded by STATS_GROUPS_MAX, however many jobs there are.
 */
#pragma once

#include "common/sketch.h"
#include "daemon/daemon.h"

#define STATS_GROUPS_MAX 1000 /* whatever comes then is of the group STATS_OTHERS */
#define STATS_OTHERS	 "(others)"

enum stats_by { STATS_BY_NOTHING, STATS_BY_USER, STATS_BY_NAME, STATS_BY_DAY };

struct stats_group {
	char *key;			  /* owned: uid, name, or day of the end */
	uint64_t ends[JOB_STATE_COUNT];	  /* of the final states */
	uint64_t causes[JOB_CAUSE_COUNT]; /* of those not finished */
	struct sketch wait_ms;	/* from submit (or begin) to start; of jobs that started once */
	struct sketch run_ms;	/* of the last attempt */
	double slowdown_sum;	/* of wait_ms.n jobs: see stats_slowdown() */
	double gpu_ms;		/* allocated within the window, by living jobs too */
	double util_percent_ms; /* see common/usage.h */
	double util_of_ms;
	double energy_mj;
	double energy_of_ms;
	UT_hash_handle hh;
};

struct stats {
	enum stats_by by;
	int64_t since_ns, until_ns; /* the window: jobs that ended in it, GPU time within it */
	struct stats_group total;
	struct stats_group *groups; /* owned; empty for STATS_BY_NOTHING */
};

void stats_init(struct stats *stats, enum stats_by by, int64_t since_ns, int64_t until_ns);
void stats_finish(struct stats *stats);

/* Add one job, as the store has it. */
void stats_add(struct stats *stats, const struct store_row *row);

/*
 * Bounded slowdown [Feitelson, Metrics and Benchmarking for Parallel Job Scheduling]: how many
 * times longer it took than it ran, where less than 10 s of running count as 10 s, and never
 * below 1.
 */
double stats_slowdown(int64_t wait_ms, int64_t run_ms);
