/* SPDX-License-Identifier: MIT */
/*
 * Published traces through ideal_replay(), every job against a reference.
 *
 * Muri's Philly traces on 8 x 8 GPUs, without overhead and with Muri's, and Tiresias' 60 jobs on
 * pools of 8 and 16 GPUs: start, end and preemptions of each job, to the digits of the reference
 * (printed from floats, so that an exact half may have been rounded either way). Of other traces
 * there are totals. The data are not part of the project; without them the tests skip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "simulator/ideal.h"

#define FIELDS_MAX 24

/* A file of comma-separated values, gzipped or not. */
struct csv {
	FILE *f;
	char header[1024], line[1024];
	char *names[FIELDS_MAX], *fields[FIELDS_MAX];
	int n;
};

static int split(char *text, char **fields)
{
	int n = 0;

	text[strcspn(text, "\r\n")] = '\0';
	while (n < FIELDS_MAX && (fields[n] = strsep(&text, ",")))
		n++;
	return n;
}

static bool csv_open(struct csv *csv, const char *name)
{
	const char *root = getenv("TGPU_SOURCE_ROOT");
	char path[4096], command[4200];
	FILE *probe;

	snprintf(path, sizeof(path), "%s/../shared/data/%s", root ? root : ".", name);
	probe = fopen(path, "re");
	if (!probe) {
		print_message("# skipped: no reference data at %s\n", path);
		return false;
	}
	fclose(probe);
	snprintf(command, sizeof(command), "gzip -dcf '%s'", path);
	csv->f = popen(command, "re");
	assert_non_null(csv->f);
	assert_non_null(fgets(csv->header, sizeof(csv->header), csv->f));
	csv->n = split(csv->header, csv->names);
	return true;
}

static bool csv_next(struct csv *csv)
{
	if (fgets(csv->line, sizeof(csv->line), csv->f)) {
		assert_int_equal(split(csv->line, csv->fields), csv->n);
		return true;
	}
	assert_int_equal(pclose(csv->f), 0);
	return false;
}

static const char *csv_text(const struct csv *csv, const char *column, const char *policy,
			    const char *end)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", column, policy, end);
	for (int i = 0; i < csv->n; i++)
		if (STREQ(csv->names[i], name))
			return csv->fields[i];
	fail_msg("no column %s", name);
	return NULL;
}

static int64_t csv_int(const struct csv *csv, const char *column)
{
	return strtoll(csv_text(csv, column, "", ""), NULL, 10);
}

/* Decimal seconds, exactly. */
static int64_t parse_s(const char *text)
{
	char *end;
	int64_t ns = strtoll(text, &end, 10) * NS_PER_S, unit = NS_PER_S / 10;

	if (*end == '.')
		for (end++; *end; end++, unit /= 10)
			ns += (*end - '0') * unit;
	return ns;
}

/* What Muri charges a running job of an interval, in seconds, for 1, 2, 4, 8, 16 and 32 GPUs. The
 * reference data determine it: a job that was never preempted ends late by this much for each event
 * in between. */
static const struct {
	const char *model;
	int8_t seconds[6];
} muri_overheads[] = {
	{"a2c", {38, 39, 39, 46, 46, 46}},
	{"bert", {10, 10, 10, 10, 10, 10}},
	{"dqn", {5, 5, 6, 6, 8, 8}},
	{"gpt2", {10, 10, 10, 10, 10, 10}},
	{"resnet18", {4, 5, 5, 7, 7, 7}},
	{"vgg16", {7, 7, 8, 9, 9, 10}},
	{"shufflenet_v2_x1_0", {4, 4, 5, 5, 7, 8}},
	{"vgg19", {7, 7, 8, 9, 10, 10}},
};

static int64_t muri_overhead_ns(const struct csv *csv)
{
	const char *model = csv_text(csv, "model", "", "");
	int size = __builtin_ctzll((uint64_t)csv_int(csv, "gpus"));

	for (size_t i = 0; i < ARRAY_SIZE(muri_overheads); i++)
		if (STREQ(muri_overheads[i].model, model))
			return muri_overheads[i].seconds[size] * NS_PER_S;
	fail_msg("no overhead for %s", model);
	return 0;
}

/* One dialect of trace. */
struct format {
	const char *id, *gpus, *submit;
	int64_t submit_unit_ns;
	int64_t (*run_ns)(const struct csv *csv);
	int64_t (*overhead_ns)(const struct csv *csv);
};

struct input {
	struct trace trace;
	int64_t *overhead_ns; /* owned, one per job */
};

static void input_finish(struct input *input)
{
	trace_finish(&input->trace);
	free(input->overhead_ns);
}

/* 1.015: what Muri adds for starting. */
static int64_t muri_run_ns(const struct csv *csv)
{
	return csv_int(csv, "iterations") * csv_int(csv, "iter_ms") * 1015 * NS_PER_US;
}

static int64_t tiresias_run_ns(const struct csv *csv)
{
	return csv_int(csv, "duration") * NS_PER_S;
}

static int64_t tiresias_overhead_ns(const struct csv *csv)
{
	(void)csv;
	return 0;
}

static const struct format muri = {
	"job", "gpus", "submit_ms", NS_PER_MS, muri_run_ns, muri_overhead_ns,
};
static const struct format tiresias = {
	"job_id", "num_gpu", "submit_time", NS_PER_S, tiresias_run_ns, tiresias_overhead_ns,
};

static bool read_input(const struct format *format, const char *name, bool at_once,
		       struct input *ret_input)
{
	struct csv csv;
	size_t capacity = 0, capacity_overhead = 0, n = 0;

	*ret_input = (struct input){0};
	if (!csv_open(&csv, name))
		return false;
	for (; csv_next(&csv); n++) {
		int64_t submit_ns = csv_int(&csv, format->submit) * format->submit_unit_ns;

		xgrow(&ret_input->trace.jobs, &capacity, n + 1, sizeof(struct trace_job));
		xgrow(&ret_input->overhead_ns, &capacity_overhead, n + 1, sizeof(int64_t));
		ret_input->trace.jobs[n] = (struct trace_job){
			.id = (uint64_t)csv_int(&csv, format->id),
			.submit_ns = at_once ? 0 : submit_ns,
			.run_ns = format->run_ns(&csv),
			.estimate_ns = TIME_NEVER,
			.request.num_gpus = (uint32_t)csv_int(&csv, format->gpus),
		};
		ret_input->overhead_ns[n] = format->overhead_ns(&csv);
	}
	ret_input->trace.n_jobs = n;
	return true;
}

static struct ideal_config make_config(enum ideal_policy policy, enum ideal_placement placement,
				       uint32_t n_nodes)
{
	return (struct ideal_config){
		.policy = policy,
		.placement = placement,
		.n_nodes = n_nodes,
		.gpus_per_node = 8,
		.limits_gpu_s = {3250, 7200},
		.n_limits = 2,
		.grain_ns = NS_PER_S,
	};
}

static const struct {
	const char *name, *column;
	enum ideal_policy policy;
	enum ideal_placement placement;
} muri_policies[] = {
	{"SRTF", "srtf", IDEAL_SRTF, IDEAL_FIRST_FIT},
	{"SRSF", "srsf", IDEAL_SRSF, IDEAL_FIRST_FIT},
	{"Tiresias-L", "las", IDEAL_LAS, IDEAL_POOL},
};

static struct ideal_config muri_config(size_t i)
{
	return make_config(muri_policies[i].policy, muri_policies[i].placement, 8);
}

static bool near(int64_t ns, const char *text, int64_t unit_ns)
{
	return llabs(ns - parse_s(text)) <= unit_ns / 2;
}

struct columns {
	const char *start, *end, *preempt, *tail; /* of the names, around the policy's */
};

static void compare(const char *name, const struct columns *columns, const char *policy,
		    const struct trace *trace, const struct outcome *outcomes)
{
	struct csv csv;
	size_t i = 0, different = 0;

	assert_true(csv_open(&csv, name));
	while (csv_next(&csv)) {
		const char *start = csv_text(&csv, columns->start, policy, columns->tail);
		const char *end = csv_text(&csv, columns->end, policy, columns->tail);
		const char *preempt = csv_text(&csv, columns->preempt, policy, columns->tail);
		const struct outcome *got = &outcomes[i];

		assert_int_equal(trace->jobs[i++].id, csv_int(&csv, "job"));
		if (near(got->start_ns, start, NS_PER_MS) && near(got->end_ns, end, NS_PER_MS) &&
		    got->preemptions == strtoul(preempt, NULL, 10))
			continue;
		if (different++ < 5)
			print_message("# %s %s job %s: %.6f to %.6f, %u preemptions; reference %s "
				      "to %s, %s\n",
				      name, policy, csv.fields[0], (double)got->start_ns / NS_PER_S,
				      (double)got->end_ns / NS_PER_S, got->preemptions, start, end,
				      preempt);
	}
	print_message("# %s %s: %zu jobs, %zu different\n", name, policy, i, different);
	assert_int_equal(i, trace->n_jobs);
	assert_int_equal(different, 0);
}

static void check_jobs(const struct input *input, const char *name, const struct columns *columns,
		       const char *policy, const struct ideal_config *config)
{
	struct outcome *outcomes;

	assert_int_equal(ideal_replay(&input->trace, config, &outcomes), 0);
	compare(name, columns, policy, &input->trace, outcomes);
	outcomes_destroy(outcomes, input->trace.n_jobs);
}

static void check_muri(const char *trace, const char *name)
{
	static const struct columns free_of_charge = {"start_", "end_", "preempt_", "_zero"};
	static const struct columns charged = {"start_", "end_", "preempt_", "_oh"};
	_cleanup_(input_finish) struct input input;

	if (!read_input(&muri, trace, false, &input))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(muri_policies); i++) {
		struct ideal_config config = muri_config(i);

		check_jobs(&input, name, &free_of_charge, muri_policies[i].column, &config);
		config.overhead_ns = input.overhead_ns;
		check_jobs(&input, name, &charged, muri_policies[i].column, &config);
	}
}

static void test_muri_trace1(void **state)
{
	(void)state;
	check_muri("gpu/philly_muri_trace1.csv.gz", "oracle/muri_trace1_8x8.jobs.csv.gz");
}

static void test_muri_trace3(void **state)
{
	(void)state;
	check_muri("gpu/philly_muri_trace3.csv.gz", "oracle/muri_trace3_8x8.jobs.csv.gz");
}

static void check_tiresias(const char *name, uint32_t n_nodes)
{
	static const struct columns columns = {"first_start_", "end_", "preempt_", ""};
	static const struct {
		const char *column;
		enum ideal_policy policy;
	} policies[] = {
		{"fifo", IDEAL_FIFO},	      {"fjf", IDEAL_FJF},      {"shortest", IDEAL_SRTF},
		{"shortest-gpu", IDEAL_SRSF}, {"dlas-gpu", IDEAL_LAS},
	};

	_cleanup_(input_finish) struct input input;

	if (!read_input(&tiresias, "gpu/tiresias_60job.csv", false, &input))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		const struct ideal_config config =
			make_config(policies[i].policy, IDEAL_POOL, n_nodes);

		check_jobs(&input, name, &columns, policies[i].column, &config);
	}
}

static void test_tiresias_8(void **state)
{
	(void)state;
	check_tiresias("oracle/tiresias60_8gpu.csv", 1);
}

static void test_tiresias_16(void **state)
{
	(void)state;
	check_tiresias("oracle/tiresias60_16gpu.csv", 2);
}

struct totals {
	int64_t mean_jct_ns, makespan_ns;
	uint64_t preemptions;
};

static struct totals sum_up(const struct trace *trace, const struct outcome *outcomes)
{
	struct totals totals = {0};
	__int128 sum_ns = 0;

	for (size_t i = 0; i < trace->n_jobs; i++) {
		int64_t end_ns = outcomes[i].end_ns;

		assert_true(end_ns < TIME_NEVER);
		sum_ns += end_ns - trace->jobs[i].submit_ns;
		if (end_ns - trace->jobs[0].submit_ns > totals.makespan_ns)
			totals.makespan_ns = end_ns - trace->jobs[0].submit_ns;
		totals.preemptions += outcomes[i].preemptions;
	}
	totals.mean_jct_ns = (int64_t)(sum_ns / (__int128)trace->n_jobs);
	return totals;
}

static void check_totals(const struct csv *csv, const struct input *input,
			 const struct ideal_config *config, const char *mean, const char *makespan,
			 const char *preemptions)
{
	struct outcome *outcomes;
	struct totals totals;

	assert_int_equal(ideal_replay(&input->trace, config, &outcomes), 0);
	totals = sum_up(&input->trace, outcomes);
	print_message("# %s %s: mean %.6f s, makespan %.6f s, %lu preemptions\n", csv->fields[0],
		      csv->fields[1], (double)totals.mean_jct_ns / NS_PER_S,
		      (double)totals.makespan_ns / NS_PER_S, totals.preemptions);
	assert_true(near(totals.mean_jct_ns, csv_text(csv, mean, "", ""), NS_PER_MS));
	assert_true(near(totals.makespan_ns, csv_text(csv, makespan, "", ""), NS_PER_MS));
	if (preemptions)
		assert_int_equal(totals.preemptions, csv_int(csv, preemptions));
	outcomes_destroy(outcomes, input->trace.n_jobs);
}

/* One row of muri_8x8.csv ("trace3_pr,SRTF,...") with the published overhead and without. */
static void check_row(const struct csv *csv, struct ideal_config config)
{
	_cleanup_(input_finish) struct input input;
	char name[64];

	snprintf(name, sizeof(name), "gpu/philly_muri_%.6s.csv.gz", csv->fields[0]);
	assert_true(read_input(&muri, name, strstr(csv->fields[0], "_pr"), &input));
	check_totals(csv, &input, &config, "own_zero_overhead_avg_jct_s",
		     "own_zero_overhead_makespan_s", "own_zero_overhead_preemptions");
	config.overhead_ns = input.overhead_ns;
	check_totals(csv, &input, &config, "published_avg_jct_s", "published_makespan_s", NULL);
}

static void test_muri_totals(void **state)
{
	struct csv csv;
	unsigned rows = 0;

	(void)state;
	if (!csv_open(&csv, "oracle/muri_8x8.csv"))
		skip();
	while (csv_next(&csv)) {
		for (size_t i = 0; i < ARRAY_SIZE(muri_policies); i++) {
			if (!STREQ(csv_text(&csv, "policy", "", ""), muri_policies[i].name))
				continue;
			check_row(&csv, muri_config(i));
			rows++;
		}
	}
	assert_int_equal(rows, 12);
}

static void check_mean(const struct input *input, size_t policy, const char *mean_s)
{
	struct ideal_config config = muri_config(policy);
	struct outcome *outcomes;
	struct totals totals;

	config.overhead_ns = input->overhead_ns;
	assert_int_equal(ideal_replay(&input->trace, &config, &outcomes), 0);
	totals = sum_up(&input->trace, outcomes);
	print_message("# %zu jobs, %s: mean %.3f s, published %s\n", input->trace.n_jobs,
		      muri_policies[policy].name, (double)totals.mean_jct_ns / NS_PER_S, mean_s);
	assert_true(near(totals.mean_jct_ns, mean_s, NS_PER_MS));
	outcomes_destroy(outcomes, input->trace.n_jobs);
}

/* The published means of the traces that the overheads above were not taken from. Left out are the
 * five that differ. Trace 2 at once (by 8e-9, 8e-8 and 4e-10 of the mean) and trace 4 at once
 * Tiresias (4e-3): among many equals, and at thresholds of whole seconds, the last bits of the
 * published floats decide; the same rules in floats move these means as far. Trace 2 SRTF (4e-6):
 * the reason is not known. */
static void test_muri_published(void **state)
{
	static const struct {
		const char *trace;
		bool at_once;
		const char *mean_s[ARRAY_SIZE(muri_policies)];
	} rows[] = {
		{"trace2", false, {NULL, "2213949.687", "7396368.514"}},
		{"trace4", false, {"581982.900", "487167.169", "1319382.936"}},
		{"trace4", true, {"1430856.446", "1218501.968", NULL}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(input_finish) struct input input;
		char name[64];

		snprintf(name, sizeof(name), "gpu/philly_muri_%s.csv.gz", rows[i].trace);
		if (!read_input(&muri, name, rows[i].at_once, &input))
			skip();
		for (size_t k = 0; k < ARRAY_SIZE(muri_policies); k++)
			if (rows[i].mean_s[k])
				check_mean(&input, k, rows[i].mean_s[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_muri_trace1), cmocka_unit_test(test_muri_trace3),
		cmocka_unit_test(test_muri_totals), cmocka_unit_test(test_muri_published),
		cmocka_unit_test(test_tiresias_8),  cmocka_unit_test(test_tiresias_16),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
