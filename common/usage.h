/* SPDX-License-Identifier: MIT */
/*
 * What a job made of its GPUs, summed up over looks at them.
 *
 * Pure: a look is handed in with the time since the one before. What a look cannot tell is left out
 * of that sum and of the time the sum is for, so a mean is of what was seen and never of a made-up
 * 0. Time that nobody looked (a daemon that was down, a probe that hung) is in no sum: `seen_ms`
 * says how much of the job's life the sums are of.
 */
#pragma once

#include "common/util.h"

#define USAGE_UNKNOWN INT64_C(-1)

/* One GPU of the job over the time since the last look. USAGE_UNKNOWN where it cannot be told. */
struct usage_look {
	int64_t utilization_percent;
	int64_t mem_bytes; /* of the job on this GPU */
	int64_t power_mw;
	int64_t energy_mj; /* since the last look */
	int64_t in_use;	   /* 1: the job computes or has memory there, 0: certainly not */
};

/* The sums; stored with the job (store/sqlite_row.c). */
struct usage {
	int64_t looks;
	int64_t seen_ms;	 /* between looks */
	int64_t util_percent_ms; /* over GPUs: utilisation x time, and the time it is known for */
	int64_t util_of_ms;
	int64_t power_uj; /* the same of power: mW x ms */
	int64_t power_of_ms;
	int64_t energy_mj;
	int64_t energy_of_ms;
	int64_t gpu_mem_peak_bytes; /* most on any one GPU; USAGE_UNKNOWN */
	uint64_t used;		    /* bit i: the i-th GPU of its allocation was in use at a look */
	uint64_t unsure;	    /* bit i: at some look nobody could tell */
};

/* Nothing seen yet. */
struct usage usage_none(void);

/* Add a look at all `n` GPUs of the job (at most 64), `since_ms` after the last one; 0: there was
 * none, or not since the job began, so this look is good for what is no sum. */
void usage_add(struct usage *usage, const struct usage_look *looks, size_t n, int64_t since_ms);

/*
 * The energy of one GPU between two looks: what its counter says, else its power over that time.
 * A counter that fell (the driver was loaded anew) says nothing.
 */
int64_t usage_energy_mj(int64_t counter_before_mj, int64_t counter_mj, int64_t power_mw,
			int64_t since_ms);

/* Means over GPUs and the time seen; energy of all `n` GPUs. Negative: unknown. */
double usage_utilization_percent(const struct usage *usage);
int64_t usage_power_mw(const struct usage *usage);
int64_t usage_total_energy_mj(const struct usage *usage, size_t n);

/*
 * Those of the `n` GPUs that the job certainly left alone: each of at least USAGE_SURE_LOOKS looks
 * over `sure_ms` could tell, and saw nothing. Bit i: the i-th. 0: none, or not certain.
 */
#define USAGE_SURE_LOOKS 3
uint64_t usage_unused(const struct usage *usage, size_t n, int64_t sure_ms);
