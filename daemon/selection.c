/* SPDX-License-Identifier: MIT */
/*
 * Which jobs a list is of.
 *
 * The order of a list is the scheduler's own, so the waiting ones are walked in it until there are
 * enough: a page costs as much behind a million jobs as behind a thousand. Those that are not in
 * line are merged in where they will stand. Where ids or a user are given, who may
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

/* Records in the order of the list; no more of them are kept than are listed, and one. */
struct page {
	const struct record **list; /* owned */
	size_t n, capacity;
	bool is_cut; /* it was longer, and is in order */
};

struct listing {
	struct daemon *daemon;
	const struct selection *selection;
	int64_t now_ns;
	struct page page;      /* the list */
	struct page dependent; /* those not in line who wait for others, */
	size_t n_merged;       /* how many of them have had their turn */
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

static void sort(struct listing *listing, struct page *page)
{
	if (page->n > 1)
		qsort_r(page->list, page->n, sizeof(struct record *), compare_listed, listing);
}

static bool has_state(const struct selection *selection, const struct job *job)
{
	return selection->states & (1u << job->state) ||
	       (selection->held && job->state == JOB_QUEUED && job->held);
}

/* The next one, where they come in order. */
static void append(struct listing *listing, struct page *page, const struct record *record)
{
	const struct job *job = &record->job;

	if (job_state_is_final(job->state) || !has_state(listing->selection, job) ||
	    !selection_watches(listing->selection, job))
		return;
	xgrow(&page->list, &page->capacity, page->n + 1, sizeof(struct record *));
	page->list[page->n++] = record;
}

/* One of many in no order, to be sorted at the end. As many again as are kept are taken in until
 * they are sorted out: one comparison for most of a long queue, which stand behind those. */
static void throw_in(struct listing *listing, struct page *page, const struct record *record)
{
	size_t enough = listing->selection->limit + 1;

	if (page->is_cut && compare_listed(&record, &page->list[enough - 1], listing) >= 0)
		return;
	append(listing, page, record);
	if (page->n < 2 * enough)
		return;
	sort(listing, page);
	page->n = enough;
	page->is_cut = true;
}

static void take_in(struct listing *listing, struct page *page, const struct record *aside)
{
	for (; aside; aside = aside->next)
		throw_in(listing, page, aside);
	sort(listing, page);
}

/* What stands for tasks in several ranges is found in each: it counts in the first. */
static bool is_found_again(const struct listing *listing, const struct job *job,
			   const struct idrange *found)
{
	const struct idrange tasks = {job->id, job->id + job->n_tasks - 1};
	struct idrange first;

	return listing->selection->has_ids &&
	       idset_first_part(&listing->selection->ids, &tasks, &first) &&
	       first.first < found->first;
}

static void add_found(void *ctx, struct record *record, const struct idrange *part)
{
	struct listing *listing = ctx;

	if (!is_found_again(listing, &record->job, part))
		throw_in(listing, &listing->page, record);
}

/* All that is selected, by looking at everything that can be. */
static void collect_all(struct listing *listing)
{
	static struct idrange everything = {1, UINT64_MAX};
	static const struct idset all = {.ranges = &everything, .n_ranges = 1};
	const struct selection *selection = listing->selection;

	record_walk(listing->daemon, selection->has_ids ? &selection->ids : &all, add_found,
		    listing);
	sort(listing, &listing->page);
}

static void add_running(struct listing *listing)
{
	const struct record *record;

	for (size_t i = 0; (record = record_next_running(listing->daemon, &i));)
		append(listing, &listing->page, record);
	sort(listing, &listing->page);
}

static bool is_full(const struct listing *listing)
{
	return listing->page.n > listing->selection->limit;
}

/* Those who wait for others and would go before this one (NULL: the rest of them). */
static void merge_dependent(struct listing *listing, const struct record *before)
{
	struct page *dependent = &listing->dependent;

	while (!is_full(listing) && listing->n_merged < dependent->n &&
	       (!before ||
		compare_listed(&dependent->list[listing->n_merged], &before, listing) < 0))
		append(listing, &listing->page, dependent->list[listing->n_merged++]);
}

static int add_waiting(void *ctx, const struct shape *shape, const struct waiting *waiting,
		       int64_t begin_ns)
{
	struct listing *listing = ctx;
	const struct record *record = record_find(listing->daemon, waiting->key.id);

	(void)shape;
	(void)begin_ns;
	merge_dependent(listing, record);
	if (!is_full(listing))
		append(listing, &listing->page, record);
	return is_full(listing);
}

/* Running ones, the line with those merged in who are not in it yet, and the held ones. */
static void walk_queue(struct listing *listing)
{
	struct daemon *daemon = listing->daemon;
	struct page held = {0};

	add_running(listing);
	if (listing->selection->states & (1u << JOB_QUEUED)) {
		take_in(listing, &listing->dependent, daemon->dependent);
		sched_walk(daemon->sched, listing->now_ns, add_waiting, listing);
		merge_dependent(listing, NULL);
		free(listing->dependent.list);
	} else if (!listing->selection->held) {
		return;
	}
	if (!is_full(listing))
		take_in(listing, &held, daemon->held);
	for (size_t i = 0; i < held.n && !is_full(listing); i++)
		append(listing, &listing->page, held.list[i]);
	free(held.list);
}

bool selection_living(struct daemon *daemon, const struct selection *selection,
		      const struct record ***ret_list, size_t *ret_n)
{
	struct listing listing = {
		.daemon = daemon, .selection = selection, .now_ns = clock_wall_ns()};

	if (selection->has_ids || selection->uid >= 0 || selection->newest)
		collect_all(&listing);
	else
		walk_queue(&listing);
	*ret_list = listing.page.list;
	*ret_n = listing.page.n < selection->limit ? listing.page.n : selection->limit;
	return is_full(&listing);
}
