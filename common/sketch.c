/* SPDX-License-Identifier: MIT */
/*
 * A value v of b bits falls into the bucket of its top six bits: v >> (b - 6), for each b.
 *
 * Invariants: values below 64 have a bucket each, so small ones are exact; a quantile is within
 * half a bucket of the value of that rank, and never outside of what was added. Cost: 5 KiB, O(1)
 * to add, one pass over the buckets to ask.
 */
#include "common/sketch.h"

#include <stdlib.h>

#define SUB	  32 /* buckets of one power of two */
#define BITS_MAX  45
#define N_BUCKETS ((BITS_MAX - 4) * SUB)

static size_t bucket_of(uint64_t value)
{
	int bits = value ? 64 - __builtin_clzll(value) : 0, shift = bits > 6 ? bits - 6 : 0;

	return (size_t)shift * SUB + (size_t)(value >> shift);
}

/* The middle of a bucket. */
static int64_t value_of(size_t bucket)
{
	size_t shift = bucket < 2 * SUB ? 0 : bucket / SUB - 1;
	int64_t low = (int64_t)(bucket - shift * SUB) << shift;

	return low + ((INT64_C(1) << shift) >> 1);
}

void sketch_finish(struct sketch *sketch)
{
	free(sketch->buckets);
	*sketch = (struct sketch){0};
}

void sketch_add(struct sketch *sketch, int64_t value)
{
	int64_t most = (INT64_C(1) << BITS_MAX) - 1;
	int64_t kept = value < 0 ? 0 : value > most ? most : value;

	if (!sketch->buckets)
		*sketch = (struct sketch){
			.min = kept, .max = kept, .buckets = xcalloc(N_BUCKETS, sizeof(uint32_t))};
	sketch->n++;
	sketch->sum += (double)kept;
	sketch->min = kept < sketch->min ? kept : sketch->min;
	sketch->max = kept > sketch->max ? kept : sketch->max;
	sketch->buckets[bucket_of((uint64_t)kept)]++;
}

double sketch_mean(const struct sketch *sketch)
{
	return sketch->n ? sketch->sum / (double)sketch->n : -1;
}

int64_t sketch_quantile(const struct sketch *sketch, double q)
{
	uint64_t rank = (uint64_t)(q * (double)sketch->n), before = 0;
	size_t bucket = 0;
	int64_t value;

	if (sketch->n == 0)
		return -1;
	rank = rank < sketch->n ? rank : sketch->n - 1;
	while ((before += sketch->buckets[bucket]) <= rank)
		bucket++;
	value = value_of(bucket);
	if (value < sketch->min)
		return sketch->min;
	return value > sketch->max ? sketch->max : value;
}
