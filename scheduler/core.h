/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: told what happens, asked what to start.
 *
 * It is a function of what it was told and of the times it was given: no clock, no I/O. The daemon,
 * the simulator and a test drive the same calls: tell it the nodes, the waiting jobs and the
 * running ones, ask for a pass after anything changed, and carry out the decisions.
 */
#pragma once

#include "common/err.h"
#include "scheduler/policy.h"
#include "scheduler/predict.h"
#include "scheduler/preempt.h"
#include "scheduler/window.h"

/* What those behind a job that waits for resources may do. */
enum backfill_mode {
	BACKFILL_NONE,	  /* nothing: strict order */
	BACKFILL_GREEDY,  /* whatever fits starts: large jobs starve. For comparison */
	BACKFILL_EASY,	  /* the first that must wait holds a reservation; others may pass it */
	BACKFILL_RESERVE, /* so do the first `reservations` */
	BACKFILL_CONSERVATIVE, /* everybody is promised a start on arrival, and keeps it */
	BACKFILL_MODE_COUNT,
};

/* What all users are held to; 0: no bound. */
struct user_limits {
	uint32_t max_jobs; /* running at a time */
	uint32_t max_gpus; /* of all running jobs */
};

struct sched_config {
	const struct policy *policy;
	struct policy_params params;
	enum backfill_mode backfill;
	unsigned reservations; /* BACKFILL_RESERVE: how many, 1 or more */
	bool shortest_passes;  /* EASY: of those that may pass, the shortest first (SJBF) */
	int64_t half_life_ns;  /* of what users have used; 0: it never fades */
	struct user_limits user_limits;
	struct preempt_params preempt;
	bool tell_users_apart; /* even where the order and the limits do not: there may be windows
				*/
};

enum decision_kind {
	DECISION_START,	  /* start this job on these resources; they are booked already */
	DECISION_PREEMPT, /* end this running job, for another; its resources are not free yet */
};

struct decision {
	enum decision_kind kind;
	uint64_t job;
	uint64_t beneficiary;	 /* PREEMPT: the job that it makes room for */
	struct allocation alloc; /* START: owned by the list */
};

struct decisions {
	struct decision *items; /* owned */
	size_t n, capacity;
};

/* Empty the list; it can be used again. */
void decisions_clear(struct decisions *decisions);
void decisions_finish(struct decisions *decisions);

/* What a scheduler is told, and asked to decide: all that its decisions follow from, besides its
 * configuration and what its ledger holds at that time. */
enum sched_call {
	SCHED_CALL_CHARGE,
	SCHED_CALL_WINDOWS,
	SCHED_CALL_ENQUEUE,
	SCHED_CALL_DEQUEUE,
	SCHED_CALL_ADOPT,
	SCHED_CALL_MEASURE,
	SCHED_CALL_RELEASE,
	SCHED_CALL_LEAVE,
	SCHED_CALL_PASS,
	SCHED_CALL_COUNT,
};

/* Use of a user's that is over. */
struct sched_charge {
	uint32_t uid;
	double share; /* dominant, 0..1 */
	int64_t start_ns, end_ns;
};

/* One call and its arguments, for whoever records them. */
struct sched_told {
	enum sched_call call;
	const struct sched_charge *charge;
	const struct window *windows;
	size_t n_windows;
	const struct job *job;		  /* ENQUEUE, ADOPT */
	uint32_t n;			  /* ENQUEUE */
	uint64_t id;			  /* DEQUEUE, RELEASE, LEAVE */
	int64_t now_ns;			  /* MEASURE, RELEASE, LEAVE, PASS */
	const struct decision *decisions; /* PASS: what it decided */
	size_t n_decisions;
};

typedef void sched_observe_fn(void *ctx, const struct sched_told *told);

struct sched;

struct sched *sched_create(const struct sched_config *config);
void sched_destroy(struct sched *sched);

/* The ledger: add nodes and set their GPUs through it; jobs' resources are booked by the calls
 * below. */
struct ledger *sched_ledger(struct sched *sched);

/* Have every call told to `observe`: a pass when it is over, others before they change anything. It
 * may ask of the scheduler what it likes, and tell it nothing. NULL: nobody is told any more. */
void sched_observe(struct sched *sched, sched_observe_fn *observe, void *ctx);

/* A user's job that was over before this process began: see users_charge(). */
void sched_charge(struct sched *sched, const struct sched_charge *charge);

/* Who has used how much; for reading. Owned by the scheduler. */
struct users *sched_users(struct sched *sched);

/* What is known of run times: feed it with history. Owned by the scheduler, which asks nothing of
 * it: what is predicted of a job comes with the job. */
struct predictor *sched_predictor(struct sched *sched);

/* Replace the windows, which the next pass minds; for a scheduler that was made to tell users
 * apart. */
void sched_set_windows(struct sched *sched, const struct window *windows, size_t n);
const struct windows *sched_windows(const struct sched *sched);

#define SCHED_IMPOSSIBLE 1 /* no node, or not all together, could ever hold this job */

/*
 * Could this request ever run here, if nothing else did? 0, or SCHED_IMPOSSIBLE with a sentence
 * that names what is too large and what there is.
 */
int sched_check(struct sched *sched, const struct request *request, struct err *err);

/*
 * A job waits (queued, not held); or n jobs with the ids job->id, job->id + 1, ... that are alike
 * in everything else do. What it asks for, its priority, limit, prediction and times must not
 * change until it is removed again, because they say where it stands.
 */
void sched_enqueue(struct sched *sched, const struct job *job, uint32_t n);

/* It waits no longer without having been started (cancelled, held); of n jobs, all that have not
 * been started, named by the first of these. */
void sched_dequeue(struct sched *sched, const struct job *job);

/* A job holds resources that no pass gave it (adopted at a restart). Books job->alloc. */
void sched_adopt(struct sched *sched, const struct job *job);

/* The machine is another than when running jobs were adopted: charge their users for their true
 * shares of it, from their starts on. */
void sched_measure_shares(struct sched *sched, int64_t now_ns);

/* A started or adopted job is over at now_ns: its resources are free. Harmless for others. */
void sched_release(struct sched *sched, uint64_t job, int64_t now_ns);

/* A running job was told to end: it will be gone, as is planned, a grace from now. */
void sched_leave(struct sched *sched, uint64_t job, int64_t now_ns);

/*
 * Decide what starts at now_ns. Appends to *decisions in order; each job that starts is moved from
 * the queue to the running ones and its resources are booked. The cost depends on the number of
 * shapes and of running jobs, not on how many wait: O((1 + starts) x shapes x log n + running), and
 * a placement for each start and for each shape that seems to fit; with BACKFILL_RESERVE a search
 * of the plan (plan.h) instead, and one for each reservation. BACKFILL_CONSERVATIVE is the
 * exception: O(waiting x steps) when a job ends early.
 */
void sched_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions);

/* When a pass may decide differently although nothing happened: the next begin time, a start that
 * was promised, an edge of a window, or the end of a running job's immunity to preemption;
 * TIME_NEVER. */
int64_t sched_next_wake_ns(const struct sched *sched);

/* What the last pass found: the job that holds the (first) reservation, 0: none, and its shadow
 * time. */
uint64_t sched_head(const struct sched *sched, int64_t *ret_shadow_ns);

/* May a job pass one that waits for resources (any backfill at all)? */
bool sched_backfills(const struct sched *sched);

/* How long a job is planned with: its limit, or what is predicted; TIME_NEVER. */
int64_t sched_estimate(const struct job *job);

/* Is this job kept from starting by its user's limits or its array's, whatever is free? */
enum sched_bound { SCHED_UNBOUND, SCHED_USER_JOBS, SCHED_USER_GPUS, SCHED_ARRAY };
enum sched_bound sched_bound(const struct sched *sched, const struct job *job);

/* Would a job of this user that asks for this and runs for length_ns start now, were it first among
 * those that are not promised anything? For advice: nothing changes. *ret_longest_ns, on false: the
 * length up to which it would (0: none, TIME_NEVER is never said). */
bool sched_could_start(struct sched *sched, const struct request *request, uint32_t uid,
		       int64_t length_ns, int64_t now_ns, int64_t *ret_longest_ns);

/* The running jobs in order of predicted end. Borrowed until the next change. */
struct running *const *sched_running(const struct sched *sched, size_t *ret_n);

const struct sched_config *sched_config(const struct sched *sched);

/* assert(): the ledger holds exactly the running jobs' allocations. O(running x nodes). Each pass
 * ends with it in builds for debugging and with sanitizers; tests ask in all. */
void sched_check_invariants(const struct sched *sched);
