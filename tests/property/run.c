/* SPDX-License-Identifier: MIT */
/*
 * The operations of a case, told to the scheduler the way the daemon does.
 *
 * A disturbed run has other memory in other places, and another order of what comes or ends at the
 * same time, for which no order is promised: it must come to the same digest. Read next: check.c.
 */
#include "run.h"

#include <malloc.h>
#include <stdlib.h>

/* How long a job without a limit runs once the future was foretold: beyond all of it. */
#define VERY_LONG 1000000

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

static void run_init(struct run *run, const struct test_case *test_case, bool disturbed)
{
	const struct naive *cluster = &test_case->cluster;
	struct sched_config config = {
		.policy = case_policy(cluster->policy),
		.params = {cluster->point, cluster->tau, cluster->cap},
		.backfill = cluster->mode,
		.reservations = test_case->reservations,
		.shortest_passes = cluster->shortest_passes,
		.half_life_ns = test_case->half_life,
		.user_limits = cluster->limits,
		.preempt = test_case->preempt,
	};

	*run = (struct run){
		.test_case = test_case, .disturbed = disturbed, .naive = *cluster, .now = 1};
	run->sched = sched_create(&config);
	run->type_ids[1] = ledger_intern_type(sched_ledger(run->sched), "type1");
	run->type_ids[2] = ledger_intern_type(sched_ledger(run->sched), "type2");
	for (uint32_t n = 0; n < run->naive.n_nodes; n++) {
		ledger_add_node(sched_ledger(run->sched), "node", run->naive.nodes[n].cpus, 0);
		tell_node(run, n);
	}
}

static void run_finish(struct run *run)
{
	sched_destroy(run->sched);
	for (size_t i = 0; i < ARRAY_SIZE(run->litter); i++)
		free(run->litter[i]);
}

struct job run_job(const struct run *run, const struct naive_job *naive)
{
	struct job job;

	job_init(&job);
	job.id = naive->id;
	job.uid = naive->user;
	job.request.num_gpus = naive->gpus;
	job.request.gpu_type = run->type_ids[naive->type];
	job.request.cpus = naive->cpus;
	job.priority = naive->priority;
	job.preemptible = naive->preemptible;
	job.array = naive->array;
	job.array_limit = naive->array_limit;
	job.submit_ns = naive->submit;
	job.begin_ns = naive->begin;
	job.limit_ns = naive->limit;
	job.state = naive->state == NAIVE_WAITING ? JOB_QUEUED : JOB_FINISHED;
	return job;
}

bool run_has_model(const struct run *run)
{
	return run->naive.mode != BACKFILL_RESERVE && run->naive.mode != BACKFILL_CONSERVATIVE;
}

static void enqueue(struct run *run, unsigned index)
{
	struct job job = run_job(run, &run->naive.jobs[index]);

	sched_enqueue(run->sched, &job, run->naive.jobs[index].tasks);
}

/* Enqueue what has come since the last pass; who was first told of does not matter. */
static void enqueue_pending(struct run *run)
{
	for (unsigned i = 0; i < run->n_pending; i++)
		enqueue(run, run->pending[run->disturbed ? run->n_pending - 1 - i : i]);
	run->n_pending = 0;
}

static void litter(struct run *run)
{
	size_t at = run->digest % ARRAY_SIZE(run->litter);

	if (!run->disturbed)
		return;
	free(run->litter[at]);
	run->litter[at] = xmalloc(16 + run->digest % 1000);
}

static void pass(struct run *run)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0}, again = {0};

	enqueue_pending(run);
	litter(run);
	check_usage(run);
	run->n_wave = 0;
	sched_pass(run->sched, run->now, &decisions);
	for (size_t i = 0; i < decisions.n; i++)
		check_decision(run, &decisions.items[i]);
	sched_pass(run->sched, run->now, &again);
	/* A plan that is made anew each time, while something is overdue, may come out better. */
	if (again.n > 0 && (run->test_case->calm || run->naive.mode != BACKFILL_CONSERVATIVE))
		break_off("job %llu: decided upon when asked again",
			  (unsigned long long)again.items[0].job);
	for (size_t i = 0; i < again.n; i++)
		check_decision(run, &again.items[i]);
	check_pass(run);
	sched_check_invariants(run->sched);
}

static void end_job(struct run *run, struct naive_job *job)
{
	run->pieces[job->piece].end = run->now;
	sched_release(run->sched, job->id, run->now);
	naive_end(&run->naive, job);
}

/* As often as a job makes room. Without such a bound two that are held to limits of their users can
 * take turns for ever. */
#define PATIENCE 5

/* It has made room, and waits again. */
static void requeue(struct run *run, struct naive_job *job)
{
	end_job(run, job);
	job->state = NAIVE_WAITING;
	job->preemptible = ++job->preempted < PATIENCE;
	job->entry = NAIVE_JOBS + job->id; /* no longer one of its array's */
	job->tasks = 1;
	enqueue(run, (unsigned)(job->id - 1));
}

/* When a running job ends, one way or the other. */
static int64_t end_of(const struct naive_job *job)
{
	int64_t end = job->start + job->run;

	return job->leaving && job->gone < end ? job->gone : end;
}

/* The next time at which something happens by itself. */
static int64_t next_event(const struct run *run)
{
	int64_t next = NAIVE_NEVER, wake = sched_next_wake_ns(run->sched);

	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *job = &run->naive.jobs[i];
		int64_t when = job->state == NAIVE_RUNNING   ? end_of(job)
			       : job->state == NAIVE_WAITING ? job->begin
							     : 0;

		if (when <= run->now)
			continue;
		if (job->state == NAIVE_WAITING && run->n_pending == 0 && when < wake)
			break_off("job %llu: begins at %lld, sleeps until %lld",
				  (unsigned long long)job->id, (long long)when, (long long)wake);
		if (when < next)
			next = when;
	}
	return wake > run->now && wake < next ? wake : next;
}

static void end_due(struct run *run)
{
	/* The sum of a user's shares depends on their order in the last digit. */
	bool backwards = run->disturbed && run->naive.policy != NAIVE_FAIR;

	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		struct naive_job *job = &run->naive.jobs[backwards ? run->naive.n_jobs - 1 - i : i];

		if (job->state != NAIVE_RUNNING || end_of(job) > run->now)
			continue;
		if (job->start + job->run <= run->now)
			end_job(run, job);
		else
			requeue(run, job);
	}
}

static void advance(struct run *run, int64_t until)
{
	while (run->now < until) {
		int64_t next = next_event(run);

		if (next == NAIVE_NEVER && until == NAIVE_NEVER)
			return;
		run->now = next < until ? next : until;
		end_due(run);
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
	struct naive_job naive = op->job;
	struct err err;
	struct job job;

	naive.id = naive.entry = run->naive.n_jobs + 1;
	naive.array = naive.tasks > 1 ? naive.id : 0;
	naive.submit = run->now;
	naive.begin = op->job.begin ? run->now + op->job.begin : 0;
	job = run_job(run, &naive);
	if (run->naive.n_jobs + naive.tasks > NAIVE_JOBS ||
	    (naive.gpus > run->naive.limits.max_gpus && run->naive.limits.max_gpus) ||
	    sched_check(run->sched, &job.request, &err) == SCHED_IMPOSSIBLE)
		return;
	run->pending[run->n_pending++] = run->naive.n_jobs;
	for (unsigned i = 0; i < naive.tasks; i++, naive.id++)
		run->naive.jobs[run->naive.n_jobs++] = naive;
}

/* All that waits of the entry of some job is cancelled or held. */
static void withdraw(struct run *run, unsigned pick)
{
	const struct naive_job *picked = pick_job(run, NAIVE_WAITING, pick);
	uint64_t entry;
	bool named = false;

	if (!picked)
		return;
	entry = picked->entry;
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		struct naive_job *naive = &run->naive.jobs[i];
		struct job job = run_job(run, naive);

		if (naive->state != NAIVE_WAITING || naive->entry != entry)
			continue;
		if (!named) /* the first of them names them all */
			sched_dequeue(run->sched, &job);
		named = true;
		naive->state = NAIVE_OVER;
	}
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

	if (op->type != OP_SUBMIT)
		enqueue_pending(run);
	switch (op->type) {
	case OP_SUBMIT:
		submit(run, op);
		if (op->quiet)
			return;
		break;
	case OP_ADVANCE: advance(run, run->now + op->dt); return;
	case OP_CANCEL: withdraw(run, op->pick); break;
	case OP_END:
		job = pick_job(run, NAIVE_RUNNING, op->pick);
		if (job)
			end_job(run, job);
		break;
	case OP_CONDITION: set_condition(run, op->pick, op->condition); break;
	default: break;
	}
	pass(run);
}

/* Let everything recover and run out: every job must have run. */
static void drain(struct run *run)
{
	for (uint32_t n = 0; n < run->naive.n_nodes && !run->test_case->calm; n++) {
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

/* From here on every job runs as long as is planned. */
static void be_exact(struct run *run)
{
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		struct naive_job *job = &run->naive.jobs[i];

		job->run = job->limit ? job->limit : VERY_LONG;
	}
}

uint64_t run_case(struct run *run, const struct test_case *test_case, bool disturbed)
{
	struct forecast forecast = {0};
	int64_t since;

	mallopt(M_PERTURB, disturbed ? 0xa5 : 0);
	run_init(run, test_case, disturbed);
	for (unsigned i = 0; i < test_case->n_ops; i++)
		apply(run, &test_case->ops[i]);
	since = run->now;
	if (test_case->exact) {
		pass(run);
		be_exact(run);
		forecast_make(run->sched, run->now, NAIVE_JOBS, &forecast);
	}
	drain(run);
	if (test_case->exact)
		check_forecast(run, &forecast, since);
	forecast_finish(&forecast);
	run_finish(run);
	mallopt(M_PERTURB, 0);
	return run->digest;
}
