/* SPDX-License-Identifier: MIT */
/*
 * Which jobs a list is of.
 *
 * The order of a list is the scheduler's own, so the waiting ones are walked in it until there are
 * enough: a page costs as much behind a million jobs as behind a thousand. Those that are not in
 * line (daemon->aside) are merged in where they will stand. Where ids or a user are given, who may
 * be few among many, or the newest are asked for, jobs are collected first and sorted then.
 */
#include "daemon/selection.h"

#include <stdlib.h>

#include "daemon/api.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000
#define STATES_ACTIVE (STATES_ALL & ~STATES_FINAL)

static bool parse_states(struct request_context *request, const char *text,
			 struct selection *selection)
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
		} else if (STREQ(word, "held")) {
			selection->held = true;
		} else if (job_state_parse(word, &state) == 0) {
			states |= 1u << state;
		} else {
			http_fail(request, 400,
				  "state: '%s' is no state; write queued, held, starting, "
				  "running, stopping, finished, failed, cancelled, active or all",
				  word);
			return false;
		}
	}
	selection->states = states;
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

bool selection_parse(struct request_context *request, struct selection *selection)
{
	const char *ids = http_argument(request, "ids"), *state = http_argument(request, "state");
	const char *order = http_argument(request, "order");
	const char *fields = http_argument(request, "fields");
	int64_t limit = LIMIT_DEFAULT;
	struct err err = {0};

	*selection = (struct selection){
		.uid = -1,
		.states = ids ? STATES_ALL : STATES_ACTIVE,
		.fields = API_ALL_FIELDS,
	};
	if (ids && idset_parse(ids, &selection->ids, &err) < 0) {
		http_fail(request, 400, "ids: %s", err.msg);
		return false;
	}
	if (fields && api_parse_fields(fields, &selection->fields, &err) < 0) {
		http_fail(request, 400, "fields: %s", err.msg);
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
	    (state && !parse_states(request, state, selection)))
		return false;
	selection->limit = (size_t)limit;
	return true;
}

void selection_finish(struct selection *selection)
{
	idset_finish(&selection->ids);
}

bool selection_watches(const struct selection *selection, const struct job *job)
{
	const struct idrange range = {job->id, job->id + job->n_tasks - 1};
	struct idrange part;

	return (selection->uid < 0 || selection->uid == job->uid) &&
	       (!selection->has_ids || idset_first_part(&selection->ids, &range, &part));
}

/* Where a job stands in a list: who holds GPUs, who waits, who is held. */
enum standing { STANDING_ACTIVE, STANDING_WAITS, STANDING_HELD };

static enum standing standing_of(const struct job *job)
{
	if (job_state_has_gpus(job->state))
		return STANDING_ACTIVE;
	return job->held ? STANDING_HELD : STANDING_WAITS;
}

struct listing {
	struct daemon *daemon;
	const struct selection *selection;
	int64_t now_ns;
	const struct record **list; /* owned */
	size_t n, capacity;
	bool is_cut;		     /* it was longer than is listed, and is in order */
	const struct idrange *range; /* of ids, that is being looked at */
	const struct record **aside; /* owned: in order, and how many of them are listed */
	size_t n_aside, next_aside;
};

static int compare_listed(const void *a, const void *b, void *ctx)
{
	const struct listing *listing = ctx;
	const struct job *x = &(*(const struct record *const *)a)->job;
	const struct job *y = &(*(const struct record *const *)b)->job;

	if (listing->selection->newest)
		return (x->id < y->id) - (x->id > y->id);
	if (standing_of(x) != standing_of(y))
		return (int)standing_of(x) - (int)standing_of(y);
	if (standing_of(x) == STANDING_ACTIVE && x->place_ns != y->place_ns)
		return x->place_ns < y->place_ns ? -1 : 1;
	if (standing_of(x) == STANDING_ACTIVE)
		return (x->id > y->id) - (x->id < y->id);
	return sched_compare(listing->daemon->sched, x, y, listing->now_ns);
}

static void sort(struct listing *listing, const struct record **list, size_t n)
{
	if (n > 1)
		qsort_r(list, n, sizeof(struct record *), compare_listed, listing);
}

static bool has_state(const struct selection *selection, const struct job *job)
{
	return selection->states & (1u << job->state) ||
	       (selection->held && job->state == JOB_QUEUED && job->held);
}

static void add(struct listing *listing, const struct record *record)
{
	const struct job *job = &record->job;

	if (job_state_is_final(job->state) || !has_state(listing->selection, job) ||
	    !selection_watches(listing->selection, job))
		return;
	xgrow(&listing->list, &listing->capacity, listing->n + 1, sizeof(struct record *));
	listing->list[listing->n++] = record;
}

/* What stands for tasks in several ranges is found in each: it counts in the first. */
static bool is_found_again(const struct listing *listing, const struct job *job)
{
	const struct idrange tasks = {job->id, job->id + job->n_tasks - 1};
	struct idrange part;

	return listing->selection->has_ids &&
	       idset_first_part(&listing->selection->ids, &tasks, &part) &&
	       part.first < listing->range->first;
}

/* No more are kept than are listed, and as many again until they are sorted out: O(1) comparisons
 * for most of a long queue, which stand behind those. */
static void add_found(void *ctx, struct record *record)
{
	struct listing *listing = ctx;
	const struct record *found = record;
	size_t enough = listing->selection->limit + 1;

	if (is_found_again(listing, &record->job) ||
	    (listing->is_cut && compare_listed(&found, &listing->list[enough - 1], listing) >= 0))
		return;
	add(listing, record);
	if (listing->n < 2 * enough)
		return;
	sort(listing, listing->list, listing->n);
	listing->n = enough;
	listing->is_cut = true;
}

/* All that is selected, by looking at everything that can be. */
static void collect(struct listing *listing)
{
	static const struct idrange everything = {0, UINT64_MAX};
	const struct idset *ids = &listing->selection->ids;

	if (!listing->selection->has_ids)
		record_walk(listing->daemon, &everything, add_found, listing);
	for (size_t i = 0; i < ids->n_ranges; i++) {
		listing->range = &ids->ranges[i];
		record_walk(listing->daemon, listing->range, add_found, listing);
	}
	sort(listing, listing->list, listing->n);
}

static void add_running(struct listing *listing)
{
	const struct record *record;

	for (size_t i = 0; (record = record_next_running(listing->daemon, &i));)
		add(listing, record);
	sort(listing, listing->list, listing->n);
}

static void sort_aside(struct listing *listing)
{
	size_t capacity = 0;

	for (const struct record *record = listing->daemon->aside; record; record = record->next) {
		xgrow(&listing->aside, &capacity, listing->n_aside + 1, sizeof(struct record *));
		listing->aside[listing->n_aside++] = record;
	}
	sort(listing, listing->aside, listing->n_aside);
}

static bool is_full(const struct listing *listing)
{
	return listing->n > listing->selection->limit;
}

/* The next in line, after those aside that would go before it. */
static int add_waiting(void *ctx, const struct shape *shape, const struct waiting *waiting,
		       int64_t begin_ns)
{
	struct listing *listing = ctx;
	const struct record *record = record_find(listing->daemon, waiting->key.id);

	(void)shape;
	(void)begin_ns;
	while (listing->next_aside < listing->n_aside &&
	       compare_listed(&listing->aside[listing->next_aside], &record, listing) < 0)
		add(listing, listing->aside[listing->next_aside++]);
	add(listing, record);
	return is_full(listing);
}

static void walk_queue(struct listing *listing)
{
	bool waiting = listing->selection->states & (1u << JOB_QUEUED);

	add_running(listing);
	if (!waiting && !listing->selection->held)
		return;
	sort_aside(listing);
	if (waiting)
		sched_walk(listing->daemon->sched, listing->now_ns, add_waiting, listing);
	while (listing->next_aside < listing->n_aside && !is_full(listing))
		add(listing, listing->aside[listing->next_aside++]);
	free(listing->aside);
}

bool selection_living(struct daemon *daemon, const struct selection *selection,
		      const struct record ***ret_list, size_t *ret_n)
{
	struct listing listing = {
		.daemon = daemon, .selection = selection, .now_ns = clock_wall_ns()};

	if (selection->has_ids || selection->uid >= 0 || selection->newest)
		collect(&listing);
	else
		walk_queue(&listing);
	*ret_list = listing.list;
	*ret_n = listing.n < selection->limit ? listing.n : selection->limit;
	return is_full(&listing);
}
