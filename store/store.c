/* SPDX-License-Identifier: MIT */
/*
 * What every store has in common: the checks on what callers hand in, and the meaning of a filter.
 *
 * Invariants: an implementation sees only batches and filters that are well-formed, and never a
 * commit or a close in the middle of a walk. Deliberately not here: any knowledge of states beyond
 * job_state_is_final(). Cost: a look at each row. Read next: memory.c, the shortest implementation.
 */
#include "store/store.h"

#include <assert.h>
#include <stdlib.h>

static void check_row(const struct store_row *row)
{
	assert(row->job.id > 0 && row->job.id <= INT64_MAX);
	assert(row->job.state < JOB_STATE_COUNT && row->job.cause < JOB_CAUSE_COUNT);
	assert(row->job.request.mem_bytes <= INT64_MAX);
	assert(row->job.request.gpu_mem_bytes <= INT64_MAX);
	assert(row->name && row->alloc && row->message);
	assert(row->job.n_tasks > 0);
	assert(memchr(row->boot_id, '\0', sizeof(row->boot_id)));
}

static void check_batch(const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->n_inserts; i++) {
		check_row(&batch->inserts[i]);
		assert((batch->inserts[i].spec && batch->inserts[i].owner) ||
		       (batch->inserts[i].job.array != 0 &&
			batch->inserts[i].job.array != batch->inserts[i].job.id));
	}
	for (size_t i = 0; i < batch->n_updates; i++)
		check_row(&batch->updates[i]);
	for (size_t i = 0; i < batch->n_events; i++)
		assert(batch->events[i].event && batch->events[i].detail &&
		       batch->events[i].n_tasks > 0);
	for (size_t i = 0; i < batch->n_drains; i++)
		assert(batch->drains[i].uuid && batch->drains[i].reason);
	for (size_t i = 0; i < batch->n_windows; i++)
		assert(batch->windows[i].gpus && batch->windows[i].reason);
}

int store_commit(struct store *store, const struct store_batch *batch, uint64_t *ret_revision,
		 struct err *err)
{
	assert(store->n_walks == 0);
	check_batch(batch);
	return store->ops->commit(store, batch, ret_revision, err);
}

int store_walk(struct store *store, const struct store_filter *filter, store_row_fn *fn, void *ctx,
	       struct err *err)
{
	int r;

	assert(!(filter->active_only && filter->final_only));
	store->n_walks++;
	r = store->ops->walk(store, filter, fn, ctx, err);
	store->n_walks--;
	return r;
}

int store_walk_events(struct store *store, uint64_t job, uint64_t array, store_event_fn *fn,
		      void *ctx, struct err *err)
{
	int r;

	store->n_walks++;
	r = store->ops->walk_events(store, job, array, fn, ctx, err);
	store->n_walks--;
	return r;
}

struct store_drain store_drain_copy(const struct store_drain *drain)
{
	struct store_drain copy = *drain;

	copy.uuid = xstrdup(drain->uuid);
	copy.reason = xstrdup(drain->reason);
	return copy;
}

void store_drain_finish(struct store_drain *drain)
{
	free((char *)drain->uuid);
	free((char *)drain->reason);
	*drain = (struct store_drain){0};
}

struct store_window store_window_copy(const struct store_window *window)
{
	struct store_window copy = *window;

	copy.gpus = xstrdup(window->gpus);
	copy.reason = xstrdup(window->reason);
	return copy;
}

void store_window_finish(struct store_window *window)
{
	free((char *)window->gpus);
	free((char *)window->reason);
	*window = (struct store_window){0};
}

int store_walk_log(struct store *store, uint64_t revision, uint64_t n, size_t limit,
		   store_event_fn *fn, void *ctx, struct err *err)
{
	int r;

	store->n_walks++;
	r = store->ops->walk_log(store, revision, n, limit, fn, ctx, err);
	store->n_walks--;
	return r;
}

int store_walk_drains(struct store *store, store_drain_fn *fn, void *ctx, struct err *err)
{
	int r;

	store->n_walks++;
	r = store->ops->walk_drains(store, fn, ctx, err);
	store->n_walks--;
	return r;
}

int store_walk_windows(struct store *store, store_window_fn *fn, void *ctx, struct err *err)
{
	int r;

	store->n_walks++;
	r = store->ops->walk_windows(store, fn, ctx, err);
	store->n_walks--;
	return r;
}

uint64_t store_last_task(const struct job *job)
{
	return job->id + job->n_tasks - 1;
}

bool store_filter_matches(const struct store_filter *filter, const struct job *job)
{
	bool final = job_state_is_final(job->state);

	return !(filter->active_only && final) && !(filter->final_only && !final) &&
	       (filter->states == 0 || (filter->states & (1u << job->state))) &&
	       (filter->uid < 0 || filter->uid == job->uid) &&
	       (filter->first_id == 0 || filter->first_id <= store_last_task(job)) &&
	       (filter->last_id == 0 || filter->last_id >= job->id);
}

int store_find_key(struct store *store, uint32_t uid, const char *key, uint64_t *ret_id,
		   struct err *err)
{
	return store->ops->find_key(store, uid, key, ret_id, err);
}

int store_last(struct store *store, uint64_t *ret_id, uint64_t *ret_revision, struct err *err)
{
	return store->ops->last(store, ret_id, ret_revision, err);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	assert(store->n_walks == 0);
	store->ops->close(store);
}
