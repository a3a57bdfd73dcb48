/* SPDX-License-Identifier: MIT */
/*
 * What came out of a replay, in numbers that can be compared with anybody's.
 *
 * wait = start - submit; JCT (or response) = end - submit; bounded slowdown = max(1, JCT /
 * max(10 s, run)); the p-th percentile of n values is sorted[floor(p n)]; makespan = last end -
 * first submit. With preemption the wait is until the first start.
 */
#pragma once

#include "common/buf.h"
#include "simulator/machine.h"
#include "simulator/trace.h"

#define DIGEST_TEXT_SIZE 65

struct summary {
	double sum_wait_s; /* exact for whole seconds */
	double avg_wait_s, avg_jct_s, avg_bsld;
	int64_t p50_wait_ns, p95_wait_ns, max_wait_ns;
	int64_t makespan_ns;
	double utilisation; /* share of GPU time in use until the last end; of CPU time without
			       GPUs; -1: unknown */
	uint64_t preemptions;
	char sha256_starts[DIGEST_TEXT_SIZE];	  /* over lines "id start", ids ascending */
	char sha256_placements[DIGEST_TEXT_SIZE]; /* over lines "id node:gpus node:gpus" */
};

/* Every job must have ended. O(n log n). */
void summary_make(const struct trace *trace, const struct machine *machine,
		  const struct outcome *outcomes, struct summary *ret_summary);

/* Append where a job ran: "node:gpus node:gpus", in the order of its parts. */
void summary_write_nodes(struct buf *line, const struct outcome *outcome);

/* Seconds as a decimal number without trailing zeros: "12", "0.5". Into buf. */
const char *seconds_format(int64_t ns, char buf[32]);
