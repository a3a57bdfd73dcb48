/* SPDX-License-Identifier: MIT */
/*
 * Who makes room for a job of higher priority.
 *
 * Only jobs that said they may be (preemptible), of lower priority, that also stand behind it in
 * the queue (else they would take their place back at once), and that have run for some time since
 * they were started: that is their immunity, and it bounds what preemption can waste; and no job
 * more than PREEMPTIONS_MAX times. Of these the set that loses least is chosen: a job's cost is its
 * GPUs times the time since it started, because that work may be lost, and the time that it needs
 * to begin again.
 */
#pragma once

#include "scheduler/placement.h"
#include "scheduler/policy.h"
#include "scheduler/running.h"

/* So often a job may be preempted; from then on it stays. */
#define PREEMPTIONS_MAX 5

struct preempt_params {
	bool enabled;
	int64_t immunity_ns; /* after a start */
	int64_t restart_ns;  /* what a restart costs; nobody is preempted for less waiting */
	int64_t grace_ns;    /* from being told to being gone, as planned with */
};

struct preempt_request {
	const struct shape *shape;
	struct queue_key key;
	int32_t priority;
	struct policy_order order; /* of the queue, now */
};

#define PREEMPT_NONE 1 /* no set of victims makes room */

/*
 * Choose victims so that the request fits once they are gone, and those that are leaving already
 * or will have ended by then. 0 with *ret_victims (heap, owned by the caller; pointers borrowed
 * from `running`), or PREEMPT_NONE: also when nobody need go. *ret_immune_ns: when the next job
 * loses its immunity that would be a victim otherwise; TIME_NEVER. On one node exact in GPUs, by
 * dynamic programming, O(nodes x victims x GPUs); over several nodes, or where CPUs or memory are
 * short too, greedy: cheapest first, then whoever need not go stays.
 */
int preempt_find(const struct ledger *ledger, struct running *const *running, size_t n_running,
		 const struct preempt_request *request, const struct preempt_params *params,
		 int64_t now_ns, struct running ***ret_victims, size_t *ret_n,
		 int64_t *ret_immune_ns);
