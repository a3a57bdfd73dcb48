/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/jobs: a selection of jobs, from memory while they live and from the store when they are
 * over.
 *
 * Invariants: running jobs first, then waiting ones in the order in which they would start, then
 * ended ones, newest first; at most `limit` of them. A request that waits (`after`) looks at the
 * store when it comes and when it is answered, and in between only at what each commit changed.
 */
#include <stdlib.h>

#include "daemon/api.h"
#include "daemon/selection.h"
#include "daemon/turn.h"

/* The answer in the making. */
struct list {
	struct daemon *daemon;
	const struct selection *selection;
	json_t *jobs;
	bool more;		      /* there are some that have no room in it */
	bool is_over;		      /* nor has any further one that ended */
	uint64_t revision;	      /* the highest of the jobs in it */
	const struct record **living; /* owned: those in memory, in order */
	size_t n_living, next_living;
};

/* What stands for many tasks is shown for those that were asked for, one entry per range. */
static void add_parts(struct list *list, const struct store_row *row, const struct record *record)
{
	const struct job *job = &row->job;
	const struct selection *selection = list->selection;
	struct idrange range = {job->id, job->id + job->n_tasks - 1}, part = range;

	if (job->revision > list->revision)
		list->revision = job->revision;
	while (range.first <= range.last &&
	       (!selection->has_ids || idset_first_part(&selection->ids, &range, &part))) {
		struct job_view view = {row, list->daemon, record, part.first,
					(uint32_t)(part.last + 1 - part.first)};

		json_array_append_new(list->jobs, api_view_json(&view, selection->fields));
		range.first = part.last + 1;
	}
}

/* Is there no room for one more? */
static bool is_full(struct list *list)
{
	if (json_array_size(list->jobs) < list->selection->limit)
		return false;
	list->more = true;
	return true;
}

/* Append the next ones that live, as long as their ids are above this one. */
static void add_living(struct list *list, uint64_t above)
{
	while (list->next_living < list->n_living) {
		const struct record *record = list->living[list->next_living];
		struct store_row row = record_row(record);

		if (record->job.id <= above || is_full(list))
			return;
		add_parts(list, &row, record);
		list->next_living++;
	}
}

static int add_row(void *ctx, const struct store_row *row)
{
	struct list *list = ctx;

	if (list->selection->newest)
		add_living(list, row->job.id);
	list->is_over = is_full(list);
	if (!list->is_over)
		add_parts(list, row, NULL);
	return list->is_over;
}

/* Append ended jobs from the store, newest first. */
static void add_ended(struct list *list)
{
	const struct selection *selection = list->selection;
	struct idrange all = {0};
	const struct idrange *ranges = selection->has_ids ? selection->ids.ranges : &all;
	size_t n = selection->has_ids ? selection->ids.n_ranges : 1;

	if (!(selection->states & STATES_FINAL))
		return;
	for (size_t i = n; i-- > 0 && !list->is_over;) {
		struct store_filter filter = {
			.final_only = true,
			.states = selection->states & STATES_FINAL,
			.uid = selection->uid,
			.first_id = ranges[i].first,
			.last_id = ranges[i].last,
			.newest_first = true,
		};

		store_walk(list->daemon->store, &filter, add_row, list, NULL);
	}
}

/* All that is selected, in the order asked for. */
static void collect(struct list *list)
{
	list->more =
		selection_living(list->daemon, list->selection, &list->living, &list->n_living);
	if (!list->selection->newest)
		add_living(list, 0);
	add_ended(list);
	add_living(list, 0);
}

/* Did the last commit change a watched job? */
static bool has_changed(const struct request_context *request, const struct selection *selection)
{
	size_t n;
	struct record *const *changed = turn_changed(request->daemon, &n);

	for (size_t i = 0; i < n; i++)
		if (changed[i]->job.revision >= request->wait_revision &&
		    selection_watches(selection, &changed[i]->job))
			return true;
	return false;
}

/* Was there news before the request came? Jobs that have left a selection by state are not in the
 * list, so then any later commit counts: better an answer too many than one too late. */
static bool was_changed(const struct request_context *request, const struct list *list)
{
	uint64_t revision =
		list->selection->states == STATES_ALL ? list->revision : request->daemon->revision;

	return revision >= request->wait_revision;
}

/* The whole answer; when waiting for the first time, NULL if it holds nothing new. */
static json_t *make_list(struct request_context *request, const struct selection *selection)
{
	struct list list = {
		.daemon = request->daemon,
		.selection = selection,
		.jobs = json_array(),
	};

	collect(&list);
	free(list.living);
	if (request->wait_revision && !request->result_id && !request->expired &&
	    !was_changed(request, &list)) {
		json_decref(list.jobs);
		return NULL;
	}
	return json_pack("{s:I, s:o, s:b}", "revision", (json_int_t)request->daemon->revision,
			 "jobs", list.jobs, "more", list.more);
}

int api_list_reply(struct request_context *request)
{
	struct selection selection;
	json_t *list = NULL;
	int r = HTTP_WAIT;

	if (!selection_parse(request, &selection)) {
		selection_finish(&selection);
		return 0;
	}
	/* result_id is the revision up to which there was no news. Once the store has been looked
	 * at, only the living can bring some, and only with a commit. */
	if (!request->result_id || request->expired ||
	    (request->result_id < request->daemon->revision && has_changed(request, &selection)))
		list = make_list(request, &selection);
	request->result_id = request->daemon->revision;
	if (list)
		r = api_ok(request, 200, list);
	selection_finish(&selection);
	return r;
}
