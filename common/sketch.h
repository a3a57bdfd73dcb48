/* SPDX-License-Identifier: MIT */
/*
 * The distribution of many durations in little memory: count, mean, and quantiles to within 1.6 %.
 *
 * Buckets of equal ratio, 32 to each power of two [HdrHistogram; DDSketch, Masson et al. 2019]:
 * what is added is forgotten but for its bucket. Zero-initialise it.
 */
#pragma once

#include "common/util.h"

struct sketch {
	uint64_t n;
	double sum;
	int64_t min, max;
	uint32_t *buckets; /* owned; NULL while empty */
};

/* Release the memory and leave an empty one. */
void sketch_finish(struct sketch *sketch);

/* Add a value; one below 0 counts as 0, one beyond 2^45 (a thousand years of ms) as that. */
void sketch_add(struct sketch *sketch, int64_t value);

/* -1 while empty. `q` is 0 to 1: 0.5 is the median. */
double sketch_mean(const struct sketch *sketch);
int64_t sketch_quantile(const struct sketch *sketch, double q);
