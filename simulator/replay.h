/* SPDX-License-Identifier: MIT */
/*
 * A trace through sched_pass(), on a virtual clock.
 *
 * Time is batch: at each distinct time everything ends that ends, then everything arrives that
 * arrives, then there is one pass. Ties among arrivals go by the trace's order.
 */
#pragma once

#include "scheduler/core.h"
#include "simulator/machine.h"
#include "simulator/trace.h"

/* Told now and then how many of the trace's jobs have ended. */
struct progress {
	void (*tell)(void *ctx, size_t done, size_t total); /* NULL: nobody wants to know */
	void *ctx;
};

/*
 * Take out of the trace what could never run on this machine; *ret_first explains the first one.
 * Returns how many. O(jobs x nodes).
 */
size_t replay_drop_impossible(struct trace *trace, const struct machine *machine,
			      struct err *ret_first);

/*
 * Replay. 0 with one outcome per job (release: outcomes_destroy), or -EDEADLK with a sentence when
 * jobs are left over that the scheduler never starts, -EOVERFLOW when time runs out.
 */
int replay_run(const struct trace *trace, const struct machine *machine,
	       const struct sched_config *config, const struct progress *progress,
	       struct outcome **ret_outcomes, struct err *err);
