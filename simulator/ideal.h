/* SPDX-License-Identifier: MIT */
/*
 * Preemption at no cost: the bound that real schedulers are measured against.
 *
 * At every event (an arrival, an end, a job that crosses a threshold) all jobs are ranked anew, the
 * cluster is emptied in thought and filled again in that order; who finds no place is skipped and,
 * if it was running, has lost its place, with everything it has done so far kept. Moving a job
 * costs nothing either. No machine can do this, which is the point; see ideal.c.
 *
 * The rules are those of two published simulators, whose results are reproduced job by job:
 * Tiresias (NSDI 2019; SymbioticLab/Tiresias) and Muri (SIGCOMM 2022; Rivendile/Muri).
 */
#pragma once

#include "simulator/trace.h"

#define IDEAL_LEVELS_MAX 8

/* How jobs are ranked. Equals keep the order of the last time, arrivals come last. */
enum ideal_policy {
	IDEAL_FIFO, /* as they come; nobody passes the first that does not fit; no preemption */
	IDEAL_FJF,  /* "fit job first": whoever fits, as they come; no preemption [Tiresias] */
	IDEAL_SRTF, /* least remaining time first */
	IDEAL_SRSF, /* least remaining service first: remaining time x GPUs */
	IDEAL_LAS,  /* least attained service, discretised: few levels by GPU-seconds had so far,
		     * first in first out within one, running before waiting [Tiresias: 2D-LAS] */
	IDEAL_POLICY_COUNT,
};

/* Where jobs may run. */
enum ideal_placement {
	IDEAL_POOL,	 /* any GPUs: nodes do not matter [Tiresias; Muri for LAS] */
	IDEAL_FIRST_FIT, /* the first node with room; a job larger than a node takes the first idle
			  * nodes, the rest of it the first other node with room [Muri] */
	IDEAL_BEST_FIT,	 /* as tgpud places: placement_find() */
	IDEAL_PLACEMENT_COUNT,
};

struct ideal_config {
	enum ideal_policy policy;
	enum ideal_placement placement;
	uint32_t n_nodes;
	uint32_t gpus_per_node; /* at most 64 */

	/* IDEAL_LAS: a job sinks to level i + 1 when it has had limits_gpu_s[i] GPU-seconds;
	 * ascending. Tiresias' and Muri's results are those of 3250, 7200. */
	int64_t limits_gpu_s[IDEAL_LEVELS_MAX - 1];
	unsigned n_limits;
	/* IDEAL_LAS: a job is looked at when it has run a whole multiple of this at or after its
	 * threshold. Both simulators count in seconds; 1: at the very nanosecond. */
	int64_t grain_ns;
	/* IDEAL_LAS: who has waited this many times as long as it has run rises to level 0 and
	 * counts as new; 0: never. [Tiresias: its starvation knob] */
	unsigned promote;

	/* Of each job of the trace: what it loses of every interval between two events in which it
	 * runs but does not end; NULL: nothing. [Muri's model of a restart; it charges those who
	 * stay as well.] Borrowed. */
	const int64_t *overhead_ns;
};

/* "fifo", "fjf", "srtf", "srsf", "las"; "pool", "first-fit", "best-fit". parse: 0 or -EINVAL. */
const char *ideal_policy_name(enum ideal_policy policy);
int ideal_policy_parse(const char *name, enum ideal_policy *ret_policy);
const char *ideal_placement_name(enum ideal_placement placement);
int ideal_placement_parse(const char *name, enum ideal_placement *ret_placement);

/*
 * Replay a trace: one outcome per job in *ret_outcomes, for outcomes_destroy(). Only GPUs count;
 * estimates, priorities, types, CPUs and memory are not looked at. A job that is larger than the
 * cluster never starts. The allocation is the last place a job had; jobs that move or lose their
 * place have had others before. 0, or -EINVAL: the configuration makes no sense.
 */
int ideal_replay(const struct trace *trace, const struct ideal_config *config,
		 struct outcome **ret_outcomes);
