/* SPDX-License-Identifier: MIT */
/*
 * Why does a job wait? A code, and the numbers behind it.
 *
 * Invariants: asking changes nothing; the code follows from the same placement test that the pass
 * uses, so the answer cannot contradict the decision. Deliberately not here: the sentences
 * (why_text.c). Cost: one placement test, one scan of the node's slots; advice a placement per GPU.
 * Read next: why_gpus.c.
 */
#include "scheduler/why.h"

#include "scheduler/core_internal.h"
#include "scheduler/line.h"
#include "scheduler/walk.h"

static const char *const code_names[WHY_CODE_COUNT] = {
	[WHY_NOT_WAITING] = "none",
	[WHY_HELD] = "held",
	[WHY_DEPENDENCY] = "dependency",
	[WHY_NEVER] = "never",
	[WHY_BEGIN] = "begin",
	[WHY_LIMIT] = "limit",
	[WHY_ARRAY] = "array",
	[WHY_RESOURCES] = "resources",
	[WHY_ORDER] = "order",
	[WHY_WINDOW] = "reserved",
	[WHY_UNAVAILABLE] = "unavailable",
	[WHY_STARTING] = "starting",
};

const char *why_code_name(enum why_code code)
{
	return (size_t)code < WHY_CODE_COUNT ? code_names[code] : "?";
}

/* Fill in the numbers of the node where the job comes closest: most suiting GPUs free, then CPUs.
 */
static void look_at_nodes(const struct ledger *ledger, struct why *why)
{
	int64_t best = -1;

	for (uint32_t i = 0; i < ledger->n_nodes; i++) {
		const struct node *node = &ledger->nodes[i];
		uint64_t suiting = ledger_matching_gpus(ledger, i, &why->request);
		uint64_t free = suiting & node_free_gpus(node);
		int64_t score =
			(int64_t)__builtin_popcountll(free) * UINT32_MAX + node_free_cpus(node);

		if (score <= best)
			continue;
		best = score;
		why->node = i;
		why->gpus_suiting = (unsigned)__builtin_popcountll(suiting);
		why->gpus_free = (unsigned)__builtin_popcountll(free);
		why->gpus_missing = suiting & ~free;
		why->cpus_free = node_free_cpus(node);
		why->mem_free = node_free_mem(node);
	}
}

/* It does not fit now. Would it, once all running jobs are gone? */
static enum why_code shortage(struct sched *sched, const struct job *job, int64_t now_ns)
{
	_cleanup_(reservation_finish) struct reservation reservation = {0};
	size_t n;
	struct running *const *running = sched_running(sched, &n);

	return reservation_make(&reservation, sched_ledger(sched), running, n, job->id,
				&job->request, now_ns) == RESERVE_NEVER
		       ? WHY_UNAVAILABLE
		       : WHY_RESOURCES;
}

/* Would it fit now, apart from the order? */
static bool fits(struct sched *sched, const struct request *request, const struct job *job,
		 int64_t now_ns)
{
	const struct windows *windows = sched_windows(sched);
	struct ledger *ledger = sched_ledger(sched);
	bool r;

	windows_keep(windows, ledger, job->uid, now_ns, time_add(now_ns, sched_estimate(job)));
	r = placement_fits(ledger, request);
	windows_keep_nothing(windows, ledger);
	return r;
}

static enum why_code find_code(struct sched *sched, const struct job *job, int64_t now_ns,
			       uint64_t head, enum sched_bound bound)
{
	if (job->state != JOB_QUEUED)
		return WHY_NOT_WAITING;
	if (job->held)
		return WHY_HELD;
	if (job->dependence != JOB_INDEPENDENT)
		return job->dependence == JOB_NEVER ? WHY_NEVER : WHY_DEPENDENCY;
	if (job->begin_ns > now_ns)
		return WHY_BEGIN;
	if (bound != SCHED_UNBOUND)
		return bound == SCHED_ARRAY ? WHY_ARRAY : WHY_LIMIT;
	if (!placement_fits(sched_ledger(sched), &job->request))
		return shortage(sched, job, now_ns);
	if (!fits(sched, &job->request, job, now_ns))
		return WHY_WINDOW;
	return head && head != job->id ? WHY_ORDER : WHY_STARTING;
}

/* Is it in the queue, so that a place in the order means something? */
static bool is_in_order(enum why_code code)
{
	return code >= WHY_BEGIN;
}

void sched_why(struct sched *sched, const struct job *job, int64_t now_ns, struct why *ret_why)
{
	struct why why = {
		.job = job->id,
		.request = job->request,
		.uid = job->uid,
		.end_ns = time_add(now_ns, sched_estimate(job)),
		.begin_ns = job->begin_ns,
		.preempted = job->preempted,
		.now_ns = now_ns,
		.priority = job->priority,
		.bound = sched_bound(sched, job),
	};
	int64_t shadow_ns;

	why.head = sched_head(sched, &shadow_ns);
	why.code = find_code(sched, job, now_ns, why.head, why.bound);
	look_at_nodes(sched_ledger(sched), &why);
	if (why.head == job->id && shadow_ns < TIME_NEVER)
		why.start_ns = shadow_ns;
	*ret_why = why;
}

/* An entry of the queue is as much of a job as the scheduler keeps: enough to find it again. */
static struct job job_of(const struct shape *shape, const struct waiting *waiting)
{
	struct job job;

	job_init(&job);
	job.id = waiting->key.id;
	job.uid = shape->user;
	job.priority = waiting->priority;
	job.array = shape->array;
	job.array_limit = shape->array_limit;
	job.request = shape->request;
	job.submit_ns = waiting->key.submit_ns;
	job.limit_ns = waiting->estimate_ns < TIME_NEVER ? waiting->estimate_ns : 0;
	return job;
}

size_t sched_why_first(struct sched *sched, int64_t now_ns, size_t max, struct why *ret_whys)
{
	struct policy_order order = sched_order(sched, now_ns);
	const struct waiting *waiting;
	const struct shape *shape;
	struct walk walk;
	size_t n = 0;

	walk_init(&walk, sched->queue, policy_compare, &order);
	while (n < max && (waiting = walk_at(&walk, &shape))) {
		struct job job = job_of(shape, waiting);

		sched_why(sched, &job, now_ns, &ret_whys[n++]);
		walk_next(&walk);
	}
	walk_finish(&walk);
	return n;
}

void sched_advise(struct sched *sched, const struct job *job, int64_t now_ns, struct why *why)
{
	int64_t estimate_ns = sched_estimate(job), longest_ns;
	struct request fewer = job->request;

	if (is_in_order(why->code))
		why->ahead = sched_ahead(sched, job, now_ns);
	if (why->code != WHY_RESOURCES && why->code != WHY_ORDER && why->code != WHY_WINDOW)
		return;
	if (why->head != job->id &&
	    !sched_could_start(sched, &job->request, job->uid, estimate_ns, now_ns, &longest_ns))
		why->shorter_ns = longest_ns;
	while (fewer.num_gpus > 1 && !why->fewer_gpus) {
		fewer.num_gpus--;
		/* The head is in nobody's way but its own. */
		if (why->head == job->id ? fits(sched, &fewer, job, now_ns)
					 : sched_could_start(sched, &fewer, job->uid, estimate_ns,
							     now_ns, &longest_ns))
			why->fewer_gpus = fewer.num_gpus;
	}
}

void sched_why_depends(const struct depend *depend, struct why *why)
{
	size_t n;
	const struct depend_edge *edges = depend_edges(depend, why->job, &n);

	if (why->code == WHY_NEVER)
		why->culprit = depend_culprit(depend, why->job);
	for (size_t i = 0; i < n && why->code == WHY_DEPENDENCY && !why->parents.first; i++)
		if (edges[i].open > 0)
			why->parents = edges[i];
}
