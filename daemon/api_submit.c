/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/jobs: from a body to a waiting job.
 *
 * Invariants: the job belongs to the peer of the socket, whatever the body says; it is refused with
 * a sentence or it is on disk when the answer leaves; the same key of the same user makes one job,
 * however often it is sent, even within one turn; `unique` means the job of that name there is.
 */
#include <errno.h>

#include "common/jobspec_lists.h"
#include "daemon/api.h"
#include "daemon/depends.h"
#include "daemon/hook.h"
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
	job->preemptible = spec->preemptible;
	job->begin_ns = spec->begin_ns > clock_wall_ns() ? spec->begin_ns : TIME_UNKNOWN;
	job->limit_ns = spec->time_limit_ms * NS_PER_MS;
}

/* What the answer will tell: the first job, and how many there are (an array's tasks; 0: to be
 * looked up). */
static void set_result(struct request_context *request, int status, uint64_t id, uint64_t n_jobs)
{
	request->result_id = id;
	request->result = json_pack("{s:i, s:I}", "status", status, "n_jobs", (json_int_t)n_jobs);
}

/* The same where nothing is submitted, for there is such a job: found by its "key", or as "unique".
 */
static void set_found(struct request_context *request, uint64_t id, const char *by)
{
	set_result(request, 200, id, 0);
	json_object_set_new(request->result, "found_by", json_string(by));
}

/* How many jobs a submission makes. */
static int64_t count_jobs(const char *array_text)
{
	_cleanup_(array_spec_finish) struct array_spec array = {0};

	if (!array_text || array_spec_parse(array_text, &array, NULL) < 0)
		return 1;
	return (int64_t)idset_count(&array.indices);
}

/* One record: the job, or a part of an array whose indices follow one another. */
static struct record *make_record(struct request_context *request, const struct jobspec *spec,
				  uint32_t n_tasks, int64_t now_ns)
{
	struct daemon *daemon = request->daemon;
	struct record *record = record_create(daemon, daemon->last_id + 1, n_tasks, request->uid);

	daemon->last_id += n_tasks;
	record->job.submit_ns = now_ns;
	record->job.held = spec->hold;
	record->cancel_if_never = spec->cancel_if_never;
	record->notify = spec->notify;
	record->after = spec->after ? xstrdup(spec->after) : NULL;
	api_fill_job(daemon, spec, &record->job);
	replace_string(&record->name, spec->name);
	return record;
}

/* The parts of an array; the first carries the spec of all. Returns that. */
static struct record *make_records(struct request_context *request, const struct jobspec *spec)
{
	_cleanup_(array_spec_finish) struct array_spec array = {0};
	int64_t now_ns = clock_wall_ns();
	struct record *first = NULL;

	if (!spec->array || array_spec_parse(spec->array, &array, NULL) < 0)
		return make_record(request, spec, 1, now_ns);
	for (size_t i = 0; i < array.indices.n_ranges; i++) {
		const struct idrange *range = &array.indices.ranges[i];
		struct record *part = make_record(
			request, spec, (uint32_t)(range->last - range->first + 1), now_ns);

		first = first ? first : part;
		part->job.array = first->job.id;
		part->job.array_index = (uint32_t)(range->first - 1);
		part->job.array_limit = array.limit;
	}
	return first;
}

/* All that was made for this request, from `first` on. */
static void submit_records(struct daemon *daemon, struct record *first)
{
	uint64_t id = first->job.id;

	while (id <= daemon->last_id) {
		struct record *record = record_find(daemon, id);

		id += record->job.n_tasks;
		turn_submit(daemon, record);
	}
}

/* What it depends on must exist; else nothing has happened. */
static bool add_dependencies(struct request_context *request, struct record *first)
{
	struct daemon *daemon = request->daemon;
	struct err err = {0};
	uint64_t id = first->job.id;

	while (id <= daemon->last_id) {
		struct record *record = record_find(daemon, id);
		int r = depends_add(daemon, record, &record->job.dependence, &err);

		id += record->job.n_tasks;
		if (r == 0)
			continue;
		if (r == -EINVAL)
			http_fail(request, 400, "submit: after: %s", err.msg);
		else
			api_store_failed(request, r, &err);
		return false;
	}
	return true;
}

static void withdraw_records(struct daemon *daemon, uint64_t first_id)
{
	uint64_t id = first_id;

	while (id <= daemon->last_id) {
		struct record *record = record_find(daemon, id);

		id += record->job.n_tasks;
		depend_remove(daemon->depend, record->job.id);
		record_destroy(daemon, record);
	}
	daemon->last_id = first_id - 1;
}

static void submit(struct request_context *request, const struct jobspec *spec, const char *key)
{
	struct daemon *daemon = request->daemon;
	struct record *first = make_records(request, spec);

	if (!add_dependencies(request, first)) {
		withdraw_records(daemon, first->job.id);
		return;
	}
	first->new_spec = api_spec_text(spec);
	first->new_owner = owner_text(request);
	first->new_key = key ? xstrdup(key) : NULL;
	set_result(request, 201, first->job.id, daemon->last_id - first->job.id + 1);
	if (spec->notify)
		hook_warn(daemon, request->result);
	submit_records(daemon, first);
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

/* A job of this user and name that has not ended, or the array that it is of; 0: none. O(records).
 */
static uint64_t find_living(const struct request_context *request, const char *name)
{
	for (const struct record *record = request->daemon->records; record;
	     record = record->hh.next)
		if (record->job.uid == request->uid && !job_state_is_final(record->job.state) &&
		    STREQ(record->name, name))
			return record->job.array ? record->job.array : record->job.id;
	return 0;
}

/* Is there such a job, and none more is wanted? True with it as the result. */
static bool is_present(struct request_context *request, const struct jobspec *spec)
{
	uint64_t id = spec->unique ? find_living(request, spec->name) : 0;

	if (!id)
		return false;
	set_found(request, id, "unique");
	return true;
}

/* Was this key used before? True with the earlier job as the result; or with the refusal set, where
 * that cannot be told: a second job would be worse than none. */
static bool is_repeated(struct request_context *request, const char *key)
{
	struct daemon *daemon = request->daemon;
	uint64_t id = turn_find_key(daemon, request->uid, key);
	struct err err = {0};
	int r = id ? 0 : store_find_key(daemon->store, request->uid, key, &id, &err);

	if (r == -ENOENT)
		return false;
	if (!api_store_failed(request, r, &err))
		set_found(request, id, "key");
	return true;
}

/* May this user have so many more jobs? */
static bool has_room(struct request_context *request, const struct jobspec *spec)
{
	int64_t most = request->daemon->config.max_jobs_per_user;
	int64_t has = record_count(request->daemon, request->uid);

	if (has + count_jobs(spec->array) <= most)
		return true;
	http_fail(request, 503,
		  "submit: you have %lld job%s not ended, and with this submission it would be "
		  "more than %lld, which is the limit (max_jobs_per_user); wait for some "
		  "or cancel them",
		  (long long)has, has == 1 ? " that has" : "s that have", (long long)most);
	return false;
}

void api_submit_fold(struct request_context *request)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
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
	if (!has_room(request, &spec))
		return;
	submit(request, &spec, key);
}

struct found {
	json_t *job; /* new reference */
	int64_t n_jobs;
};

static int find_row(void *ctx, const struct store_row *row)
{
	struct found *found = ctx;
	json_t *spec = json_loads(row->spec ? row->spec : "", 0, NULL);

	found->job = api_job_json(row);
	found->n_jobs = count_jobs(json_string_value(json_object_get(spec, "array")));
	json_decref(spec);
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
		.with_spec = true,
	};
	struct found found = {0};
	json_t *warnings = json_object_get(request->result, "warnings");
	json_t *found_by = json_object_get(request->result, "found_by");
	json_int_t status, n_jobs;
	struct err err = {0};
	int r = 0;

	if (json_unpack(request->result, "{s:I, s:I}", "status", &status, "n_jobs", &n_jobs) < 0)
		return -EPROTO;
	if (!record || n_jobs == 0)
		r = store_walk(daemon->store, &filter, find_row, &found, &err);
	if (api_store_failed(request, r, &err))
		return 0;
	if (record) {
		json_decref(found.job);
		found.job = api_record_json(daemon, record);
	}
	json_object_set_new(found.job, "n_jobs", json_integer(n_jobs ? n_jobs : found.n_jobs));
	if (record && job_is_eligible(&record->job))
		json_object_set_new(found.job, "ahead",
				    json_integer((json_int_t)sched_ahead(
					    daemon->sched, &record->job, clock_wall_ns())));
	if (found_by)
		json_object_set(found.job, "found_by", found_by);
	if (warnings)
		json_object_set(found.job, "warnings", warnings);
	return api_ok(request, (int)status, found.job);
}
