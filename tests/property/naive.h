/* SPDX-License-Identifier: MIT */
/*
 * The scheduler as one would write it on a blackboard: no shapes, no marks, no tables.
 *
 * Everything is asked anew of every job, every time. It shares no code with scheduler/ (only the
 * names of conditions and modes) and keeps its own books of who holds what, so that an error there
 * cannot hide here. O(jobs^2 x running x nodes) per pass, for a handful of each. It decides for one
 * reservation or none; promises to several are checked as properties in test_scheduler.c. What a
 * user has used is told to it, because only equal numbers make equal ties.
 */
#pragma once

#include "scheduler/core.h"

#define NAIVE_NODES 4
#define NAIVE_GPUS  8
#define NAIVE_JOBS  128
#define NAIVE_USERS 3
#define NAIVE_NEVER INT64_MAX
/* From here on: after jobs without a limit. */
#define NAIVE_UNLIMITED (INT64_MAX / 2)

struct naive_gpu {
	unsigned type; /* 1 or 2 */
	enum gpu_condition condition;
	uint64_t owner; /* job; 0: free */
};

struct naive_node {
	unsigned n;
	struct naive_gpu gpus[NAIVE_GPUS];
	int32_t scores[NAIVE_GPUS][NAIVE_GPUS];
	unsigned cpus, used_cpus;
};

struct naive_place {
	bool used[NAIVE_NODES];
	uint64_t gpus[NAIVE_NODES];
	unsigned cpus[NAIVE_NODES];
};

enum naive_state { NAIVE_WAITING, NAIVE_RUNNING, NAIVE_OVER };

struct naive_job {
	uint64_t id;
	unsigned gpus, type, cpus; /* type 0: any */
	int priority;
	unsigned user; /* 0 .. NAIVE_USERS - 1 */
	bool preemptible;
	int64_t submit, begin, limit, run; /* limit 0: none */
	uint64_t array;			   /* its first task; 0: none */
	unsigned tasks, array_limit;	   /* when it is submitted: how many it stands for */
	uint64_t entry; /* the job by which the scheduler was told of it and those like it */
	enum naive_state state;
	int64_t start;
	bool leaving;	      /* was told to make room */
	int64_t leaves, gone; /* by then, as is planned; really */
	unsigned preempted;   /* how often */
	unsigned piece;	      /* of the books of who used what: its own, of this run */
	int turn;	      /* how many had been started when it was */
	struct naive_place place;
};

enum naive_policy {
	NAIVE_FIFO,
	NAIVE_PRIORITY,
	NAIVE_SJF,
	NAIVE_SRSF,
	NAIVE_SHORTEST,
	NAIVE_FAIR,
	NAIVE_POLICIES,
};

struct naive {
	struct naive_node nodes[NAIVE_NODES];
	unsigned n_nodes;
	struct naive_job jobs[NAIVE_JOBS];
	unsigned n_jobs;
	int n_started;
	enum naive_policy policy;
	enum backfill_mode mode;
	bool shortest_passes;
	int64_t point, tau, cap;
	struct user_limits limits;
	double usage[NAIVE_USERS]; /* now */
	/* What the last pass found. */
	const struct naive_job *head;
	int64_t shadow;
};

/* Would it fit on the free nodes, and where? */
bool naive_place(const struct naive *naive, const struct naive_job *job,
		 struct naive_place *ret_place);

/* When could it start if all running jobs used their limits, and what would be free then? From
 * NAIVE_UNLIMITED on: after jobs without a limit; NAIVE_NEVER: not even then. */
int64_t naive_shadow(const struct naive *naive, const struct naive_job *job, int64_t now,
		     struct naive *ret_then);

/* The first job in order that may start now; NULL when there is none. Sets head and shadow. */
struct naive_job *naive_next(struct naive *naive, int64_t now, struct naive_place *ret_place);

/* Book and give back. */
void naive_start(struct naive *naive, struct naive_job *job, const struct naive_place *place,
		 int64_t now);
void naive_end(struct naive *naive, struct naive_job *job);

/* Is it kept back by its user's limits or its array's? */
enum sched_bound naive_bound(const struct naive *naive, const struct naive_job *job);

/* Does a go before b at this time? */
bool naive_goes_before(const struct naive *naive, const struct naive_job *a,
		       const struct naive_job *b, int64_t now);

/* Does it wait for nothing but resources and limits? */
bool naive_waits(const struct naive_job *job, int64_t now);

/* How many waiting, begun jobs go before this one. */
unsigned naive_ahead(const struct naive *naive, const struct naive_job *job, int64_t now);
