/* SPDX-License-Identifier: MIT */
/* The clocks. Times are int64_t nanoseconds; wall times count from 1970, UTC. */
#pragma once

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* No time at all: a job that has not ended, a limit that was not set, an end nobody knows. */
#define TIME_UNKNOWN INT64_C(0)
/* Later than every time; the predicted end of a job without a limit. */
#define TIME_NEVER INT64_MAX

/* Wall clock: what is stored and shown. May jump. */
int64_t clock_wall_ns(void);

/* Monotonic clock: for intervals and timeouts within one boot. */
int64_t clock_mono_ns(void);

/* a + b, where TIME_NEVER and overflow stay TIME_NEVER. Both >= 0. */
int64_t time_add(int64_t a, int64_t b);
