/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/jobs: a selection of jobs, from memory while they live and from the store when they are
 * over.
 *
 * Invariants: running jobs first, then waiting ones in the order in which they would start, then
 * ended ones, newest first; at most `limit` of them. A request that waits (`after`) looks at the
 * store when it comes and when it is answered, and in between only at what each commit changed.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/api.h"
#include "daemon/selection.h"
#include "daemon/turn.h"

/* Refuse a field that no job has. */
static bool check_fields(struct request_context *request, const struct selection *selection)
{
	_cleanup_(free_ptr) char *names = xstrdup(selection->fields ? selection->fields : "id");
	struct store_row row = {0};
	char *rest = names, *name;
	json_t *job;

	job_init(&row.job);
	job = api_job_json(&row);
	while ((name = strsep(&rest, ",")))
		if (!json_object_get(job, name) && !request->status)
			http_fail(request, 400,
				  "fields: a job has no '%s'; write names with commas between "
				  "them, as in id,state,reason",
				  name);
	json_decref(job);
	return !request->status;
}

/* What stands for many tasks is shown for those that were asked for, one entry per range. */
static void add_parts(const struct selection *selection, const struct job *job, json_t *object,
		      json_t *jobs)
{
	struct idrange range = {job->id, job->id + job->n_tasks - 1}, part = range;

	while (range.first <= range.last &&
	       (!selection->has_ids || idset_first_part(&selection->ids, &range, &part))) {
		struct jobspec_identity identity = api_identity(job, part.first);
		json_int_t n_tasks = (json_int_t)(part.last + 1 - part.first);
		json_t *entry =
			(uint32_t)n_tasks == job->n_tasks ? json_incref(object) : json_copy(object);

		json_object_set_new(entry, "id", json_integer((json_int_t)part.first));
		json_object_set_new(entry, "n_tasks", json_integer(n_tasks));
		api_set_array(entry, &identity);
		json_array_append_new(jobs, entry);
		range.first = part.last + 1;
	}
	json_decref(object);
}

/* Append the living; at most `limit`, in order. True if there were more. */
static bool add_living(struct daemon *daemon, const struct selection *selection, json_t *jobs)
{
	_cleanup_(free_ptr) const struct record **list = NULL;
	size_t n;
	bool more = selection_living(daemon, selection, &list, &n);

	for (size_t i = 0; i < n; i++)
		add_parts(selection, &list[i]->job, api_record_json(daemon, list[i]), jobs);
	return more;
}

struct walk {
	const struct selection *selection;
	json_t *jobs;
	size_t limit;
	bool more;
};

static int add_row(void *ctx, const struct store_row *row)
{
	struct walk *walk = ctx;

	if (json_array_size(walk->jobs) >= walk->limit) {
		walk->more = true;
		return 1;
	}
	add_parts(walk->selection, &row->job, api_job_json(row), walk->jobs);
	return 0;
}

/* Append ended jobs from the store, newest first. */
static bool add_ended(struct daemon *daemon, const struct selection *selection, json_t *jobs)
{
	struct walk walk = {selection, jobs, selection->limit, false};
	struct idrange all = {0};
	const struct idrange *ranges = selection->has_ids ? selection->ids.ranges : &all;
	size_t n = selection->has_ids ? selection->ids.n_ranges : 1;

	if (!(selection->states & STATES_FINAL))
		return false;
	for (size_t i = n; i-- > 0 && !walk.more;) {
		struct store_filter filter = {
			.final_only = true,
			.states = selection->states & STATES_FINAL,
			.uid = selection->uid,
			.first_id = ranges[i].first,
			.last_id = ranges[i].last,
			.newest_first = true,
		};

		store_walk(daemon->store, &filter, add_row, &walk, NULL);
	}
	return walk.more;
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
static bool was_changed(const struct request_context *request, const struct selection *selection,
			const json_t *jobs)
{
	const json_t *job;
	size_t i;

	if (selection->states != STATES_ALL)
		return request->daemon->revision >= request->wait_revision;

	json_array_foreach (jobs, i, job)
		if ((uint64_t)json_integer_value(json_object_get(job, "revision")) >=
		    request->wait_revision)
			return true;
	return false;
}

static json_int_t id_at(const json_t *jobs, size_t i)
{
	return json_integer_value(json_object_get(json_array_get(jobs, i), "id"));
}

/* Merge two lists, each newest first, into the first `limit` of both. */
static json_t *merge_newest(const json_t *a, const json_t *b, size_t limit)
{
	json_t *merged = json_array();
	size_t i = 0, j = 0;

	while (json_array_size(merged) < limit &&
	       (i < json_array_size(a) || j < json_array_size(b))) {
		if (id_at(a, i) > id_at(b, j)) /* past the end it is 0 */
			json_array_append(merged, json_array_get(a, i++));
		else
			json_array_append(merged, json_array_get(b, j++));
	}
	return merged;
}

/* All that is selected, in the order asked for. */
static json_t *collect(struct daemon *daemon, const struct selection *selection, bool *ret_more)
{
	json_t *living = json_array(), *ended, *merged;

	*ret_more = add_living(daemon, selection, living);
	if (!selection->newest) {
		*ret_more |= add_ended(daemon, selection, living);
		return living;
	}
	ended = json_array();
	*ret_more |= add_ended(daemon, selection, ended);
	merged = merge_newest(living, ended, selection->limit);
	*ret_more |= json_array_size(living) + json_array_size(ended) > selection->limit;
	json_decref(living);
	json_decref(ended);
	return merged;
}

static json_t *pick_fields(const json_t *job, const char *fields)
{
	_cleanup_(free_ptr) char *names = xstrdup(fields);
	char *rest = names, *name;
	json_t *picked = json_object();

	while ((name = strsep(&rest, ",")))
		json_object_set(picked, name, json_object_get(job, name));
	return picked;
}

/* Leave the jobs only the fields that were asked for. */
static void reduce(const struct selection *selection, json_t *jobs)
{
	json_t *job;
	size_t i;

	if (!selection->fields)
		return;
	json_array_foreach (jobs, i, job)
		json_array_set_new(jobs, i, pick_fields(job, selection->fields));
}

/* The whole answer; when waiting for the first time, NULL if it holds nothing new. */
static json_t *make_list(struct request_context *request, const struct selection *selection)
{
	bool more;
	json_t *jobs = collect(request->daemon, selection, &more);

	if (request->wait_revision && !request->result_id && !request->expired &&
	    !was_changed(request, selection, jobs)) {
		json_decref(jobs);
		return NULL;
	}
	reduce(selection, jobs);
	return json_pack("{s:I, s:o, s:b}", "revision", (json_int_t)request->daemon->revision,
			 "jobs", jobs, "more", more);
}

int api_list_reply(struct request_context *request)
{
	struct selection selection;
	json_t *list = NULL;
	int r = HTTP_WAIT;

	if (!selection_parse(request, &selection) || !check_fields(request, &selection)) {
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
