/* SPDX-License-Identifier: MIT */
/* The only place that asks the kernel for the time. scheduler/ never does: it is told. */
#include "common/clock.h"

#include <time.h>

static int64_t now_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

int64_t time_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? TIME_NEVER : sum;
}
