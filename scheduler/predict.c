/* SPDX-License-Identifier: MIT */
/*
 * The last two run times of each likeness.
 *
 * Invariants: memory is bounded: beyond LIKENESSES_MAX the one that was learned from longest ago is
 * forgotten. Steps, not exact times, because predictions are compared: jobs that will take about as
 * long then count as alike, and first come, first served decides between them. Cost: O(1).
 * Read next: policy.c.
 */
#include "scheduler/predict.h"

#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"

#define LIKENESSES_MAX 65536 /* some 6 MB */

#define MINUTES(n) ((n)*60 * NS_PER_S)
#define HOURS(n)   MINUTES((n)*60)
#define DAYS(n)	   HOURS((n)*24)

static const int64_t ladder[] = {
	MINUTES(30), HOURS(1), HOURS(2), HOURS(4), HOURS(8), HOURS(12),
	DAYS(1),     DAYS(2),  DAYS(4),	 DAYS(7),  DAYS(14), DAYS(28),
};

struct likeness {
	uint64_t id;
	int64_t last_ns, before_ns; /* before_ns 0: only one so far */
	UT_hash_handle hh;
};

struct predictor {
	struct likeness *by_id; /* owned; in order of the last lesson, the oldest first */
};

struct predictor *predictor_create(void)
{
	return xcalloc(1, sizeof(struct predictor));
}

static void forget(struct predictor *predictor, struct likeness *likeness)
{
	assert(likeness != predictor->by_id || !likeness->hh.prev); /* nothing before the oldest */
	HASH_DEL(predictor->by_id, likeness);
	free(likeness);
}

void predictor_destroy(struct predictor *predictor)
{
	struct likeness *likeness, *next;

	if (!predictor)
		return;
	likeness = predictor->by_id;
	HASH_CLEAR(hh, predictor->by_id); /* the table; its entries are still a list */
	for (; likeness; likeness = next) {
		next = likeness->hh.next;
		free(likeness);
	}
	free(predictor);
}

void predict_learn(struct predictor *predictor, uint64_t id, int64_t run_ns)
{
	struct likeness *likeness, fresh = {.id = id, .last_ns = run_ns};

	if (id == 0 || run_ns <= 0)
		return;
	HASH_FIND(hh, predictor->by_id, &id, sizeof(id), likeness);
	if (likeness) {
		fresh.before_ns = likeness->last_ns;
		forget(predictor, likeness);
	} else if (HASH_COUNT(predictor->by_id) >= LIKENESSES_MAX) {
		forget(predictor, predictor->by_id);
	}
	likeness = xmalloc(sizeof(*likeness));
	*likeness = fresh;
	HASH_ADD(hh, predictor->by_id, id, sizeof(likeness->id), likeness);
}

int64_t predict_ladder(int64_t run_ns)
{
	for (size_t i = 0; i < ARRAY_SIZE(ladder); i++)
		if (ladder[i] >= run_ns)
			return ladder[i];
	return run_ns;
}

int64_t predict_raise(int64_t run_ns)
{
	int64_t top = ladder[ARRAY_SIZE(ladder) - 1];

	if (run_ns < top)
		return predict_ladder(run_ns + 1);
	return run_ns > TIME_NEVER - 2 * top ? TIME_NEVER : (run_ns / top + 1) * top;
}

int64_t predict_run(const struct predictor *predictor, uint64_t id)
{
	struct likeness *likeness;

	if (id == 0)
		return 0;
	HASH_FIND(hh, predictor->by_id, &id, sizeof(id), likeness);
	if (!likeness)
		return 0;
	if (!likeness->before_ns)
		return predict_raise(likeness->last_ns);
	return predict_raise(likeness->last_ns / 2 + likeness->before_ns / 2);
}
