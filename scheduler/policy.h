/* SPDX-License-Identifier: MIT */
/*
 * The order in which jobs are considered: a policy gives each job a rank, once, at submit.
 *
 * Smaller goes first; equal ranks go by submit time, then id. A static rank is enough for linear
 * ageing: a job that gains one point per `point_ns` of waiting overtakes exactly the jobs whose
 * rank is larger, now and for ever, because all gain at one pace.
 */
#pragma once

#include "scheduler/job.h"

struct policy {
	const char *name;
	int64_t (*rank)(const struct job *job, int64_t point_ns);
	const char *summary; /* one line, for help and docs */
};

/* First come, first served. */
extern const struct policy policy_fifo;

/* Larger priority first, but waiting counts: one point of priority is worth point_ns of waiting. */
extern const struct policy policy_priority;

/* The policy of that name, NULL when there is none. */
const struct policy *policy_by_name(const char *name);

/* All of them, NULL-terminated: for help and messages. */
extern const struct policy *const policies[];
