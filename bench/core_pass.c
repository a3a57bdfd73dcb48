/* SPDX-License-Identifier: MIT */
/*
 * What a pass costs, by how many jobs wait.
 *
 * One node of 8 GPUs, all held. Each step is what a busy machine brings: the job that is due ends,
 * another one arrives, one pass. Only the pass is timed, and beside it the whole step. Queues of
 * all sizes are kept side by side and take turns, so that a slower moment of the machine falls on
 * all of them. Steps that start something and steps that do not are in the mix as they come. The
 * slowest hundredth of each round is left out of the passes' mean (there the processor was taken
 * away), and steps are counted in processor time.
 */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "bench/core.h"

#define STEPS 2000 /* of each queue in each round */
#define LATER 64   /* running jobs that a crowd keeps track of; more than there are GPUs */

/* How a case differs from the others. */
struct variant {
	const char *name;
	const struct policy *policy;
	unsigned n_shapes, n_users;
};

static const size_t sizes[] = {1000, 10000, 100000, 1000000};

struct end {
	uint64_t job;
	int64_t at_ns;
};

/* One scheduler with many jobs waiting, and the world around it. */
struct crowd {
	const struct variant *variant;
	struct sched *sched;
	struct decisions decisions;
	struct end ends[LATER]; /* of running jobs, in no order */
	size_t n_ends;
	uint64_t random, last_id;
	int64_t now_ns;
	double bytes; /* per job, when all waited */
	struct series pass_us, step_us;
};

uint64_t bench_random(uint64_t *state, uint64_t bound)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * UINT64_C(0x2545f4914f6cdd1d) >> 32) * bound >> 32;
}

/* A job like any other: its size by its shape, its limit one of the eight that people write. */
static struct job make_job(struct crowd *crowd)
{
	static const int64_t minutes[] = {10, 30, 60, 120, 240, 480, 1440, 2880};
	uint64_t shape = bench_random(&crowd->random, crowd->variant->n_shapes);
	struct job job;

	job_init(&job);
	job.id = ++crowd->last_id;
	job.uid = (uint32_t)(1000 + bench_random(&crowd->random, crowd->variant->n_users));
	job.request.num_gpus = (uint32_t)(1 + shape % 7);
	job.request.cpus = (uint32_t)(shape / 7);
	job.priority = (int32_t)bench_random(&crowd->random, 11) - 5;
	job.submit_ns = crowd->now_ns;
	job.limit_ns = minutes[bench_random(&crowd->random, ARRAY_SIZE(minutes))] * 60 * NS_PER_S;
	return job;
}

static void arrive(struct crowd *crowd)
{
	struct job job = make_job(crowd);

	crowd->now_ns++;
	sched_enqueue(crowd->sched, &job, 1);
}

/* Whatever started will run for an hour at most, whatever it asked for. */
static void carry_out(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->decisions.n && crowd->n_ends < LATER; i++)
		crowd->ends[crowd->n_ends++] = (struct end){
			.job = crowd->decisions.items[i].job,
			.at_ns = crowd->now_ns + NS_PER_S +
				 (int64_t)bench_random(&crowd->random, 3600) * NS_PER_S,
		};
	decisions_clear(&crowd->decisions);
}

static void end_first(struct crowd *crowd)
{
	struct end *first = &crowd->ends[0];

	for (size_t i = 1; i < crowd->n_ends; i++)
		if (crowd->ends[i].at_ns < first->at_ns)
			first = &crowd->ends[i];
	crowd->now_ns = first->at_ns > crowd->now_ns ? first->at_ns : crowd->now_ns;
	sched_release(crowd->sched, first->job, crowd->now_ns);
	*first = crowd->ends[--crowd->n_ends];
}

/* How long the pass took. */
static double step(struct crowd *crowd)
{
	int64_t start_ns, took_ns;

	end_first(crowd);
	arrive(crowd);
	start_ns = clock_mono_ns();
	sched_pass(crowd->sched, crowd->now_ns, &crowd->decisions);
	took_ns = clock_mono_ns() - start_ns;
	carry_out(crowd);
	return (double)took_ns;
}

static void add_node(struct sched *sched)
{
	static const int32_t alike[8 * 8];
	struct ledger *ledger = sched_ledger(sched);
	uint32_t node = ledger_add_node(ledger, "node", 1000000, UINT64_C(1) << 40);

	ledger_set_gpus(ledger, node, xcalloc(8, sizeof(struct node_gpu)), 8,
			topology_create_scores(8, alike));
}

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void fill(struct crowd *crowd, const struct variant *variant, size_t n_jobs)
{
	const struct sched_config config = {
		.policy = variant->policy,
		.backfill = BACKFILL_EASY,
		.half_life_ns = 7 * 86400 * NS_PER_S,
		.params = {.point_ns = 3600 * NS_PER_S,
			   .tau_ns = 3600 * NS_PER_S,
			   .cap_ns = 7 * 86400 * NS_PER_S},
	};
	size_t before;

	*crowd = (struct crowd){
		.variant = variant,
		.sched = sched_create(&config),
		.random = 42,
		.now_ns = NS_PER_S,
	};
	add_node(crowd->sched);
	before = heap_bytes();
	for (size_t i = 0; i < n_jobs; i++)
		arrive(crowd);
	crowd->bytes = (double)(heap_bytes() - before) / (double)n_jobs;
	sched_pass(crowd->sched, crowd->now_ns, &crowd->decisions);
	carry_out(crowd);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double trimmed_mean(double *values, size_t n)
{
	size_t kept = n - n / 100;
	double sum = 0;

	qsort(values, n, sizeof(*values), compare);
	for (size_t i = 0; i < kept; i++)
		sum += values[i];
	return sum / (double)kept;
}

static void round_of(struct crowd *crowd)
{
	double passes_ns[STEPS];
	clock_t start = clock();

	for (unsigned i = 0; i < STEPS; i++)
		passes_ns[i] = step(crowd);
	series_add(&crowd->step_us, (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / STEPS);
	series_add(&crowd->pass_us, trimmed_mean(passes_ns, STEPS) / NS_PER_US);
}

static void report(const struct crowd *crowds)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct series ratio = series_ratio(&crowds[i].pass_us, &crowds[0].pass_us);
		struct series steps = series_ratio(&crowds[i].step_us, &crowds[0].step_us);

		series_print(&crowds[i].pass_us, "us", "pass, %zu jobs wait", sizes[i]);
		series_print(&ratio, "x", "  to 1000");
		series_print(&crowds[i].step_us, "us", "  with an end and an arrival");
		series_print(&steps, "x", "  to 1000");
	}
	printf("  %-52s %10.0f B\n", "per job of a million, asked of malloc",
	       crowds[ARRAY_SIZE(sizes) - 1].bytes);
}

static void run_variant(const struct bench *bench, const struct variant *variant)
{
	struct crowd crowds[ARRAY_SIZE(sizes)];

	printf("%s, %u requests, %u users\n", variant->name, variant->n_shapes, variant->n_users);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		fill(&crowds[i], variant, sizes[i]);
	for (unsigned round = 0; round < bench->rounds; round++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			round_of(&crowds[i]);
	report(crowds);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		sched_destroy(crowds[i].sched);
		decisions_finish(&crowds[i].decisions);
	}
}

void bench_pass(const struct bench *bench)
{
	run_variant(bench, &(struct variant){"priority, EASY", &policy_priority, 7, 10});
}

void bench_pass_many(const struct bench *bench)
{
	run_variant(bench, &(struct variant){"priority, EASY", &policy_priority, 100, 10});
}

void bench_pass_fair(const struct bench *bench)
{
	run_variant(bench, &(struct variant){"fair, EASY", &policy_fair, 7, 10});
}

void bench_pass_shortest(const struct bench *bench)
{
	run_variant(bench, &(struct variant){"shortest, EASY", &policy_shortest, 7, 10});
}
