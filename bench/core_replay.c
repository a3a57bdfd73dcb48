/* SPDX-License-Identifier: MIT */
/*
 * Whole replays: a backlog of a million jobs, and real traces where there are any.
 *
 * A pass here is what the simulator does at one time: what ends, what arrives, sched_pass(). The
 * number of passes is counted afterwards, from the times at which something happened.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/core.h"
#include "simulator/machine.h"
#include "simulator/preset.h"
#include "simulator/source.h"

#define BACKLOG		 1000000
#define CONSERVATIVE_MAX 50000 /* jobs of a trace that is replayed so: it takes minutes beyond */

/* A million jobs of 1 to 8 GPUs, all there from the beginning. */
static struct trace make_backlog(void)
{
	static const uint32_t gpus[] = {1, 1, 1, 1, 2, 2, 4, 8};
	struct trace trace = {
		.jobs = xcalloc(BACKLOG, sizeof(*trace.jobs)),
		.n_jobs = BACKLOG,
	};
	uint64_t random = 7;

	for (size_t i = 0; i < BACKLOG; i++) {
		int64_t run_s = 60 + (int64_t)bench_random(&random, 3600);
		int64_t spare = 1 + (int64_t)bench_random(&random, 4);

		trace.jobs[i] = (struct trace_job){
			.id = i + 1,
			.run_ns = run_s * NS_PER_S,
			.estimate_ns = run_s * spare * NS_PER_S,
			.request.num_gpus = gpus[bench_random(&random, ARRAY_SIZE(gpus))],
		};
	}
	return trace;
}

static int compare_times(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* At how many times did something arrive or end? */
static size_t count_passes(const struct trace *trace, const struct outcome *outcomes)
{
	size_t n = 2 * trace->n_jobs, passes = 0;
	int64_t *times = xcalloc(n, sizeof(*times));

	for (size_t i = 0; i < trace->n_jobs; i++) {
		times[2 * i] = trace->jobs[i].submit_ns;
		times[2 * i + 1] = outcomes[i].end_ns;
	}
	qsort(times, n, sizeof(*times), compare_times);
	for (size_t i = 0; i < n; i++)
		passes += i == 0 || times[i] != times[i - 1];
	free(times);
	return passes;
}

/* Processor seconds of one replay; *ret_passes. */
static double replay_once(const struct trace *trace, const struct machine *machine,
			  const struct preset *preset, size_t *ret_passes)
{
	const struct progress silent = {0};
	struct outcome *outcomes;
	struct err err = {0};
	clock_t start = clock();
	double took;

	if (preset->run(preset, trace, machine, &silent, &outcomes, &err) < 0) {
		fprintf(stderr, "bench: %s\n", err.msg);
		exit(1);
	}
	took = (double)(clock() - start) / CLOCKS_PER_SEC;
	*ret_passes = count_passes(trace, outcomes);
	outcomes_destroy(outcomes, trace->n_jobs);
	return took;
}

static void replay(const struct bench *bench, const struct trace *trace,
		   const struct machine *machine, const char *name, const char *policy)
{
	struct series seconds = {0}, pass_us = {0}, events = {0};
	size_t passes = 0;

	for (unsigned round = 0; round < bench->rounds; round++) {
		double took = replay_once(trace, machine, preset_by_name(policy), &passes);

		series_add(&seconds, took);
		series_add(&pass_us, took * 1e6 / (double)passes);
		series_add(&events, 2 * (double)trace->n_jobs / took / 1e6);
	}
	series_print(&seconds, "s", "%s, %s: %zu jobs, %zu passes", name, policy, trace->n_jobs,
		     passes);
	series_print(&pass_us, "us", "  a pass and all around it");
	series_print(&events, "M/s", "  arrivals and ends");
}

void bench_backlog(const struct bench *bench)
{
	struct machine_node node = {
		.gpus = 8,
		.cpus = MACHINE_PLENTY_CPUS,
		.mem_bytes = MACHINE_PLENTY_MEM,
	};
	struct machine machine = {.nodes = &node, .n_nodes = 1};
	struct trace trace = make_backlog();

	replay(bench, &trace, &machine, "backlog on 8 GPUs", "easy");
	replay(bench, &trace, &machine, "backlog on 8 GPUs", "priority");
	trace_finish(&trace);
}

static void replay_file(const struct bench *bench, const char *name, uint32_t procs)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/hpc/%s.swf.gz", bench->data, name);
	struct machine_node node = {.cpus = procs, .mem_bytes = MACHINE_PLENTY_MEM};
	struct machine machine = {.nodes = &node, .n_nodes = 1};
	struct source source;
	struct err err = {0};

	if (access(path, R_OK) < 0) {
		printf("  %s: not there, left out\n", path);
		return;
	}
	if (source_load(path, NULL, NULL, &source, &err) < 0) {
		fprintf(stderr, "bench: %s\n", err.msg);
		exit(1);
	}
	replay_drop_impossible(&source.trace, &machine, &err);
	replay(bench, &source.trace, &machine, name, "easy");
	if (source.trace.n_jobs < CONSERVATIVE_MAX)
		replay(bench, &source.trace, &machine, name, "conservative");
	source_finish(&source);
}

void bench_traces(const struct bench *bench)
{
	if (!bench->data) {
		puts("  no --data DIR with traces, left out");
		return;
	}
	replay_file(bench, "KTH-SP2-1996-2.1-cln", 100);
	replay_file(bench, "HPC2N-2002-2.1-cln", 240);
	replay_file(bench, "SDSC-BLUE-2000-4.2-cln", 1152);
}
