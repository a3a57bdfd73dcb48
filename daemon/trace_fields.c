/* SPDX-License-Identifier: MIT */
/*
 * Structs as JSON objects, by tables of their fields.
 *
 * Invariants: what is put and got again is the same; what a table does not believe is refused with
 * a sentence, so nothing that is read makes the scheduler count beyond its types. Deliberately not
 * here: fields of a job that the scheduler never looks at. Read next: trace_text.c.
 */
#include "daemon/trace_fields.h"

#include <errno.h>
#include <stdlib.h>

#include "common/jobspec_lists.h"

#define TIME_MAX    (TIME_NEVER / 2) /* of a clock */
#define CPUS_MAX    1000000000	     /* thousandths, of a million CPUs */
#define ID_MAX	    (INT64_C(1) << 53)
#define RESERVE_MAX 1000000

#define CONFIG(label, member, kind, max)                                   \
	{                                                                  \
		label, offsetof(struct sched_config, member), kind, 0, max \
	}
#define JOB(label, member, kind, min, max)                          \
	{                                                           \
		label, offsetof(struct job, member), kind, min, max \
	}

const struct trace_field trace_config_fields[] = {
	CONFIG("reservations", reservations, TRACE_UINT32, RESERVE_MAX),
	CONFIG("shortest_passes", shortest_passes, TRACE_BOOL, 1),
	CONFIG("point", params.point_ns, TRACE_INT64, TIME_NEVER),
	CONFIG("tau", params.tau_ns, TRACE_INT64, TIME_NEVER),
	CONFIG("cap", params.cap_ns, TRACE_INT64, TIME_NEVER),
	CONFIG("half_life", half_life_ns, TRACE_INT64, TIME_NEVER),
	CONFIG("user_jobs", user_limits.max_jobs, TRACE_UINT32, UINT32_MAX),
	CONFIG("user_gpus", user_limits.max_gpus, TRACE_UINT32, INT32_MAX),
	CONFIG("tell_users_apart", tell_users_apart, TRACE_BOOL, 1),
	CONFIG("preempt", preempt.enabled, TRACE_BOOL, 1),
	CONFIG("immunity", preempt.immunity_ns, TRACE_INT64, TIME_NEVER),
	CONFIG("restart", preempt.restart_ns, TRACE_INT64, TIME_NEVER),
	CONFIG("grace", preempt.grace_ns, TRACE_INT64, TIME_NEVER),
	{0},
};

const struct trace_field trace_job_fields[] = {
	JOB("id", id, TRACE_UINT64, 1, ID_MAX),
	JOB("uid", uid, TRACE_UINT32, 0, UINT32_MAX),
	JOB("gpus", request.num_gpus, TRACE_UINT32, 0, LEDGER_NODES_MAX *TOPOLOGY_GPUS_MAX),
	JOB("gpu_mem", request.gpu_mem_bytes, TRACE_UINT64, 0, INT64_MAX),
	JOB("cpus", request.cpus, TRACE_UINT32, 0, CPUS_MAX),
	JOB("mem", request.mem_bytes, TRACE_UINT64, 0, INT64_MAX),
	JOB("priority", priority, TRACE_INT32, INT16_MIN, INT16_MAX),
	JOB("preemptible", preemptible, TRACE_BOOL, 0, 1),
	JOB("preempted", preempted, TRACE_UINT32, 0, UINT32_MAX),
	JOB("array", array, TRACE_UINT64, 0, ID_MAX),
	JOB("array_limit", array_limit, TRACE_UINT32, 0, UINT32_MAX),
	JOB("submit", submit_ns, TRACE_INT64, 0, TIME_MAX),
	JOB("begin", begin_ns, TRACE_INT64, 0, TIME_NEVER),
	JOB("place", place_ns, TRACE_INT64, 0, TIME_MAX),
	JOB("start", start_ns, TRACE_INT64, 0, TIME_MAX),
	JOB("limit", limit_ns, TRACE_INT64, 0, TIME_NEVER),
	JOB("predicted", predicted_ns, TRACE_INT64, 0, TIME_NEVER),
	{0},
};

const struct trace_field trace_charge_fields[] = {
	{"uid", offsetof(struct sched_charge, uid), TRACE_UINT32, 0, UINT32_MAX},
	{"start", offsetof(struct sched_charge, start_ns), TRACE_INT64, 0, TIME_MAX},
	{"end", offsetof(struct sched_charge, end_ns), TRACE_INT64, 0, TIME_MAX},
	{0},
};

const struct trace_field trace_window_fields[] = {
	{"id", offsetof(struct window, id), TRACE_UINT64, 1, ID_MAX},
	{"uid", offsetof(struct window, uid), TRACE_UINT32, 0, UINT32_MAX},
	{"start", offsetof(struct window, start_ns), TRACE_INT64, 0, TIME_NEVER},
	{"end", offsetof(struct window, end_ns), TRACE_INT64, 0, TIME_NEVER},
	{"node", offsetof(struct window, node), TRACE_UINT32, 0, LEDGER_NODES_MAX - 1},
	{0},
};

const char *const trace_call_names[SCHED_CALL_COUNT] = {
	[SCHED_CALL_CHARGE] = "charge",	  [SCHED_CALL_ENQUEUE] = "enqueue",
	[SCHED_CALL_DEQUEUE] = "dequeue", [SCHED_CALL_ADOPT] = "adopt",
	[SCHED_CALL_RELEASE] = "release", [SCHED_CALL_LEAVE] = "leave",
	[SCHED_CALL_MEASURE] = "measure", [SCHED_CALL_WINDOWS] = "windows",
	[SCHED_CALL_PASS] = "pass",
};

const char *const trace_backfill_names[BACKFILL_MODE_COUNT] = {
	[BACKFILL_NONE] = "none",
	[BACKFILL_GREEDY] = "greedy",
	[BACKFILL_EASY] = "easy",
	[BACKFILL_RESERVE] = "reserve",
	[BACKFILL_CONSERVATIVE] = "conservative",
};

static int64_t load(const struct trace_field *field, const void *base)
{
	const void *at = (const char *)base + field->offset;

	switch (field->kind) {
	case TRACE_BOOL: return *(const bool *)at;
	case TRACE_UINT32: return *(const uint32_t *)at;
	case TRACE_INT32: return *(const int32_t *)at;
	case TRACE_INT64: return *(const int64_t *)at;
	default: return (int64_t) * (const uint64_t *)at;
	}
}

static void save(const struct trace_field *field, void *base, int64_t value)
{
	void *at = (char *)base + field->offset;

	switch (field->kind) {
	case TRACE_BOOL: *(bool *)at = value != 0; return;
	case TRACE_UINT32: *(uint32_t *)at = (uint32_t)value; return;
	case TRACE_INT32: *(int32_t *)at = (int32_t)value; return;
	case TRACE_INT64: *(int64_t *)at = value; return;
	default: *(uint64_t *)at = (uint64_t)value; return;
	}
}

void trace_fields_put(json_t *object, const struct trace_field *fields, const void *base)
{
	for (const struct trace_field *field = fields; field->name; field++) {
		int64_t value = load(field, base);

		if (value)
			json_object_set_new(object, field->name,
					    field->kind == TRACE_BOOL ? json_true()
								      : json_integer(value));
	}
}

int trace_number_get(const json_t *object, const char *name, int64_t min, int64_t max,
		     int64_t *ret_value, struct err *err)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < min || number > max)
		return err_set(err, -EBADMSG, "%s: is not a whole number of %lld to %lld", name,
			       (long long)min, (long long)max);
	*ret_value = number;
	return 0;
}

int trace_fields_get(const json_t *object, const struct trace_field *fields, void *base,
		     struct err *err)
{
	int r = 0;

	for (const struct trace_field *field = fields; r == 0 && field->name; field++) {
		const json_t *given = json_object_get(object, field->name);
		int64_t value = 0;

		if (field->kind == TRACE_BOOL)
			value = json_is_true(given);
		else if (given || field->min > 0)
			r = trace_number_get(object, field->name, field->min, field->max, &value,
					     err);
		save(field, base, value);
	}
	return r;
}

json_t *trace_slots_format(uint64_t slots)
{
	json_t *array = json_array();

	for (; slots; slots &= slots - 1)
		json_array_append_new(array, json_integer(__builtin_ctzll(slots)));
	return array;
}

int trace_slots_parse(const json_t *array, uint64_t *ret_slots, struct err *err)
{
	uint64_t slots = 0;
	const json_t *slot;
	size_t i;

	json_array_foreach (array, i, slot) {
		json_int_t number = json_is_integer(slot) ? json_integer_value(slot) : -1;

		if (number < 0 || number >= TOPOLOGY_GPUS_MAX)
			return err_set(err, -EBADMSG, "gpus: is not a list of slots, 0 to %d",
				       TOPOLOGY_GPUS_MAX - 1);
		slots |= UINT64_C(1) << number;
	}
	*ret_slots = slots;
	return 0;
}

json_t *trace_alloc_format(const struct allocation *alloc)
{
	json_t *array = json_array();

	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];

		json_array_append_new(array, json_pack("{s:I, s:o, s:I, s:I}", "node",
						       (json_int_t)part->node, "gpus",
						       trace_slots_format(part->gpus), "cpus",
						       (json_int_t)part->cpus, "mem",
						       (json_int_t)part->mem_bytes));
	}
	return array;
}

static int parse_part(const json_t *object, struct allocation_part *ret_part, struct err *err)
{
	int64_t node = 0, cpus = 0, mem = 0;
	int r = trace_number_get(object, "node", 0, LEDGER_NODES_MAX - 1, &node, err);

	if (r == 0)
		r = trace_slots_parse(json_object_get(object, "gpus"), &ret_part->gpus, err);
	if (r == 0)
		r = trace_number_get(object, "cpus", 0, CPUS_MAX, &cpus, err);
	if (r == 0)
		r = trace_number_get(object, "mem", 0, INT64_MAX, &mem, err);
	ret_part->node = (uint32_t)node;
	ret_part->cpus = (uint32_t)cpus;
	ret_part->mem_bytes = (uint64_t)mem;
	return r;
}

int trace_alloc_parse(const json_t *array, struct allocation *ret_alloc, struct err *err)
{
	_cleanup_(allocation_finish) struct allocation alloc = {
		.parts = xcalloc(json_array_size(array), sizeof(*alloc.parts)),
	};
	const json_t *part;
	int r = 0;
	size_t i;

	json_array_foreach (array, i, part)
		if (r == 0)
			r = parse_part(part, &alloc.parts[alloc.n_parts++], err);
	if (r < 0)
		return r;
	*ret_alloc = alloc;
	alloc = (struct allocation){0};
	return 0;
}
