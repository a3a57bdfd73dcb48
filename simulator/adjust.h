/* SPDX-License-Identifier: MIT */
/* Changes to a trace between reading and replaying it. */
#pragma once

#include "simulator/trace.h"

/* What the scheduler is told of run times. */
enum estimates {
	ESTIMATES_TRACE,  /* what the trace says, else the exact run time */
	ESTIMATES_EXACT,  /* the run time */
	ESTIMATES_LADDER, /* the run time rounded up to 30m, 1h, 2h, 4h, ... 28d */
};

/* Set the estimate of every job. Returns what was told: "trace", "exact" or "ladder"; a trace
 * without estimates is "exact". */
const char *trace_estimate(struct trace *trace, enum estimates estimates);

/* Keep the jobs submitted at after_ns or later, and count time from the first of them. */
void trace_begin_after(struct trace *trace, int64_t after_ns);

/* All jobs are there from the beginning, in the order of the trace. */
void trace_submit_at_once(struct trace *trace);

/* No job runs, or is said to run, for longer. */
void trace_cap(struct trace *trace, int64_t cap_ns);
