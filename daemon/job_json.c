/* SPDX-License-Identifier: MIT */
/*
 * A job as JSON: one table of all its fields, in the order of docs/api.md.
 *
 * What is not known is null: never a made-up 0. Only what was asked for is made, for a list may be
 * of thousands.
 */
#include <errno.h>
#include <stddef.h>

#include "daemon/api.h"
#include "daemon/turn.h"
#include "scheduler/why_text.h"

/* What a field is made from. */
struct source {
	const struct job_view *view;
	const struct store_row *row;
	json_t *parts; /* of its allocation, as they are stored, for FIELD_HELD; NULL: it has none
			*/
};

enum field_type {
	FIELD_MADE, /* by a function of its own */
	FIELD_HELD, /* the same, from its allocation */
	FIELD_UINT32,
	FIELD_UINT64,
	FIELD_INT32,
	FIELD_COUNT,	/* int64_t; negative: unknown */
	FIELD_CODE,	/* int32_t; negative: none */
	FIELD_TIME,	/* wall clock in ns, told in ms; TIME_UNKNOWN: not yet */
	FIELD_DURATION, /* ns, told in ms; negative: unknown */
	FIELD_BOOL,
	FIELD_TEXT,
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset; /* in struct store_row */
	json_t *(*make)(const struct source *source);
};

static json_t *known(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *known_ms(int64_t ns)
{
	return ns < 0 ? json_null() : json_integer(ns / NS_PER_MS);
}

static json_t *time_ms(int64_t ns)
{
	return ns == TIME_UNKNOWN ? json_null() : json_integer(ns / NS_PER_MS);
}

static json_t *text_of(const char *text)
{
	json_t *string = json_string(text ? text : "");

	return string ? string : json_string("?");
}

struct jobspec_identity api_identity(const struct job *job, uint64_t id)
{
	return (struct jobspec_identity){
		.job = id,
		.array = job->array,
		.array_index = job->array ? job->array_index + (uint32_t)(id - job->id) : 0,
	};
}

struct job api_task(const struct job *job, uint64_t id)
{
	struct job task = *job;

	task.id = id;
	task.n_tasks = 1;
	task.array_index += (uint32_t)(id - job->id);
	return task;
}

static json_t *make_id(const struct source *source)
{
	return json_integer((json_int_t)source->view->id);
}

static json_t *make_n_tasks(const struct source *source)
{
	return json_integer(source->view->n_tasks);
}

static json_t *make_array(const struct source *source)
{
	uint64_t array = source->row->job.array;

	return array ? json_integer((json_int_t)array) : json_null();
}

static json_t *make_array_index(const struct source *source)
{
	struct jobspec_identity identity = api_identity(&source->row->job, source->view->id);

	return identity.array ? json_integer(identity.array_index) : json_null();
}

static json_t *make_state(const struct source *source)
{
	return json_string(job_state_name(source->row->job.state));
}

static json_t *make_time_limit(const struct source *source)
{
	int64_t limit_ns = source->row->job.limit_ns;

	return limit_ns ? known_ms(limit_ns) : json_null();
}

/* Of the first part of its allocation. */
static json_t *make_node(const struct source *source)
{
	json_t *node = json_object_get(json_array_get(source->parts, 0), "node");

	return node ? json_incref(node) : json_null();
}

/* Was the i-th GPU of its allocation in use? */
static json_t *was_used(const struct usage *usage, size_t i)
{
	uint64_t bit = i < 64 ? UINT64_C(1) << i : 0;

	if (usage->looks == 0 || (usage->unsure & bit && !(usage->used & bit)))
		return json_null();
	return json_boolean(usage->used & bit);
}

/* The GPUs it holds, or last held: of all its parts. */
static json_t *make_gpus(const struct source *source)
{
	json_t *gpus = json_array(), *part, *gpu;
	size_t i;

	json_array_foreach (source->parts, i, part)
		json_array_extend(gpus, json_object_get(part, "gpus"));
	json_array_foreach (gpus, i, gpu)
		json_object_set_new(gpu, "used", was_used(&source->row->usage, i));
	return gpus;
}

static size_t count_gpus(const struct source *source)
{
	size_t n = 0, i;
	json_t *part;

	json_array_foreach (source->parts, i, part)
		n += json_array_size(json_object_get(part, "gpus"));
	return n;
}

/* What it made of its GPUs; null before the first look at them. */
static json_t *make_usage(const struct source *source)
{
	const struct usage *usage = &source->row->usage;
	size_t n = count_gpus(source);
	double utilization = usage_utilization_percent(usage);
	bool sure = usage->unsure == 0 || __builtin_popcountll(usage->used) == (int)n;

	if (usage->looks == 0)
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "looks", (json_int_t)usage->looks,
			 "seen_ms", (json_int_t)usage->seen_ms, "utilization_percent",
			 utilization < 0 ? json_null() : json_real(utilization), "mem_peak_bytes",
			 known(usage->gpu_mem_peak_bytes), "power_mw", known(usage_power_mw(usage)),
			 "energy_mj", known(usage_total_energy_mj(usage, n)), "gpus_used",
			 known(sure ? __builtin_popcountll(usage->used) : -1));
}

static json_t *make_signal(const struct source *source)
{
	int32_t signal = source->row->job.signal;

	return signal ? json_integer(signal) : json_null();
}

static json_t *make_cause(const struct source *source)
{
	enum job_cause cause = source->row->job.cause;

	return cause ? json_string(job_cause_name(cause)) : json_null();
}

static bool waits(const struct source *source)
{
	return source->view->record && source->row->job.state == JOB_QUEUED;
}

static json_t *make_start_estimated(const struct source *source)
{
	const struct job_view *view = source->view;

	if (!waits(source) || !job_is_eligible(&view->record->job))
		return json_null();
	return time_ms(turn_start_ns(view->daemon, view->record, view->id));
}

static json_t *make_reason(const struct source *source)
{
	const struct job_view *view = source->view;
	_cleanup_(buf_finish) struct buf summary = {0};
	struct job task;
	struct why why;

	if (!waits(source))
		return json_null();
	task = api_task(&view->record->job, view->id);
	sched_why(view->daemon->sched, &task, clock_wall_ns(), &why);
	why.job = view->record->job.id; /* under which its dependencies are kept */
	sched_why_depends(view->daemon->depend, &why);
	why_summary(&why, &summary);
	return json_pack("{s:s, s:s}", "code", why_code_name(why.code), "text", buf_get(&summary));
}

#define STORED(name, type, member)                                           \
	{                                                                    \
		name, FIELD_##type, offsetof(struct store_row, member), NULL \
	}
#define MADE(name, make)                         \
	{                                        \
		name, FIELD_MADE, 0, make_##make \
	}
#define HELD(name, make)                         \
	{                                        \
		name, FIELD_HELD, 0, make_##make \
	}

static const struct field fields[] = {
	MADE("id", id),
	MADE("n_tasks", n_tasks),
	MADE("array", array),
	MADE("array_index", array_index),
	STORED("revision", UINT64, job.revision),
	STORED("uid", UINT32, job.uid),
	STORED("name", TEXT, name),
	MADE("state", state),
	STORED("held", BOOL, job.held),
	STORED("attempt", UINT32, job.attempt),
	STORED("priority", INT32, job.priority),
	STORED("num_gpus", UINT32, job.request.num_gpus),
	STORED("gpu_mem", UINT64, job.request.gpu_mem_bytes),
	STORED("cpus", UINT32, job.request.cpus),
	STORED("mem", UINT64, job.request.mem_bytes),
	STORED("preemptible", BOOL, job.preemptible),
	STORED("preempted", UINT32, job.preempted),
	STORED("retries", UINT32, job.retries),
	STORED("retried", UINT32, job.retried),
	STORED("requeue", BOOL, job.requeue),
	MADE("time_limit_ms", time_limit),
	STORED("submit_ms", TIME, job.submit_ns),
	STORED("begin_ms", TIME, job.begin_ns),
	STORED("start_ms", TIME, job.start_ns),
	STORED("stop_ms", TIME, job.stop_ns),
	STORED("end_ms", TIME, job.end_ns),
	HELD("node", node),
	HELD("gpus", gpus),
	HELD("usage", usage),
	STORED("exit_code", CODE, job.exit_code),
	MADE("signal", signal),
	MADE("cause", cause),
	STORED("cancelled_by", COUNT, job.cancelled_by),
	STORED("message", TEXT, message),
	STORED("cpu_ms", DURATION, job.cpu_ns),
	STORED("peak_bytes", COUNT, job.peak_bytes),
	MADE("start_ms_estimated", start_estimated),
	MADE("reason", reason),
};

_Static_assert(ARRAY_SIZE(fields) <= 64, "a set of fields is 64 bits");

static json_t *make(const struct field *field, const struct source *source)
{
	const void *at = (const char *)source->row + field->offset;

	switch (field->type) {
	case FIELD_MADE:
	case FIELD_HELD: return field->make(source);
	case FIELD_UINT32: return json_integer(*(const uint32_t *)at);
	case FIELD_UINT64: return json_integer((json_int_t) * (const uint64_t *)at);
	case FIELD_INT32: return json_integer(*(const int32_t *)at);
	case FIELD_COUNT: return known(*(const int64_t *)at);
	case FIELD_CODE: return known(*(const int32_t *)at);
	case FIELD_TIME: return time_ms(*(const int64_t *)at);
	case FIELD_DURATION: return known_ms(*(const int64_t *)at);
	case FIELD_BOOL: return json_boolean(*(const bool *)at);
	case FIELD_TEXT: return text_of(*(const char *const *)at);
	}
	return json_null();
}

json_t *api_view_json(const struct job_view *view, uint64_t which)
{
	const char *alloc = view->row->alloc;
	struct source source = {.view = view, .row = view->row};
	json_t *object = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!(which & (UINT64_C(1) << i)))
			continue;
		if (fields[i].type == FIELD_HELD && !source.parts && alloc && *alloc)
			source.parts = json_loads(alloc, 0, NULL);
		json_object_set_new(object, fields[i].name, make(&fields[i], &source));
	}
	json_decref(source.parts);
	return object;
}

json_t *api_job_json(const struct store_row *row)
{
	const struct job_view view = {.row = row, .id = row->job.id, .n_tasks = row->job.n_tasks};

	return api_view_json(&view, API_ALL_FIELDS);
}

json_t *api_record_json(struct daemon *daemon, const struct record *record)
{
	struct store_row row = record_row(record);
	const struct job_view view = {&row, daemon, record, row.job.id, row.job.n_tasks};

	return api_view_json(&view, API_ALL_FIELDS);
}

static int find_field(const char *name, size_t *ret_i)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (STREQ(fields[i].name, name)) {
			*ret_i = i;
			return 0;
		}
	return -EINVAL;
}

int api_parse_fields(const char *text, uint64_t *ret_which, struct err *err)
{
	_cleanup_(free_ptr) char *names = xstrdup(text);
	char *rest = names, *name;
	uint64_t which = 0;
	size_t i;

	while ((name = strsep(&rest, ","))) {
		if (find_field(name, &i) < 0)
			return err_set(err, -EINVAL,
				       "a job has no '%.64s'; write names with commas between "
				       "them, as in id,state,reason",
				       name);
		which |= UINT64_C(1) << i;
	}
	*ret_which = which;
	return 0;
}
