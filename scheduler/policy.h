/* SPDX-License-Identifier: MIT */
/*
 * The order in which jobs are considered.
 *
 * A policy gives each job a rank, once: smaller goes first, equal ranks go by submit time, then id.
 * That is all that most policies need. Where the order of two jobs changes while both wait, the
 * policy says by what jobs are told apart (their user, their length) so that those that are alike
 * still keep their order for ever; each lot of them is a shape of its own in the queue, and a score
 * decides between the first of each at the moment of a pass. So however many jobs wait, a pass
 * looks at one per shape.
 */
#pragma once

#include "scheduler/queue.h"
#include "scheduler/users.h"

/* What a policy may be told by configuration. */
struct policy_params {
	int64_t point_ns; /* priority: waiting that is worth one point */
	int64_t tau_ns;	  /* shortest: waiting that halves a job's size */
	int64_t cap_ns;	  /* shortest: waiting after which a job goes before all others */
};

/* What a score may depend on. */
struct policy_view {
	const struct policy_params *params;
	struct users *users;
	int64_t now_ns;
};

struct policy {
	const char *name;
	const char *summary; /* one line, for help and docs */
	/* estimate_ns: the job's limit, or what is predicted; TIME_NEVER when neither is known */
	int64_t (*rank)(const struct job *job, int64_t estimate_ns,
			const struct policy_params *params);
	bool by_user, by_length; /* what jobs are told apart by */
	/* The smallest goes first; NULL: the rank alone decides. May not grow while a job waits
	 * faster than that of any other job of its shape behind it. */
	double (*score)(const struct policy_view *view, const struct shape *shape,
			const struct queue_key *key);
};

/* First come, first served. */
extern const struct policy policy_fifo;

/* Larger priority first, but waiting counts: one point of priority is worth point_ns of waiting. */
extern const struct policy policy_priority;

/* Whoever has used least goes first; their own jobs by priority. */
extern const struct policy policy_fair;

/* The least predicted service first, but waiting makes a job smaller, and none waits longer than
 * cap_ns behind others. */
extern const struct policy policy_shortest;

/* Shortest job first, and least service (time x GPUs) first: no ageing, so both may starve. */
extern const struct policy policy_sjf, policy_srsf;

/* The policy of that name, NULL when there is none. */
const struct policy *policy_by_name(const char *name);

/* All of them, NULL-terminated: for help and messages. */
extern const struct policy *const policies[];

/* Service in GPU-ns (CPU-ns of a job without GPUs); INT64_MAX when it is more, or unknown. */
int64_t policy_service(const struct request *request, int64_t estimate_ns);

/* <0, 0, >0 as the first of two jobs goes before, with, after the second: the order over all
 * shapes. `view` is a struct policy_view with `policy` beside it. */
struct policy_order {
	const struct policy *policy;
	struct policy_view view;
};
int policy_compare(void *order, const struct shape *shape_a, const struct queue_key *a,
		   const struct shape *shape_b, const struct queue_key *b);
