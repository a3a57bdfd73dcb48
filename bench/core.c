/* SPDX-License-Identifier: MIT */
/*
 * bench/core: what the decisions cost, without disk, processes or network.
 *
 *     bench/core [--rounds N] [--data DIR] [CASE...]
 *
 * Every figure is measured in several rounds and shown as median (smallest - largest). What a
 * figure means on another machine is its ratio to another of the same run; nothing here passes or
 * fails. Read next: core_pass.c, core_replay.c; docs/performance.md for what came out.
 */
#include "bench/core.h"

#include <getopt.h>
#include <stdlib.h>

#include "scheduler/forecast.h"
#include "scheduler/plan.h"

#define REPEAT 200

/* Sixteen GPUs in two halves of four pairs. */
static struct topology *make_topology(void)
{
	int32_t scores[16 * 16];

	for (unsigned i = 0; i < 16; i++)
		for (unsigned j = 0; j < 16; j++)
			scores[i * 16 + j] = i / 2 == j / 2 ? 200 : i / 8 == j / 8 ? 40 : 10;
	return topology_create_scores(16, scores);
}

static double choose(const struct topology *topology, unsigned k, bool forget)
{
	const uint64_t all = 0xffff;
	int64_t start_ns = clock_mono_ns();

	for (unsigned i = 0; i < REPEAT; i++) {
		if (forget)
			topology_choice(topology, all, k)->k = 0;
		placement_choose_gpus(topology, all, k);
	}
	return (double)(clock_mono_ns() - start_ns) / NS_PER_US / REPEAT;
}

static void bench_placement(const struct bench *bench)
{
	static const unsigned ks[] = {1, 2, 4, 8};
	struct topology *topology = make_topology();

	for (size_t i = 0; i < ARRAY_SIZE(ks); i++) {
		struct series anew = {0}, again = {0};

		for (unsigned round = 0; round < bench->rounds; round++) {
			series_add(&anew, choose(topology, ks[i], true));
			series_add(&again, choose(topology, ks[i], false));
		}
		series_print(&anew, "us", "%u of 16 GPUs, for the first time", ks[i]);
		series_print(&again, "us", "  again");
	}
	topology_destroy(topology);
}

/* A scheduler with 8 GPUs held and n jobs waiting. */
static struct sched *make_waiting(size_t n)
{
	static const int32_t alike[8 * 8];
	struct sched_config config = {.policy = &policy_fifo, .backfill = BACKFILL_EASY};
	struct sched *sched = sched_create(&config);
	uint32_t node = ledger_add_node(sched_ledger(sched), "node", 256, UINT64_C(1) << 40);
	_cleanup_(decisions_finish) struct decisions decisions = {0};
	uint64_t random = 3;

	ledger_set_gpus(sched_ledger(sched), node, xcalloc(8, sizeof(struct node_gpu)), 8,
			topology_create_scores(8, alike));
	for (size_t i = 0; i < n; i++) {
		struct job job;

		job_init(&job);
		job.id = i + 1;
		job.submit_ns = (int64_t)i + 1;
		job.request.num_gpus = (uint32_t)(1 + bench_random(&random, 8));
		job.limit_ns = (int64_t)(1 + bench_random(&random, 48)) * 1800 * NS_PER_S;
		sched_enqueue(sched, &job, 1);
	}
	sched_pass(sched, NS_PER_S, &decisions);
	return sched;
}

static void bench_forecast(const struct bench *bench)
{
	static const size_t waiting[] = {200, 1000, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
		struct sched *sched = make_waiting(waiting[i]);
		struct series us = {0};

		for (unsigned round = 0; round < bench->rounds; round++) {
			int64_t start_ns = clock_mono_ns();
			struct forecast forecast;

			forecast_make(sched, 2 * NS_PER_S, 200, &forecast);
			series_add(&us, (double)(clock_mono_ns() - start_ns) / NS_PER_US);
			forecast_finish(&forecast);
		}
		series_print(&us, "us", "forecast of 200 of %zu waiting jobs", waiting[i]);
		sched_destroy(sched);
	}
}

/* Seconds to find the earliest place for this many of 1000 CPUs. */
static double find_once(struct plan *plan, uint32_t cpus)
{
	const struct request request = {.cpus = cpus};
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	int64_t at_ns, start_ns = clock_mono_ns();

	plan_find(plan, &request, 3600 * NS_PER_S, &at_ns, &alloc);
	return (double)(clock_mono_ns() - start_ns) / NS_PER_US;
}

/* A thousand jobs of one CPU each, ending one after the other: a thousand steps. */
static void fill_plan(struct plan *plan, struct ledger *ledger)
{
	enum { JOBS = 1000 };
	struct runnings *runnings = runnings_create();
	uint32_t node = ledger_add_node(ledger, "node", JOBS, UINT64_C(1) << 40);
	struct running *const *list;
	size_t n;

	for (unsigned i = 0; i < JOBS; i++) {
		struct allocation_part part = {.node = node, .cpus = 1};
		struct allocation alloc = {.parts = &part, .n_parts = 1};
		struct running running = {
			.job = i + 1,
			.start_ns = NS_PER_S,
			.end_ns = (i + 2) * NS_PER_S,
			.alloc = allocation_dup(&alloc),
		};

		ledger_take(ledger, &running.alloc);
		runnings_add(runnings, &running);
	}
	list = runnings_list(runnings, &n);
	plan_make(plan, ledger, list, n, NS_PER_S);
	runnings_destroy(runnings);
}

static void bench_plan(const struct bench *bench)
{
	static const uint32_t cpus[] = {1, 500, 1000};
	struct ledger ledger;
	struct plan plan = {0};

	ledger_init(&ledger);
	fill_plan(&plan, &ledger);
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct series us = {0};

		for (unsigned round = 0; round < bench->rounds; round++)
			series_add(&us, find_once(&plan, cpus[i]));
		series_print(&us, "us", "plan of %zu steps, found at the %uth", plan.n, cpus[i]);
	}
	plan_finish(&plan);
	ledger_finish(&ledger);
}

static const struct bench_case {
	const char *name, *summary;
	void (*run)(const struct bench *bench);
} cases[] = {
	{"pass", "one pass beside ever longer queues", bench_pass},
	{"pass-many", "the same, jobs of a hundred shapes", bench_pass_many},
	{"pass-fair", "the same, fair: a shape per user and request", bench_pass_fair},
	{"pass-shortest", "the same, shortest: a shape per request and limit", bench_pass_shortest},
	{"placement", "choosing GPUs of sixteen", bench_placement},
	{"forecast", "foretelling the starts of 200 jobs", bench_forecast},
	{"plan", "the earliest place in a long plan", bench_plan},
	{"backlog", "a million jobs at once, to the end", bench_backlog},
	{"traces", "real traces (--data DIR)", bench_traces},
};

static void run_case(const struct bench *bench, const struct bench_case *which)
{
	printf("== %s: %s\n", which->name, which->summary);
	which->run(bench);
}

static void usage(void)
{
	fputs("usage: bench/core [--rounds N] [--data DIR] [CASE...]\n\n", stderr);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		fprintf(stderr, "  %-10s %s\n", cases[i].name, cases[i].summary);
}

int main(int argc, char **argv)
{
	static const struct option table[] = {
		{"rounds", required_argument, NULL, 'r'},
		{"data", required_argument, NULL, 'd'},
		{0},
	};
	struct bench bench = {.rounds = 5};
	int64_t rounds;
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		if (c == 'd') {
			bench.data = optarg;
		} else if (c == 'r' && parse_int64(optarg, 1, SERIES_MAX, &rounds) == 0) {
			bench.rounds = (unsigned)rounds;
		} else {
			usage();
			return 2;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool wanted = optind == argc;

		for (int k = optind; k < argc; k++)
			wanted |= STREQ(argv[k], cases[i].name);
		if (wanted)
			run_case(&bench, &cases[i]);
	}
	return 0;
}
