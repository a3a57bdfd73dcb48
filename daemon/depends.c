/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom, between specs, records and scheduler/depend.c.
 *
 * Invariants: what a job depends on is stored in its spec alone; how far that has come follows from
 * the records and the store, at submit and at a restart alike; a record that has ended in this turn
 * counts as ended, though the store does not know yet. An end that concerns others is settled in
 * the same turn, so no commit shows a parent that is over and a child that does not know.
 * Read next: turn.c.
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
	uint64_t culprit; /* did not end as was wanted; 0: none */
};

static void add_end(struct parents *parents, const struct job *job)
{
	uint64_t first = parents->edge.first;

	parents->n_known++;
	if (!depend_holds(parents->edge.kind, job->state == JOB_FINISHED) && !parents->culprit)
		parents->culprit = job->id > first ? job->id : first;
}

/* Stops when no further row could tell more. */
static int add_ended(void *ctx, const struct store_row *row)
{
	struct parents *parents = ctx;

	add_end(parents, &row->job);
	return parents->culprit || parents->edge.kind == DEPEND_ANY;
}

static void add_record(void *ctx, struct record *record, const struct idrange *part)
{
	struct parents *parents = ctx;
	uint64_t n = part->last - part->first + 1;

	if (job_state_is_final(record->job.state)) {
		add_end(parents, &record->job);
		return;
	}
	parents->edge.open += n;
	parents->n_known += n;
}

static int find_parents(struct daemon *daemon, uint64_t id, const struct after *after,
			struct parents *ret_parents, struct err *err)
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
	struct idrange range = {after->first, after->last};
	const struct idset ids = {.ranges = &range, .n_ranges = 1};
	int r;

	if (after->last >= id)
		return err_set(err, -EINVAL,
			       "job %" PRIu64 " does not come before this one (%" PRIu64
			       "); name jobs that have been submitted",
			       after->last, id);
	record_walk(daemon, &ids, add_record, &parents);
	r = store_walk(daemon->store, &filter, add_ended, &parents, err);
	if (r < 0)
		return r;
	if (parents.n_known == 0)
		return err_set(err, -EINVAL, "there is no job %" PRIu64 "; see \"tgpu list --all\"",
			       after->first);
	*ret_parents = parents;
	return 0;
}

int depends_find(struct daemon *daemon, const char *after, uint64_t id, struct depends *ret_depends,
		 struct err *err)
{
	_cleanup_(after_finish) struct after_list list = {0};
	_cleanup_(depends_finish) struct depends depends = {0};
	int r = after ? after_parse(after, &list, err) : 0;

	depends.edges = xcalloc(list.n + 1, sizeof(*depends.edges));
	for (size_t i = 0; i < list.n && r == 0; i++) {
		struct parents parents = {0};

		r = find_parents(daemon, id, &list.items[i], &parents, err);
		depends.edges[depends.n++] = parents.edge;
		if (!depends.culprit)
			depends.culprit = parents.culprit;
	}
	if (r < 0)
		return r;
	*ret_depends = depends;
	depends = (struct depends){0};
	return 0;
}

void depends_finish(struct depends *depends)
{
	free(depends->edges);
	*depends = (struct depends){0};
}

enum job_dependence depends_set(struct daemon *daemon, uint64_t id, const struct depends *depends)
{
	enum depend_state state;

	depend_remove(daemon->depend, id);
	state = depend_add(daemon->depend, id, depends->edges, depends->n, depends->culprit);
	if (state == DEPEND_NEVER)
		turn_settle(daemon, id);
	return state == DEPEND_MET ? JOB_INDEPENDENT : JOB_DEPENDENT;
}

int depends_add(struct daemon *daemon, const struct record *record,
		enum job_dependence *ret_dependence, struct err *err)
{
	_cleanup_(depends_finish) struct depends depends = {0};
	int r = depends_find(daemon, record->after, record->job.id, &depends, err);

	if (r == 0)
		*ret_dependence = depends_set(daemon, record->job.id, &depends);
	return r;
}

void depends_share(struct daemon *daemon, const struct record *from, const struct record *to)
{
	enum depend_state state = depend_state(daemon->depend, from->job.id);
	size_t n;
	const struct depend_edge *edges = depend_edges(daemon->depend, from->job.id, &n);

	if (edges)
		depend_add(daemon->depend, to->job.id, edges, n,
			   depend_culprit(daemon->depend, from->job.id));
	if (from->job.dependence == JOB_DEPENDENT && state != DEPEND_WAITS)
		turn_settle(daemon, to->job.id);
}

static void on_changed(void *ctx, uint64_t job, enum depend_state state)
{
	(void)state; /* it may be another when the turn comes to it */
	turn_settle(ctx, job);
}

void depends_end(struct daemon *daemon, const struct job *job)
{
	depend_end(daemon->depend, job->id, job->id + job->n_tasks - 1, job->state == JOB_FINISHED,
		   on_changed, daemon);
}
