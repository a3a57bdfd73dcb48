/* SPDX-License-Identifier: MIT */
/* GET /v1/jobs/ID and GET /v1/jobs/ID/why: one job, with all there is to say of it. */
#include <errno.h>
#include <inttypes.h>

#include "common/jobspec.h"
#include "daemon/api.h"
#include "daemon/launch.h"
#include "daemon/turn.h"
#include "scheduler/why_text.h"

struct found {
	const struct request_context *request;
	const struct record *record; /* borrowed; NULL: it is over */
	json_t *job;		     /* new reference */
	json_t *spec;		     /* new reference */
	uint32_t uid;
	uint64_t array; /* the first task of its array; 0: it is in none */
	struct jobspec_identity identity;
};

/* A job that lives is shown as it is in memory, where its use of the GPUs is newer. */
static int find_row(void *ctx, const struct store_row *row)
{
	struct found *found = ctx;
	const struct record *record = found->record;
	const struct store_row living = record ? record_row(record) : (struct store_row){0};
	const struct job_view view = {
		.row = record ? &living : row,
		.daemon = found->request->daemon,
		.record = record,
		.id = found->request->id,
		.n_tasks = 1,
	};

	found->uid = row->job.uid;
	found->array = row->job.array;
	found->identity = api_identity(&view.row->job, view.id);
	found->job = api_view_json(&view, API_ALL_FIELDS);
	found->spec = json_loads(row->spec ? row->spec : "", 0, NULL);
	return 0;
}

/* Only this job. */
static struct store_filter filter_of(const struct request_context *request)
{
	return (struct store_filter){.uid = -1, .first_id = request->id, .last_id = request->id};
}

static void refuse_unknown(struct request_context *request)
{
	http_fail(request, 404, "there is no job %llu; see \"tgpu list --all\"",
		  (unsigned long long)request->id);
}

/* Fill in what there is to tell of it; nothing where there is no such job. 0, or -errno with a
 * sentence. */
static int find_job(const struct request_context *request, const struct record *record,
		    struct found *ret_found, struct err *err)
{
	struct store_filter filter = filter_of(request);

	filter.with_spec = true;
	*ret_found = (struct found){.request = request, .record = record};
	return store_walk(request->daemon->store, &filter, find_row, ret_found, err);
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

int api_show_reply(struct request_context *request)
{
	const struct record *record = record_find(request->daemon, request->id);
	json_t *history = json_array();
	struct err err = {0};
	struct found found;
	int r;

	if (record && request->wait_revision > record->job.revision && !request->expired) {
		json_decref(history);
		return HTTP_WAIT;
	}
	r = find_job(request, record, &found, &err);
	if (r == 0 && found.job)
		r = store_walk_events(request->daemon->store, request->id, found.array, add_event,
				      history, &err);
	if (r == 0 && !found.job)
		refuse_unknown(request);
	if (api_store_failed(request, r, &err) || !found.job) {
		json_decref(history);
		json_decref(found.job);
		json_decref(found.spec);
		return 0;
	}
	add_from_spec(&found);
	hide_private(&found);
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

/* All that can be found out, with the head's shadow time or else a forecast of its start. What a
 * record depends on is kept under its first job's id. */
static void explain(struct daemon *daemon, const struct record *record, uint64_t id, int64_t now_ns,
		    struct why *ret_why)
{
	struct job task = api_task(&record->job, id);

	sched_why(daemon->sched, &task, now_ns, ret_why);
	sched_advise(daemon->sched, &task, now_ns, ret_why);
	if (job_is_eligible(&task))
		ret_why->ahead = record_ahead(daemon, record, id, now_ns);
	else
		ret_why->job = record->job.id;
	sched_why_depends(daemon->depend, ret_why);
	ret_why->not_estimated = ret_why->ahead >= TURN_FORECAST_JOBS;
	if (ret_why->start_ns == TIME_UNKNOWN && task.state == JOB_QUEUED)
		ret_why->start_ns = forecast_start_ns(turn_forecast(daemon), id);
}

/* Follow no longer a chain of jobs that wait for each other; beyond, one asks again. */
#define CHAIN_MAX 4

/* A job that another waits for. */
struct parent {
	const struct record *record; /* NULL: there is none */
	uint64_t id;		     /* the first of its tasks that is meant */
};

static void take_record(void *ctx, struct record *record, const struct idrange *part)
{
	struct parent *parent = ctx;

	if (!parent->record || part->first < parent->id)
		*parent = (struct parent){record, part->first};
}

/* The first of these that has not ended. */
static struct parent find_parent(struct daemon *daemon, const struct depend_edge *edge)
{
	struct idrange range = {edge->first, edge->last};
	const struct idset ids = {.ranges = &range, .n_ranges = 1};
	struct parent parent = {0};

	if (edge->open > 0)
		record_walk(daemon, &ids, take_record, &parent);
	return parent;
}

static void say_parent(const struct parent *parent, const struct why *why, json_t *sentences)
{
	_cleanup_(buf_finish) struct buf text = {0};

	buf_printf(&text, "job %" PRIu64 " ", parent->id);
	if (why->code == WHY_NOT_WAITING) {
		buf_printf(&text, "is %s", job_state_name(parent->record->job.state));
	} else {
		buf_puts(&text, why->code == WHY_NEVER ? "will never start: " : "waits: ");
		why_summary(why, &text);
	}
	add_sentence(sentences, buf_get(&text));
}

/* What those are doing for which a job waits: one that is held keeps a whole chain waiting. */
static void say_chain(struct daemon *daemon, struct why why, int64_t now_ns, json_t *sentences)
{
	for (int i = 0; i < CHAIN_MAX && why.code == WHY_DEPENDENCY; i++) {
		struct parent parent = find_parent(daemon, &why.parents);

		if (!parent.record)
			return;
		sched_why(daemon->sched, &parent.record->job, now_ns, &why);
		sched_why_depends(daemon->depend, &why);
		say_parent(&parent, &why, sentences);
	}
}

static int note_state(void *ctx, const struct store_row *row)
{
	*(const char **)ctx = job_state_name(row->job.state);
	return 0;
}

/* Its state, also when it is over. NULL with the refusal set. */
static const char *find_state(struct request_context *request, const struct record *record)
{
	struct store_filter filter = filter_of(request);
	const char *state = NULL;
	struct err err = {0};
	int r;

	if (record)
		return job_state_name(record->job.state);
	r = store_walk(request->daemon->store, &filter, note_state, &state, &err);
	if (api_store_failed(request, r, &err))
		return NULL;
	if (!state)
		refuse_unknown(request);
	return state;
}

int api_why_reply(struct request_context *request)
{
	struct daemon *daemon = request->daemon;
	const struct record *record = record_find(daemon, request->id);
	const char *state = find_state(request, record);
	_cleanup_(buf_finish) struct buf summary = {0};
	json_t *sentences, *reply;
	int64_t now_ns = clock_wall_ns();
	struct why why = {0};

	if (!state)
		return 0;
	if (record)
		explain(daemon, record, request->id, now_ns, &why);
	sentences = json_array();
	why_summary(&why, &summary);
	why_sentences(daemon->sched, &why, daemon->depend, now_ns, add_sentence, sentences);
	say_chain(daemon, why, now_ns, sentences);
	if (why.code == WHY_NOT_WAITING)
		say_state(record, sentences);
	reply = json_pack("{s:I, s:s, s:s, s:s, s:o, s:I}", "id", (json_int_t)request->id, "state",
			  state, "code", why_code_name(why.code), "text", buf_get(&summary),
			  "sentences", sentences, "ahead", (json_int_t)why.ahead);
	json_object_set_new(reply, "start_ms",
			    why.start_ns ? json_integer(why.start_ns / NS_PER_MS) : json_null());
	return api_ok(request, 200, reply);
}
