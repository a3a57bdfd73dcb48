/* SPDX-License-Identifier: MIT */
/*
 * The running jobs: an array of pointers in order of end, and a hash by id.
 *
 * Invariants: each job is in both, once; the order is total and depends only on what was told. An
 * array and not a tree, because a machine runs hundreds of jobs, not millions: to move a few
 * hundred pointers costs less than to balance. Read next: backfill.c.
 */
#include "scheduler/running.h"

#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"

struct slot {
	struct running running; /* first: a running is its slot */
	uint64_t sequence;	/* of being added */
	UT_hash_handle hh;
};

struct runnings {
	struct running **list; /* in order; owned, and so is what it points to */
	size_t n, capacity;
	struct slot *by_id;
	uint64_t sequence;
};

struct runnings *runnings_create(void)
{
	return xcalloc(1, sizeof(struct runnings));
}

void runnings_destroy(struct runnings *runnings)
{
	if (!runnings)
		return;
	HASH_CLEAR(hh, runnings->by_id);
	for (size_t i = 0; i < runnings->n; i++) {
		allocation_finish(&runnings->list[i]->alloc);
		free(runnings->list[i]);
	}
	free(runnings->list);
	free(runnings);
}

static bool ends_before(const struct running *a, const struct running *b)
{
	if (a->end_ns != b->end_ns)
		return a->end_ns < b->end_ns;
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns;
	return ((const struct slot *)a)->sequence < ((const struct slot *)b)->sequence;
}

/* The position of `running`, or where it would stand. */
static size_t position(const struct runnings *runnings, const struct running *running)
{
	size_t low = 0, high = runnings->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ends_before(runnings->list[middle], running))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void link_in(struct runnings *runnings, struct running *running)
{
	size_t at = position(runnings, running);

	xgrow(&runnings->list, &runnings->capacity, runnings->n + 1, sizeof(struct running *));
	memmove(&runnings->list[at + 1], &runnings->list[at],
		(runnings->n - at) * sizeof(struct running *));
	runnings->list[at] = running;
	runnings->n++;
}

static void link_out(struct runnings *runnings, const struct running *running)
{
	size_t at = position(runnings, running);

	assert(runnings->list[at] == running);
	runnings->n--;
	memmove(&runnings->list[at], &runnings->list[at + 1],
		(runnings->n - at) * sizeof(struct running *));
}

const struct running *runnings_add(struct runnings *runnings, const struct running *running)
{
	struct slot *slot = xmalloc(sizeof(*slot));

	assert(!runnings_find(runnings, running->job));
	*slot = (struct slot){.running = *running, .sequence = runnings->sequence++};
	HASH_ADD(hh, runnings->by_id, running.job, sizeof(running->job), slot);
	link_in(runnings, &slot->running);
	return &slot->running;
}

struct running *runnings_find(const struct runnings *runnings, uint64_t job)
{
	struct slot *slot;

	HASH_FIND(hh, runnings->by_id, &job, sizeof(job), slot);
	return slot ? &slot->running : NULL;
}

void runnings_set_end(struct runnings *runnings, struct running *running, int64_t end_ns)
{
	link_out(runnings, running);
	running->end_ns = end_ns;
	link_in(runnings, running);
}

void runnings_remove(struct runnings *runnings, struct running *running)
{
	struct slot *slot = (struct slot *)running;

	link_out(runnings, running);
	HASH_DEL(runnings->by_id, slot);
	allocation_finish(&running->alloc);
	free(slot);
}

struct running *const *runnings_list(const struct runnings *runnings, size_t *ret_n)
{
	*ret_n = runnings->n;
	return runnings->list;
}
