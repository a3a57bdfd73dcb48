/* SPDX-License-Identifier: MIT */
/*
 * First come, first served: every rank is equal, so submit time and id decide.
 *
 * Never starves anybody; without backfill it leaves GPUs idle behind a large job. The baseline that
 * everything else is measured against.
 */
#include "scheduler/policy.h"

static int64_t fifo_rank(const struct job *job, int64_t estimate_ns,
			 const struct policy_params *params)
{
	(void)job;
	(void)estimate_ns;
	(void)params;
	return 0;
}

const struct policy policy_fifo = {
	.name = "fifo",
	.rank = fifo_rank,
	.summary = "first come, first served",
};
