/* SPDX-License-Identifier: MIT */
/* Rule P, EASY and the orders of jobs, straight from their definitions. See naive.h. */
#include "naive.h"

#include <assert.h>

static bool is_free(const struct naive_gpu *gpu)
{
	return gpu->condition == GPU_READY && gpu->owner == 0;
}

static bool suits(const struct naive_gpu *gpu, const struct naive_job *job)
{
	return job->type == 0 || gpu->type == job->type;
}

static unsigned count_free(const struct naive_node *node)
{
	unsigned count = 0;

	for (unsigned i = 0; i < node->n; i++)
		count += is_free(&node->gpus[i]);
	return count;
}

static bool has_room(const struct naive_node *node, const struct naive_job *job, unsigned gpus,
		     unsigned cpus)
{
	unsigned count = 0;

	for (unsigned i = 0; i < node->n; i++)
		count += is_free(&node->gpus[i]) && suits(&node->gpus[i], job);
	return count >= gpus && node->used_cpus + cpus <= node->cpus;
}

static int32_t set_score(const struct naive_node *node, uint64_t set)
{
	int32_t sum = 0;

	for (unsigned i = 0; i < node->n; i++)
		for (unsigned j = 0; j < i; j++)
			if (set >> i & 1 && set >> j & 1)
				sum += node->scores[i][j];
	return sum;
}

/* Is one set before another: score, score of the rest, lowest ids? */
static bool is_better(const struct naive_node *node, uint64_t free, uint64_t a, uint64_t b)
{
	if (set_score(node, a) != set_score(node, b))
		return set_score(node, a) > set_score(node, b);
	if (set_score(node, free & ~a) != set_score(node, free & ~b))
		return set_score(node, free & ~a) > set_score(node, free & ~b);
	for (unsigned i = 0; i < node->n; i++)
		if ((a ^ b) >> i & 1)
			return a >> i & 1;
	return false;
}

static uint64_t choose(const struct naive_node *node, const struct naive_job *job, unsigned gpus)
{
	uint64_t usable = 0, best = 0;
	bool any = false;

	for (unsigned i = 0; i < node->n; i++)
		if (is_free(&node->gpus[i]) && suits(&node->gpus[i], job))
			usable |= UINT64_C(1) << i;
	for (uint64_t set = 0; set < UINT64_C(1) << node->n; set++) {
		if (set & ~usable || (unsigned)__builtin_popcountll(set) != gpus)
			continue;
		if (!any || is_better(node, usable, set, best))
			best = set;
		any = true;
	}
	return best;
}

static bool place_on_one(const struct naive *naive, const struct naive_job *job, unsigned gpus,
			 unsigned cpus, struct naive_place *place)
{
	unsigned best = naive->n_nodes;

	for (unsigned i = 0; i < naive->n_nodes; i++)
		if (!place->used[i] && has_room(&naive->nodes[i], job, gpus, cpus) &&
		    (best == naive->n_nodes ||
		     count_free(&naive->nodes[i]) < count_free(&naive->nodes[best])))
			best = i;
	if (best == naive->n_nodes)
		return false;
	place->used[best] = true;
	place->gpus[best] = choose(&naive->nodes[best], job, gpus);
	place->cpus[best] = cpus;
	return true;
}

static bool is_idle(const struct naive_node *node)
{
	for (unsigned i = 0; i < node->n; i++)
		if (node->gpus[i].owner)
			return false;
	return true;
}

bool naive_place(const struct naive *naive, const struct naive_job *job,
		 struct naive_place *ret_place)
{
	struct naive_place place = {0};
	unsigned largest = 0, left = job->gpus,
		 cpus_per_gpu = job->gpus ? job->cpus / job->gpus : 0;

	for (unsigned i = 0; i < naive->n_nodes; i++)
		largest = naive->nodes[i].n > largest ? naive->nodes[i].n : largest;
	if (job->gpus <= largest || largest == 0) {
		*ret_place = place;
		return place_on_one(naive, job, job->gpus, job->cpus, ret_place);
	}
	for (unsigned i = 0; i < naive->n_nodes && left >= largest; i++) {
		if (!is_idle(&naive->nodes[i]) ||
		    !has_room(&naive->nodes[i], job, largest, cpus_per_gpu * largest))
			continue;
		place.used[i] = true;
		place.gpus[i] = choose(&naive->nodes[i], job, largest);
		place.cpus[i] = cpus_per_gpu * largest;
		left -= largest;
	}
	if (left >= largest ||
	    (left > 0 && !place_on_one(naive, job, left, cpus_per_gpu * left, &place)))
		return false;
	*ret_place = place;
	return true;
}

static void book(struct naive *naive, uint64_t owner, const struct naive_place *place)
{
	for (unsigned n = 0; n < naive->n_nodes; n++) {
		for (unsigned i = 0; i < naive->nodes[n].n; i++)
			if (place->gpus[n] >> i & 1) {
				assert(naive->nodes[n].gpus[i].owner == 0);
				naive->nodes[n].gpus[i].owner = owner;
			}
		naive->nodes[n].used_cpus += place->cpus[n];
	}
}

static void give_back(struct naive *naive, const struct naive_job *job)
{
	for (unsigned n = 0; n < naive->n_nodes; n++) {
		for (unsigned i = 0; i < naive->nodes[n].n; i++)
			if (naive->nodes[n].gpus[i].owner == job->id)
				naive->nodes[n].gpus[i].owner = 0;
		naive->nodes[n].used_cpus -= job->place.cpus[n];
	}
}

/* The predicted end of a running job: never in the past; without a limit after all others, one by
 * one in the order in which they were started. */
static int64_t predicted(const struct naive_job *job, int64_t now)
{
	int64_t end = job->limit ? job->start + job->limit : NAIVE_UNLIMITED + job->turn;

	if (job->leaving && job->leaves < end)
		end = job->leaves;
	return end > now ? end : now + 1;
}

/* As it will be at `when`, if every limit is used up. */
static void look_ahead(const struct naive *naive, int64_t now, int64_t when, struct naive *ret_then)
{
	*ret_then = *naive;
	for (unsigned i = 0; i < naive->n_jobs; i++)
		if (naive->jobs[i].state == NAIVE_RUNNING &&
		    predicted(&naive->jobs[i], now) <= when)
			give_back(ret_then, &naive->jobs[i]);
	for (unsigned n = 0; n < naive->n_nodes; n++)
		for (unsigned i = 0; i < naive->nodes[n].n; i++)
			if (naive->nodes[n].gpus[i].condition == GPU_CLEANING)
				ret_then->nodes[n].gpus[i].condition = GPU_READY;
}

int64_t naive_shadow(const struct naive *naive, const struct naive_job *job, int64_t now,
		     struct naive *ret_then)
{
	int64_t best = NAIVE_NEVER;
	struct naive_place place;

	look_ahead(naive, now, now + 1, ret_then);
	if (naive_place(ret_then, job, &place))
		return now + 1;
	for (unsigned i = 0; i < naive->n_jobs; i++) {
		int64_t when = predicted(&naive->jobs[i], now);

		if (naive->jobs[i].state != NAIVE_RUNNING || when >= best)
			continue;
		look_ahead(naive, now, when, ret_then);
		if (naive_place(ret_then, job, &place))
			best = when;
	}
	if (best < NAIVE_NEVER)
		look_ahead(naive, now, best, ret_then);
	return best;
}

static int64_t estimate(const struct naive_job *job)
{
	return job->limit ? job->limit : NAIVE_NEVER;
}

/* Predicted time x GPUs, or else CPUs. */
static int64_t service(const struct naive_job *job)
{
	unsigned width = job->gpus ? job->gpus : job->cpus;

	return job->limit ? job->limit * (width ? width : 1) : NAIVE_NEVER;
}

/* What a policy orders by first and second; the smaller goes first. */
static double score(const struct naive *naive, const struct naive_job *job, int64_t now)
{
	int64_t waited = now - job->submit;

	if (naive->policy == NAIVE_FAIR)
		return naive->usage[job->user];
	if (naive->policy != NAIVE_SHORTEST)
		return 0;
	return waited >= naive->cap
		       ? -1
		       : (double)service(job) / (1 + (double)waited / (double)naive->tau);
}

static int64_t rank(const struct naive *naive, const struct naive_job *job)
{
	switch (naive->policy) {
	/* Worth at any time: priority + waiting / point, without the division. */
	case NAIVE_PRIORITY: return job->submit - job->priority * naive->point;
	case NAIVE_SJF: return estimate(job);
	case NAIVE_SRSF: return service(job);
	case NAIVE_FAIR: return -job->priority;
	default: return 0;
	}
}

static bool ranks_before(const struct naive *naive, const struct naive_job *a,
			 const struct naive_job *b)
{
	if (rank(naive, a) != rank(naive, b))
		return rank(naive, a) < rank(naive, b);
	return a->submit != b->submit ? a->submit < b->submit : a->id < b->id;
}

bool naive_goes_before(const struct naive *naive, const struct naive_job *a,
		       const struct naive_job *b, int64_t now)
{
	double x = score(naive, a, now), y = score(naive, b, now);

	return x < y || (x <= y && ranks_before(naive, a, b));
}

/* The same when the shortest goes first. */
static bool is_shorter(const struct naive *naive, const struct naive_job *a,
		       const struct naive_job *b, int64_t now)
{
	if (estimate(a) != estimate(b))
		return estimate(a) < estimate(b);
	return naive_goes_before(naive, a, b, now);
}

bool naive_waits(const struct naive_job *job, int64_t now)
{
	return job->state == NAIVE_WAITING && job->begin <= now;
}

enum sched_bound naive_bound(const struct naive *naive, const struct naive_job *job)
{
	unsigned jobs = 0, gpus = job->gpus, tasks = 0;

	for (unsigned i = 0; i < naive->n_jobs; i++) {
		const struct naive_job *other = &naive->jobs[i];

		if (other->state != NAIVE_RUNNING)
			continue;
		tasks += job->array && other->array == job->array;
		if (other->user != job->user)
			continue;
		jobs++;
		gpus += other->gpus;
	}
	if (naive->limits.max_jobs && jobs >= naive->limits.max_jobs)
		return SCHED_USER_JOBS;
	if (naive->limits.max_gpus && gpus > naive->limits.max_gpus)
		return SCHED_USER_GPUS;
	return job->array_limit && tasks >= job->array_limit ? SCHED_ARRAY : SCHED_UNBOUND;
}

unsigned naive_ahead(const struct naive *naive, const struct naive_job *job, int64_t now)
{
	unsigned count = 0;

	for (unsigned i = 0; i < naive->n_jobs; i++)
		count += naive_waits(&naive->jobs[i], now) &&
			 naive_goes_before(naive, &naive->jobs[i], job, now);
	return count;
}

typedef bool before_fn(const struct naive *naive, const struct naive_job *a,
		       const struct naive_job *b, int64_t now);

/* The waiting job that goes first among those after `last` (NULL: among all). */
static struct naive_job *next_in_order(struct naive *naive, const struct naive_job *last,
				       int64_t now, before_fn *before)
{
	struct naive_job *best = NULL;

	for (unsigned i = 0; i < naive->n_jobs; i++) {
		struct naive_job *job = &naive->jobs[i];

		if (!naive_waits(job, now) || naive_bound(naive, job) != SCHED_UNBOUND ||
		    (last && !before(naive, last, job, now)))
			continue;
		if (!best || before(naive, job, best, now))
			best = job;
	}
	return best;
}

/* May it pass the head: over by the shadow time, or not in the way then? */
static bool may_pass(const struct naive *then, const struct naive_job *head, int64_t shadow,
		     const struct naive_job *job, const struct naive_place *place, int64_t now)
{
	struct naive with_it = *then;
	struct naive_place unused;

	if (job->limit && now + job->limit <= shadow)
		return true;
	book(&with_it, job->id, place);
	return naive_place(&with_it, head, &unused);
}

/* The first that must wait, or that may start before there is such a one. */
static struct naive_job *find_head(struct naive *naive, int64_t now, struct naive *ret_then,
				   struct naive_place *ret_place)
{
	struct naive_job *job = NULL;

	while ((job = next_in_order(naive, job, now, naive_goes_before))) {
		if (naive_place(naive, job, ret_place))
			return job;
		if (naive->mode == BACKFILL_GREEDY)
			continue;
		naive->shadow = naive_shadow(naive, job, now, ret_then);
		if (naive->shadow == NAIVE_NEVER)
			continue; /* it waits for what nobody can promise */
		naive->head = job;
		return NULL;
	}
	return NULL;
}

struct naive_job *naive_next(struct naive *naive, int64_t now, struct naive_place *ret_place)
{
	before_fn *before = naive->shortest_passes ? is_shorter : naive_goes_before;
	static struct naive then;
	struct naive_job *job;

	naive->head = NULL;
	naive->shadow = 0;
	job = find_head(naive, now, &then, ret_place);
	if (!naive->head)
		naive->shadow = 0;
	if (job || !naive->head || naive->mode == BACKFILL_NONE)
		return job;
	while ((job = next_in_order(naive, job, now, before)))
		if (naive_place(naive, job, ret_place) &&
		    may_pass(&then, naive->head, naive->shadow, job, ret_place, now))
			return job;
	return NULL;
}

void naive_start(struct naive *naive, struct naive_job *job, const struct naive_place *place,
		 int64_t now)
{
	book(naive, job->id, place);
	job->place = *place;
	job->state = NAIVE_RUNNING;
	job->leaving = false;
	job->start = now;
	job->turn = ++naive->n_started;
}

void naive_end(struct naive *naive, struct naive_job *job)
{
	give_back(naive, job);
	job->state = NAIVE_OVER;
}
