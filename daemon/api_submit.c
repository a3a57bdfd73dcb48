/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/jobs: from a body to a waiting job.
 *
 * Invariants: the job belongs to the peer of the socket, whatever the body says; it is refused with
 * a sentence or it is on disk when the answer leaves; the same key of the same user makes one job,
 * however often it is sent, even within one turn; `unique` means the job of that name there is.
 */
#include <errno.h>

#include "common/jobspec.h"
#include "daemon/api.h"
#include "daemon/machine.h"
#include "daemon/turn.h"

#define KEY_MAX 64

static struct request request_of(struct daemon *daemon, const struct jobspec *spec)
{
	return (struct request){
		.num_gpus = spec->num_gpus,
		.cpus = spec->cpus,
		.mem_bytes = spec->mem_bytes,
		.gpu_mem_bytes = spec->gpu_mem_bytes,
		.gpu_type = ledger_intern_type(sched_ledger(daemon->sched), spec->gpu_type),
	};
}

/* Who the job will run as: the peer's ids, as the kernel told them. */
static char *owner_text(const struct request_context *request)
{
	json_t *groups = json_array(), *owner;
	char *text;

	for (size_t i = 0; i < request->n_groups; i++)
		json_array_append_new(groups, json_integer(request->groups[i]));
	owner = json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)request->uid, "gid",
			  (json_int_t)request->gid, "groups", groups);
	text = json_dumps(owner, JSON_COMPACT);
	json_decref(owner);
	return text;
}

char *api_spec_text(const struct jobspec *spec)
{
	json_t *object = jobspec_to_json(spec);
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	return text;
}

void api_fill_job(struct daemon *daemon, const struct jobspec *spec, struct job *job)
{
	job->request = request_of(daemon, spec);
	job->priority = spec->priority;
	job->requeue = spec->requeue;
	job->retries = spec->retries;
	job->begin_ns = spec->begin_ns > clock_wall_ns() ? spec->begin_ns : TIME_UNKNOWN;
	job->limit_ns = spec->time_limit_ms * NS_PER_MS;
}

static void submit(struct request_context *request, const struct jobspec *spec, const char *key)
{
	struct daemon *daemon = request->daemon;
	struct record *record = record_create(daemon, ++daemon->last_id, request->uid);
	_cleanup_(free_ptr) char *text = api_spec_text(spec);
	_cleanup_(free_ptr) char *owner = owner_text(request);

	record->job.submit_ns = clock_wall_ns();
	record->job.held = spec->hold;
	api_fill_job(daemon, spec, &record->job);
	record->notify = spec->notify;
	replace_string(&record->name, spec->name);
	turn_submit(daemon, record, text, owner, key);
	request->result_id = record->job.id;
	request->result = json_integer(201);
}

int api_check_size(struct daemon *daemon, const struct jobspec *spec, struct err *err)
{
	struct request asked = request_of(daemon, spec);

	return machine_is_known(daemon) ? sched_check(daemon->sched, &asked, err) : 0;
}

/* Parse and check the body. False with the refusal set. */
static bool read_spec(struct request_context *request, struct jobspec *spec)
{
	struct err err = {0};
	json_t *body = api_body(request);
	int r;

	if (!body)
		return false;
	r = jobspec_from_json(spec, body, clock_wall_ns(), &err);
	json_decref(body);
	if (r == 0)
		r = jobspec_validate(spec, &err);
	if (r == 0)
		r = api_check_size(request->daemon, spec, &err);
	if (r != 0)
		http_fail(request, 400, "submit: %s", err.msg);
	return r == 0;
}

/* A job of this user and name that has not ended; 0: none. O(records). */
static uint64_t find_living(const struct request_context *request, const char *name)
{
	for (const struct record *record = request->daemon->records; record;
	     record = record->hh.next)
		if (record->job.uid == request->uid && !job_state_is_final(record->job.state) &&
		    STREQ(record->name, name))
			return record->job.id;
	return 0;
}

/* Is there such a job, and none more is wanted? True with it as the result. */
static bool is_present(struct request_context *request, const struct jobspec *spec)
{
	uint64_t id = spec->unique ? find_living(request, spec->name) : 0;

	if (!id)
		return false;
	request->result_id = id;
	request->result = json_integer(200);
	return true;
}

/* Was this key used before? True with the earlier job as the result. */
static bool is_repeated(struct request_context *request, const char *key)
{
	struct daemon *daemon = request->daemon;
	uint64_t id = turn_find_key(daemon, request->uid, key);

	if (!id && store_find_key(daemon->store, request->uid, key, &id) < 0)
		return false;
	request->result_id = id;
	request->result = json_integer(200);
	return true;
}

void api_submit_fold(struct request_context *request)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	const struct config *config = &request->daemon->config;
	const char *key = http_header(request, "Idempotency-Key");

	jobspec_init(&spec);
	if (key && (!*key || strlen(key) > KEY_MAX)) {
		http_fail(request, 400, "Idempotency-Key: must be 1 to %d characters", KEY_MAX);
		return;
	}
	if (key && is_repeated(request, key))
		return;
	if (!read_spec(request, &spec) || is_present(request, &spec))
		return;
	if (record_count(request->daemon, request->uid) >= config->max_jobs_per_user) {
		http_fail(request, 503,
			  "submit: you have %lld jobs that have not ended, which is the limit "
			  "(max_jobs_per_user); wait for some or cancel them",
			  (long long)config->max_jobs_per_user);
		return;
	}
	submit(request, &spec, key);
}

static int find_row(void *ctx, const struct store_row *row)
{
	*(json_t **)ctx = api_job_json(row);
	return 0;
}

int api_submit_reply(struct request_context *request)
{
	struct daemon *daemon = request->daemon;
	const struct record *record = record_find(daemon, request->result_id);
	struct store_filter filter = {
		.uid = -1,
		.first_id = request->result_id,
		.last_id = request->result_id,
	};
	json_t *job = NULL;

	if (record)
		job = api_record_json(daemon, record);
	else
		store_walk(daemon->store, &filter, find_row, &job, NULL);
	if (record && record->job.state == JOB_QUEUED && !record->job.held)
		json_object_set_new(
			job, "ahead",
			json_integer((json_int_t)sched_ahead(daemon->sched, &record->job)));
	return api_ok(request, (int)json_integer_value(request->result), job);
}
