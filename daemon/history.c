/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler learns from the past.
 *
 * Predictions and shares are not stored: they follow from the jobs that have ended, so a restart
 * reads the newest of these, oldest first, and no table can disagree with the history.
 * Cost: HISTORY_JOBS rows, some 2 us each.
 */
#include "daemon/history.h"

#include <stdlib.h>

#define HISTORY_JOBS 20000

struct ended {
	uint64_t likeness;
	uint32_t uid;
	struct request request;
	int64_t start_ns, end_ns;
	bool by_itself; /* its run time says something of its like */
};

struct history {
	struct ended *items; /* owned; newest first */
	size_t n, capacity;
};

static int add_row(void *ctx, const struct store_row *row)
{
	struct history *history = ctx;
	const struct record like = {.job = row->job, .name = (char *)row->name};

	if (row->job.start_ns == TIME_UNKNOWN)
		return 0;
	xgrow(&history->items, &history->capacity, history->n + 1, sizeof(*history->items));
	history->items[history->n++] = (struct ended){
		.likeness = record_likeness(&like),
		.uid = row->job.uid,
		.request = row->job.request,
		.start_ns = row->job.start_ns,
		.end_ns = row->job.end_ns,
		.by_itself = row->job.state == JOB_FINISHED,
	};
	return 0;
}

/* Its dominant share of this one machine, if it had what it asked for. */
static double share_of(struct daemon *daemon, const struct request *request)
{
	struct allocation_part part = {
		.cpus = request->cpus,
		.mem_bytes = request->mem_bytes,
		.gpus = request->num_gpus < 64 ? (UINT64_C(1) << request->num_gpus) - 1
					       : UINT64_MAX,
	};
	struct allocation alloc = {&part, 1};

	return ledger_share(sched_ledger(daemon->sched), &alloc);
}

/* Where it cannot be read, what was read of it is as good as a shorter one. */
static struct history read_history(struct daemon *daemon)
{
	struct store_filter filter = {
		.final_only = true,
		.uid = -1,
		.newest_first = true,
		.limit = HISTORY_JOBS,
	};
	struct history history = {0};
	struct err err = {0};

	if (store_walk(daemon->store, &filter, add_row, &history, &err) < 0)
		trouble_reading(daemon, &err);
	return history;
}

void history_load_run_times(struct daemon *daemon)
{
	struct history history = read_history(daemon);

	for (size_t i = history.n; i-- > 0;)
		if (history.items[i].by_itself)
			predict_learn(sched_predictor(daemon->sched), history.items[i].likeness,
				      history.items[i].end_ns - history.items[i].start_ns);
	free(history.items);
}

void history_load_shares(struct daemon *daemon)
{
	struct history history = {0};

	if (daemon->config.sched.policy->by_user)
		history = read_history(daemon);
	for (size_t i = history.n; i-- > 0;)
		sched_charge(daemon->sched, &(struct sched_charge){
						    history.items[i].uid,
						    share_of(daemon, &history.items[i].request),
						    history.items[i].start_ns,
						    history.items[i].end_ns,
					    });
	sched_measure_shares(daemon->sched, clock_wall_ns());
	free(history.items);
}
