/* SPDX-License-Identifier: MIT */
/* What the files that make up the scheduler share: its books, and the one way into the running
 * ones. core.c keeps them, pass.c and conservative.c decide by them. */
#pragma once

#include "scheduler/backfill.h"
#include "scheduler/candidates.h"
#include "scheduler/conservative.h"
#include "scheduler/core.h"
#include "scheduler/later.h"
#include "scheduler/plan.h"

struct array_count;

struct sched {
	struct sched_config config;
	sched_observe_fn *observe; /* NULL: nobody */
	void *observer;		   /* its ctx */
	struct ledger ledger;
	struct queue *queue;
	struct later *later; /* whose begin time has not come */
	struct runnings *runnings;
	struct users *users;
	struct predictor *predictor;
	struct windows windows;
	struct array_count *arrays;	  /* running tasks of arrays that are bound; owned */
	struct candidates candidates;	  /* of a pass; kept for its memory */
	struct reservation reservation;	  /* of the last pass: EASY and strict order */
	struct plan plan;		  /* of the last pass: RESERVE */
	struct conservative conservative; /* CONSERVATIVE */
	uint64_t head;
	int64_t head_shadow_ns;
	int64_t wake_ns; /* when the last pass wants another, whatever happens; TIME_NEVER */
};

/* Tell the observer, if there is one. */
void sched_tell(const struct sched *sched, const struct sched_told *told);

/* What a job has in common with others in the queue, and its own entry there. */
struct shape sched_shape(const struct sched *sched, const struct job *job);
struct queue_key sched_key(const struct sched *sched, const struct job *job);

/* Is this shape kept from starting by a limit, whatever is free? */
enum sched_bound sched_shape_bound(const struct sched *sched, const struct shape *shape);

/* A job joins the queue. */
void sched_admit(struct sched *sched, const struct shape *shape, const struct waiting *waiting);

/* Count a running job in the accounts of its user and its array. */
void sched_count_running(struct sched *sched, struct running *running);

/* This job is the first that must wait for resources, until then as is planned. */
void sched_set_head(struct sched *sched, uint64_t job, int64_t start_ns);

/* Book a start, all but the queue: the first job of `waiting` runs on `alloc`, which is taken over,
 * from now_ns on. */
void sched_book_start(struct sched *sched, const struct shape *shape, const struct waiting *waiting,
		      int64_t now_ns, struct allocation *alloc, struct decisions *decisions);
