/* SPDX-License-Identifier: MIT */
/*
 * Aggregates and digests.
 *
 * Invariants: sums are exact integers until the last division, so totals are equal on every
 * machine. Deliberately not here: how they are shown (report.c).
 */
#include "simulator/summary.h"

#include <inttypes.h>
#include <stdlib.h>

#include <nettle/sha2.h>

#define BSLD_TAU_NS (10 * NS_PER_S)

const char *seconds_format(int64_t ns, char buf[32])
{
	int len = snprintf(buf, 32, "%" PRId64 ".%09" PRId64, ns / NS_PER_S, ns % NS_PER_S);

	while (len > 0 && buf[len - 1] == '0')
		buf[--len] = '\0';
	if (len > 0 && buf[len - 1] == '.')
		buf[--len] = '\0';
	return buf;
}

static int compare_times(const void *one, const void *other)
{
	int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

	return a < b ? -1 : a > b;
}

static void find_percentiles(int64_t *waits, size_t n, struct summary *summary)
{
	qsort(waits, n, sizeof(*waits), compare_times);
	summary->p50_wait_ns = waits[n / 2];
	summary->p95_wait_ns = waits[n * 95 / 100];
	summary->max_wait_ns = waits[n - 1];
}

static double slowdown(int64_t jct_ns, int64_t run_ns)
{
	double bounded = (double)jct_ns / (double)(run_ns > BSLD_TAU_NS ? run_ns : BSLD_TAU_NS);

	return bounded > 1 ? bounded : 1;
}

static double seconds(__int128 ns)
{
	return (double)(int64_t)(ns / NS_PER_S) + (double)(int64_t)(ns % NS_PER_S) / NS_PER_S;
}

static void find_times(const struct trace *trace, const struct outcome *outcomes,
		       struct summary *summary)
{
	size_t n = trace->n_jobs;
	_cleanup_(free_ptr) int64_t *waits = xcalloc(n, sizeof(*waits));
	__int128 wait = 0, jct = 0;
	double bsld = 0;
	int64_t last_ns = 0;

	for (size_t i = 0; i < n; i++) {
		const struct trace_job *job = &trace->jobs[i];

		waits[i] = outcomes[i].start_ns - job->submit_ns;
		wait += waits[i];
		jct += outcomes[i].end_ns - job->submit_ns;
		bsld += slowdown(outcomes[i].end_ns - job->submit_ns, job->run_ns);
		last_ns = outcomes[i].end_ns > last_ns ? outcomes[i].end_ns : last_ns;
		summary->preemptions += outcomes[i].preemptions;
	}
	summary->sum_wait_s = seconds(wait);
	summary->avg_wait_s = seconds(wait) / (double)n;
	summary->avg_jct_s = seconds(jct) / (double)n;
	summary->avg_bsld = bsld / (double)n;
	summary->makespan_ns = last_ns - trace->jobs[0].submit_ns;
	find_percentiles(waits, n, summary);
}

static double find_utilisation(const struct trace *trace, const struct machine *machine,
			       int64_t makespan_ns)
{
	uint64_t gpus = machine_gpus(machine), all = gpus ? gpus : machine_cpus(machine);
	double used = 0;

	for (size_t i = 0; i < trace->n_jobs; i++) {
		const struct request *request = &trace->jobs[i].request;

		used += (double)(gpus ? request->num_gpus : request->cpus) *
			(double)trace->jobs[i].run_ns;
	}
	return all > 0 && makespan_ns > 0 ? used / ((double)all * (double)makespan_ns) : -1;
}

/* Positions of the jobs in ascending order of id. */
struct by_id {
	uint64_t id;
	size_t position;
};

static int compare_ids(const void *one, const void *other)
{
	uint64_t a = ((const struct by_id *)one)->id, b = ((const struct by_id *)other)->id;

	return a < b ? -1 : a > b;
}

static struct by_id *order_by_id(const struct trace *trace)
{
	struct by_id *order = xcalloc(trace->n_jobs, sizeof(*order));

	for (size_t i = 0; i < trace->n_jobs; i++)
		order[i] = (struct by_id){trace->jobs[i].id, i};
	qsort(order, trace->n_jobs, sizeof(*order), compare_ids);
	return order;
}

static void write_start(struct buf *line, const struct outcome *outcome)
{
	char text[32];

	buf_printf(line, " %s\n", seconds_format(outcome->start_ns, text));
}

void summary_write_nodes(struct buf *line, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->alloc.n_parts; i++)
		buf_printf(line, "%s%u:%d", i > 0 ? " " : "", outcome->alloc.parts[i].node,
			   __builtin_popcountll(outcome->alloc.parts[i].gpus));
}

static void write_placement(struct buf *line, const struct outcome *outcome)
{
	buf_putc(line, ' ');
	summary_write_nodes(line, outcome);
	buf_putc(line, '\n');
}

/* The digest of one line per job. */
static void digest(const struct by_id *order, const struct outcome *outcomes, size_t n,
		   void (*write)(struct buf *line, const struct outcome *outcome),
		   char ret_text[DIGEST_TEXT_SIZE])
{
	_cleanup_(buf_finish) struct buf line = {0};
	uint8_t hash[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	for (size_t i = 0; i < n; i++) {
		buf_clear(&line);
		buf_printf(&line, "%" PRIu64, order[i].id);
		write(&line, &outcomes[order[i].position]);
		sha256_update(&sha, line.len, (const uint8_t *)line.data);
	}
	sha256_digest(&sha, sizeof(hash), hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(ret_text + 2 * i, 3, "%02x", hash[i]);
}

void summary_make(const struct trace *trace, const struct machine *machine,
		  const struct outcome *outcomes, struct summary *ret_summary)
{
	_cleanup_(free_ptr) struct by_id *order = order_by_id(trace);
	struct summary summary = {0};

	find_times(trace, outcomes, &summary);
	summary.utilisation = find_utilisation(trace, machine, summary.makespan_ns);
	digest(order, outcomes, trace->n_jobs, write_start, summary.sha256_starts);
	digest(order, outcomes, trace->n_jobs, write_placement, summary.sha256_placements);
	*ret_summary = summary;
}
