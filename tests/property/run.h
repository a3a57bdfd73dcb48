/* SPDX-License-Identifier: MIT */
/*
 * One run of a case: the scheduler and the test's own books, told the same things.
 *
 * run.c carries the operations out, check.c says what must hold after each pass. What does not
 * ends the run through break_off().
 */
#pragma once

#include "case.h"
#include "scheduler/core_internal.h"
#include "scheduler/forecast.h"

/* Something that ran: for the books of who has used how much. */
struct piece {
	unsigned user;
	double share;
	int64_t start, end; /* end 0: it still runs */
};

struct run {
	const struct test_case *test_case;
	bool disturbed;	    /* other memory, and another order where none is promised */
	struct naive naive; /* the model, and the books */
	struct sched *sched;
	int64_t now;
	int64_t promised[NAIVE_JOBS]; /* start last promised to this job; 0: none yet */
	uint64_t last_started;
	uint64_t digest;
	unsigned type_ids[3];
	unsigned pending[NAIVE_JOBS], n_pending; /* entries that are enqueued with the next pass */
	struct piece pieces[8 * NAIVE_JOBS];
	unsigned n_pieces;
	struct naive_job *wave[NAIVE_JOBS]; /* told to make room, for whom, in this pass */
	const struct naive_job *beneficiary;
	unsigned n_wave;
	bool wave_is_checked;
	void *litter[64]; /* owned; only in the way */
};

/* Run a case from the beginning to the end of its last job. The digest of all decisions. */
uint64_t run_case(struct run *run, const struct test_case *test_case, bool disturbed);

/* The job as the scheduler is told of it. */
struct job run_job(const struct run *run, const struct naive_job *naive);

/* Is the model one that decides as the scheduler should? Else only properties are checked. */
bool run_has_model(const struct run *run);

/* Give up this run, for this reason. */
PRINTF_LIKE(1, 2)
__attribute__((noreturn)) void break_off(const char *fmt, ...);

/* What is looked at, in this order: before a pass, each decision, after all, and when another pass
 * at the same time has shown what it decided. */
void check_usage(struct run *run);
void check_decision(struct run *run, const struct decision *decision);
void check_pass(struct run *run);

/* Everything that waits was foretold as it came; `foretold` is of time `since`. */
void check_forecast(const struct run *run, const struct forecast *foretold, int64_t since);
