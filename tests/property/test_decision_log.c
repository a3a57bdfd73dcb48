/* SPDX-License-Identifier: MIT */
/*
 * Whatever a scheduler is told, its log says it, and says it in the same words when it is fed to
 * another: random clusters, jobs and events under every policy and every backfill mode, with
 * questions in between, which must change nothing.
 *
 * TGPU_TEST_SEED: the first case (default 1). TGPU_PROPERTY_CASES: how many (default 300).
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/trace_text.h"
#include "scheduler/why.h"
#include "simulator/verify.h"

#define OPS	 120
#define JOBS_MAX 512

struct entry {
	struct job job;
	uint32_t n;
};

/* One case: a scheduler, what waits there, and its log. */
struct world {
	uint64_t chance;
	struct sched *sched;
	struct buf log;
	struct entry waiting[JOBS_MAX];
	size_t n_waiting, n_passes, n_decisions;
	uint64_t next_id;
	int64_t now_ns;
};

/* 0 .. below-1; SplitMix64 [Steele, Lea, Flood, OOPSLA 2014]. */
static unsigned pick(struct world *world, unsigned below)
{
	uint64_t z = (world->chance += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (unsigned)((z ^ (z >> 31)) % below);
}

static void add_line(void *ctx, const char *line, size_t len)
{
	struct world *world = ctx;

	buf_append(&world->log, line, len);
	buf_putc(&world->log, '\n');
}

static void set_gpus(struct world *world, uint32_t node, unsigned n)
{
	struct node_gpu *gpus = xcalloc(n, sizeof(*gpus));
	int32_t scores[8 * 8];

	for (unsigned i = 0; i < n; i++) {
		snprintf(gpus[i].label, sizeof(gpus[i].label), "gpu%u", i);
		snprintf(gpus[i].type, sizeof(gpus[i].type), "Type %u", pick(world, 2));
		gpus[i].mem_bytes = 1 + pick(world, 2);
		gpus[i].condition = pick(world, 8) ? GPU_READY : pick(world, GPU_CONDITION_COUNT);
		for (unsigned j = 0; j < i; j++)
			scores[i * n + j] = scores[j * n + i] = (int32_t)pick(world, 3) * 50;
	}
	ledger_set_gpus(sched_ledger(world->sched), node, gpus, n,
			topology_create_scores(n, scores));
}

static void add_nodes(struct world *world)
{
	struct ledger *ledger = sched_ledger(world->sched);

	for (uint32_t i = 0, n = 1 + pick(world, 3); i < n; i++) {
		ledger_add_node(ledger, "node", 4 + pick(world, 8), 64);
		set_gpus(world, i, 1 + pick(world, 8));
	}
}

static struct sched_config make_config(struct world *world)
{
	size_t n_policies = 0;

	while (policies[n_policies])
		n_policies++;
	return (struct sched_config){
		.policy = policies[pick(world, (unsigned)n_policies)],
		.params = {pick(world, 5), 1 + pick(world, 9), 1 + pick(world, 200)},
		.backfill = (enum backfill_mode)pick(world, BACKFILL_MODE_COUNT),
		.reservations = 1 + pick(world, 4),
		.shortest_passes = pick(world, 2),
		.half_life_ns = pick(world, 2) * 50,
		.user_limits = {pick(world, 3) ? 0 : 3, pick(world, 3) ? 0 : 6},
		.tell_users_apart = true,
		.preempt = {pick(world, 2), pick(world, 10), pick(world, 3), 5},
	};
}

static void enqueue(struct world *world)
{
	struct entry *entry = &world->waiting[world->n_waiting];
	struct job *job = &entry->job;

	if (world->n_waiting == JOBS_MAX)
		return;
	entry->n = pick(world, 4) ? 1 : 1 + pick(world, 5);
	job_init(job);
	job->id = world->next_id;
	job->uid = pick(world, 3);
	job->request.num_gpus = pick(world, 10);
	job->request.cpus = pick(world, 4);
	job->request.mem_bytes = pick(world, 20);
	job->request.gpu_mem_bytes = pick(world, 3);
	if (pick(world, 4) == 0)
		job->request.gpu_type =
			ledger_intern_type(sched_ledger(world->sched), pick(world, 2) ? "0" : "1");
	job->priority = (int32_t)pick(world, 7) - 3;
	job->preemptible = pick(world, 2);
	job->preempted = pick(world, 8) ? 0 : 1 + pick(world, 9);
	job->array = pick(world, 3) ? 0 : job->id;
	job->array_limit = pick(world, 3);
	job->submit_ns = world->now_ns;
	job->begin_ns = pick(world, 8) ? 0 : world->now_ns + pick(world, 30);
	job->limit_ns = pick(world, 3) ? 1 + pick(world, 40) : 0;
	job->predicted_ns = pick(world, 2) * 20;
	world->next_id += entry->n;
	world->n_waiting++;
	sched_enqueue(world->sched, job, entry->n);
}

static void dequeue(struct world *world)
{
	size_t at = world->n_waiting ? pick(world, (unsigned)world->n_waiting) : 0;

	if (world->n_waiting == 0)
		return;
	sched_dequeue(world->sched, &world->waiting[at].job);
	world->waiting[at] = world->waiting[--world->n_waiting];
}

static void end_or_leave(struct world *world)
{
	size_t n;
	struct running *const *running = sched_running(world->sched, &n);

	if (n == 0)
		return;
	if (pick(world, 4))
		sched_release(world->sched, running[pick(world, (unsigned)n)]->job, world->now_ns);
	else
		sched_leave(world->sched, running[pick(world, (unsigned)n)]->job, world->now_ns);
}

static void set_windows(struct world *world)
{
	struct window windows[3] = {0};
	unsigned n = pick(world, 4);

	for (unsigned i = 0; i < n; i++)
		windows[i] = (struct window){
			.id = 1 + i,
			.uid = pick(world, 3),
			.start_ns = world->now_ns + pick(world, 30),
			.end_ns = world->now_ns + 30 + pick(world, 30),
			.gpus = pick(world, 256),
		};
	sched_set_windows(world->sched, windows, n);
}

static void change_node(struct world *world)
{
	struct ledger *ledger = sched_ledger(world->sched);
	uint32_t node = pick(world, (unsigned)ledger->n_nodes);

	if (pick(world, 2))
		ledger_set_cpus(ledger, node, 4 + pick(world, 8));
	else
		set_gpus(world, node, ledger->nodes[node].n_gpus);
}

/* People who ask, as they may after every pass. */
static void ask(struct world *world)
{
	_cleanup_(forecast_finish) struct forecast forecast = {0};
	int64_t later_ns = world->now_ns + pick(world, 5);
	struct why why;

	forecast_make(world->sched, later_ns, 10, &forecast);
	for (size_t i = 0; i < world->n_waiting && i < 5; i++) {
		sched_why(world->sched, &world->waiting[i].job, later_ns, &why);
		sched_advise(world->sched, &world->waiting[i].job, later_ns, &why);
	}
}

static void take_first(struct world *world, uint64_t id)
{
	for (size_t i = 0; i < world->n_waiting; i++) {
		if (world->waiting[i].job.id != id)
			continue;
		world->waiting[i].job.id++;
		if (--world->waiting[i].n == 0)
			world->waiting[i] = world->waiting[--world->n_waiting];
		return;
	}
	fail_msg("job %" PRIu64 " was started and does not wait", id);
}

static void pass(struct world *world)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};

	world->now_ns += pick(world, 12);
	sched_pass(world->sched, world->now_ns, &decisions);
	for (size_t i = 0; i < decisions.n; i++)
		if (decisions.items[i].kind == DECISION_START)
			take_first(world, decisions.items[i].job);
	world->n_passes++;
	world->n_decisions += decisions.n;
}

static void adopt_something(struct world *world)
{
	struct allocation_part part = {.cpus = 1, .gpus = 1};
	struct job job;

	job_init(&job);
	job.id = world->next_id++;
	job.request.num_gpus = 1;
	job.state = pick(world, 2) ? JOB_RUNNING : JOB_STOPPING;
	job.place_ns = world->now_ns;
	job.limit_ns = pick(world, 50);
	job.alloc = (struct allocation){&part, 1};
	sched_adopt(world->sched, &job);
}

static void live(struct world *world)
{
	struct sched_charge charge = {pick(world, 3), 1.0 / (1 + pick(world, 9)), 1, 40};

	add_nodes(world);
	sched_charge(world->sched, &charge);
	adopt_something(world);
	ledger_set_cpus(sched_ledger(world->sched), 0, 40);
	sched_measure_shares(world->sched, world->now_ns + 3);
	for (unsigned i = 0; i < OPS; i++) {
		switch (pick(world, 8)) {
		case 0: dequeue(world); break;
		case 1:
		case 2: end_or_leave(world); break;
		case 3:
			if (pick(world, 3))
				change_node(world);
			else
				set_windows(world);
			break;
		case 4:
			pass(world);
			ask(world);
			break;
		default: enqueue(world);
		}
	}
	pass(world);
}

static void check_log(const struct world *world, uint64_t seed)
{
	_cleanup_(buf_finish) struct buf difference = {0};
	_cleanup_(close_file) FILE *in = fmemopen(world->log.data, world->log.len, "r");
	struct verify_counts counts = {0};
	struct err err = {0};
	int r = verify_run(in, "log", &counts, &difference, &err);

	if (r != 0)
		fail_msg("TGPU_TEST_SEED=%" PRIu64 " TGPU_PROPERTY_CASES=1: %s\n%s", seed, err.msg,
			 buf_get(&difference));
	assert_int_equal(counts.passes, world->n_passes);
	assert_int_equal(counts.decisions, world->n_decisions);
}

static size_t run_case(uint64_t seed)
{
	static struct world world;
	struct sched_config config;
	struct trace_text *text;

	world = (struct world){.chance = seed, .next_id = 1, .now_ns = 100};
	config = make_config(&world);
	world.sched = sched_create(&config);
	text = trace_text_create(world.sched, "test", add_line, &world);
	live(&world);
	check_log(&world, seed);
	trace_text_destroy(text);
	sched_destroy(world.sched);
	buf_finish(&world.log);
	return world.n_decisions;
}

static void test_a_log_says_all_that_decisions_follow_from(void **state)
{
	const char *first_text = getenv("TGPU_TEST_SEED"), *count = getenv("TGPU_PROPERTY_CASES");
	uint64_t first = first_text ? strtoull(first_text, NULL, 0) : 1;
	uint64_t cases = count ? strtoull(count, NULL, 0) : 300;
	size_t decisions = 0;

	(void)state;
	for (uint64_t seed = first; seed < first + cases; seed++)
		decisions += run_case(seed);
	assert_true(decisions >= cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_log_says_all_that_decisions_follow_from),
	};

	return cmocka_run_group_tests_name("decision log", tests, NULL, NULL);
}
