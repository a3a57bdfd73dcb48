/* SPDX-License-Identifier: MIT */
/*
 * Priority with linear ageing: a job of priority p stands where a job of priority 0 would stand
 * that was submitted p points of waiting earlier.
 *
 * At time t a job's worth is priority + (t - submit) / point. Comparing two jobs, t cancels out, so
 * the order never changes and the rank submit - priority * point can be computed once. Bound: a job
 * d points below the top waits at most d * point before it precedes every new arrival.
 */
#include "scheduler/policy.h"

static int64_t priority_rank(const struct job *job, int64_t estimate_ns,
			     const struct policy_params *params)
{
	int64_t credit, rank;

	(void)estimate_ns;
	if (__builtin_mul_overflow((int64_t)job->priority, params->point_ns, &credit) ||
	    __builtin_sub_overflow(job->submit_ns, credit, &rank))
		return job->priority > 0 ? INT64_MIN + 1 : INT64_MAX;
	return rank;
}

const struct policy policy_priority = {
	.name = "priority",
	.rank = priority_rank,
	.summary = "larger priority first; waiting counts as priority",
};
