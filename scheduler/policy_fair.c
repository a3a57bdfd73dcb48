/* SPDX-License-Identifier: MIT */
/*
 * Fair share: whoever has used least goes first, for all are due the same.
 *
 * A user's use fades with a half-life (users.h). All fade at one pace, so between starts and ends
 * the order of two users changes only as their running jobs are charged. Among the jobs of one user
 * their own priorities decide, then submit time. Starvation: users who wait use nothing, so they
 * rise until they are first; a large job that is first holds the backfill reservation like under
 * any policy. [Kay & Lauder, A Fair Share Scheduler, CACM 1988]
 */
#include "scheduler/policy.h"

static int64_t fair_rank(const struct job *job, int64_t estimate_ns,
			 const struct policy_params *params)
{
	(void)estimate_ns;
	(void)params;
	return -(int64_t)job->priority;
}

static double fair_score(const struct policy_view *view, const struct shape *shape,
			 const struct queue_key *key)
{
	(void)key;
	return users_usage(view->users, shape->user, view->now_ns);
}

const struct policy policy_fair = {
	.name = "fair",
	.rank = fair_rank,
	.by_user = true,
	.score = fair_score,
	.summary = "who has used least of their share first; their own jobs by priority",
};
