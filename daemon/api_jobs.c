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
	const struct idrange *range;  /* of ended ones, that is being read; NULL: all */
	const struct record **living; /* owned: those in memory, in order */
	size_t n_living, next_living;
};

/* Is there no room for one more? */
static bool is_full(struct list *list)
{
	if (json_array_size(list->jobs) < list->selection->limit)
		return false;
	list->more = true;
	return true;
}

static void add_part(struct list *list, const struct store_row *row, const struct record *record,
		     const struct idrange *part)
{
	struct job_view view = {row, list->daemon, record, part->first,
				(uint32_t)(part->last + 1 - part->first)};

	json_array_append_new(list->jobs, api_view_json(&view, list->selection->fields));
}

/* What stands for many tasks is shown for those that were asked for, one entry per range. */
static void add_parts(struct list *list, const struct store_row *row, const struct record *record)
{
	const struct job *job = &row->job;
	const struct idset *ids = &list->selection->ids;
	struct idrange rest = {job->id, job->id + job->n_tasks - 1}, part = rest;
	bool newest = list->selection->newest;

	if (!list->selection->has_ids)
		add_part(list, row, record, &rest);
	while (list->selection->has_ids && rest.first <= rest.last &&
	       (newest ? idset_last_part(ids, &rest, &part)
		       : idset_first_part(ids, &rest, &part)) &&
	       !is_full(list)) {
		add_part(list, row, record, &part);
		if (newest)
			rest.last = part.first - 1;
		else
			rest.first = part.last + 1;
	}
}

static void note_revision(struct list *list, const struct job *job)
{
	if (job->revision > list->revision)
		list->revision = job->revision;
}

/* Append the next ones that live, as long as their ids are above this one. */
static void add_living(struct list *list, uint64_t above)
{
	while (list->next_living < list->n_living) {
		const struct record *record = list->living[list->next_living];
		struct store_row row = record_row(record);

		if (record->job.id <= above || is_full(list))
			return;
		note_revision(list, &record->job);
		add_parts(list, &row, record);
		list->next_living++;
	}
}

/* A row of jobs that ended, of which the tasks in `list->range` are meant. */
static int add_row(void *ctx, const struct store_row *row)
{
	struct list *list = ctx;
	struct idrange part = {row->job.id, store_last_task(&row->job)};

	if (list->selection->newest)
		add_living(list, row->job.id);
	list->is_over = is_full(list);
	if (list->is_over)
		return 1;
	if (list->range && part.first < list->range->first)
		part.first = list->range->first;
	if (list->range && part.last > list->range->last)
		part.last = list->range->last;
	note_revision(list, &row->job);
	add_part(list, row, NULL, &part);
	return 0;
}

static int walk_ended(struct list *list, const struct idrange *range, struct err *err)
{
	const struct selection *selection = list->selection;
	struct store_filter filter = {
		.final_only = true,
		.states = selection->states & STATES_FINAL,
		.uid = selection->uid,
		.first_id = range ? range->first : 0,
		.last_id = range ? range->last : 0,
		.newest_first = true,
	};

	list->range = range;
	return store_walk(list->daemon->store, &filter, add_row, list, err);
}

/* Append ended jobs from the store, newest first. 0, or -errno with a sentence. */
static int add_ended(struct list *list, struct err *err)
{
	const struct idset *ids = &list->selection->ids;
	int r = 0;

	if (!(list->selection->states & STATES_FINAL))
		return 0;
	if (!list->selection->has_ids)
		r = walk_ended(list, NULL, err);
	for (size_t i = ids->n_ranges; i-- > 0 && !list->is_over && r >= 0;)
		r = walk_ended(list, &ids->ranges[i], err);
	return r < 0 ? r : 0;
}

/* All that is selected, in the order asked for. */
static int collect(struct list *list, struct err *err)
{
	int r;

	list->more =
		selection_living(list->daemon, list->selection, &list->living, &list->n_living);
	if (!list->selection->newest)
		add_living(list, 0);
	r = add_ended(list, err);
	add_living(list, 0);
	return r;
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
 * list, nor are those for which it has no room, so then any later commit counts: better an answer
 * too many than one too late. */
static bool was_changed(const struct request_context *request, const struct list *list)
{
	bool whole = list->selection->states == STATES_ALL && !list->more;

	return (whole ? list->revision : request->daemon->revision) >= request->wait_revision;
}

/* A request's own while it lives: read once, however often it is looked at. */
struct watch {
	struct selection selection;
	uint64_t revision; /* up to which there was no news; 0: it was never looked at */
};

static void release_watch(void *state)
{
	struct watch *watch = state;

	selection_finish(&watch->selection);
	free(watch);
}

/* What the request asks for; NULL with the refusal set. */
static struct watch *find_watch(struct request_context *request)
{
	struct watch *watch = request->state;

	if (watch)
		return watch;
	watch = xcalloc(1, sizeof(*watch));
	request->state = watch;
	request->release = release_watch;
	return selection_parse(request, &watch->selection) ? watch : NULL;
}

/* The whole answer; when waiting for the first time, NULL if it holds nothing new. NULL too where
 * the store cannot be read, with that said. */
static json_t *make_list(struct request_context *request, const struct watch *watch)
{
	struct list list = {
		.daemon = request->daemon,
		.selection = &watch->selection,
		.jobs = json_array(),
	};
	struct err err = {0};
	int r = collect(&list, &err);

	free(list.living);
	if (api_store_failed(request, r, &err) ||
	    (request->wait_revision && watch->revision == 0 && !request->expired &&
	     !was_changed(request, &list))) {
		json_decref(list.jobs);
		return NULL;
	}
	return json_pack("{s:I, s:o, s:b}", "revision", (json_int_t)request->daemon->revision,
			 "jobs", list.jobs, "more", list.more);
}

int api_list_reply(struct request_context *request)
{
	struct watch *watch = find_watch(request);
	json_t *list = NULL;

	if (!watch)
		return 0;
	/* Once the store has been looked at, only the living can bring news, and only with a
	 * commit. */
	if (watch->revision == 0 || request->expired ||
	    (watch->revision < request->daemon->revision &&
	     has_changed(request, &watch->selection)))
		list = make_list(request, watch);
	watch->revision = request->daemon->revision;
	if (request->status)
		return 0;
	return list ? api_ok(request, 200, list) : HTTP_WAIT;
}
