/* SPDX-License-Identifier: MIT */
/*
 * Estimates, and parts of a trace.
 *
 * The ladder is what people write as limits: few, round and generous. [Tsafrir, Etsion, Feitelson,
 * Modeling User Runtime Estimates, JSSPP 2005] Read next: replay.c.
 */
#include "simulator/adjust.h"

#include "scheduler/predict.h"

const char *trace_estimate(struct trace *trace, enum estimates estimates)
{
	bool told = false;

	for (size_t i = 0; i < trace->n_jobs; i++) {
		struct trace_job *job = &trace->jobs[i];

		if (estimates == ESTIMATES_LADDER)
			job->estimate_ns = predict_ladder(job->run_ns);
		else if (estimates == ESTIMATES_EXACT || job->estimate_ns == TIME_NEVER)
			job->estimate_ns = job->run_ns;
		else
			told = true;
	}
	return estimates == ESTIMATES_LADDER ? "ladder" : told ? "trace" : "exact";
}

void trace_begin_after(struct trace *trace, int64_t after_ns)
{
	size_t first = 0;
	int64_t origin_ns;

	while (first < trace->n_jobs && trace->jobs[first].submit_ns < after_ns)
		first++;
	trace->n_jobs -= first;
	memmove(trace->jobs, trace->jobs + first, trace->n_jobs * sizeof(*trace->jobs));
	origin_ns = trace->n_jobs > 0 ? trace->jobs[0].submit_ns : 0;
	for (size_t i = 0; i < trace->n_jobs; i++)
		trace->jobs[i].submit_ns -= origin_ns;
}

void trace_submit_at_once(struct trace *trace)
{
	for (size_t i = 0; i < trace->n_jobs; i++)
		trace->jobs[i].submit_ns = 0;
}

void trace_cap(struct trace *trace, int64_t cap_ns)
{
	for (size_t i = 0; i < trace->n_jobs; i++) {
		struct trace_job *job = &trace->jobs[i];

		if (job->run_ns > cap_ns)
			job->run_ns = cap_ns;
		if (job->estimate_ns != TIME_NEVER && job->estimate_ns > cap_ns)
			job->estimate_ns = cap_ns;
	}
}
