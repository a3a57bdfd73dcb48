/* SPDX-License-Identifier: MIT */
/*
 * From what is known of a job that waits to sentences a person can act on.
 *
 * Invariants: a number that is not known is not printed; each sentence names who or what is in the
 * way, and where something can be done about it, what. Deliberately not here: local times and user
 * names (the edges know those: a user is "uid 1000"). Cost: one look at the running jobs per
 * missing GPU, and at those in line who go first until enough of them are named.
 */
#include "scheduler/why_text.h"

#include <inttypes.h>

#include "common/duration.h"
#include "scheduler/core_internal.h"
#include "scheduler/line.h"
#include "scheduler/walk.h"
#include "scheduler/why_internal.h"

static bool short_of_gpus(const struct why *why)
{
	return why->request.num_gpus > why->gpus_free;
}

static bool short_of_cpus(const struct why *why)
{
	return why->request.cpus > why->cpus_free;
}

static void summarise_parents(const struct depend_edge *parents, struct buf *out)
{
	if (parents->first == 0)
		buf_puts(out, "after other jobs");
	else if (parents->first == parents->last)
		buf_printf(out, "after job %" PRIu64, parents->first);
	else
		buf_printf(out, "after jobs %" PRIu64 "-%" PRIu64, parents->first, parents->last);
}

static void summarise_never(const struct why *why, struct buf *out)
{
	if (why->culprit)
		buf_printf(out, "job %" PRIu64 " did not end as wanted", why->culprit);
	else
		buf_puts(out, "after a job that did not end as wanted");
}

void why_summary(const struct why *why, struct buf *out)
{
	char amount[32];

	switch (why->code) {
	case WHY_HELD: buf_puts(out, "held"); return;
	case WHY_DEPENDENCY: summarise_parents(&why->parents, out); return;
	case WHY_NEVER: summarise_never(why, out); return;
	case WHY_BEGIN:
		buf_printf(out, "begins in %s",
			   duration_show((why->begin_ns - why->now_ns) / NS_PER_MS, amount));
		return;
	case WHY_LIMIT: buf_puts(out, "limit of its user"); return;
	case WHY_ARRAY: buf_puts(out, "limit of its array"); return;
	case WHY_STARTING: buf_puts(out, "about to start"); return;
	case WHY_NOT_WAITING: return;
	case WHY_ORDER: buf_printf(out, "after job %" PRIu64, why->head); return;
	case WHY_WINDOW: buf_puts(out, "GPUs are reserved for others"); return;
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

void why_tell(const struct teller *teller, const char *fmt, ...)
{
	char sentence[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	teller->say(teller->ctx, sentence);
}

static void tell_shortage(const struct teller *teller)
{
	const struct why *why = teller->why;
	const struct ledger *ledger = sched_ledger(teller->sched);
	const struct node *node;
	char need[32], have[32];

	if (ledger->n_nodes == 0) {
		why_tell(teller, "there are no nodes");
		return;
	}
	node = &ledger->nodes[why->node];
	if (short_of_gpus(why)) {
		why_tell(teller, "needs %u GPU%s%s%s%s%s; %u of %u suitable ones are free on %s",
			 why->request.num_gpus, plural(why->request.num_gpus),
			 why->request.gpu_type ? " of type '" : "",
			 ledger_type_name(ledger, why->request.gpu_type),
			 why->request.gpu_type ? "'" : "",
			 ledger->n_nodes > 1 && why->request.num_gpus > node->n_gpus
				 ? " over several nodes"
				 : " on one node",
			 why->gpus_free, why->gpus_suiting, node->name);
		why_tell_holders(teller, node, why->gpus_missing);
	}
	if (short_of_cpus(why))
		why_tell(teller, "needs %u CPU%s; %u of %u are free on %s", why->request.cpus,
			 plural(why->request.cpus), why->cpus_free, node->cpus, node->name);
	if (why->request.mem_bytes > why->mem_free)
		why_tell(teller, "needs %s of memory; %s of %s are free on %s",
			 bytes_format(why->request.mem_bytes, need),
			 bytes_format(why->mem_free, have),
			 bytes_format(node->mem_bytes, (char[32]){0}), node->name);
	if (why->code == WHY_UNAVAILABLE)
		why_tell(teller,
			 "even with every job gone it could not start: it waits for what is "
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
		why_tell(teller, "waits for job %" PRIu64 " %s", edge->first, wants[edge->kind]);
	else
		why_tell(teller,
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
	if (teller->why->code != WHY_NEVER)
		return;
	if (teller->why->culprit)
		why_tell(teller,
			 "job %" PRIu64
			 ", which it depends on, did not end as it was to: it will never "
			 "start; cancel it, or change what it depends on (tgpu update --after)",
			 teller->why->culprit);
	else
		why_tell(teller,
			 "a job that it depends on did not end as it was to: it will never "
			 "start; cancel it, or change what it depends on (tgpu update --after)");
}

/* Some jobs by name, and how many there are. */
#define NAMED_MAX 3

struct names {
	uint64_t n; /* jobs */
	struct {
		uint64_t first, last;
	} named[NAMED_MAX];
	size_t n_named;
	uint64_t n_in_named; /* jobs */
};

static void name_jobs(struct names *names, uint64_t first, uint64_t n)
{
	if (names->n_named == NAMED_MAX)
		return;
	names->named[names->n_named].first = first;
	names->named[names->n_named++].last = first + n - 1;
	names->n_in_named += n;
}

/* "jobs 3, 5-7 and 40 others". */
static void add_names(struct buf *out, const struct names *names)
{
	uint64_t others = names->n - names->n_in_named;

	buf_printf(out, "job%s ", plural(names->n));
	for (size_t i = 0; i < names->n_named; i++) {
		bool last = i + 1 == names->n_named && others == 0;
		uint64_t first = names->named[i].first, end = names->named[i].last;

		buf_printf(out, "%s%" PRIu64, i == 0 ? "" : last ? " and " : ", ", first);
		if (end > first)
			buf_printf(out, "-%" PRIu64, end);
	}
	if (others > 0)
		buf_printf(out, " and %" PRIu64 " other%s", others, plural(others));
}

static void add_users_running(const struct teller *teller, struct buf *out)
{
	struct names names = {0};
	size_t n;
	struct running *const *running = sched_running(teller->sched, &n);

	for (size_t i = 0; i < n; i++) {
		if (running[i]->shape.user != teller->why->uid)
			continue;
		names.n++;
		name_jobs(&names, running[i]->job, 1);
	}
	if (names.n > 0)
		add_names(out, &names);
	else
		buf_puts(out, "none");
}

static void tell_gpu_limit(const struct teller *teller, uint32_t max)
{
	const struct why *why = teller->why;
	_cleanup_(buf_finish) struct buf running = {0};

	add_users_running(teller, &running);
	if (why->request.num_gpus > max)
		why_tell(
			teller,
			"one user may hold %u GPU%s at a time (user_max_gpus), and it asks for %u: "
			"it will never start; ask for fewer (tgpu update --gpus)",
			max, plural(max), why->request.num_gpus);
	else
		why_tell(
			teller,
			"one user may hold %u GPU%s at a time (user_max_gpus); with the %u that it "
			"asks for uid %" PRIu32 " would have more (running: %s)",
			max, plural(max), why->request.num_gpus, why->uid, buf_get(&running));
}

static void tell_limit(const struct teller *teller)
{
	const struct user_limits *limits = &sched_config(teller->sched)->user_limits;
	const struct why *why = teller->why;
	_cleanup_(buf_finish) struct buf running = {0};

	add_users_running(teller, &running);
	if (why->bound == SCHED_USER_JOBS)
		why_tell(teller,
			 "one user may have %u job%s running at a time (user_max_running), and "
			 "uid %" PRIu32 " has: %s",
			 limits->max_jobs, plural(limits->max_jobs), why->uid, buf_get(&running));
	else if (why->bound == SCHED_USER_GPUS)
		tell_gpu_limit(teller, limits->max_gpus);
	else
		why_tell(teller, "as many tasks of its array run as may at a time");
}

static void tell_advice(const struct teller *teller)
{
	const struct why *why = teller->why;
	char span[32];

	if (why->shorter_ns > 0)
		why_tell(teller, "with a time limit of %s or less it would start now",
			 duration_show(why->shorter_ns / NS_PER_MS, span));
	if (why->fewer_gpus > 0)
		why_tell(teller, "with %u GPU%s it would start now", why->fewer_gpus,
			 plural(why->fewer_gpus));
}

/* Those who go first, in order. */
struct ahead {
	struct names names;
	bool all;	  /* look at all of them, not only at those that are named */
	uint64_t left;	  /* not looked at */
	uint64_t endless; /* the last looked at that nobody knows the end of; 0: none */
};

static void add_ahead(struct ahead *ahead, const struct waiting *waiting)
{
	uint64_t n = waiting->n < ahead->left ? waiting->n : ahead->left;

	name_jobs(&ahead->names, waiting->key.id, n);
	ahead->left -= n;
	if (waiting->estimate_ns == TIME_NEVER)
		ahead->endless = waiting->key.id;
}

static bool knows_enough(const struct ahead *ahead)
{
	return ahead->left == 0 || (!ahead->all && ahead->names.n_named == NAMED_MAX);
}

static void find_ahead(const struct teller *teller, struct ahead *ret_ahead)
{
	struct policy_order order = sched_order(teller->sched, teller->now_ns);
	struct ahead ahead = {
		.names.n = teller->why->ahead,
		.all = !teller->why->not_estimated,
		.left = teller->why->ahead,
	};
	const struct waiting *waiting;
	const struct shape *shape;
	struct walk walk;

	walk_init(&walk, teller->sched->queue, policy_compare, &order);
	while (!knows_enough(&ahead) && (waiting = walk_at(&walk, &shape))) {
		add_ahead(&ahead, waiting);
		walk_next(&walk);
	}
	walk_finish(&walk);
	*ret_ahead = ahead;
}

static void tell_ahead(const struct teller *teller, const struct names *names)
{
	_cleanup_(buf_finish) struct buf text = {0};

	if (names->n == 0)
		return;
	add_names(&text, names);
	why_tell(teller, "%s go%s first", buf_get(&text), names->n == 1 ? "es" : "");
}

/* The first running job of which nobody knows when it will end; 0: none. */
static uint64_t find_endless(const struct teller *teller)
{
	size_t n;
	struct running *const *running = sched_running(teller->sched, &n);

	for (size_t i = 0; i < n; i++)
		if (running[i]->end_ns == TIME_NEVER)
			return running[i]->job;
	return 0;
}

/* Is the end of a running job a guess? */
static bool has_prediction(const struct teller *teller)
{
	size_t n;
	struct running *const *running = sched_running(teller->sched, &n);

	for (size_t i = 0; i < n; i++)
		if (running[i]->predicted)
			return true;
	return false;
}

static void tell_no_start(const struct teller *teller, const struct ahead *ahead)
{
	uint64_t endless = find_endless(teller);

	if (teller->why->not_estimated)
		why_tell(teller, "its start is not estimated, because too many jobs go first");
	else if (endless || ahead->endless)
		why_tell(teller,
			 "its start cannot be estimated, because job %" PRIu64 ", which %s, has no "
			 "time limit",
			 endless ? endless : ahead->endless, endless ? "runs" : "goes first");
}

/* Of this very moment it only says that somebody is overdue: no promise to repeat. */
static void tell_start(const struct teller *teller, const struct ahead *ahead)
{
	const struct why *why = teller->why;
	char span[32];

	if (why->start_ns == TIME_UNKNOWN && why->code != WHY_UNAVAILABLE)
		tell_no_start(teller, ahead);
	if (why->start_ns < teller->now_ns + NS_PER_MS)
		return;
	duration_show((why->start_ns - teller->now_ns) / NS_PER_MS, span);
	if (why->head == why->job && !has_prediction(teller))
		why_tell(teller,
			 "starts in %s at the latest, if running jobs use all of their limits",
			 span);
	else if (why->head == why->job)
		why_tell(teller,
			 "starts in about %s, if those without a limit take as long as their like",
			 span);
	else
		why_tell(teller, "starts in about %s, if nothing goes first that is not here yet",
			 span);
}

static void tell_order(const struct teller *teller)
{
	if (sched_backfills(teller->sched))
		why_tell(teller, "would fit now, but would delay job %" PRIu64 ", which goes first",
			 teller->why->head);
	else
		why_tell(teller,
			 "would fit now, but job %" PRIu64
			 " goes first, and no job passes another (backfill is off)",
			 teller->why->head);
}

static void tell_window(const struct teller *teller, const struct window *window)
{
	const struct ledger *ledger = sched_ledger(teller->sched);
	uint64_t slots =
		window->gpus & ledger_matching_gpus(ledger, window->node, &teller->why->request);
	_cleanup_(buf_finish) struct buf labels = {0};
	int64_t start_ns = window->start_ns > teller->now_ns ? window->start_ns : teller->now_ns;
	char wait[32], span[32];

	if (!slots)
		return;
	why_add_labels(&labels, &ledger->nodes[window->node], slots, ", ");
	buf_printf(&labels, " %s", why_verb(slots));
	duration_show((window->end_ns - start_ns) / NS_PER_MS, span);
	if (start_ns > teller->now_ns)
		why_tell(teller, "%s reserved for uid %" PRIu32 " in %s, for %s", buf_get(&labels),
			 window->uid, duration_show((start_ns - teller->now_ns) / NS_PER_MS, wait),
			 span);
	else
		why_tell(teller, "%s reserved for uid %" PRIu32 ", for another %s",
			 buf_get(&labels), window->uid, span);
}

static void tell_windows(const struct teller *teller)
{
	const struct windows *windows = sched_windows(teller->sched);
	const struct why *why = teller->why;

	why_tell(teller, "would fit now, but not beside what is reserved for others%s",
		 why->end_ns == TIME_NEVER ? ": without a time limit it counts as running for ever"
					   : "");
	for (size_t i = 0; i < windows->n; i++)
		if (window_is_in_way(&windows->items[i], why->uid, teller->now_ns, why->end_ns))
			tell_window(teller, &windows->items[i]);
}

void why_sentences(struct sched *sched, const struct why *why, const struct depend *depend,
		   int64_t now_ns, void (*say)(void *ctx, const char *sentence), void *ctx)
{
	struct teller teller = {sched, why, now_ns, say, ctx};
	struct ahead ahead;
	char span[32];

	switch (why->code) {
	case WHY_NOT_WAITING: return;
	case WHY_HELD: why_tell(&teller, "held until somebody releases it (tgpu release)"); return;
	case WHY_DEPENDENCY:
	case WHY_NEVER: tell_dependencies(&teller, depend); return;
	case WHY_BEGIN:
		why_tell(&teller, "was asked not to begin for another %s",
			 duration_show((why->begin_ns - now_ns) / NS_PER_MS, span));
		return;
	case WHY_STARTING:
		why_tell(&teller, "nothing stands in its way: it is about to start");
		return;
	case WHY_LIMIT:
	case WHY_ARRAY: tell_limit(&teller); break;
	case WHY_ORDER: tell_order(&teller); break;
	case WHY_WINDOW: tell_windows(&teller); break;
	default: tell_shortage(&teller);
	}
	find_ahead(&teller, &ahead);
	tell_ahead(&teller, &ahead.names);
	tell_start(&teller, &ahead);
	tell_advice(&teller);
	if (why->preempted > 0)
		why_tell(&teller,
			 "has made room for others %u time%s, and stands in line as before",
			 why->preempted, plural(why->preempted));
}
