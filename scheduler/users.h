/* SPDX-License-Identifier: MIT */
/*
 * Who has how much running, and who has used how much: limits and fair share ask here.
 *
 * Use is what a job holds times how long it holds it, and fades with a half-life, so last month
 * counts little. What a job holds is its dominant share: the largest of its shares of all GPUs, all
 * CPUs and all memory. [Ghodsi et al., Dominant Resource Fairness, NSDI 2011; the decay is that of
 * Slurm's multifactor priority] Running jobs are charged as they run, not when they end.
 */
#pragma once

#include "scheduler/job.h"

struct users;

/* half_life_ns 0: nothing is ever forgotten. */
struct users *users_create(int64_t half_life_ns);
void users_destroy(struct users *users);

/* A job of this user starts at now_ns, or one is over: its GPUs and its dominant share (0..1). */
void users_take(struct users *users, uint32_t uid, uint32_t gpus, double share, int64_t now_ns);
void users_give(struct users *users, uint32_t uid, uint32_t gpus, double share, int64_t now_ns);

/* A job that is over held `share` from start_ns to end_ns; for what happened before this process
 * began. In any order. */
void users_charge(struct users *users, uint32_t uid, double share, int64_t start_ns,
		  int64_t end_ns);

/* Share-seconds used up to now_ns, faded. O(1). */
double users_usage(struct users *users, uint32_t uid, int64_t now_ns);

/* What this user has running. */
uint32_t users_jobs(const struct users *users, uint32_t uid);
uint32_t users_gpus(const struct users *users, uint32_t uid);
