/* SPDX-License-Identifier: MIT */
/* GET /v1/jobs/ID and GET /v1/jobs/ID/why: one job, with all there is to say of it. */
#include <errno.h>

#include "common/jobspec.h"
#include "daemon/api.h"
#include "daemon/launch.h"
#include "daemon/turn.h"
#include "scheduler/why.h"

struct found {
	const struct request_context *request;
	json_t *job;  /* new reference */
	json_t *spec; /* new reference */
	uint64_t revision;
	uint32_t uid;
	uint64_t row_id; /* of the row that stands for it */
	struct jobspec_identity identity;
};

static int find_row(void *ctx, const struct store_row *row)
{
	struct found *found = ctx;
	const struct job_view view = {.row = row, .id = found->request->id, .n_tasks = 1};

	found->revision = row->job.revision;
	found->uid = row->job.uid;
	found->row_id = row->job.id;
	found->identity = api_identity(&row->job, view.id);
	found->job = api_view_json(&view, API_ALL_FIELDS);
	found->spec = json_loads(row->spec ? row->spec : "", 0, NULL);
	return 0;
}

static void find_job(const struct request_context *request, struct found *found)
{
	struct store_filter filter = {
		.uid = -1,
		.first_id = request->id,
		.last_id = request->id,
		.with_spec = true,
	};

	*found = (struct found){.request = request};
	store_walk(request->daemon->store, &filter, find_row, found, NULL);
}

static json_t *expand(const struct jobspec *spec, const char *pattern,
		      const struct jobspec_identity *identity)
{
	_cleanup_(free_ptr) char *path = jobspec_expand_path(spec, pattern, identity);

	return json_string(path);
}

/* Where its output goes and what runs, from the spec. */
static void add_from_spec(struct found *found)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(free_ptr) char *log =
		launch_default_log(found->request->daemon, found->uid, found->request->id);
	_cleanup_(free_ptr) char *command = NULL;

	jobspec_init(&spec);
	if (jobspec_from_json(&spec, found->spec, clock_wall_ns(), NULL) < 0)
		return;
	command = jobspec_describe_command(&spec);
	json_object_set_new(found->job, "command", json_string(command));
	json_object_set_new(found->job, "cwd", json_string(spec.cwd));
	json_object_set_new(found->job, "output",
			    spec.output ? expand(&spec, spec.output, &found->identity)
					: json_string(log));
	json_object_set_new(found->job, "error",
			    spec.error ? expand(&spec, spec.error, &found->identity) : json_null());
}

static int add_event(void *ctx, const struct store_event *event)
{
	json_array_append_new(ctx, json_pack("{s:I, s:s, s:s}", "time_ms",
					     (json_int_t)(event->time_ns / NS_PER_MS), "event",
					     event->event, "detail", event->detail));
	return 0;
}

/* Secrets live in environments and scripts: only the owner (and root) gets to see them. */
static void hide_private(const struct found *found)
{
	if (api_may_act(found->request, found->uid))
		return;
	json_object_del(found->spec, "env");
	json_object_del(found->spec, "script");
}

/* What is of the moment, and not (or not yet) in the store. */
static void add_living(const struct request_context *request, json_t *job)
{
	static const char *const keys[] = {"reason", "gpus", "usage", "start_ms_estimated"};
	const struct record *record = record_find(request->daemon, request->id);
	json_t *living;

	if (!record)
		return;
	living = api_record_json(request->daemon, record);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(job, keys[i], json_object_get(living, keys[i]));
	json_decref(living);
}

int api_show_reply(struct request_context *request)
{
	const struct record *record = record_find(request->daemon, request->id);
	json_t *history = json_array();
	struct found found;

	if (record && request->wait_revision > record->job.revision && !request->expired) {
		json_decref(history);
		return HTTP_WAIT;
	}
	find_job(request, &found);
	if (!found.job) {
		json_decref(history);
		http_fail(request, 404, "there is no job %llu; see \"tgpu list --all\"",
			  (unsigned long long)request->id);
		return 0;
	}
	add_from_spec(&found);
	add_living(request, found.job);
	hide_private(&found);
	store_walk_events(request->daemon->store, found.row_id, add_event, history, NULL);
	json_object_set_new(found.job, "spec", found.spec ? found.spec : json_null());
	json_object_set_new(found.job, "history", history);
	return api_ok(request, 200, found.job);
}

static void add_sentence(void *ctx, const char *sentence)
{
	json_t *string = json_string(sentence);

	json_array_append_new(ctx, string ? string : json_string("?"));
}

/* What a job does that does not wait. */
static void say_state(const struct record *record, json_t *sentences)
{
	char text[128];

	if (!record)
		snprintf(text, sizeof(text), "it is over");
	else
		snprintf(text, sizeof(text), "it does not wait: it is %s",
			 job_state_name(record->job.state));
	add_sentence(sentences, text);
}

/* All that can be found out, with the head's shadow time or else a forecast of its start. */
static void explain(struct daemon *daemon, const struct record *record, int64_t now_ns,
		    struct why *ret_why)
{
	sched_why(daemon->sched, &record->job, now_ns, ret_why);
	sched_advise(daemon->sched, &record->job, now_ns, ret_why);
	if (ret_why->start_ns == TIME_UNKNOWN && record->job.state == JOB_QUEUED)
		ret_why->start_ns = forecast_start_ns(turn_forecast(daemon), record->job.id);
}

int api_why_reply(struct request_context *request)
{
	struct daemon *daemon = request->daemon;
	const struct record *record = record_find(daemon, request->id);
	_cleanup_(buf_finish) struct buf summary = {0};
	json_t *sentences = json_array(), *reply;
	int64_t now_ns = clock_wall_ns();
	struct why why = {0};

	if (!record && api_show_reply(request) == 0 && request->status == 404) {
		json_decref(sentences);
		return 0;
	}
	if (record)
		explain(daemon, record, now_ns, &why);
	why_summary(&why, &summary);
	why_sentences(daemon->sched, &why, daemon->depend, now_ns, add_sentence, sentences);
	if (why.code == WHY_NOT_WAITING)
		say_state(record, sentences);
	reply = json_pack("{s:I, s:O?, s:s, s:s, s:o, s:I}", "id", (json_int_t)request->id, "state",
			  record ? NULL : json_object_get(request->reply, "state"), "code",
			  why_code_name(why.code), "text", buf_get(&summary), "sentences",
			  sentences, "ahead", (json_int_t)why.ahead);
	if (record)
		json_object_set_new(reply, "state", json_string(job_state_name(record->job.state)));
	json_object_set_new(reply, "start_ms",
			    why.start_ns ? json_integer(why.start_ns / NS_PER_MS) : json_null());
	json_decref(request->reply);
	return api_ok(request, 200, reply);
}
