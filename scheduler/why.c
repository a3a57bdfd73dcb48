/* SPDX-License-Identifier: MIT */
/*
 * From the scheduler's books to sentences a person can act on.
 *
 * Invariants: asking changes nothing; the code follows from the same placement test that the pass
 * uses, so the answer cannot contradict the decision. A number that is not known is not printed.
 * Deliberately not here: local times and user names (the edges know those). Cost: one placement
 * test, one scan of the node's slots, one of the running jobs per missing GPU.
 */
#include "scheduler/why.h"

#include <inttypes.h>

#include "common/duration.h"
#include "scheduler/core_internal.h"

static const char *const code_names[WHY_CODE_COUNT] = {
	[WHY_NOT_WAITING] = "none",	 [WHY_HELD] = "held",
	[WHY_DEPENDENCY] = "dependency", [WHY_NEVER] = "never",
	[WHY_BEGIN] = "begin",		 [WHY_LIMIT] = "limit",
	[WHY_ARRAY] = "array",		 [WHY_RESOURCES] = "resources",
	[WHY_ORDER] = "order",		 [WHY_UNAVAILABLE] = "unavailable",
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
		.begin_ns = job->begin_ns,
		.bound = sched_bound(sched, job),
	};
	int64_t shadow_ns;

	why.head = sched_head(sched, &shadow_ns);
	why.code = find_code(sched, job, now_ns, why.head, why.bound);
	look_at_nodes(sched_ledger(sched), &why);
	if (is_in_order(why.code))
		why.ahead = sched_ahead(sched, job, now_ns);
	if (why.head == job->id && shadow_ns < TIME_NEVER)
		why.start_ns = shadow_ns;
	*ret_why = why;
}

struct first {
	struct sched *sched;
	int64_t now_ns;
	struct why *whys;
	size_t n, max;
};

/* An entry of the queue is as much of a job as the scheduler keeps: enough to find it again. */
static int explain_entry(void *ctx, const struct shape *shape, const struct waiting *waiting)
{
	struct first *first = ctx;
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
	sched_why(first->sched, &job, first->now_ns, &first->whys[first->n++]);
	return first->n == first->max;
}

size_t sched_why_first(struct sched *sched, int64_t now_ns, size_t max, struct why *ret_whys)
{
	struct first first = {sched, now_ns, ret_whys, 0, max};
	struct policy_order order = sched_order(sched, now_ns);

	queue_walk(sched->queue, policy_compare, &order, explain_entry, &first);
	return first.n;
}

void sched_advise(struct sched *sched, const struct job *job, int64_t now_ns, struct why *why)
{
	int64_t estimate_ns = sched_estimate(job), longest_ns;
	struct request fewer = job->request;

	if (why->code != WHY_RESOURCES && why->code != WHY_ORDER)
		return;
	if (why->head != job->id &&
	    !sched_could_start(sched, &job->request, estimate_ns, now_ns, &longest_ns))
		why->shorter_ns = longest_ns;
	while (fewer.num_gpus > 1 && !why->fewer_gpus) {
		fewer.num_gpus--;
		/* The head is in nobody's way but its own. */
		if (why->head == job->id
			    ? placement_fits(sched_ledger(sched), &fewer)
			    : sched_could_start(sched, &fewer, estimate_ns, now_ns, &longest_ns))
			why->fewer_gpus = fewer.num_gpus;
	}
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static bool short_of_gpus(const struct why *why)
{
	return why->request.num_gpus > why->gpus_free;
}

static bool short_of_cpus(const struct why *why)
{
	return why->request.cpus > why->cpus_free;
}

void why_summary(const struct why *why, struct buf *out)
{
	char amount[32];

	switch (why->code) {
	case WHY_HELD: buf_puts(out, "held"); return;
	case WHY_DEPENDENCY: buf_puts(out, "after other jobs"); return;
	case WHY_NEVER: buf_puts(out, "after a job that did not end as wanted"); return;
	case WHY_BEGIN: buf_puts(out, "begins later"); return;
	case WHY_LIMIT: buf_puts(out, "limit of its user"); return;
	case WHY_ARRAY: buf_puts(out, "limit of its array"); return;
	case WHY_STARTING: buf_puts(out, "about to start"); return;
	case WHY_NOT_WAITING: return;
	case WHY_ORDER: buf_printf(out, "after job %" PRIu64, why->head); return;
	default: break;
	}
	if (short_of_gpus(why))
		buf_printf(out, "needs %u GPU%s, %u free%s", why->request.num_gpus,
			   plural(why->request.num_gpus), why->gpus_free,
			   why->code == WHY_UNAVAILABLE ? ", others unavailable" : "");
	else if (short_of_cpus(why))
		buf_printf(out, "needs %u CPU%s, %u free", why->request.cpus,
			   plural(why->request.cpus), why->cpus_free);
	else
		buf_printf(out, "needs more memory than %s", bytes_format(why->mem_free, amount));
}

struct teller {
	struct sched *sched;
	const struct why *why;
	int64_t now_ns;
	void (*say)(void *ctx, const char *sentence);
	void *ctx;
};

PRINTF_LIKE(2, 3)
static void tell(const struct teller *teller, const char *fmt, ...)
{
	char sentence[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	teller->say(teller->ctx, sentence);
}

/* The slots of this node that a running job holds. */
static uint64_t slots_of(const struct running *running, uint32_t node)
{
	uint64_t slots = 0;

	for (size_t p = 0; p < running->alloc.n_parts; p++)
		if (running->alloc.parts[p].node == node)
			slots |= running->alloc.parts[p].gpus;
	return slots;
}

static void tell_job(const struct teller *teller, const struct node *node, uint64_t slots,
		     const struct running *holder)
{
	_cleanup_(buf_finish) struct buf labels = {0};
	const char *verb = slots & (slots - 1) ? "are" : "is";
	char span[32];

	for (; slots; slots &= slots - 1)
		buf_printf(&labels, "%s%s", labels.len ? ", " : "",
			   node->gpus[__builtin_ctzll(slots)].label);
	if (holder->end_ns < TIME_NEVER && holder->end_ns > teller->now_ns)
		tell(teller, "%s %s held by job %" PRIu64 ", for %s more at most (its time limit)",
		     buf_get(&labels), verb, holder->job,
		     duration_show((holder->end_ns - teller->now_ns) / NS_PER_MS, span));
	else
		tell(teller, "%s %s held by job %" PRIu64 ", which %s", buf_get(&labels), verb,
		     holder->job,
		     holder->end_ns < TIME_NEVER ? "is past its time limit" : "has no time limit");
}

/* Who holds the missing GPUs: jobs in the order in which they will end, then what is wrong with the
 * others. */
static void tell_holders(const struct teller *teller, const struct node *node, uint64_t missing)
{
	size_t n;
	struct running *const *running = sched_running(teller->sched, &n);

	for (size_t i = 0; i < n; i++) {
		uint64_t held = missing & slots_of(running[i], teller->why->node);

		if (held)
			tell_job(teller, node, held, running[i]);
		missing &= ~held;
	}
	for (; missing; missing &= missing - 1) {
		const struct node_gpu *gpu = &node->gpus[__builtin_ctzll(missing)];

		tell(teller, "%s is %s%s%s", gpu->label, gpu_condition_name(gpu->condition),
		     gpu->reason[0] ? ": " : "", gpu->reason);
	}
}

static void tell_shortage(const struct teller *teller)
{
	const struct why *why = teller->why;
	const struct ledger *ledger = sched_ledger(teller->sched);
	const struct node *node;
	char need[32], have[32];

	if (ledger->n_nodes == 0) {
		tell(teller, "there are no nodes");
		return;
	}
	node = &ledger->nodes[why->node];
	if (short_of_gpus(why)) {
		tell(teller, "needs %u GPU%s%s%s%s%s; %u of %u suitable ones are free on %s",
		     why->request.num_gpus, plural(why->request.num_gpus),
		     why->request.gpu_type ? " of type '" : "",
		     ledger_type_name(ledger, why->request.gpu_type),
		     why->request.gpu_type ? "'" : "",
		     why->request.num_gpus > node->n_gpus ? " over several nodes" : " on one node",
		     why->gpus_free, why->gpus_suiting, node->name);
		tell_holders(teller, node, why->gpus_missing);
	}
	if (short_of_cpus(why))
		tell(teller, "needs %u CPU%s; %u of %u are free on %s", why->request.cpus,
		     plural(why->request.cpus), why->cpus_free, node->cpus, node->name);
	if (why->request.mem_bytes > why->mem_free)
		tell(teller, "needs %s of memory; %s of %s are free on %s",
		     bytes_format(why->request.mem_bytes, need), bytes_format(why->mem_free, have),
		     bytes_format(node->mem_bytes, (char[32]){0}), node->name);
	if (why->code == WHY_UNAVAILABLE)
		tell(teller, "even with every job gone it could not start: it waits for what is "
			     "unavailable above");
}

/* One thing that it depends on. */
static void tell_edge(const struct teller *teller, const struct depend_edge *edge)
{
	static const char *const wants[] = {
		[DEPEND_OK] = "to finish with exit code 0",
		[DEPEND_ANY] = "to end",
		[DEPEND_NOT_OK] = "to fail",
	};

	if (edge->open == 0)
		return;
	if (edge->first == edge->last)
		tell(teller, "waits for job %" PRIu64 " %s", edge->first, wants[edge->kind]);
	else
		tell(teller,
		     "waits for jobs %" PRIu64 "-%" PRIu64 " %s; %" PRIu64 " have not ended",
		     edge->first, edge->last, wants[edge->kind], edge->open);
}

static void tell_dependencies(const struct teller *teller, const struct depend *depend)
{
	size_t n = 0;
	const struct depend_edge *edges =
		depend ? depend_edges(depend, teller->why->job, &n) : NULL;

	for (size_t i = 0; i < n; i++)
		tell_edge(teller, &edges[i]);
	if (teller->why->code == WHY_NEVER)
		tell(teller,
		     "a job that it depends on did not end as it was to: it will never "
		     "start; cancel it, or change what it depends on (tgpu update --after)");
}

static void tell_limit(const struct teller *teller)
{
	const struct user_limits *limits = &sched_config(teller->sched)->user_limits;

	if (teller->why->bound == SCHED_USER_JOBS)
		tell(teller,
		     "one user may have %u jobs running at a time (user_max_running), and "
		     "its user has",
		     limits->max_jobs);
	else if (teller->why->bound == SCHED_USER_GPUS)
		tell(teller,
		     "one user may hold %u GPUs at a time (user_max_gpus), and with its %u "
		     "it would be more",
		     limits->max_gpus, teller->why->request.num_gpus);
	else
		tell(teller, "as many tasks of its array run as may at a time");
}

static void tell_advice(const struct teller *teller)
{
	const struct why *why = teller->why;
	char span[32];

	if (why->shorter_ns > 0)
		tell(teller, "with a time limit of %s or less it would start now",
		     duration_show(why->shorter_ns / NS_PER_MS, span));
	if (why->fewer_gpus > 0)
		tell(teller, "with %u GPU%s it would start now", why->fewer_gpus,
		     plural(why->fewer_gpus));
}

/* Of this very moment it only says that somebody is overdue: no promise to repeat. */
static void tell_start(const struct teller *teller)
{
	const struct why *why = teller->why;
	char span[32];

	if (why->start_ns < teller->now_ns + NS_PER_MS)
		return;
	duration_show((why->start_ns - teller->now_ns) / NS_PER_MS, span);
	if (why->head == why->job)
		tell(teller, "starts in %s at the latest, if running jobs use all of their limits",
		     span);
	else
		tell(teller, "starts in about %s, if nothing goes first that is not here yet",
		     span);
}

static void tell_order(const struct teller *teller)
{
	if (sched_backfills(teller->sched))
		tell(teller, "would fit now, but would delay job %" PRIu64 ", which goes first",
		     teller->why->head);
	else
		tell(teller,
		     "would fit now, but job %" PRIu64
		     " goes first, and no job passes another (backfill is off)",
		     teller->why->head);
}

void why_sentences(struct sched *sched, const struct why *why, const struct depend *depend,
		   int64_t now_ns, void (*say)(void *ctx, const char *sentence), void *ctx)
{
	struct teller teller = {sched, why, now_ns, say, ctx};
	char span[32];

	switch (why->code) {
	case WHY_NOT_WAITING: return;
	case WHY_HELD: tell(&teller, "held until somebody releases it (tgpu release)"); return;
	case WHY_DEPENDENCY:
	case WHY_NEVER: tell_dependencies(&teller, depend); return;
	case WHY_BEGIN:
		tell(&teller, "was asked not to begin for another %s",
		     duration_show((why->begin_ns - now_ns) / NS_PER_MS, span));
		return;
	case WHY_STARTING: tell(&teller, "nothing stands in its way: it is about to start"); return;
	case WHY_LIMIT:
	case WHY_ARRAY: tell_limit(&teller); break;
	case WHY_ORDER: tell_order(&teller); break;
	default: tell_shortage(&teller);
	}
	tell_start(&teller);
	tell_advice(&teller);
	if (why->ahead > 0)
		tell(&teller, "%zu waiting job%s go%s first", why->ahead, plural(why->ahead),
		     why->ahead == 1 ? "es" : "");
}
