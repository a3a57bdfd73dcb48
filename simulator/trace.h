/* SPDX-License-Identifier: MIT */
/*
 * A trace in memory: the jobs that a replay submits, and what became of them.
 *
 * Readers (read_*.c, one per format) fill a struct trace; a replay (replay.c through sched_pass(),
 * ideal.c for preemption at no cost) fills one struct outcome per job; reports read both. Times are
 * nanoseconds of virtual time, 0 being the trace's own origin.
 */
#pragma once

#include "common/err.h"
#include "scheduler/job.h"

/* One job of a trace. */
struct trace_job {
	uint64_t id; /* as the trace numbers it; unique */
	int64_t submit_ns;
	int64_t run_ns;		/* how long it really runs, when left alone */
	int64_t estimate_ns;	/* what the scheduler is told; TIME_NEVER: nothing */
	uint32_t user;		/* a number per user of the trace; 0 where it tells none */
	int32_t priority;	/* 0 where it tells none */
	struct request request; /* gpu_type: 1 + index in trace.types; 0: any */
};

struct trace {
	struct trace_job
		*jobs; /* owned; ascending submit_ns, in the trace's own order among equals */
	size_t n_jobs;
	char **types; /* owned: names of GPU types that requests refer to */
	size_t n_types;
};

void trace_finish(struct trace *trace);

/* What a replay made of the job at the same index. */
struct outcome {
	int64_t start_ns;	 /* first start; TIME_NEVER: it never started */
	int64_t end_ns;		 /* TIME_NEVER: it never ended */
	uint32_t preemptions;	 /* how often it lost its place */
	struct allocation alloc; /* owned: what it got at its (last) start */
};

void outcomes_destroy(struct outcome *outcomes, size_t n);
