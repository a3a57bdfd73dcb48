/* SPDX-License-Identifier: MIT */
/*
 * One table of what `tgpu show` tells of a job's specification, in the order of its lines.
 *
 * Invariants: how a value is shown follows from its field's type in common/jobspec.c, and what
 * every job gets from the defaults there, so that neither is known twice. Deliberately not here:
 * what a job runs, where, and its logs, which the daemon tells for each task. Cost: linear in the
 * specification.
 */
#include "cli/specview.h"

#include <inttypes.h>

#include "cli/field.h"
#include "cli/format.h"
#include "common/duration.h"
#include "common/jobspec.h"

static void add_duration(struct buf *buf, const struct jobspec_field *field, const char *text)
{
	char shown[32];
	int64_t ms;

	if (duration_parse(text, &ms, NULL) < 0)
		buf_puts(buf, text);
	else
		buf_puts(buf,
			 ms == 0 && field->unlimited ? "unlimited" : format_duration(ms, shown));
}

static void add_words(struct buf *buf, const json_t *words)
{
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word)
		buf_printf(buf, "%s%s", i > 0 ? " " : "", json_string_value(word));
}

/* Of a field that was submitted, and so is of its type. */
static void add_value(struct buf *buf, const struct jobspec_field *field, const json_t *value,
		      int64_t now_ms)
{
	char text[32];

	if (json_is_string(value) && field->type == JOBSPEC_DURATION)
		add_duration(buf, field, json_string_value(value));
	else if (json_is_string(value))
		buf_puts(buf, json_string_value(value));
	else if (json_is_boolean(value))
		buf_puts(buf, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		add_words(buf, value);
	else if (!json_is_integer(value))
		return;
	else if (field->type == JOBSPEC_BYTES)
		buf_puts(buf, bytes_format((uint64_t)json_integer_value(value), text));
	else if (field->type == JOBSPEC_DURATION)
		buf_puts(buf, format_duration(json_integer_value(value) * 1000, text));
	else if (field->type == JOBSPEC_TIME)
		buf_puts(buf, format_time(json_integer_value(value) * 1000, now_ms, text));
	else
		buf_printf(buf, "%" PRId64, (int64_t)json_integer_value(value));
}

/* "0-99%4, index 3; its first task is job 12" */
static void note_task(struct buf *buf, const json_t *job)
{
	if (field_int(job, "array", 0) > 0)
		buf_printf(buf, ", index %" PRId64 "; its first task is job %" PRId64,
			   field_int(job, "array_index", 0), field_int(job, "array", 0));
}

static void note_preempted(struct buf *buf, const json_t *job)
{
	int64_t n = field_int(job, "preempted", 0);

	if (n > 0)
		buf_printf(buf, ", has made room %" PRId64 " time%s", n, n == 1 ? "" : "s");
}

static void note_retried(struct buf *buf, const json_t *job)
{
	buf_printf(buf, ", %" PRId64 " used", field_int(job, "retried", 0));
}

static const struct asked {
	const char *label, *key;
	bool always;	     /* else where it is not the default */
	const char *instead; /* of the value; NULL: that itself */
	void (*note)(struct buf *buf, const json_t *job);
} table[] = {
	{"priority", "priority", true, NULL, NULL},
	{"GPUs asked", "num_gpus", true, NULL, NULL},
	{"GPU type", "gpu_type", false, NULL, NULL},
	{"GPU memory", "gpu_mem", false, NULL, NULL},
	{"CPUs", "cpus", true, NULL, NULL},
	{"memory", "mem", false, NULL, NULL},
	{"time limit", "time_limit", false, NULL, NULL},
	{"not before", "begin", false, NULL, NULL},
	{"after", "after", false, NULL, NULL},
	{"if never", "cancel_if_never", false, "cancel it", NULL},
	{"array", "array", false, NULL, note_task},
	{"unique", "unique", false, NULL, NULL},
	{"preemptible", "preemptible", false, NULL, note_preempted},
	{"requeue", "requeue", false, NULL, NULL},
	{"retries", "retries", false, NULL, note_retried},
	{"signal", "signal", false, NULL, NULL},
	{"grace", "grace", false, NULL, NULL},
	{"log max", "log_max", false, NULL, NULL},
	{"notify", "notify", false, NULL, NULL},
};

/* What every job gets that says nothing. New reference. */
static json_t *defaults(void)
{
	struct jobspec spec;
	json_t *json;

	jobspec_init(&spec);
	json = jobspec_to_json(&spec);
	jobspec_finish(&spec);
	return json;
}

void specview_asked(const json_t *job, int64_t now_ms,
		    bool (*line)(const char *label, const char *value))
{
	const json_t *spec = json_object_get(job, "spec");
	json_t *usual = defaults();

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct asked *asked = &table[i];
		const json_t *value = json_object_get(spec, asked->key);
		_cleanup_(buf_finish) struct buf text = {0};

		if (!value ||
		    (!asked->always && json_equal(value, json_object_get(usual, asked->key))))
			continue;
		if (asked->instead)
			buf_puts(&text, asked->instead);
		else
			add_value(&text, jobspec_field_by_key(asked->key), value, now_ms);
		if (asked->note)
			asked->note(&text, job);
		line(asked->label, buf_get(&text));
	}
	json_decref(usual);
}

bool specview_changes(struct buf *buf, const char *json, int64_t now_ms)
{
	json_t *set = json_loads(json, 0, NULL), *value;
	size_t before = buf->len;
	const char *key;

	json_object_foreach (set, key, value) {
		const struct jobspec_field *field = jobspec_field_by_key(key);

		if (!field)
			continue;
		buf_printf(buf, "%s%s ", buf->len > before ? ", " : "",
			   field->option ? field->option : field->key);
		add_value(buf, field, value, now_ms);
	}
	json_decref(set);
	return buf->len > before;
}
