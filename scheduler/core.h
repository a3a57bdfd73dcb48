/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: told what happens, asked what to start.
 *
 * It is a function of what it was told and of the time it is given: no clock, no I/O. The daemon
 * and a simulator drive the same calls: tell it the nodes, the waiting jobs and the running ones,
 * ask for a pass after anything changed, and carry out the decisions.
 */
#pragma once

#include "common/err.h"
#include "scheduler/backfill.h"
#include "scheduler/policy.h"
#include "scheduler/queue.h"

enum backfill_mode {
	BACKFILL_NONE, /* strict order: nobody passes a job that waits for resources */
	BACKFILL_EASY, /* the first blocked job holds a reservation; others may pass it */
};

struct sched_config {
	const struct policy *policy;
	enum backfill_mode backfill;
	int64_t point_ns; /* waiting that is worth one point of priority */
};

/* Start this job on these resources. They are booked already. */
struct decision {
	uint64_t job;
	struct allocation alloc; /* owned by the list */
};

struct decisions {
	struct decision *items; /* owned */
	size_t n, capacity;
};

void decisions_finish(struct decisions *decisions);

struct sched;

struct sched *sched_create(const struct sched_config *config);
void sched_destroy(struct sched *sched);

/* The ledger: add nodes and set their GPUs through it; jobs' resources are booked by the calls
 * below. */
struct ledger *sched_ledger(struct sched *sched);

#define SCHED_IMPOSSIBLE 1 /* no node, or not all together, could ever hold this job */

/*
 * Could this request ever run here, if nothing else did? 0, or SCHED_IMPOSSIBLE with a sentence
 * that names what is too large and what there is.
 */
int sched_check(struct sched *sched, const struct request *request, struct err *err);

/* A job waits (queued, not held). Its request, priority, limit and times must not change until it
 * is removed again, because they say where it stands. */
void sched_enqueue(struct sched *sched, const struct job *job);

/* It waits no longer without having been started (cancelled, held). */
void sched_dequeue(struct sched *sched, const struct job *job);

/* A job holds resources that no pass gave it (adopted at a restart). Books job->alloc. */
void sched_adopt(struct sched *sched, const struct job *job);

/* A started or adopted job is over: its resources are free. */
void sched_release(struct sched *sched, uint64_t job);

/* Is this job among the running ones? */
bool sched_is_running(const struct sched *sched, uint64_t job);

/*
 * Decide what starts at now_ns. Appends to *decisions in order of start; each job is moved from the
 * queue to the running ones and its resources are booked. O(starts x shapes x (shapes x log n +
 * placement)) at worst, where every start lets every shape try again.
 */
void sched_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions);

/* When a pass may decide differently although nothing happened: the next begin time; TIME_NEVER. */
int64_t sched_next_wake_ns(const struct sched *sched);

/* What the last pass found: the job that holds the reservation (0: none) and its shadow time. */
uint64_t sched_head(const struct sched *sched, int64_t *ret_shadow_ns);

/* May a job pass one that waits for resources (any backfill at all)? */
bool sched_backfills(const struct sched *sched);

/* How many jobs go before this waiting one. */
size_t sched_ahead(const struct sched *sched, const struct job *job);

/* Where a job stands in the queue's order. */
struct queue_key sched_key(const struct sched *sched, const struct job *job);

/* The running jobs in order of predicted end. Borrowed until the next change. */
const struct running *sched_running(const struct sched *sched, size_t *ret_n);

/* assert(): the ledger holds exactly the running jobs' allocations. O(running x nodes). */
void sched_check_invariants(const struct sched *sched);
