/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/stats: numbers of all jobs of a span of time, without anybody noticing.
 *
 * A year of jobs takes seconds to read, and the store has one connection, held exclusively. So the
 * store is read in slices of SLICE ids, one slice per iteration of the loop, however many clients
 * ask; what else there is to do is done in between. A job that ends while the walk is under way is
 * counted as it was when the walk passed it: once.
 *
 * Cost: 2.6 us of CPU a job (measured): 100,000 take 0.26 s, in slices of 1 ms. Read next: stats.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/api.h"
#include "daemon/machine.h"
#include "daemon/stats.h"

#define SLICE	  400
#define WALKS_MAX 8

/* A request for numbers; the answer is made when `next_id` has passed the last id. */
struct stats_walk {
	struct daemon *daemon;
	struct stats stats;
	uint64_t next_id;	 /* the first of the next slice */
	int r;			 /* of the store: negative, and the walk is over, ... */
	struct err err;		 /* ... for this reason */
	struct stats_walk *next; /* behind it in the queue */
};

static bool is_done(const struct stats_walk *walk)
{
	return walk->r < 0 || walk->next_id > walk->daemon->last_id;
}

/* What stands for tasks of several slices is found in each: it counts in that of its first. */
static int add_row(void *ctx, const struct store_row *row)
{
	struct stats_walk *walk = ctx;

	if (row->job.id >= walk->next_id)
		stats_add(&walk->stats, row);
	return 0;
}

static void on_idle(uv_idle_t *handle)
{
	const struct daemon *daemon = handle->data;
	struct stats_walk *walk = daemon->stats_walks;
	struct store_filter filter = {.uid = -1};

	while (walk && is_done(walk))
		walk = walk->next;
	if (!walk) {
		uv_idle_stop(handle);
		return;
	}
	filter.first_id = walk->next_id;
	filter.last_id = walk->next_id + SLICE - 1;
	walk->r = store_walk(daemon->store, &filter, add_row, walk, &walk->err);
	walk->next_id += SLICE;
}

static void release_walk(void *state)
{
	struct stats_walk *walk = state;
	struct stats_walk **slot = &walk->daemon->stats_walks;

	while (*slot && *slot != walk)
		slot = &(*slot)->next;
	if (*slot)
		*slot = walk->next;
	stats_finish(&walk->stats);
	free(walk);
}

static int parse_by(struct request_context *request, enum stats_by *ret_by)
{
	static const char *const names[] = {[STATS_BY_NOTHING] = "",
					    [STATS_BY_USER] = "user",
					    [STATS_BY_NAME] = "name",
					    [STATS_BY_DAY] = "day"};
	const char *text = http_argument(request, "by");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (STREQ(names[i], text ? text : "")) {
			*ret_by = (enum stats_by)i;
			return 0;
		}
	http_fail(request, 400, "stats: by: '%.40s' is none of user, name and day", text);
	return -1;
}

static void start_walk(struct request_context *request, enum stats_by by, int64_t since_ms)
{
	struct daemon *daemon = request->daemon;
	struct stats_walk *walk = xcalloc(1, sizeof(*walk)), **end = &daemon->stats_walks;
	size_t n = 0;

	for (; *end; end = &(*end)->next)
		n++;
	if (n >= WALKS_MAX) {
		free(walk);
		http_fail(request, 503, "stats: %d others are being counted; try again", WALKS_MAX);
		return;
	}
	if (!daemon->stats_idle.loop)
		uv_idle_init(&daemon->loop, &daemon->stats_idle);
	daemon->stats_idle.data = daemon;
	walk->daemon = daemon;
	walk->next_id = 1;
	stats_init(&walk->stats, by, since_ms * NS_PER_MS, clock_wall_ns());
	*end = walk;
	request->state = walk;
	request->release = release_walk;
	uv_idle_start(&daemon->stats_idle, on_idle);
}

void api_stats_fold(struct request_context *request)
{
	const char *since = http_argument(request, "since_ms");
	int64_t since_ms = 0;
	enum stats_by by;

	if (since && parse_int64(since, 0, INT64_MAX / NS_PER_MS, &since_ms) < 0)
		http_fail(request, 400, "stats: since_ms: '%.40s' is no time in milliseconds",
			  since);
	else if (since_ms > clock_wall_ns() / NS_PER_MS)
		http_fail(request, 400,
			  "stats: since_ms: %s is yet to come, it is %" PRId64
			  " now; write a time of the past",
			  since, clock_wall_ns() / NS_PER_MS);
	else if (parse_by(request, &by) == 0)
		start_walk(request, by, since_ms);
}

static json_t *known_real(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

/* The part of a whole; unknown where there is no whole. */
static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : -1;
}

static json_t *spread_json(const struct sketch *sketch)
{
	if (sketch->n == 0)
		return json_null();
	return json_pack("{s:f, s:I, s:I, s:I}", "mean", sketch_mean(sketch), "p50",
			 (json_int_t)sketch_quantile(sketch, 0.5), "p95",
			 (json_int_t)sketch_quantile(sketch, 0.95), "max", (json_int_t)sketch->max);
}

static json_t *causes_json(const struct stats_group *group)
{
	json_t *causes = json_object();

	for (int i = 1; i < JOB_CAUSE_COUNT; i++)
		if (group->causes[i])
			json_object_set_new(causes, job_cause_name((enum job_cause)i),
					    json_integer((json_int_t)group->causes[i]));
	return causes;
}

static json_t *group_json(const struct stats_group *group)
{
	const uint64_t *ends = group->ends;
	json_int_t finished = (json_int_t)ends[JOB_FINISHED];
	json_int_t failed = (json_int_t)ends[JOB_FAILED];
	json_int_t cancelled = (json_int_t)ends[JOB_CANCELLED];
	json_t *key = json_string(group->key ? group->key : "");
	json_t *object = json_pack(
		"{s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "key", key ? key : json_string("?"),
		"jobs", finished + failed + cancelled, "finished", finished, "failed", failed,
		"cancelled", cancelled, "causes", causes_json(group), "wait_ms",
		spread_json(&group->wait_ms), "run_ms", spread_json(&group->run_ms));

	json_object_set_new(object, "slowdown",
			    known_real(ratio(group->slowdown_sum, (double)group->wait_ms.n)));
	json_object_set_new(object, "gpu_hours", json_real(group->gpu_ms / 3.6e6));
	json_object_set_new(object, "utilization_percent",
			    known_real(ratio(group->util_percent_ms, group->util_of_ms)));
	json_object_set_new(object, "utilization_of_hours", json_real(group->util_of_ms / 3.6e6));
	json_object_set_new(object, "energy_mj",
			    group->energy_of_ms > 0 ? json_integer((json_int_t)group->energy_mj)
						    : json_null());
	json_object_set_new(object, "energy_of_hours", json_real(group->energy_of_ms / 3.6e6));
	return object;
}

static int by_gpu_time(const struct stats_group *a, const struct stats_group *b)
{
	return (a->gpu_ms < b->gpu_ms) - (a->gpu_ms > b->gpu_ms);
}

static int by_key(const struct stats_group *a, const struct stats_group *b)
{
	return strcmp(a->key, b->key);
}

static json_t *stats_json(struct stats_walk *walk)
{
	static const char *const names[] = {"nothing", "user", "name", "day"};
	struct stats *stats = &walk->stats;
	unsigned n_gpus = machine_n_slots(walk->daemon);
	double window_ms = (double)(stats->until_ns - stats->since_ns) / NS_PER_MS;
	json_t *groups = json_array();

	if (stats->by == STATS_BY_DAY)
		HASH_SORT(stats->groups, by_key);
	else
		HASH_SORT(stats->groups, by_gpu_time);
	for (const struct stats_group *group = stats->groups; group; group = group->hh.next)
		json_array_append_new(groups, group_json(group));
	return json_pack("{s:I, s:I, s:s, s:i, s:o, s:o, s:o}", "since_ms",
			 (json_int_t)(stats->since_ns / NS_PER_MS), "until_ms",
			 (json_int_t)(stats->until_ns / NS_PER_MS), "by", names[stats->by], "gpus",
			 (int)n_gpus, "allocated_ratio",
			 known_real(stats->since_ns > 0
					    ? ratio(stats->total.gpu_ms, window_ms * n_gpus)
					    : -1),
			 "total", group_json(&stats->total), "groups", groups);
}

int api_stats_reply(struct request_context *request)
{
	struct stats_walk *walk = request->state;

	if (!is_done(walk))
		return HTTP_WAIT;
	return api_store_failed(request, walk->r, &walk->err)
		       ? 0
		       : api_ok(request, 200, stats_json(walk));
}
