/* SPDX-License-Identifier: MIT */
/* Random numbers from a printed seed: TGPU_TEST_SEED, or the same ones every time. */
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

static uint64_t draw_state;

/* Begin anew, as round `round` of a test. */
static inline void draw_seed(uint64_t round)
{
	const char *given = getenv("TGPU_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;

	if (round == 0)
		print_message("# seed %" PRIu64 " (TGPU_TEST_SEED)\n", seed);
	draw_state = (seed << 32) + round;
}

/* A number below `bound`. [splitmix64] */
static inline uint64_t draw(uint64_t bound)
{
	uint64_t z = draw_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % bound;
}
