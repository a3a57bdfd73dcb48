/* SPDX-License-Identifier: MIT */
/*
 * Numbers as a table, as JSON, as CSV.
 *
 * Invariants: one list of names (as_json) serves programs in both forms, so they cannot differ;
 * decimals are rounded to four places, which is how reference results are published.
 * Deliberately not here: computing them (summary.c).
 */
#include "simulator/report.h"

#include "common/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/duration.h"

void result_finish(struct result *result)
{
	outcomes_destroy(result->outcomes, result->trace->n_jobs);
	free(result->name);
	*result = (struct result){0};
}

/* Whole numbers stay whole. */
static json_t *number(double value)
{
	char text[64];

	if (value == (double)(int64_t)value)
		return json_integer((int64_t)value);
	snprintf(text, sizeof(text), "%.4f", value);
	return json_real(strtod(text, NULL));
}

/* Exact for whole seconds, whose nanoseconds end in nine binary zeros. */
static json_t *seconds(int64_t ns)
{
	return number((double)ns / NS_PER_S);
}

static json_t *average(double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.4f", value);
	return json_real(strtod(text, NULL));
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *as_json(const struct result *result)
{
	const struct summary *s = &result->summary;
	uint64_t gpus = machine_gpus(result->machine);
	uint64_t cpus = machine_cpus(result->machine) / result->cpu_unit;

	return json_pack(
		"{ss ss ss so so so so so so so so so so so so so so so ss ss}", "trace",
		result->name, "policy", result->preset->name, "estimates", result->estimates,
		"nodes", count(result->machine->n_nodes), "gpus", count(gpus), "procs",
		cpus ? count(cpus) : json_null(), "jobs", count(result->trace->n_jobs),
		"sum_wait_s", number(s->sum_wait_s), "avg_wait_s", average(s->avg_wait_s),
		"p50_wait_s", seconds(s->p50_wait_ns), "p95_wait_s", seconds(s->p95_wait_ns),
		"max_wait_s", seconds(s->max_wait_ns), "avg_response_s", average(s->avg_jct_s),
		"avg_jct_s", average(s->avg_jct_s), "avg_bsld_tau10", average(s->avg_bsld),
		"makespan_s", seconds(s->makespan_ns), "preemptions", count(s->preemptions),
		"utilisation", s->utilisation < 0 ? json_null() : average(s->utilisation),
		"sha256_starts", s->sha256_starts, "sha256_placements", s->sha256_placements);
}

void report_json(const struct result *results, size_t n, FILE *out)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, as_json(&results[i]));
	json_dumpf(array, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	fputc('\n', out);
	json_decref(array);
}

/* Names of files are the only texts that can hold what CSV wants quoted. */
static void print_csv_text(const char *text, FILE *out)
{
	if (!strpbrk(text, ",\"\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, "%s%c", *text == '"' ? "\"" : "", *text);
	fputc('"', out);
}

static void print_csv_line(json_t *object, bool header, FILE *out)
{
	const char *key, *comma = "";
	json_t *value;

	json_object_foreach (object, key, value) {
		fputs(comma, out);
		comma = ",";
		if (header)
			fputs(key, out);
		else if (json_is_string(value))
			print_csv_text(json_string_value(value), out);
		else if (json_is_integer(value))
			fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		else if (json_is_real(value))
			fprintf(out, "%.4f", json_real_value(value));
	}
	fputc('\n', out);
}

void report_csv(const struct result *results, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		json_t *object = as_json(&results[i]);

		if (i == 0)
			print_csv_line(object, true, out);
		print_csv_line(object, false, out);
		json_decref(object);
	}
}

static void print_caption(const struct result *result, FILE *out)
{
	uint64_t gpus = machine_gpus(result->machine);
	uint64_t cpus = machine_cpus(result->machine) / result->cpu_unit;

	fprintf(out, "%s: %zu job%s on %zu node%s", result->name, result->trace->n_jobs,
		plural(result->trace->n_jobs), result->machine->n_nodes,
		plural(result->machine->n_nodes));
	if (gpus)
		fprintf(out, ", %" PRIu64 " GPU%s", gpus, plural(gpus));
	if (cpus)
		fprintf(out, ", %" PRIu64 " CPU%s", cpus, plural(cpus));
	fprintf(out, "; estimates: %s\n", result->estimates);
	fprintf(out, "%-12s %10s %10s %10s %10s %10s %9s %6s %10s\n", "POLICY", "WAIT", "P50",
		"P95", "MAX", "JCT", "SLOWDOWN", "USED", "MAKESPAN");
}

const char *report_duration(double ns, char buf[32])
{
	static const struct {
		double from_s, unit_s;
	} steps[] = {{48 * 3600, 3600}, {3600, 60}, {1, 1}, {0, 0.001}};
	double s = ns / NS_PER_S;
	size_t i = 0;

	while (s < steps[i].from_s)
		i++;
	return duration_format(
		(int64_t)(s / steps[i].unit_s + 0.5) * (int64_t)(steps[i].unit_s * 1000), buf);
}

static void print_line(const struct result *result, FILE *out)
{
	const struct summary *s = &result->summary;
	char wait[32], p50[32], p95[32], max[32], jct[32], makespan[32], used[16] = "-";

	if (s->utilisation >= 0)
		snprintf(used, sizeof(used), "%.1f%%", 100 * s->utilisation);
	fprintf(out, "%-12s %10s %10s %10s %10s %10s %9.2f %6s %10s\n", result->preset->name,
		report_duration(s->avg_wait_s * NS_PER_S, wait),
		report_duration((double)s->p50_wait_ns, p50),
		report_duration((double)s->p95_wait_ns, p95),
		report_duration((double)s->max_wait_ns, max),
		report_duration(s->avg_jct_s * NS_PER_S, jct), s->avg_bsld, used,
		report_duration((double)s->makespan_ns, makespan));
}

void report_table(const struct result *results, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || results[i].trace != results[i - 1].trace) {
			if (i > 0)
				fputc('\n', out);
			print_caption(&results[i], out);
		}
		print_line(&results[i], out);
	}
}

static void print_start(const struct trace_job *job, const struct outcome *outcome, FILE *out)
{
	_cleanup_(buf_finish) struct buf nodes = {0};
	char submit[32], start[32], end[32];

	summary_write_nodes(&nodes, outcome);
	fprintf(out, "%" PRIu64 ",%s,%s,%s,%s\n", job->id, seconds_format(job->submit_ns, submit),
		seconds_format(outcome->start_ns, start), seconds_format(outcome->end_ns, end),
		buf_get(&nodes));
}

int report_starts(const struct result *result, const char *path, struct err *err)
{
	_cleanup_(close_file) FILE *out = fopen(path, "we");

	if (!out)
		return err_set(err, -errno, "--starts %s: cannot write it: %s", path_tail(path),
			       strerror(errno));
	fputs("id,submit_s,start_s,end_s,nodes\n", out);
	for (size_t i = 0; i < result->trace->n_jobs; i++)
		print_start(&result->trace->jobs[i], &result->outcomes[i], out);
	if (fflush(out) != 0 || ferror(out))
		return err_set(err, -EIO, "--starts %s: cannot write it: %s", path_tail(path),
			       strerror(errno));
	return 0;
}
