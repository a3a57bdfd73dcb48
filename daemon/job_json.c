/* SPDX-License-Identifier: MIT */
/*
 * A job as JSON. What is not known is null: never a made-up 0.
 */
#include "daemon/api.h"
#include "daemon/turn.h"
#include "scheduler/why.h"

static json_t *time_ms(int64_t ns)
{
	return ns == TIME_UNKNOWN ? json_null() : json_integer(ns / NS_PER_MS);
}

static json_t *known(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *text_of(const char *text)
{
	json_t *string = json_string(text ? text : "");

	return string ? string : json_string("?");
}

static void add_request(json_t *object, const struct job *job)
{
	json_object_set_new(object, "priority", json_integer(job->priority));
	json_object_set_new(object, "num_gpus", json_integer(job->request.num_gpus));
	json_object_set_new(object, "gpu_mem",
			    json_integer((json_int_t)job->request.gpu_mem_bytes));
	json_object_set_new(object, "cpus", json_integer(job->request.cpus));
	json_object_set_new(object, "mem", json_integer((json_int_t)job->request.mem_bytes));
	json_object_set_new(object, "preemptible", json_boolean(job->preemptible));
	json_object_set_new(object, "preempted", json_integer(job->preempted));
	json_object_set_new(object, "retries", json_integer(job->retries));
	json_object_set_new(object, "retried", json_integer(job->retried));
	json_object_set_new(object, "requeue", json_boolean(job->requeue));
	json_object_set_new(object, "time_limit_ms",
			    job->limit_ns ? json_integer(job->limit_ns / NS_PER_MS) : json_null());
}

struct jobspec_identity api_identity(const struct job *job, uint64_t id)
{
	return (struct jobspec_identity){
		.job = id,
		.array = job->array,
		.array_index = job->array ? job->array_index + (uint32_t)(id - job->id) : 0,
	};
}

void api_set_array(json_t *object, const struct jobspec_identity *identity)
{
	json_object_set_new(object, "array",
			    identity->array ? json_integer((json_int_t)identity->array)
					    : json_null());
	json_object_set_new(object, "array_index",
			    identity->array ? json_integer(identity->array_index) : json_null());
}

static void add_times(json_t *object, const struct job *job)
{
	json_object_set_new(object, "submit_ms", time_ms(job->submit_ns));
	json_object_set_new(object, "begin_ms", time_ms(job->begin_ns));
	json_object_set_new(object, "start_ms", time_ms(job->start_ns));
	json_object_set_new(object, "stop_ms", time_ms(job->stop_ns));
	json_object_set_new(object, "end_ms", time_ms(job->end_ns));
}

/* Was the i-th GPU of its allocation in use? */
static json_t *was_used(const struct usage *usage, size_t i)
{
	uint64_t bit = i < 64 ? UINT64_C(1) << i : 0;

	if (usage->looks == 0 || (usage->unsure & bit && !(usage->used & bit)))
		return json_null();
	return json_boolean(usage->used & bit);
}

/* The GPUs it holds, or last held: of all its parts, and the first part's node. */
static void add_gpus(json_t *object, const char *alloc, const struct usage *usage)
{
	json_t *parts = json_loads(alloc && *alloc ? alloc : "[]", 0, NULL), *part,
	       *gpus = json_array(), *gpu;
	json_t *node = json_object_get(json_array_get(parts, 0), "node");
	size_t i;

	json_array_foreach (parts, i, part)
		json_array_extend(gpus, json_object_get(part, "gpus"));
	json_array_foreach (gpus, i, gpu)
		json_object_set_new(gpu, "used", was_used(usage, i));
	json_object_set(object, "node", node ? node : json_null());
	json_object_set_new(object, "gpus", gpus);
	json_decref(parts);
}

/* What it made of its GPUs; null before the first look at them. */
static void add_usage(json_t *object, const struct usage *usage)
{
	size_t n = json_array_size(json_object_get(object, "gpus"));
	double utilization = usage_utilization_percent(usage);
	bool sure = usage->unsure == 0 || __builtin_popcountll(usage->used) == (int)n;

	json_object_set_new(
		object, "usage",
		usage->looks == 0
			? json_null()
			: json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "looks",
				    (json_int_t)usage->looks, "seen_ms", (json_int_t)usage->seen_ms,
				    "utilization_percent",
				    utilization < 0 ? json_null() : json_real(utilization),
				    "mem_peak_bytes", known(usage->gpu_mem_peak_bytes), "power_mw",
				    known(usage_power_mw(usage)), "energy_mj",
				    known(usage_total_energy_mj(usage, n)), "gpus_used",
				    known(sure ? __builtin_popcountll(usage->used) : -1)));
}

static void add_end(json_t *object, const struct job *job, const char *message)
{
	json_object_set_new(object, "exit_code", known(job->exit_code));
	json_object_set_new(object, "signal",
			    job->signal ? json_integer(job->signal) : json_null());
	json_object_set_new(object, "cause",
			    job->cause ? json_string(job_cause_name(job->cause)) : json_null());
	json_object_set_new(object, "cancelled_by", known(job->cancelled_by));
	json_object_set_new(object, "message", text_of(message));
	json_object_set_new(object, "cpu_ms",
			    job->cpu_ns < 0 ? json_null() : json_integer(job->cpu_ns / NS_PER_MS));
	json_object_set_new(object, "peak_bytes", known(job->peak_bytes));
}

json_t *api_job_json(const struct store_row *row)
{
	const struct job *job = &row->job;
	struct jobspec_identity identity;
	json_t *object = json_object();

	json_object_set_new(object, "id", json_integer((json_int_t)job->id));
	json_object_set_new(object, "n_tasks", json_integer(job->n_tasks));
	identity = api_identity(job, job->id);
	api_set_array(object, &identity);
	json_object_set_new(object, "revision", json_integer((json_int_t)job->revision));
	json_object_set_new(object, "uid", json_integer(job->uid));
	json_object_set_new(object, "name", text_of(row->name));
	json_object_set_new(object, "state", json_string(job_state_name(job->state)));
	json_object_set_new(object, "held", json_boolean(job->held));
	json_object_set_new(object, "attempt", json_integer(job->attempt));
	add_request(object, job);
	add_times(object, job);
	add_gpus(object, row->alloc, &row->usage);
	add_usage(object, &row->usage);
	add_end(object, job, row->message);
	json_object_set_new(object, "start_ms_estimated", json_null());
	json_object_set_new(object, "reason", json_null());
	return object;
}

/* The forecast is not made for a job that it cannot hold: a submit behind many others is no dearer
 * than one into an empty queue. */
static int64_t foretold_start(struct daemon *daemon, const struct job *job, size_t ahead)
{
	if (!job_is_eligible(job) || ahead >= TURN_FORECAST_JOBS)
		return TIME_UNKNOWN;
	return forecast_start_ns(turn_forecast(daemon), job->id);
}

json_t *api_record_json(struct daemon *daemon, const struct record *record)
{
	struct store_row row = record_row(record);
	json_t *object = api_job_json(&row);
	_cleanup_(buf_finish) struct buf summary = {0};
	struct why why;

	if (record->job.state != JOB_QUEUED)
		return object;
	sched_why(daemon->sched, &record->job, clock_wall_ns(), &why);
	why_summary(&why, &summary);
	json_object_set_new(object, "start_ms_estimated",
			    time_ms(foretold_start(daemon, &record->job, why.ahead)));
	json_object_set_new(object, "reason",
			    json_pack("{s:s, s:s}", "code", why_code_name(why.code), "text",
				      buf_get(&summary)));
	return object;
}
