/* SPDX-License-Identifier: MIT */
/*
 * Shortest job first, by the estimate alone. The least mean wait on one machine when all estimates
 * are right [Smith, Naval Research Logistics Quarterly 1956]; starves long jobs under load, so it
 * is for comparison: `shortest` is the one to use.
 */
#include "scheduler/policy.h"

static int64_t sjf_rank(const struct job *job, int64_t estimate_ns,
			const struct policy_params *params)
{
	(void)job;
	(void)params;
	return estimate_ns;
}

const struct policy policy_sjf = {
	.name = "sjf",
	.rank = sjf_rank,
	.summary = "shortest predicted time first (starves long jobs: for comparison)",
};
