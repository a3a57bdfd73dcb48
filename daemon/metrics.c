/* SPDX-License-Identifier: MIT */
/*
 * Counting. Invariants: every counter only grows; how many there are does not depend on how many
 * jobs or users there are. Read next: metrics_text.c.
 */
#include "daemon/metrics.h"

const double histogram_bounds_job[] = {1,	 10,	    60,	   300,	      900,	 3600,
				       4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400, 0};
const double histogram_bounds_work[] = {50e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3,
					20e-3, 50e-3,  200e-3, 1,    10,   0};

void histogram_add(struct histogram *histogram, const double *bounds, double seconds)
{
	size_t i = 0;

	while (bounds[i] > 0 && seconds > bounds[i])
		i++;
	histogram->n++;
	histogram->sum += seconds;
	histogram->buckets[i]++;
}

static double seconds_between(int64_t from_ns, int64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_S : 0;
}

static void add_end(struct metrics *metrics, const struct job *job)
{
	if (job->state == JOB_FINISHED)
		metrics->finished++;
	else
		metrics->ended[job->cause] += job->n_tasks;
	if (job->start_ns != TIME_UNKNOWN)
		histogram_add(&metrics->run, histogram_bounds_job,
			      seconds_between(job->start_ns, job->end_ns));
}

void metrics_add_event(struct metrics *metrics, const struct job *job,
		       const struct job_event *event)
{
	int64_t ready_ns = job->begin_ns > job->submit_ns ? job->begin_ns : job->submit_ns;

	if (job_state_is_final(job->state))
		add_end(metrics, job);
	else if (event->type == JOB_EVENT_REQUEUE)
		metrics->requeued[event->cause]++;
	else if (event->type == JOB_EVENT_START && job->attempt == 1)
		histogram_add(&metrics->wait, histogram_bounds_job,
			      seconds_between(ready_ns, job->start_ns));
}
