/* SPDX-License-Identifier: MIT */
/*
 * Real logs through sched_pass(), every start time against a reference.
 *
 * KTH-SP2 (28,467 jobs, 100 processors) as the CPUs of one node, Microsoft's ITP clusters as GPU
 * nodes with gangs, and openb with three resources at once. Time is batch: at each distinct time
 * everything ends that ends, then everything arrives that arrives, then there is one pass. Seconds
 * are nanoseconds here. The data are not part of the project; without them the tests skip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/core.h"

#define FIELDS_MAX 16

struct line {
	struct job job;
	int64_t run_ns, want_ns, start_ns, end_ns;
};

struct trace {
	struct line *lines; /* owned; in order of submit, id = position + 1 */
	size_t n;
};

/* Which columns of a reference file say what; -1: the file has none. */
struct columns {
	int submit, run, gpus, cpus, mem, estimate;
	int want;
};

/* One machine: equal nodes, or the three of openb. */
struct machine {
	unsigned n_nodes;
	struct {
		unsigned gpus;
		uint32_t cpus;
		uint64_t mem_bytes;
	} nodes[8];
};

static void trace_finish(struct trace *trace)
{
	free(trace->lines);
}

static FILE *open_data(const char *name)
{
	const char *root = getenv("TGPU_SOURCE_ROOT");
	char path[4096], command[4200];
	FILE *probe;

	snprintf(path, sizeof(path), "%s/../shared/data/oracle/%s", root ? root : ".", name);
	probe = fopen(path, "re");
	if (!probe) {
		print_message("# skipped: no reference data at %s\n", path);
		return NULL;
	}
	fclose(probe);
	snprintf(command, sizeof(command), "gzip -dc '%s'", path);
	return popen(command, "re");
}

static int64_t field(char *const *fields, int column)
{
	return column < 0 ? 0 : strtoll(fields[column], NULL, 10);
}

static void add_line(struct trace *trace, size_t *capacity, const struct columns *columns,
		     char *const *fields)
{
	struct line line = {.start_ns = -1};

	job_init(&line.job);
	line.job.id = trace->n + 1;
	/* From 1 on: 0 is TIME_UNKNOWN. */
	line.job.submit_ns = field(fields, columns->submit) + 1;
	line.job.limit_ns = field(fields, columns->estimate);
	line.job.request.num_gpus = (uint32_t)field(fields, columns->gpus);
	line.job.request.cpus = (uint32_t)field(fields, columns->cpus);
	line.job.request.mem_bytes = (uint64_t)field(fields, columns->mem);
	line.run_ns = field(fields, columns->run);
	line.want_ns = field(fields, columns->want) + 1;
	xgrow(&trace->lines, capacity, trace->n + 1, sizeof(*trace->lines));
	trace->lines[trace->n++] = line;
}

static bool trace_read(const char *name, const struct columns *columns, struct trace *ret_trace)
{
	FILE *f = open_data(name);
	struct trace trace = {0};
	size_t capacity = 0;
	char text[1024];

	if (!f)
		return false;
	assert_non_null(fgets(text, sizeof(text), f)); /* the header */
	while (fgets(text, sizeof(text), f)) {
		char *fields[FIELDS_MAX], *rest = text;
		int n = 0;

		while (n < FIELDS_MAX && (fields[n] = strsep(&rest, ",")))
			n++;
		add_line(&trace, &capacity, columns, fields);
	}
	assert_int_equal(pclose(f), 0);
	*ret_trace = trace;
	return true;
}

static struct sched *make_sched(const struct machine *machine, const struct sched_config *config)
{
	struct sched *sched = sched_create(config);
	static const int32_t no_scores[64];

	for (unsigned i = 0; i < machine->n_nodes; i++) {
		unsigned n = machine->nodes[i].gpus;
		uint32_t node = ledger_add_node(sched_ledger(sched), "node", machine->nodes[i].cpus,
						machine->nodes[i].mem_bytes);

		ledger_set_gpus(sched_ledger(sched), node, xcalloc(n, sizeof(struct node_gpu)), n,
				topology_create_scores(n, no_scores));
	}
	return sched;
}

/* The ends of running jobs; few enough to be looked through. */
struct ends {
	struct line *running[256];
	size_t n;
};

static int64_t next_end(const struct ends *ends)
{
	int64_t next = TIME_NEVER;

	for (size_t i = 0; i < ends->n; i++)
		if (ends->running[i]->end_ns < next)
			next = ends->running[i]->end_ns;
	return next;
}

static void end_due(struct sched *sched, struct ends *ends, int64_t now_ns)
{
	for (size_t i = ends->n; i-- > 0;) {
		if (ends->running[i]->end_ns > now_ns)
			continue;
		sched_release(sched, ends->running[i]->job.id, now_ns);
		ends->running[i] = ends->running[--ends->n];
	}
}

static void pass(struct sched *sched, struct trace *trace, struct ends *ends, int64_t now_ns)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};

	sched_pass(sched, now_ns, &decisions);
	for (size_t i = 0; i < decisions.n; i++) {
		struct line *line = &trace->lines[decisions.items[i].job - 1];

		assert_int_equal(line->start_ns, -1);
		line->start_ns = now_ns;
		line->end_ns = now_ns + line->run_ns;
		assert_true(ends->n < ARRAY_SIZE(ends->running));
		ends->running[ends->n++] = line;
	}
}

static void replay(struct sched *sched, struct trace *trace)
{
	struct ends ends = {0};
	size_t next = 0;

	while (next < trace->n || ends.n > 0) {
		int64_t now_ns = next_end(&ends);

		if (next < trace->n && trace->lines[next].job.submit_ns < now_ns)
			now_ns = trace->lines[next].job.submit_ns;
		end_due(sched, &ends, now_ns);
		while (next < trace->n && trace->lines[next].job.submit_ns == now_ns)
			sched_enqueue(sched, &trace->lines[next++].job, 1);
		pass(sched, trace, &ends, now_ns);
	}
}

/* Replay one file and compare every start. */
static void check(const char *name, const struct machine *machine, const struct columns *columns,
		  const struct sched_config *config)
{
	_cleanup_(trace_finish) struct trace trace = {0};
	struct sched *sched;
	size_t different = 0;

	if (!trace_read(name, columns, &trace))
		skip();
	sched = make_sched(machine, config);
	replay(sched, &trace);
	for (size_t i = 0; i < trace.n; i++)
		if (trace.lines[i].start_ns != trace.lines[i].want_ns && different++ < 5)
			print_message("# %s line %zu: starts at %lld, reference %lld\n", name,
				      i + 2, (long long)trace.lines[i].start_ns - 1,
				      (long long)trace.lines[i].want_ns - 1);
	print_message("# %s: %zu jobs, %zu different\n", name, trace.n, different);
	assert_true(trace.n > 0);
	assert_int_equal(different, 0);
	sched_destroy(sched);
}

static const struct machine kth_machine = {.n_nodes = 1, .nodes = {{.cpus = 100}}};
static const struct machine itp2 = {.n_nodes = 2, .nodes = {{8, 0, 0}, {8, 0, 0}}};
static const struct machine itp8 = {.n_nodes = 8,
				    .nodes = {{8, 0, 0},
					      {8, 0, 0},
					      {8, 0, 0},
					      {8, 0, 0},
					      {8, 0, 0},
					      {8, 0, 0},
					      {8, 0, 0},
					      {8, 0, 0}}};
/* CPUs in thousandths, memory in MiB, as the file has them. */
static const struct machine openb = {
	.n_nodes = 3,
	.nodes = {{8, 96000, 384 * 1024}, {2, 16000, 120 * 1024}, {2, 16000, 120 * 1024}}};

#define KTH	    "KTH-SP2-1996-2.1-cln.starts.csv.gz"
#define GPU_COLUMNS .submit = 1, .run = 2, .gpus = 3, .cpus = 4, .mem = 5

/* The policies by the names of the reference's columns. */
static const struct sched_config fifo = {.policy = &policy_fifo};
static const struct sched_config skip_blocked = {.policy = &policy_fifo,
						 .backfill = BACKFILL_GREEDY};
static const struct sched_config easy = {.policy = &policy_fifo, .backfill = BACKFILL_EASY};
static const struct sched_config easy_sjbf = {
	.policy = &policy_fifo, .backfill = BACKFILL_EASY, .shortest_passes = true};
static const struct sched_config conservative = {.policy = &policy_fifo,
						 .backfill = BACKFILL_CONSERVATIVE};
static const struct sched_config sjf = {.policy = &policy_sjf};
static const struct sched_config srsf = {.policy = &policy_srsf};
static const struct sched_config easy_srsf = {.policy = &policy_srsf, .backfill = BACKFILL_EASY};

static void check_kth(int estimate, int want, const struct sched_config *config)
{
	const struct columns columns = {.submit = 1,
					.run = 2,
					.cpus = 3,
					.estimate = estimate,
					.gpus = -1,
					.mem = -1,
					.want = want};

	check(KTH, &kth_machine, &columns, config);
}

static void test_kth(void **state)
{
	(void)state;
	check_kth(4, 5, &fifo);
	check_kth(4, 6, &easy);
	check_kth(4, 8, &easy_sjbf);
	check_kth(2, 9, &easy); /* estimates are exact */
	check_kth(4, 10, &conservative);
}

static void check_gpus(const char *name, const struct machine *machine)
{
	static const struct {
		int estimate, want;
		const struct sched_config *config;
	} cases[] = {
		{2, 7, &fifo}, {2, 8, &skip_blocked}, {2, 9, &easy},	   {6, 10, &easy},
		{2, 11, &sjf}, {6, 12, &srsf},	      {6, 13, &easy_srsf},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(name, machine,
		      &(struct columns){GPU_COLUMNS, .estimate = cases[i].estimate,
					.want = cases[i].want},
		      cases[i].config);
}

static void test_itp_2x8(void **state)
{
	(void)state;
	check_gpus("itp_c10_2x8.starts.csv.gz", &itp2);
}

static void test_itp_8x8(void **state)
{
	(void)state;
	check_gpus("itp_c01_8x8.starts.csv.gz", &itp8);
}

static void test_openb(void **state)
{
	(void)state;
	check_gpus("openb_small_12gpu.starts.csv.gz", &openb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kth),
		cmocka_unit_test(test_itp_2x8),
		cmocka_unit_test(test_itp_8x8),
		cmocka_unit_test(test_openb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
