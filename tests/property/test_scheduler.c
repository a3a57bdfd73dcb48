/* SPDX-License-Identifier: MIT */
/*
 * Random clusters and queues: sched_pass() against the blackboard scheduler of naive.h, and what is
 * promised against books of the test's own.
 *
 * After every operation: the same jobs start on the same GPUs in the same order, with the same head
 * and shadow time; nothing is handed out twice, unready or in part; `why` agrees. In plain cases
 * (fifo, nothing breaks) a head's shadow time never moves to later and it starts by then, and
 * strict fifo starts in order of submit. At the end every job has run; a second run gives the same
 * digest.
 *
 * TGPU_TEST_SEED: the first case (default 1). TGPU_PROPERTY_CASES: how many (default 4000). A case
 * that fails is shrunk by dropping operations one by one and printed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "case.h"
#include "scheduler/why.h"

/* One run of a case. */
struct run {
	const struct test_case *test_case;
	struct naive naive; /* the model, and the books */
	struct sched *sched;
	int64_t now;
	int64_t promised[NAIVE_JOBS]; /* shadow time when last the head; 0: never was */
	uint64_t last_started;
	uint64_t digest;
	unsigned type_ids[3];
};

/* Where a broken promise, or an assert() of the scheduler, goes. */
static sigjmp_buf broken;
static char broken_why[256];

PRINTF_LIKE(1, 2)
__attribute__((noreturn)) static void break_off(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(broken_why, sizeof(broken_why), fmt, ap);
	va_end(ap);
	siglongjmp(broken, 1);
}

static void on_abort(int signal)
{
	(void)signal;
	snprintf(broken_why, sizeof(broken_why), "an assert() of the scheduler failed");
	siglongjmp(broken, 1);
}

static void tell_node(struct run *run, uint32_t index)
{
	const struct naive_node *node = &run->naive.nodes[index];
	struct node_gpu *gpus = xcalloc(node->n, sizeof(*gpus));
	int32_t scores[NAIVE_GPUS * NAIVE_GPUS];

	for (unsigned i = 0; i < node->n; i++) {
		snprintf(gpus[i].label, sizeof(gpus[i].label), "gpu%u", i);
		snprintf(gpus[i].type, sizeof(gpus[i].type), "type%u", node->gpus[i].type);
		gpus[i].condition = node->gpus[i].condition;
		for (unsigned j = 0; j < node->n; j++)
			scores[i * node->n + j] = node->scores[i][j];
	}
	ledger_set_gpus(sched_ledger(run->sched), index, gpus, node->n,
			topology_create_scores(node->n, scores));
}

static void run_init(struct run *run, const struct test_case *test_case)
{
	struct sched_config config = {
		.policy = test_case->cluster.by_priority ? &policy_priority : &policy_fifo,
		.backfill = test_case->cluster.backfill ? BACKFILL_EASY : BACKFILL_NONE,
		.params.point_ns = test_case->cluster.point,
	};

	*run = (struct run){.test_case = test_case, .naive = test_case->cluster, .now = 1};
	run->sched = sched_create(&config);
	run->type_ids[1] = ledger_intern_type(sched_ledger(run->sched), "type1");
	run->type_ids[2] = ledger_intern_type(sched_ledger(run->sched), "type2");
	for (uint32_t n = 0; n < run->naive.n_nodes; n++) {
		ledger_add_node(sched_ledger(run->sched), "node", run->naive.nodes[n].cpus, 0);
		tell_node(run, n);
	}
}

static struct job job_of(const struct run *run, const struct naive_job *naive)
{
	struct job job;

	job_init(&job);
	job.id = naive->id;
	job.request.num_gpus = naive->gpus;
	job.request.gpu_type = run->type_ids[naive->type];
	job.request.cpus = naive->cpus;
	job.priority = naive->priority;
	job.submit_ns = naive->submit;
	job.begin_ns = naive->begin;
	job.limit_ns = naive->limit;
	job.state = naive->state == NAIVE_WAITING ? JOB_QUEUED : JOB_FINISHED;
	return job;
}

/* All or nothing, nothing twice, nothing unready: by the test's own books. */
static void check_alloc(struct run *run, const struct naive_job *job,
			const struct allocation *alloc, struct naive_place *ret_place)
{
	struct naive_place place = {0};
	unsigned gpus = 0;

	for (size_t p = 0; p < alloc->n_parts; p++) {
		const struct allocation_part *part = &alloc->parts[p];
		const struct naive_node *node = &run->naive.nodes[part->node];

		if (place.used[part->node])
			break_off("job %" PRIu64 ": two parts on a node", job->id);
		place.used[part->node] = true;
		place.gpus[part->node] = part->gpus;
		place.cpus[part->node] = part->cpus;
		gpus += (unsigned)__builtin_popcountll(part->gpus);
		for (unsigned i = 0; i < 64; i++)
			if (part->gpus >> i & 1 && (i >= node->n || node->gpus[i].owner ||
						    node->gpus[i].condition != GPU_READY ||
						    (job->type && node->gpus[i].type != job->type)))
				break_off("job %" PRIu64 ": GPU %u is not to be had", job->id, i);
		if (node->used_cpus + part->cpus > node->cpus)
			break_off("job %" PRIu64 ": CPUs are overbooked", job->id);
	}
	if (gpus != job->gpus)
		break_off("job %" PRIu64 ": %u GPUs instead of %u", job->id, gpus, job->gpus);
	*ret_place = place;
}

static void check_promises(struct run *run, const struct naive_job *job)
{
	int64_t promised = run->promised[job->id - 1];

	if (!run->test_case->plain)
		return;
	if (promised && run->now > promised)
		break_off("job %" PRIu64 " starts at %" PRId64 ", promised for %" PRId64, job->id,
			  run->now, promised);
	if (!run->naive.backfill && job->id < run->last_started)
		break_off("job %" PRIu64 " starts after job %" PRIu64, job->id, run->last_started);
	run->last_started = job->id;
}

static void check_decision(struct run *run, const struct decision *decision)
{
	struct naive_place want, got;
	struct naive_job *job = naive_next(&run->naive, run->now, &want);

	if (!job)
		break_off("job %" PRIu64 " starts, nobody should", decision->job);
	if (job->id != decision->job)
		break_off("job %" PRIu64 " starts instead of job %" PRIu64, decision->job, job->id);
	check_alloc(run, job, &decision->alloc, &got);
	for (unsigned n = 0; n < run->naive.n_nodes; n++)
		if (got.gpus[n] != want.gpus[n] || got.cpus[n] != want.cpus[n])
			break_off("job %" PRIu64 ": another place on node %u", job->id, n);
	check_promises(run, job);
	naive_start(&run->naive, job, &got, run->now);
	run->digest = (run->digest ^ job->id) * 31 + (uint64_t)run->now;
	for (unsigned n = 0; n < run->naive.n_nodes; n++)
		run->digest = run->digest * 31 + got.gpus[n];
}

static void check_head(struct run *run)
{
	const struct naive_job *head = run->naive.head;
	int64_t shadow, want = head ? run->naive.shadow : 0;

	if (want >= NAIVE_UNLIMITED)
		want = TIME_NEVER;
	if (sched_head(run->sched, &shadow) != (head ? head->id : 0))
		break_off("another head than job %" PRIu64, head ? head->id : 0);
	if (shadow != want)
		break_off("head %" PRIu64 ": shadow time %" PRId64 " instead of %" PRId64,
			  head ? head->id : 0, shadow, want);
	if (!head)
		return;
	if (run->test_case->plain && run->promised[head->id - 1] &&
	    shadow > run->promised[head->id - 1])
		break_off("head %" PRIu64 ": its shadow time moved from %" PRId64 " to %" PRId64,
			  head->id, run->promised[head->id - 1], shadow);
	run->promised[head->id - 1] = shadow;
}

static enum why_code expected_why(const struct run *run, const struct naive_job *job)
{
	struct naive_place place;
	static struct naive then;

	if (job->begin > run->now)
		return WHY_BEGIN;
	if (naive_place(&run->naive, job, &place))
		return WHY_ORDER; /* it fits and was not started */
	return naive_shadow(&run->naive, job, run->now, &then) == NAIVE_NEVER ? WHY_UNAVAILABLE
									      : WHY_RESOURCES;
}

static void check_why(struct run *run)
{
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *naive = &run->naive.jobs[i];
		struct job job = job_of(run, naive);
		struct why why;

		if (naive->state != NAIVE_WAITING)
			continue;
		sched_why(run->sched, &job, run->now, &why);
		if (why.code != expected_why(run, naive))
			break_off("job %" PRIu64 ": why says %s", job.id, why_code_name(why.code));
		if (naive->begin <= run->now &&
		    why.ahead != naive_ahead(&run->naive, naive, run->now))
			break_off("job %" PRIu64 ": %zu ahead", job.id, why.ahead);
	}
}

static void pass(struct run *run)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};
	struct naive_place unused;
	struct naive_job *job;

	sched_pass(run->sched, run->now, &decisions);
	for (size_t i = 0; i < decisions.n; i++)
		check_decision(run, &decisions.items[i]);
	job = naive_next(&run->naive, run->now, &unused);
	if (job)
		break_off("job %" PRIu64 " could start and did not", job->id);
	check_head(run);
	check_why(run);
	sched_check_invariants(run->sched);
}

static void end_job(struct run *run, struct naive_job *job)
{
	sched_release(run->sched, job->id, run->now);
	naive_end(&run->naive, job);
}

/* The next time at which something happens by itself. */
static int64_t next_event(const struct run *run)
{
	int64_t next = NAIVE_NEVER;

	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *job = &run->naive.jobs[i];
		int64_t when = job->state == NAIVE_RUNNING   ? job->start + job->run
			       : job->state == NAIVE_WAITING ? job->begin
							     : 0;

		if (when > run->now && when < next)
			next = when;
	}
	return next;
}

static void advance(struct run *run, int64_t until)
{
	while (run->now < until) {
		int64_t next = next_event(run);

		if (next == NAIVE_NEVER && until == NAIVE_NEVER)
			return;
		run->now = next < until ? next : until;
		for (unsigned i = 0; i < run->naive.n_jobs; i++) {
			struct naive_job *job = &run->naive.jobs[i];

			if (job->state == NAIVE_RUNNING && job->start + job->run <= run->now)
				end_job(run, job);
		}
		pass(run);
	}
}

/* The pick-th job in that state, round and round; NULL when there is none. */
static struct naive_job *pick_job(struct run *run, enum naive_state state, unsigned pick)
{
	unsigned count = 0, at = 0;

	for (unsigned i = 0; i < run->naive.n_jobs; i++)
		count += run->naive.jobs[i].state == state;
	for (unsigned i = 0; count > 0 && i < run->naive.n_jobs; i++)
		if (run->naive.jobs[i].state == state && at++ == pick % count)
			return &run->naive.jobs[i];
	return NULL;
}

static void submit(struct run *run, const struct op *op)
{
	struct naive_job *naive = &run->naive.jobs[run->naive.n_jobs];
	struct err err;
	struct job job;

	*naive = op->job;
	naive->id = run->naive.n_jobs + 1;
	naive->submit = run->now;
	naive->begin = op->job.begin ? run->now + op->job.begin : 0;
	job = job_of(run, naive);
	if (sched_check(run->sched, &job.request, &err) == SCHED_IMPOSSIBLE)
		return;
	run->naive.n_jobs++;
	sched_enqueue(run->sched, &job, 1);
}

static void withdraw(struct run *run, unsigned pick)
{
	struct naive_job *naive = pick_job(run, NAIVE_WAITING, pick);
	struct job job;

	if (!naive)
		return;
	job = job_of(run, naive);
	sched_dequeue(run->sched, &job);
	naive->state = NAIVE_OVER;
}

static void set_condition(struct run *run, unsigned pick, enum gpu_condition condition)
{
	struct naive_node *node = &run->naive.nodes[pick % run->naive.n_nodes];

	if (node->n == 0)
		return;
	node->gpus[pick / run->naive.n_nodes % node->n].condition = condition;
	tell_node(run, pick % run->naive.n_nodes);
}

static void apply(struct run *run, const struct op *op)
{
	struct naive_job *job;

	switch (op->type) {
	case OP_SUBMIT: submit(run, op); break;
	case OP_ADVANCE: advance(run, run->now + op->dt); return;
	case OP_CANCEL: withdraw(run, op->pick); break;
	case OP_END:
		job = pick_job(run, NAIVE_RUNNING, op->pick);
		if (job)
			end_job(run, job);
		break;
	default: set_condition(run, op->pick, op->condition);
	}
	pass(run);
}

/* Let everything recover and run out: every job must have run. */
static void drain(struct run *run)
{
	for (uint32_t n = 0; n < run->naive.n_nodes; n++) {
		for (unsigned i = 0; i < run->naive.nodes[n].n; i++)
			run->naive.nodes[n].gpus[i].condition = GPU_READY;
		tell_node(run, n);
	}
	pass(run);
	advance(run, NAIVE_NEVER);
	for (unsigned i = 0; i < run->naive.n_jobs; i++)
		if (run->naive.jobs[i].state != NAIVE_OVER)
			break_off("job %u never ran", i + 1);
}

/* Run a case from the beginning. True when all holds; else broken_why says what does not. */
static bool holds(const struct test_case *test_case, uint64_t *ret_digest)
{
	static struct run run;

	if (sigsetjmp(broken, 1))
		return false; /* what it allocated is lost: a failing test may leak */
	run_init(&run, test_case);
	for (unsigned i = 0; i < test_case->n_ops; i++)
		apply(&run, &test_case->ops[i]);
	drain(&run);
	sched_destroy(run.sched);
	*ret_digest = run.digest;
	return true;
}

/* Drop operations for as long as the case still fails without them. */
static void shrink(struct test_case *test_case)
{
	static struct test_case smaller;
	bool dropped = true;
	uint64_t unused;

	while (dropped) {
		dropped = false;
		for (unsigned i = 0; i < test_case->n_ops; i++) {
			smaller = *test_case;
			memmove(&smaller.ops[i], &smaller.ops[i + 1],
				(--smaller.n_ops - i) * sizeof(smaller.ops[0]));
			if (holds(&smaller, &unused))
				continue;
			*test_case = smaller;
			dropped = true;
			i--;
		}
	}
	(void)holds(test_case, &unused); /* for the reason */
}

static void test_random_cases(void **state)
{
	const char *first_text = getenv("TGPU_TEST_SEED"), *count = getenv("TGPU_PROPERTY_CASES");
	uint64_t first = first_text ? strtoull(first_text, NULL, 0) : 1;
	uint64_t cases = count ? strtoull(count, NULL, 0) : 4000;
	static struct test_case test_case;

	(void)state;
	signal(SIGABRT, on_abort);
	for (uint64_t seed = first; seed < first + cases; seed++) {
		uint64_t digest, again;

		case_generate(seed, &test_case);
		if (holds(&test_case, &digest) && holds(&test_case, &again)) {
			if (digest != again)
				fail_msg("seed %" PRIu64 ": another digest at the second run",
					 seed);
			continue;
		}
		shrink(&test_case);
		printf("# TGPU_TEST_SEED=%" PRIu64 " TGPU_PROPERTY_CASES=1: %s\n", seed,
		       broken_why);
		case_print(&test_case);
		signal(SIGABRT, SIG_DFL);
		fail_msg("seed %" PRIu64 ": %s", seed, broken_why);
	}
	signal(SIGABRT, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_cases),
	};

	return cmocka_run_group_tests_name("scheduler properties", tests, NULL, NULL);
}
