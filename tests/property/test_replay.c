/* SPDX-License-Identifier: MIT */
/*
 * Real logs through the simulator, against reference results: every start time of four traces, and
 * every total and digest of two tables.
 *
 * A reference is compared as soon as the simulator has its policy. The data are not part of the
 * project; without them the tests skip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <zlib.h>

#include "simulator/adjust.h"
#include "simulator/report.h"
#include "simulator/source.h"

#define FIELDS_MAX 20

/* What the references call a policy and its estimates. */
static const struct reference {
	const char *name, *preset;
	enum estimates estimates;
} references[] = {
	{"fcfs", "fifo", ESTIMATES_TRACE},
	{"easy", "easy", ESTIMATES_TRACE},
	{"easy_perfect", "easy", ESTIMATES_EXACT},
	{"easy_sjbf", "easy-sjbf", ESTIMATES_TRACE},
	{"cons", "conservative", ESTIMATES_TRACE},
	{"fifo_exact", "fifo", ESTIMATES_EXACT},
	{"skip_exact", "skip", ESTIMATES_EXACT},
	{"easy_exact", "easy", ESTIMATES_EXACT},
	{"easy_ladder", "easy", ESTIMATES_LADDER},
	{"sjf_exact", "sjf", ESTIMATES_EXACT},
	{"srsf_ladder", "srsf", ESTIMATES_LADDER},
	{"easysrsf_ladder", "easy-srsf", ESTIMATES_LADDER},
};

/* The traces of gpu_nodes.csv and how they were cut. */
static const struct gpu_case {
	const char *name, *file, *cluster, *nodes;
	int64_t after_s, cap_s;
} gpu_cases[] = {
	{"itp_c10_2x8", "gpu/itp2021.csv.gz", "10", "2x8", 0, 0},
	{"itp_c01_8x8", "gpu/itp2021.csv.gz", "1", "8x8", 0, 0},
	{"openb_small_12gpu", "gpu/openb_jobs.csv.gz", NULL,
	 "1x8,cpus=96,mem=384G+2x2,cpus=16,mem=120G", 130 * 86400, 2 * 86400},
};

static char *data_path(const char *name)
{
	const char *root = getenv("TGPU_SOURCE_ROOT");

	return xasprintf("%s/../shared/data/%s", root ? root : ".", name);
}

/* NULL, and said so, when the data are not there. */
static gzFile open_data(const char *name)
{
	_cleanup_(free_ptr) char *path = data_path(name);
	gzFile file = gzopen(path, "rbe");

	if (!file)
		print_message("# skipped: no reference data at %s\n", path);
	return file;
}

static const struct reference *find_reference(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(references); i++)
		if (STREQ(references[i].name, name))
			return preset_by_name(references[i].preset) ? &references[i] : NULL;
	return NULL;
}

/* Split a line of CSV, quotes undone, in place. */
static int split(char *line, char **fields)
{
	int n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (line) {
		char *out = line;
		bool quoted = *line == '"';

		assert_true(n < FIELDS_MAX);
		fields[n++] = out;
		for (line += quoted; *line && (quoted || *line != ','); line++) {
			if (quoted && *line == '"' && *++line != '"')
				break;
			*out++ = *line;
		}
		line = *line ? line + 1 : NULL;
		*out = '\0';
	}
	return n;
}

/* Replay as a reference says. */
static struct result replay(const struct reference *reference, struct source *source,
			    const struct machine *machine)
{
	struct progress nobody = {NULL, NULL};
	struct result result = {
		.name = xstrdup("trace"),
		.trace = &source->trace,
		.machine = machine,
		.cpu_unit = source->format->cpu_unit,
		.preset = preset_by_name(reference->preset),
	};
	struct err err = {0};

	result.estimates = trace_estimate(&source->trace, reference->estimates);
	if (result.preset->run(result.preset, result.trace, machine, &nobody, &result.outcomes,
			       &err) < 0)
		fail_msg("%s", err.msg);
	summary_make(result.trace, machine, result.outcomes, &result.summary);
	return result;
}

static void load(const char *file, const char *cluster, const char *nodes, struct source *source,
		 struct machine *machine)
{
	_cleanup_(free_ptr) char *path = data_path(file), *procs = NULL;
	struct err err = {0};

	if (source_load(path, NULL, cluster, source, &err) < 0)
		fail_msg("%s", err.msg);
	procs = xasprintf("1x0,cpus=%u", source->procs);
	if (machine_parse(nodes ? nodes : procs, source->format->cpu_unit, machine, &err) < 0)
		fail_msg("%s", err.msg);
}

/* One start column of a file, line by line, against the replay. */
static void check_column(const char *file, int column, const struct result *result)
{
	gzFile in = open_data(file);
	char line[1024], *fields[FIELDS_MAX];
	size_t different = 0;

	assert_non_null(gzgets(in, line, sizeof(line)));
	for (size_t i = 0; i < result->trace->n_jobs; i++) {
		int64_t start_s = result->outcomes[i].start_ns / NS_PER_S;

		assert_non_null(gzgets(in, line, sizeof(line)));
		assert_true(split(line, fields) > column);
		if (strtoll(fields[column], NULL, 10) != start_s && different++ < 5)
			print_message("# %s line %zu, column %d: starts at %lld, reference %s\n",
				      file, i + 2, column, (long long)start_s, fields[column]);
	}
	assert_null(gzgets(in, line, sizeof(line)));
	gzclose(in);
	print_message("# %s, %s with %s estimates: %zu jobs, %zu different\n", file,
		      result->preset->name, result->estimates, result->trace->n_jobs, different);
	assert_int_equal(different, 0);
}

/* Every column start_NAME of a file whose NAME the simulator can replay. */
static void check_starts(const char *file, const char *nodes, int want_columns)
{
	gzFile in = open_data(file);
	char line[1024], *fields[FIELDS_MAX];
	int n, checked = 0;

	if (!in)
		skip();
	assert_non_null(gzgets(in, line, sizeof(line)));
	gzclose(in);
	n = split(line, fields);
	for (int i = 0; i < n; i++) {
		const struct reference *reference =
			strncmp(fields[i], "start_", 6) == 0 ? find_reference(fields[i] + 6) : NULL;
		_cleanup_(source_finish) struct source source = {0};
		_cleanup_(machine_finish) struct machine machine = {0};
		struct result result;

		if (!reference)
			continue;
		load(file, NULL, nodes, &source, &machine);
		result = replay(reference, &source, &machine);
		check_column(file, i, &result);
		result_finish(&result);
		checked++;
	}
	assert_true(checked >= want_columns);
}

static json_t *as_json(const struct result *result)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	json_t *array, *object;

	report_json(result, 1, out);
	fclose(out);
	array = json_loads(text, 0, NULL);
	free(text);
	object = json_incref(json_array_get(array, 0));
	json_decref(array);
	return object;
}

static bool same(const json_t *have, const char *want)
{
	if (json_is_string(have))
		return STREQ(json_string_value(have), want);
	return json_is_number(have) && json_number_value(have) == strtod(want, NULL);
}

/* Every column of a reference table that says something of the result. */
static int compare(const struct result *result, char *const *names, char *const *want, int n)
{
	static const char *const ours[] = {"trace", "case", "policy", "verified_by", NULL};
	json_t *object = as_json(result);
	int different = 0;

	for (int i = 0; i < n; i++) {
		const char *name =
			strncmp(names[i], "sha256_of", 9) == 0 ? "sha256_starts" : names[i];
		const char *const *skipped = ours;

		while (*skipped && !STREQ(*skipped, name))
			skipped++;
		if (*skipped || same(json_object_get(object, name), want[i]))
			continue;
		print_message("# %s: reference %s\n", name, want[i]);
		different++;
	}
	json_decref(object);
	return different;
}

static bool load_hpc(const char *name, struct source *source, struct machine *machine)
{
	_cleanup_(free_ptr) char *file = xasprintf("hpc/%s.gz", name);
	gzFile in = open_data(file);

	if (!in)
		return false;
	gzclose(in);
	load(file, NULL, NULL, source, machine);
	return true;
}

static bool load_gpu(const char *name, struct source *source, struct machine *machine)
{
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(gpu_cases); i++) {
		const struct gpu_case *found = &gpu_cases[i];

		if (!STREQ(found->name, name))
			continue;
		load(found->file, found->cluster, found->nodes, source, machine);
		if (found->after_s)
			trace_begin_after(&source->trace, found->after_s * NS_PER_S);
		if (found->cap_s)
			trace_cap(&source->trace, found->cap_s * NS_PER_S);
		replay_drop_impossible(&source->trace, machine, &err);
		return true;
	}
	return false;
}

/* A table of totals, row by row. `estimates`: the column that says them, -1: the policy does. */
static void check_table(const char *file, int policy, int estimates,
			bool (*load_case)(const char *, struct source *, struct machine *),
			int want_rows)
{
	gzFile in = open_data(file);
	char header[1024], line[1024], *names[FIELDS_MAX], *fields[FIELDS_MAX];
	int n, checked = 0, different = 0;

	if (!in)
		skip();
	assert_non_null(gzgets(in, header, sizeof(header)));
	n = split(header, names);
	while (gzgets(in, line, sizeof(line))) {
		_cleanup_(source_finish) struct source source = {0};
		_cleanup_(machine_finish) struct machine machine = {0};
		_cleanup_(free_ptr) char *name = NULL;
		const struct reference *reference;
		struct result result;

		assert_int_equal(split(line, fields), n);
		name = estimates < 0 ? xstrdup(fields[policy])
				     : xasprintf("%s_%s", fields[policy], fields[estimates]);
		reference = find_reference(name);
		if (!reference || !load_case(fields[0], &source, &machine))
			continue;
		result = replay(reference, &source, &machine);
		print_message("# %s, %s\n", fields[0], name);
		different += compare(&result, names, fields, n);
		checked++;
		result_finish(&result);
	}
	gzclose(in);
	print_message("# %s: %d rows, %d numbers different\n", file, checked, different);
	assert_int_equal(different, 0);
	assert_true(checked >= want_rows);
}

static void test_kth_starts(void **state)
{
	(void)state;
	check_starts("oracle/KTH-SP2-1996-2.1-cln.starts.csv.gz", "1x0,cpus=100", 3);
}

static void test_itp_2x8_starts(void **state)
{
	(void)state;
	check_starts("oracle/itp_c10_2x8.starts.csv.gz", "2x8", 3);
}

static void test_itp_8x8_starts(void **state)
{
	(void)state;
	check_starts("oracle/itp_c01_8x8.starts.csv.gz", "8x8", 3);
}

static void test_openb_starts(void **state)
{
	(void)state;
	check_starts("oracle/openb_small_12gpu.starts.csv.gz", gpu_cases[2].nodes, 3);
}

static void test_hpc_table(void **state)
{
	(void)state;
	check_table("oracle/hpc_1d.csv", 3, -1, load_hpc, 9);
}

static void test_gpu_table(void **state)
{
	(void)state;
	check_table("oracle/gpu_nodes.csv", 4, 5, load_gpu, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kth_starts),     cmocka_unit_test(test_itp_2x8_starts),
		cmocka_unit_test(test_itp_8x8_starts), cmocka_unit_test(test_openb_starts),
		cmocka_unit_test(test_hpc_table),      cmocka_unit_test(test_gpu_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
