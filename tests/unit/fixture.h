/* SPDX-License-Identifier: MIT */
/* A scheduler with a clock, and what its passes decide: for tests that drive sched_pass() by hand.
 */
#pragma once

#include <inttypes.h>

#include "cluster.h"

/* A scheduler, its clock, and what the last pass decided. */
struct fixture {
	struct sched *sched;
	int64_t now_ns;
	struct decisions decisions;
	char started[256];
};

static inline void open_with(struct fixture *fixture, const struct sched_config *config)
{
	*fixture = (struct fixture){.sched = sched_create(config), .now_ns = S(1)};
}

/* One node of n GPUs, all pairs alike, and 16 CPUs. */
static inline void open_node(struct fixture *fixture, unsigned n, const struct policy *policy,
			     enum backfill_mode backfill)
{
	open_with(fixture, &(struct sched_config){.policy = policy,
						  .params.point_ns = S(60),
						  .backfill = backfill});
	cluster_add(sched_ledger(fixture->sched), n, 16, UINT64_C(64) << 30, NULL);
}

static inline void finish(struct fixture *fixture)
{
	decisions_finish(&fixture->decisions);
	sched_destroy(fixture->sched);
}

static inline void submit(struct fixture *fixture, uint64_t id, uint32_t gpus, int priority,
			  int64_t limit_s)
{
	struct job job = cluster_job(id, gpus, fixture->now_ns, S(limit_s));

	job.priority = priority;
	sched_enqueue(fixture->sched, &job, 1);
}

/* A job is over, at this time. */
static inline void end_at(struct fixture *fixture, int64_t now_s, uint64_t id)
{
	fixture->now_ns = S(now_s);
	sched_release(fixture->sched, id, fixture->now_ns);
}

/* Let time pass, do one pass, and compare what it decided, in order: "1 -2 3", 1 and 3 start, 2 is
 * told to make room. */
static inline void expect_at(struct fixture *fixture, int64_t now_s, const char *ids)
{
	fixture->now_ns = S(now_s);
	decisions_finish(&fixture->decisions);
	sched_pass(fixture->sched, fixture->now_ns, &fixture->decisions);
	fixture->started[0] = '\0';
	for (size_t i = 0; i < fixture->decisions.n; i++) {
		size_t len = strlen(fixture->started);

		snprintf(fixture->started + len, sizeof(fixture->started) - len, "%s%s%" PRIu64,
			 i ? " " : "",
			 fixture->decisions.items[i].kind == DECISION_PREEMPT ? "-" : "",
			 fixture->decisions.items[i].job);
	}
	assert_string_equal(fixture->started, ids);
	sched_check_invariants(fixture->sched);
}

static inline void expect_head(const struct fixture *fixture, uint64_t id, int64_t shadow_ns)
{
	int64_t shadow;

	assert_int_equal(sched_head(fixture->sched, &shadow), id);
	assert_true(shadow == shadow_ns);
}

static inline uint64_t gpus_of(const struct fixture *fixture, size_t decision)
{
	return fixture->decisions.items[decision].alloc.parts[0].gpus;
}
