/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/jobs: a selection of jobs, from memory while they live and from the store when they are
 * over.
 *
 * Invariants: running jobs first, then waiting ones in the order in which they would start, then
 * ended ones, newest first; at most `limit` of them. A request that waits (`after`) looks at the
 * store when it comes and when it is answered, and in between only at the living.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/idset.h"
#include "daemon/api.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000

struct selection {
	struct idset ids;
	bool has_ids;
	uint32_t states; /* bit (1 << enum job_state) */
	int64_t uid;	 /* -1: any */
	size_t limit;
	bool newest; /* by id, the newest first, whatever their states */
};

#define STATES_FINAL  ((1u << JOB_FINISHED) | (1u << JOB_FAILED) | (1u << JOB_CANCELLED))
#define STATES_ALL    ((1u << JOB_STATE_COUNT) - 1)
#define STATES_ACTIVE (STATES_ALL & ~STATES_FINAL)

static bool parse_states(struct request_context *request, const char *text, uint32_t *ret_states)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *rest = copy, *word;
	uint32_t states = 0;
	enum job_state state;

	while ((word = strsep(&rest, ","))) {
		if (STREQ(word, "all")) {
			states |= STATES_ALL;
		} else if (STREQ(word, "active")) {
			states |= STATES_ACTIVE;
		} else if (job_state_parse(word, &state) == 0) {
			states |= 1u << state;
		} else {
			http_fail(request, 400,
				  "state: '%s' is no state; write queued, starting, running, "
				  "stopping, "
				  "finished, failed, cancelled, active or all",
				  word);
			return false;
		}
	}
	*ret_states = states;
	return true;
}

static bool parse_number(struct request_context *request, const char *name, int64_t min,
			 int64_t max, int64_t *ret_value)
{
	const char *text = http_argument(request, name);

	if (!text || parse_int64(text, min, max, ret_value) == 0)
		return true;
	http_fail(request, 400, "%s: '%s' is not a whole number of %lld to %lld", name, text,
		  (long long)min, (long long)max);
	return false;
}

static bool parse_selection(struct request_context *request, struct selection *selection)
{
	const char *ids = http_argument(request, "ids"), *state = http_argument(request, "state");
	const char *order = http_argument(request, "order");
	int64_t limit = LIMIT_DEFAULT;
	struct err err = {0};

	*selection = (struct selection){.uid = -1, .states = ids ? STATES_ALL : STATES_ACTIVE};
	if (ids && idset_parse(ids, &selection->ids, &err) < 0) {
		http_fail(request, 400, "ids: %s", err.msg);
		return false;
	}
	selection->has_ids = ids;
	if (order && !STREQ(order, "queue") && !STREQ(order, "newest")) {
		http_fail(request, 400, "order: '%s' is no order; write queue or newest", order);
		return false;
	}
	selection->newest = order && STREQ(order, "newest");
	if (!parse_number(request, "limit", 1, LIMIT_MAX, &limit) ||
	    !parse_number(request, "uid", 0, UINT32_MAX, &selection->uid) ||
	    (state && !parse_states(request, state, &selection->states)))
		return false;
	selection->limit = (size_t)limit;
	return true;
}

/* Selected but for its state: one that leaves the selected states is news, too. */
static bool is_watched(const struct selection *selection, const struct job *job)
{
	const struct idrange range = {job->id, job->id + job->n_tasks - 1};
	struct idrange part;

	return (selection->uid < 0 || selection->uid == job->uid) &&
	       (!selection->has_ids || idset_first_part(&selection->ids, &range, &part));
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
		json_t *copy = json_copy(object);

		json_object_set_new(copy, "id", json_integer((json_int_t)part.first));
		json_object_set_new(copy, "n_tasks", json_integer(n_tasks));
		api_set_array(copy, &identity);
		json_array_append_new(jobs, copy);
		range.first = part.last + 1;
	}
	json_decref(object);
}

static bool is_selected(const struct selection *selection, const struct job *job)
{
	return selection->states & (1u << job->state) && is_watched(selection, job);
}

/* Where a job stands in a list: who holds GPUs, who waits, who is held. */
enum standing { STANDING_ACTIVE, STANDING_WAITS, STANDING_HELD };

static enum standing standing_of(const struct job *job)
{
	if (job_state_has_gpus(job->state))
		return STANDING_ACTIVE;
	return job->held ? STANDING_HELD : STANDING_WAITS;
}

struct list_order {
	struct daemon *daemon;
	bool newest;
	int64_t now_ns;
};

static int compare_listed(const void *a, const void *b, void *ctx)
{
	const struct list_order *order = ctx;
	const struct job *x = &(*(const struct record *const *)a)->job;
	const struct job *y = &(*(const struct record *const *)b)->job;

	if (order->newest)
		return (x->id < y->id) - (x->id > y->id);
	if (standing_of(x) != standing_of(y))
		return (int)standing_of(x) - (int)standing_of(y);
	if (standing_of(x) == STANDING_ACTIVE && x->place_ns != y->place_ns)
		return x->place_ns < y->place_ns ? -1 : 1;
	if (standing_of(x) == STANDING_ACTIVE)
		return (x->id > y->id) - (x->id < y->id);
	return sched_compare(order->daemon->sched, x, y, order->now_ns);
}

/* The first `limit` of those offered, in order. */
struct first {
	struct list_order order;
	const struct record **list; /* owned; room for twice `limit` */
	size_t n, limit;
	bool full; /* the first `limit` of the list are in order, and there were more */
};

static void sort_first(struct first *first)
{
	if (first->n > 1)
		qsort_r(first->list, first->n, sizeof(struct record *), compare_listed,
			&first->order);
	first->full |= first->n > first->limit;
	if (first->n > first->limit)
		first->n = first->limit;
}

/* Most of a long queue fall behind at once: O(1) comparisons each. */
static void offer(struct first *first, const struct record *record)
{
	if (first->full &&
	    compare_listed(&record, &first->list[first->limit - 1], &first->order) >= 0)
		return;
	first->list[first->n++] = record;
	if (first->n == 2 * first->limit)
		sort_first(first);
}

/* Append the living; at most `limit`, in order. True if there were more. */
static bool add_living(struct daemon *daemon, const struct selection *selection, json_t *jobs)
{
	struct first first = {
		.order = {daemon, selection->newest, clock_wall_ns()},
		.list = xcalloc(2 * selection->limit, sizeof(const struct record *)),
		.limit = selection->limit,
	};

	for (const struct record *record = daemon->records; record; record = record->hh.next)
		if (is_selected(selection, &record->job) && !job_state_is_final(record->job.state))
			offer(&first, record);
	sort_first(&first);
	for (size_t i = 0; i < first.n; i++)
		add_parts(selection, &first.list[i]->job, api_record_json(daemon, first.list[i]),
			  jobs);
	free(first.list);
	return first.full;
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

/* Has a watched job, living or ended just now, the revision that is waited for? */
static bool living_changed(const struct request_context *request, const struct selection *selection)
{
	for (const struct record *record = request->daemon->records; record;
	     record = record->hh.next)
		if (record->job.revision >= request->wait_revision &&
		    is_watched(selection, &record->job))
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
	return json_pack("{s:I, s:o, s:b}", "revision", (json_int_t)request->daemon->revision,
			 "jobs", jobs, "more", more);
}

int api_list_reply(struct request_context *request)
{
	struct selection selection;
	json_t *list = NULL;
	int r = HTTP_WAIT;

	if (!parse_selection(request, &selection)) {
		idset_finish(&selection.ids);
		return 0;
	}
	/* result_id is the revision up to which there was no news. Once the store has been looked
	 * at, only the living can bring some, and only with a commit. */
	if (!request->result_id || request->expired ||
	    (request->result_id < request->daemon->revision && living_changed(request, &selection)))
		list = make_list(request, &selection);
	request->result_id = request->daemon->revision;
	if (list)
		r = api_ok(request, 200, list);
	idset_finish(&selection.ids);
	return r;
}
