/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine around the scheduler: arrivals from the trace, ends from a heap.
 *
 * Invariants: the scheduler sees what tgpud would tell it and nothing else (never a run time); the
 * same trace gives the same outcomes, because ends at one time are released in the order of the
 * trace. A job's number for the scheduler is its position + 1, so that ties go by the trace's
 * order; virtual time is one second ahead of the trace, because 0 is TIME_UNKNOWN.
 * Deliberately not here: preemption at no cost (ideal.c), what came out of it all (summary.c).
 * Cost: O(log running) per start and end besides the scheduler's own work; nothing is allocated
 * per event. Read next: preset.c, scheduler/core.c.
 */
#include "simulator/replay.h"

#include <errno.h>
#include <stdlib.h>

#define ORIGIN_NS    NS_PER_S
#define TELL_EVERY   1024 /* passes */
#define TIME_LAST_NS (TIME_NEVER / 2)

/* When a running job will end. */
struct end {
	int64_t time_ns;
	size_t job; /* position in the trace */
};

struct replay {
	const struct trace *trace;
	struct sched *sched;
	struct outcome *outcomes; /* owned until handed over */
	struct end *ends;	  /* owned: a binary heap, the earliest at 0 */
	size_t n_ends, capacity;
	size_t n_arrived, n_ended;
	struct decisions decisions; /* of one pass; its array is kept */
};

static struct sched *make_sched(const struct machine *machine, const struct sched_config *config)
{
	static const int32_t no_scores[TOPOLOGY_GPUS_MAX * TOPOLOGY_GPUS_MAX];
	struct sched *sched = sched_create(config);
	struct ledger *ledger = sched_ledger(sched);

	for (size_t i = 0; i < machine->n_nodes; i++) {
		const struct machine_node *node = &machine->nodes[i];
		uint32_t at = ledger_add_node(ledger, "node", node->cpus, node->mem_bytes);

		ledger_set_gpus(ledger, at, xcalloc(node->gpus, sizeof(struct node_gpu)),
				node->gpus, topology_create_scores(node->gpus, no_scores));
	}
	return sched;
}

size_t replay_drop_impossible(struct trace *trace, const struct machine *machine,
			      struct err *ret_first)
{
	struct sched_config config = {.policy = &policy_fifo};
	struct sched *sched = make_sched(machine, &config);
	size_t kept = 0, dropped;

	for (size_t i = 0; i < trace->n_jobs; i++) {
		bool first = kept == i;

		if (sched_check(sched, &trace->jobs[i].request, first ? ret_first : NULL) == 0)
			trace->jobs[kept++] = trace->jobs[i];
		else if (first)
			err_wrap(ret_first, "job %llu", (unsigned long long)trace->jobs[i].id);
	}
	dropped = trace->n_jobs - kept;
	trace->n_jobs = kept;
	sched_destroy(sched);
	return dropped;
}

static bool is_earlier(const struct end *a, const struct end *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->job < b->job;
}

static void push_end(struct replay *replay, struct end end)
{
	size_t at = replay->n_ends++;

	xgrow(&replay->ends, &replay->capacity, replay->n_ends, sizeof(*replay->ends));
	for (; at > 0 && is_earlier(&end, &replay->ends[(at - 1) / 2]); at = (at - 1) / 2)
		replay->ends[at] = replay->ends[(at - 1) / 2];
	replay->ends[at] = end;
}

static struct end pop_end(struct replay *replay)
{
	struct end *ends = replay->ends, first = ends[0], last = ends[--replay->n_ends];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < replay->n_ends) {
		if (child + 1 < replay->n_ends && is_earlier(&ends[child + 1], &ends[child]))
			child++;
		if (!is_earlier(&ends[child], &last))
			break;
		ends[at] = ends[child];
		at = child;
	}
	ends[at] = last;
	return first;
}

static void end_due(struct replay *replay, int64_t now_ns)
{
	while (replay->n_ends > 0 && replay->ends[0].time_ns <= now_ns) {
		struct end end = pop_end(replay);

		sched_release(replay->sched, end.job + 1, now_ns);
		replay->outcomes[end.job].end_ns = now_ns - ORIGIN_NS;
		replay->n_ended++;
	}
}

static int64_t next_arrival(const struct replay *replay)
{
	if (replay->n_arrived == replay->trace->n_jobs)
		return TIME_NEVER;
	return replay->trace->jobs[replay->n_arrived].submit_ns + ORIGIN_NS;
}

/* What tgpud would tell the scheduler of it. */
static struct job as_job(const struct trace_job *trace_job, size_t position)
{
	struct job job;

	job_init(&job);
	job.id = position + 1;
	job.uid = trace_job->user;
	job.priority = trace_job->priority;
	job.request = trace_job->request;
	job.submit_ns = trace_job->submit_ns + ORIGIN_NS;
	job.limit_ns = trace_job->estimate_ns == TIME_NEVER ? 0 : trace_job->estimate_ns;
	return job;
}

static void arrive_due(struct replay *replay, int64_t now_ns)
{
	while (next_arrival(replay) == now_ns) {
		size_t position = replay->n_arrived++;
		struct job job = as_job(&replay->trace->jobs[position], position);

		sched_enqueue(replay->sched, &job, 1);
	}
}

/* Carry out what a pass decided. */
static void start_decided(struct replay *replay, int64_t now_ns)
{
	for (size_t i = 0; i < replay->decisions.n; i++) {
		struct decision *decision = &replay->decisions.items[i];
		size_t position = decision->job - 1;
		struct outcome *outcome = &replay->outcomes[position];

		outcome->start_ns = now_ns - ORIGIN_NS;
		outcome->alloc = decision->alloc;
		push_end(replay,
			 (struct end){now_ns + replay->trace->jobs[position].run_ns, position});
	}
	replay->decisions.n = 0;
}

static int step(struct replay *replay, struct err *err)
{
	int64_t now_ns = next_arrival(replay);

	int64_t wake_ns = sched_next_wake_ns(replay->sched);
	size_t n_left = replay->trace->n_jobs - replay->n_ended;

	if (replay->n_ends > 0 && replay->ends[0].time_ns < now_ns)
		now_ns = replay->ends[0].time_ns;
	if (wake_ns < now_ns)
		now_ns = wake_ns;
	if (now_ns == TIME_NEVER)
		return err_set(err, -EDEADLK, "%zu job%s never started, although nothing else runs",
			       n_left, n_left == 1 ? " was" : "s were");
	if (now_ns > TIME_LAST_NS)
		return err_set(err, -EOVERFLOW,
			       "the replay came to the end of time (146 years); give it more "
			       "nodes");
	end_due(replay, now_ns);
	arrive_due(replay, now_ns);
	sched_pass(replay->sched, now_ns, &replay->decisions);
	start_decided(replay, now_ns);
	return 0;
}

static void init(struct replay *replay)
{
	replay->outcomes = xcalloc(replay->trace->n_jobs, sizeof(*replay->outcomes));
	for (size_t i = 0; i < replay->trace->n_jobs; i++)
		replay->outcomes[i] = (struct outcome){
			.start_ns = TIME_NEVER,
			.end_ns = TIME_NEVER,
		};
}

int replay_run(const struct trace *trace, const struct machine *machine,
	       const struct sched_config *config, const struct progress *progress,
	       struct outcome **ret_outcomes, struct err *err)
{
	struct replay replay = {.trace = trace, .sched = make_sched(machine, config)};
	int r = 0;

	init(&replay);
	for (size_t n = 1; r == 0 && replay.n_ended < trace->n_jobs; n++) {
		r = step(&replay, err);
		if (progress->tell && n % TELL_EVERY == 0)
			progress->tell(progress->ctx, replay.n_ended, trace->n_jobs);
	}
	sched_destroy(replay.sched);
	free(replay.ends);
	decisions_finish(&replay.decisions);
	if (r == 0)
		*ret_outcomes = replay.outcomes;
	else
		outcomes_destroy(replay.outcomes, trace->n_jobs);
	return r;
}
