/* SPDX-License-Identifier: MIT */
/*
 * Counters since tgpud began: what cannot be read off its state. Pure; one struct in struct daemon.
 */
#pragma once

#include "scheduler/job.h"

#define HISTOGRAM_BUCKETS_MAX 12

/* Numbers of values by size, as Prometheus has it. */
struct histogram {
	uint64_t n;
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS_MAX +
			 1]; /* not cumulative; the last: beyond all bounds */
};

/* Upper bounds in seconds, ended by 0. */
extern const double histogram_bounds_job[];  /* a second to a week */
extern const double histogram_bounds_work[]; /* 50 us to 10 s: of tgpud's own work */

void histogram_add(struct histogram *histogram, const double *bounds, double seconds);

struct metrics {
	uint64_t submitted;
	uint64_t finished;		    /* exit code 0 */
	uint64_t ended[JOB_CAUSE_COUNT];    /* otherwise, by cause */
	uint64_t requeued[JOB_CAUSE_COUNT]; /* not ended, but queued again */
	struct histogram wait;		    /* from submit or begin to the first start */
	struct histogram run;		    /* of attempts that ended the job */
	struct histogram pass, commit;
	uint64_t answers[6]; /* by hundreds of their HTTP status */
	uint64_t hooks_ok, hooks_failed, hooks_dropped;
	uint64_t probe_reports, probe_failures;
};

/* Count an event that has been applied to this job. */
void metrics_add_event(struct metrics *metrics, const struct job *job,
		       const struct job_event *event);
