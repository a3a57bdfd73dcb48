/* SPDX-License-Identifier: MIT */
/*
 * How long a job will run whose user gave no limit: by what its like have run.
 *
 * The prediction is the mean of the last two run times of jobs of the same likeness (owner, name
 * and size), put up to the next step of a ladder. Two is what Tsafrir, Etsion and Feitelson found
 * to be as good as anything more clever (Backfilling Using System-Generated Predictions, IEEE TPDS
 * 2007). It only guides the order and backfill; a limit is what ends jobs. A job that outlives its
 * prediction moves on to the next step (predict_raise), so it never counts as ending for ever.
 */
#pragma once

#include "scheduler/job.h"

struct predictor;

struct predictor *predictor_create(void);
void predictor_destroy(struct predictor *predictor);

/* A job of this likeness has run so long and ended by itself. Likeness 0 teaches nothing. */
void predict_learn(struct predictor *predictor, uint64_t likeness, int64_t run_ns);

/* The prediction; 0: nothing is known. O(1). */
int64_t predict_run(const struct predictor *predictor, uint64_t likeness);

/* The first step of the ladder that is no shorter than run_ns: 30 min, 1, 2, 4, 8, 12 h, 1, 2, 4,
 * 7, 14, 28 days; above the last, run_ns itself. */
int64_t predict_ladder(int64_t run_ns);

/* The first step above run_ns; from the last on, 28 days more. */
int64_t predict_raise(int64_t run_ns);
