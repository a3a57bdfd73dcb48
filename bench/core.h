/* SPDX-License-Identifier: MIT */
/* The cases of bench/core, and what they share. */
#pragma once

#include "bench/series.h"
#include "common/clock.h"
#include "scheduler/core.h"

struct bench {
	unsigned rounds;  /* how often each figure is measured */
	const char *data; /* directory with traces; NULL: none */
};

/* core_pass.c: sched_pass() beside queues of 1,000 to 1,000,000 jobs. */
void bench_pass(const struct bench *bench);
void bench_pass_many(const struct bench *bench);
void bench_pass_fair(const struct bench *bench);
void bench_pass_shortest(const struct bench *bench);

/* core_replay.c: a backlog of a million jobs, and real traces. */
void bench_backlog(const struct bench *bench);
void bench_traces(const struct bench *bench);

/* A number from 0 to below `bound`, the same ones in every run. [xorshift64*, Vigna 2016] */
uint64_t bench_random(uint64_t *state, uint64_t bound);
