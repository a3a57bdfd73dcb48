/* SPDX-License-Identifier: MIT */
/*
 * Dependencies, as a list of those who wait.
 *
 * Invariants: a job is in the list while it waits or can never go on; its edges count the parents
 * that have not ended, and each end is told once. Deliberately a list that every end walks, without
 * an index of parents: a dependency on a range costs one edge however large the range is, and ten
 * thousand dependent jobs are walked in the time of a system call. Cycles cannot be: a job can only
 * name jobs that were there before it. Read next: why.c.
 */
#include "scheduler/depend.h"

#include <assert.h>
#include <stdlib.h>

struct child {
	uint64_t job;
	struct depend_edge *edges; /* owned */
	size_t n_edges;
	uint64_t culprit; /* did not end as was wanted; 0: none */
};

struct depend {
	struct child *children; /* owned; ascending job */
	size_t n, capacity;
};

struct depend *depend_create(void)
{
	return xcalloc(1, sizeof(struct depend));
}

void depend_destroy(struct depend *depend)
{
	if (!depend)
		return;
	for (size_t i = 0; i < depend->n; i++)
		free(depend->children[i].edges);
	free(depend->children);
	free(depend);
}

bool depend_holds(enum depend_kind kind, bool ok)
{
	return kind == DEPEND_ANY || ok == (kind == DEPEND_OK);
}

static enum depend_state state_of(const struct child *child)
{
	if (child->culprit)
		return DEPEND_NEVER;
	for (size_t i = 0; i < child->n_edges; i++)
		if (child->edges[i].open > 0)
			return DEPEND_WAITS;
	return DEPEND_MET;
}

/* The position of a job, or where it would stand. */
static size_t position(const struct depend *depend, uint64_t job)
{
	size_t low = 0, high = depend->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (depend->children[middle].job < job)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct child *find(const struct depend *depend, uint64_t job)
{
	size_t at = position(depend, job);

	return at < depend->n && depend->children[at].job == job ? &depend->children[at] : NULL;
}

static void remove_at(struct depend *depend, size_t at)
{
	free(depend->children[at].edges);
	memmove(&depend->children[at], &depend->children[at + 1],
		(--depend->n - at) * sizeof(*depend->children));
}

enum depend_state depend_add(struct depend *depend, uint64_t job, const struct depend_edge *edges,
			     size_t n, uint64_t culprit)
{
	size_t at = position(depend, job);
	struct child child = {
		.job = job,
		.edges = xcalloc(n + 1, sizeof(*edges)),
		.n_edges = n,
		.culprit = culprit,
	};

	assert(!find(depend, job));
	if (n > 0)
		memcpy(child.edges, edges, n * sizeof(*edges));
	if (state_of(&child) == DEPEND_MET) {
		free(child.edges);
		return DEPEND_MET;
	}
	xgrow(&depend->children, &depend->capacity, depend->n + 1, sizeof(child));
	memmove(&depend->children[at + 1], &depend->children[at], (depend->n - at) * sizeof(child));
	depend->children[at] = child;
	depend->n++;
	return state_of(&child);
}

enum depend_state depend_state(const struct depend *depend, uint64_t job)
{
	const struct child *child = find(depend, job);

	return child ? state_of(child) : DEPEND_MET;
}

const struct depend_edge *depend_edges(const struct depend *depend, uint64_t job, size_t *ret_n)
{
	const struct child *child = find(depend, job);

	*ret_n = child ? child->n_edges : 0;
	return child ? child->edges : NULL;
}

uint64_t depend_culprit(const struct depend *depend, uint64_t job)
{
	const struct child *child = find(depend, job);

	return child ? child->culprit : 0;
}

size_t depend_count(const struct depend *depend)
{
	return depend->n;
}

void depend_remove(struct depend *depend, uint64_t job)
{
	if (find(depend, job))
		remove_at(depend, position(depend, job));
}

/* Tell a child of ends. True when that changed something for it. */
static bool tell_end(struct child *child, uint64_t first, uint64_t last, bool ok)
{
	bool told = false;

	for (size_t i = 0; i < child->n_edges; i++) {
		struct depend_edge *edge = &child->edges[i];
		uint64_t from = first > edge->first ? first : edge->first;
		uint64_t to = last < edge->last ? last : edge->last;

		if (from > to)
			continue;
		told = true;
		edge->open -= to - from + 1;
		if (!depend_holds(edge->kind, ok) && !child->culprit)
			child->culprit = from;
	}
	return told;
}

void depend_end(struct depend *depend, uint64_t first, uint64_t last, bool ok,
		void (*changed)(void *ctx, uint64_t job, enum depend_state state), void *ctx)
{
	size_t i = position(depend, first + 1); /* nobody depends on a later job */

	while (i < depend->n) {
		struct child *child = &depend->children[i];
		enum depend_state before = state_of(child), state;
		uint64_t job = child->job;

		i++;
		if (!tell_end(child, first, last, ok))
			continue;
		state = state_of(child);
		if (state == DEPEND_MET)
			remove_at(depend, --i);
		if (state != before)
			changed(ctx, job, state);
	}
}
