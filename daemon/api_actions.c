/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/jobs/cancel, requeue, hold, release: the same walk over a set of ids with another verb.
 * (update is in api_update.c.)
 *
 * Invariants: each id has its own result; one that is refused costs the others nothing.
 */
#include <inttypes.h>

#include "common/idset.h"
#include "daemon/api.h"
#include "daemon/turn.h"

#define IDS_MAX	  10000		     /* of one request */
#define BYTES_MAX ((size_t)64 << 20) /* that one request may write; it is one transaction */

static void cancel(struct request_context *request, struct record *record, void *ctx)
{
	const json_t *now = ctx;
	struct job_event event = job_event_make(
		job_state_has_gpus(record->job.state) ? JOB_EVENT_STOP : JOB_EVENT_CANCEL,
		clock_wall_ns());

	event.cause = JOB_CAUSE_CANCELLED;
	event.uid = request->uid;
	event.kill_now = json_is_true(now);
	turn_apply(request->daemon, record, &event, event.kill_now ? "at once" : "");
}

static int check_requeue(struct request_context *request, const struct record *record, uint64_t id,
			 void *ctx, struct err *err)
{
	(void)request;
	(void)id;
	(void)ctx;
	if (record->job.state == JOB_QUEUED)
		return err_set(err, 409, "it waits already");
	if (record->job.state == JOB_STOPPING && record->job.cause == JOB_CAUSE_CANCELLED)
		return err_set(err, 409, "it is being cancelled");
	return 0;
}

static void requeue(struct request_context *request, struct record *record, void *ctx)
{
	const json_t *now = ctx;
	struct job_event stop = job_event_make(JOB_EVENT_STOP, clock_wall_ns());
	char detail[64];

	stop.cause = JOB_CAUSE_REQUEUED;
	stop.kill_now = json_is_true(now);
	snprintf(detail, sizeof(detail), "to begin again, by uid %" PRIu32, request->uid);
	turn_apply(request->daemon, record, &stop, detail);
}

static int check_hold(struct request_context *request, const struct record *record, uint64_t id,
		      void *ctx, struct err *err)
{
	(void)request;
	(void)id;
	(void)ctx;
	if (record->job.state != JOB_QUEUED)
		return err_set(err, 409,
			       "it does not wait any more; only a waiting job can be held");
	return 0;
}

static bool is_held(const struct record *record)
{
	return record->job.held;
}

static void hold(struct request_context *request, struct record *record, void *ctx)
{
	struct job_event event = job_event_make(JOB_EVENT_HOLD, clock_wall_ns());

	(void)ctx;
	turn_apply(request->daemon, record, &event, "");
}

static int check_release(struct request_context *request, const struct record *record, uint64_t id,
			 void *ctx, struct err *err)
{
	(void)request;
	(void)id;
	(void)ctx;
	if (!record->job.held || record->job.state != JOB_QUEUED)
		return err_set(err, 409, "it is not held");
	return 0;
}

static void release(struct request_context *request, struct record *record, void *ctx)
{
	struct job_event event = job_event_make(JOB_EVENT_RELEASE, clock_wall_ns());

	(void)ctx;
	turn_apply(request->daemon, record, &event, "");
}

static void add_failure(struct request_context *request, const struct idrange *part, int status,
			const char *why)
{
	json_t *list = json_object_get(request->result, "results");
	json_int_t first = (json_int_t)part->first, last = (json_int_t)part->last;

	json_array_append_new(list,
			      json_pack("{s:I, s:I, s:b, s:i, s:s}", "id", first, "n_tasks",
					last - first + 1, "ok", 0, "status", status, "error", why));
}

static int check(struct request_context *request, const struct action *action,
		 const struct record *record, uint64_t id, struct err *err)
{
	if (!api_may_act(request, record->job.uid))
		return err_set(err, 403, "it belongs to another user");
	if (job_state_is_final(record->job.state))
		return err_set(err, 409, "it is over");
	return action->check ? action->check(request, record, id, action->ctx, err) : 0;
}

static void add_success(struct request_context *request, const struct record *record,
			const struct idrange *part)
{
	json_t *list = json_object_get(request->result, "results");
	json_int_t first = (json_int_t)part->first, last = (json_int_t)part->last;

	json_array_append_new(list, json_pack("{s:I, s:I, s:b, s:s, s:b}", "id", first, "n_tasks",
					      last - first + 1, "ok", 1, "state",
					      job_state_name(record->job.state), "held",
					      record->job.held));
}

struct acting {
	struct request_context *request;
	const struct action *action;
	const struct idset *ids;
	size_t n_living; /* parts of records */
};

static void count_part(void *ctx, struct record *record, const struct idrange *part)
{
	struct acting *acting = ctx;

	(void)record;
	(void)part;
	acting->n_living++;
}

/* What is refused leaves the record whole. */
static void act_on_part(void *ctx, struct record *record, const struct idrange *part)
{
	const struct acting *acting = ctx;
	struct request_context *request = acting->request;
	const struct action *action = acting->action;
	struct err err = {0};
	int status = check(request, action, record, part->first, &err);

	if (status) {
		add_failure(request, part, status, err.msg);
		return;
	}
	if (action->is_done && action->is_done(record)) {
		add_success(request, record, part);
		return;
	}
	if (record->job.state == JOB_QUEUED)
		record = turn_carve(request->daemon, record, part->first, part->last);
	action->apply(request, record, action->ctx);
	add_success(request, record, part);
}

static size_t count_results(const struct request_context *request)
{
	return json_array_size(json_object_get(request->result, "results"));
}

struct ended {
	struct request_context *request;
	const struct idrange *range;
};

static int refuse_ended(void *ctx, const struct store_row *row)
{
	struct ended *ended = ctx;
	struct idrange part = {row->job.id, store_last_task(&row->job)};
	char text[64];

	if (part.first < ended->range->first)
		part.first = ended->range->first;
	if (part.last > ended->range->last)
		part.last = ended->range->last;
	snprintf(text, sizeof(text), "it is over (%s)", job_state_name(row->job.state));
	add_failure(ended->request, &part, 409, text);
	return count_results(ended->request) >= IDS_MAX;
}

/* A single id that is named must exist. */
static void refuse_missing(struct request_context *request, uint64_t id, size_t n_before)
{
	if (count_results(request) == n_before && !record_find(request->daemon, id))
		add_failure(request, &(struct idrange){id, id}, 404, "there is no such job");
}

/* Those that are over, and single ids that name none. Of the ended ones in ranges, the first some
 * are told: the answer must not grow with all that ever ran. False: the store cannot be read. */
static bool refuse_others(const struct acting *acting, const struct idrange *range)
{
	struct request_context *request = acting->request;
	struct ended ended = {request, range};
	struct store_filter filter = {
		.final_only = true,
		.uid = -1,
		.first_id = range->first,
		.last_id = range->last,
	};
	size_t before = count_results(request);
	bool single = range->first == range->last;
	struct err err = {0};
	int r = 0;

	if (single || before < IDS_MAX)
		r = store_walk(request->daemon->store, &filter, refuse_ended, &ended, &err);
	if (api_store_failed(request, r, &err))
		return false;
	if (single)
		refuse_missing(request, range->first, before);
	return true;
}

/* All of it, or nothing where it is too much for one turn. */
static void act_on_set(struct acting *acting)
{
	struct request_context *request = acting->request;
	bool readable = true;

	record_walk(request->daemon, acting->ids, count_part, acting);
	if (acting->n_living > IDS_MAX) {
		http_fail(request, 400, "%s: ids: more than %d jobs; split the request",
			  acting->action->name, IDS_MAX);
		return;
	}
	if (acting->n_living * acting->action->job_bytes > BYTES_MAX) {
		http_fail(request, 413, "%s: too much for so many jobs at once; name fewer",
			  acting->action->name);
		return;
	}
	request->result = json_pack("{s:[]}", "results");
	for (size_t i = 0; i < acting->ids->n_ranges && readable; i++)
		readable = refuse_others(acting, &acting->ids->ranges[i]);
	if (readable)
		record_walk(request->daemon, acting->ids, act_on_part, acting);
}

void api_act_on_jobs(struct request_context *request, const json_t *body,
		     const struct action *action)
{
	const char *text = json_string_value(json_object_get(body, "ids"));
	struct idset ids = {0};
	struct err err = {0};

	if (!text)
		http_fail(request, 400, "%s: ids: write for example {\"ids\": \"1,3-5\"}",
			  action->name);
	else if (idset_parse(text, &ids, &err) < 0)
		http_fail(request, 400, "%s: ids: %s", action->name, err.msg);
	else if (ids.n_ranges > IDS_MAX)
		http_fail(request, 400, "%s: ids: more than %d of them; split the request",
			  action->name, IDS_MAX);
	if (!request->status)
		act_on_set(&(struct acting){request, action, &ids, 0});
	idset_finish(&ids);
}

/* The verbs whose only argument is "now". */
static void act(struct request_context *request, struct action action)
{
	json_t *body = api_body(request);

	if (!body)
		return;
	action.ctx = json_object_get(body, "now");
	api_act_on_jobs(request, body, &action);
	json_decref(body);
}

void api_cancel_fold(struct request_context *request)
{
	act(request, (struct action){.name = "cancel", .apply = cancel});
}

void api_requeue_fold(struct request_context *request)
{
	act(request, (struct action){.name = "requeue", .check = check_requeue, .apply = requeue});
}

void api_hold_fold(struct request_context *request)
{
	act(request, (struct action){
			     .name = "hold",
			     .check = check_hold,
			     .is_done = is_held,
			     .apply = hold,
		     });
}

void api_release_fold(struct request_context *request)
{
	act(request, (struct action){.name = "release", .check = check_release, .apply = release});
}
