/* SPDX-License-Identifier: MIT */
/*
 * Shortest remaining service first, for jobs that wait and have all of it before them: predicted
 * time x GPUs. Better than `sjf` where sizes differ, for a wide job blocks more than a narrow one
 * of the same length; starves like it. [Tiresias, NSDI 2019]
 */
#include "scheduler/policy.h"

static int64_t srsf_rank(const struct job *job, int64_t estimate_ns,
			 const struct policy_params *params)
{
	(void)params;
	return policy_service(&job->request, estimate_ns);
}

const struct policy policy_srsf = {
	.name = "srsf",
	.rank = srsf_rank,
	.summary = "least predicted time x GPUs first (starves large jobs: for comparison)",
};
