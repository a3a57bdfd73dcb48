/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom, between specs, records and scheduler/depend.c.
 *
 * Invariants: what a job depends on is stored in its spec alone; how far that has come follows from
 * the records and the store, at submit and at a restart alike. An end that concerns others is
 * settled in the same turn, so no commit shows a parent that is over and a child that does not
 * know. Read next: turn.c.
 */
#include "daemon/depends.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/jobspec_lists.h"
#include "daemon/turn.h"

/* What the records and the store know of one edge's parents. */
struct parents {
	struct depend_edge edge;
	uint64_t n_known; /* rows or jobs: only whether there are any matters */
	bool never;
};

static int add_ended(void *ctx, const struct store_row *row)
{
	struct parents *parents = ctx;

	parents->n_known++;
	if (!depend_holds(parents->edge.kind, row->job.state == JOB_FINISHED))
		parents->never = true;
	return 0;
}

/* How many of a record's tasks are among first .. last. */
static uint64_t overlap(const struct job *job, uint64_t first, uint64_t last)
{
	uint64_t end = job->id + job->n_tasks - 1;
	uint64_t from = job->id > first ? job->id : first, to = end < last ? end : last;

	return from <= to ? to - from + 1 : 0;
}

static void count_living(const struct daemon *daemon, struct parents *parents)
{
	const struct depend_edge *edge = &parents->edge;

	if (edge->first == edge->last) {
		parents->edge.open = record_find(daemon, edge->first) != NULL;
	} else {
		for (const struct record *record = daemon->records; record;
		     record = record->hh.next)
			parents->edge.open += overlap(&record->job, edge->first, edge->last);
	}
	parents->n_known += parents->edge.open;
}

static int find_parents(struct daemon *daemon, const struct record *record,
			const struct after *after, struct parents *ret_parents, struct err *err)
{
	static const enum depend_kind kinds[] = {
		[AFTER_OK] = DEPEND_OK, [AFTER_ANY] = DEPEND_ANY, [AFTER_NOT_OK] = DEPEND_NOT_OK};
	struct parents parents = {
		.edge = {.kind = kinds[after->kind], .first = after->first, .last = after->last},
	};
	struct store_filter filter = {
		.final_only = true,
		.uid = -1,
		.first_id = after->first,
		.last_id = after->last,
	};

	if (after->last >= record->job.id)
		return err_set(err, -EINVAL,
			       "job %" PRIu64 " does not come before this one (%" PRIu64
			       "); name jobs that have been submitted",
			       after->last, record->job.id);
	count_living(daemon, &parents);
	store_walk(daemon->store, &filter, add_ended, &parents, NULL);
	if (parents.n_known == 0)
		return err_set(err, -EINVAL, "there is no job %" PRIu64 "; see \"tgpu list --all\"",
			       after->first);
	*ret_parents = parents;
	return 0;
}

int depends_add(struct daemon *daemon, const struct record *record,
		enum job_dependence *ret_dependence, struct err *err)
{
	static const enum job_dependence dependences[] = {
		[DEPEND_MET] = JOB_INDEPENDENT,
		[DEPEND_WAITS] = JOB_DEPENDENT,
		[DEPEND_NEVER] = JOB_NEVER,
	};
	_cleanup_(after_finish) struct after_list list = {0};
	_cleanup_(free_ptr) struct depend_edge *edges = NULL;
	bool never = false;
	enum depend_state state;
	int r = record->after ? after_parse(record->after, &list, err) : 0;

	edges = xcalloc(list.n + 1, sizeof(*edges));
	for (size_t i = 0; i < list.n && r == 0; i++) {
		struct parents parents = {0};

		r = find_parents(daemon, record, &list.items[i], &parents, err);
		edges[i] = parents.edge;
		never |= parents.never;
	}
	if (r < 0)
		return r;
	depend_remove(daemon->depend, record->job.id);
	state = depend_add(daemon->depend, record->job.id, edges, list.n, never);
	if (state == DEPEND_NEVER)
		turn_settle(daemon, record->job.id, state);
	*ret_dependence = dependences[state];
	return 0;
}

void depends_share(struct daemon *daemon, const struct record *from, const struct record *to)
{
	size_t n;
	const struct depend_edge *edges = depend_edges(daemon->depend, from->job.id, &n);

	if (edges)
		depend_add(daemon->depend, to->job.id, edges, n, from->job.dependence == JOB_NEVER);
}

static void on_changed(void *ctx, uint64_t job, enum depend_state state)
{
	turn_settle(ctx, job, state);
}

void depends_end(struct daemon *daemon, const struct job *job)
{
	for (uint32_t i = 0; i < job->n_tasks && depend_count(daemon->depend) > 0; i++)
		depend_end(daemon->depend, job->id + i, job->state == JOB_FINISHED, on_changed,
			   daemon);
}
