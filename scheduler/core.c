/* SPDX-License-Identifier: MIT */
/*
 * sched_pass(): who starts now, and where.
 *
 * One loop takes the first candidate in order, tries to place it, and draws the conclusion:
 *
 *   - it fits: start it;
 *   - it does not fit: nothing of its shape does, so close the shape; if it is the first that must
 *     wait, it becomes the head and gets a reservation;
 *   - it fits, but would delay the head: narrow the shape to jobs that are over in time.
 *
 * Within a pass resources only shrink, so a closed shape stays closed. A narrowed one is widened
 * by every start: what is left to choose from is another place now, and it may be one that does not
 * delay the head. So no waiting job passes the test when the pass is over. Each round starts a job
 * or closes or narrows a shape: at most (starts + 1) x shapes rounds, whatever the queue's length.
 *
 * Invariants: the ledger's bookings are exactly those of `running`; a job is in the queue, in
 * `later` or in `running`, never in two. A job that would not fit even on an empty machine of this
 * moment (its GPUs are lost or held by others) reserves nothing, so it blocks nobody. Deliberately
 * not here: states and records of jobs (job.c, the daemon), the reasons shown (why.c). Read next:
 * why.c.
 */
#include "scheduler/core.h"

#include <assert.h>
#include <stdlib.h>

/* Marks on shapes during a pass. */
enum { SHAPE_OPEN = 0, SHAPE_SHORT_ONLY, SHAPE_CLOSED };

/* A job whose begin time has not come. */
struct later {
	int64_t begin_ns;
	struct queue_key key;
	struct request request;
	int64_t estimate_ns;
};

struct sched {
	struct sched_config config;
	struct ledger ledger;
	struct queue *queue;
	struct running *running; /* owned; ascending end_ns, then start_ns */
	size_t n_running, running_capacity;
	struct later *later; /* owned; ascending begin_ns */
	size_t n_later, later_capacity;
	uint64_t head;
	int64_t head_shadow_ns;
};

void decisions_finish(struct decisions *decisions)
{
	for (size_t i = 0; i < decisions->n; i++)
		allocation_finish(&decisions->items[i].alloc);
	free(decisions->items);
	*decisions = (struct decisions){0};
}

struct sched *sched_create(const struct sched_config *config)
{
	struct sched *sched = xcalloc(1, sizeof(*sched));

	sched->config = *config;
	ledger_init(&sched->ledger);
	sched->queue = queue_create();
	return sched;
}

void sched_destroy(struct sched *sched)
{
	if (!sched)
		return;
	for (size_t i = 0; i < sched->n_running; i++)
		allocation_finish(&sched->running[i].alloc);
	free(sched->running);
	free(sched->later);
	queue_destroy(sched->queue);
	ledger_finish(&sched->ledger);
	free(sched);
}

struct ledger *sched_ledger(struct sched *sched)
{
	return &sched->ledger;
}

struct queue_key sched_key(const struct sched *sched, const struct job *job)
{
	return (struct queue_key){
		.rank = sched->config.policy->rank(job, sched->config.point_ns),
		.submit_ns = job->submit_ns,
		.id = job->id,
	};
}

static int64_t estimate_of(const struct job *job)
{
	return job->limit_ns > 0 ? job->limit_ns : TIME_NEVER;
}

static void add_later(struct sched *sched, const struct later *later)
{
	size_t at = sched->n_later;

	xgrow(&sched->later, &sched->later_capacity, sched->n_later + 1, sizeof(*sched->later));
	while (at > 0 && sched->later[at - 1].begin_ns > later->begin_ns)
		at--;
	memmove(&sched->later[at + 1], &sched->later[at],
		(sched->n_later - at) * sizeof(*sched->later));
	sched->later[at] = *later;
	sched->n_later++;
}

void sched_enqueue(struct sched *sched, const struct job *job)
{
	struct later later = {
		.begin_ns = job->begin_ns,
		.key = sched_key(sched, job),
		.request = job->request,
		.estimate_ns = estimate_of(job),
	};

	assert(job->state == JOB_QUEUED && !job->held);
	if (job->begin_ns > TIME_UNKNOWN)
		add_later(sched, &later);
	else
		queue_insert(sched->queue, &later.request, &later.key, later.estimate_ns);
}

void sched_dequeue(struct sched *sched, const struct job *job)
{
	struct queue_key key = sched_key(sched, job);

	if (queue_remove(sched->queue, &job->request, &key))
		return;
	for (size_t i = 0; i < sched->n_later; i++) {
		if (sched->later[i].key.id != job->id)
			continue;
		memmove(&sched->later[i], &sched->later[i + 1],
			(--sched->n_later - i) * sizeof(*sched->later));
		return;
	}
}

/* Does a running job go before one that started at start_ns and will end at end_ns? */
static bool ends_first(const struct running *running, int64_t start_ns, int64_t end_ns)
{
	if (running->end_ns != end_ns)
		return running->end_ns < end_ns;
	return running->start_ns <= start_ns;
}

static void add_running(struct sched *sched, uint64_t job, int64_t start_ns, int64_t estimate_ns,
			const struct allocation *alloc)
{
	int64_t end_ns = time_add(start_ns, estimate_ns);
	size_t at = sched->n_running;

	xgrow(&sched->running, &sched->running_capacity, sched->n_running + 1,
	      sizeof(*sched->running));
	while (at > 0 && !ends_first(&sched->running[at - 1], start_ns, end_ns))
		at--;
	memmove(&sched->running[at + 1], &sched->running[at],
		(sched->n_running - at) * sizeof(*sched->running));
	sched->running[at] = (struct running){
		.job = job,
		.start_ns = start_ns,
		.end_ns = end_ns,
		.alloc = allocation_dup(alloc),
	};
	sched->n_running++;
	ledger_take(&sched->ledger, alloc);
}

void sched_adopt(struct sched *sched, const struct job *job)
{
	int64_t start = job->start_ns != TIME_UNKNOWN ? job->start_ns : job->place_ns;

	assert(job_state_has_gpus(job->state));
	add_running(sched, job->id, start, estimate_of(job), &job->alloc);
}

void sched_release(struct sched *sched, uint64_t job)
{
	for (size_t i = 0; i < sched->n_running; i++) {
		if (sched->running[i].job != job)
			continue;
		ledger_give(&sched->ledger, &sched->running[i].alloc);
		allocation_finish(&sched->running[i].alloc);
		memmove(&sched->running[i], &sched->running[i + 1],
			(--sched->n_running - i) * sizeof(*sched->running));
		return;
	}
}

bool sched_is_running(const struct sched *sched, uint64_t job)
{
	for (size_t i = 0; i < sched->n_running; i++)
		if (sched->running[i].job == job)
			return true;
	return false;
}

/* Move the jobs whose begin time has come into the queue. */
static void admit_due(struct sched *sched, int64_t now_ns)
{
	size_t due = 0;

	while (due < sched->n_later && sched->later[due].begin_ns <= now_ns) {
		const struct later *later = &sched->later[due++];

		queue_insert(sched->queue, &later->request, &later->key, later->estimate_ns);
	}
	if (due == 0)
		return;
	sched->n_later -= due;
	memmove(sched->later, sched->later + due, sched->n_later * sizeof(*sched->later));
}

struct candidate {
	size_t shape;
	struct queue_key key;
	int64_t estimate_ns;
};

/* The first of this shape that may still be considered. */
static bool first_of_shape(const struct sched *sched, size_t shape, int64_t short_ns,
			   struct candidate *ret_candidate)
{
	struct candidate found = {.shape = shape};

	switch (queue_mark(sched->queue, shape)) {
	case SHAPE_CLOSED: return false;
	case SHAPE_SHORT_ONLY:
		if (!queue_first_within(sched->queue, shape, short_ns, &found.key,
					&found.estimate_ns))
			return false;
		break;
	default: queue_first(sched->queue, shape, &found.key, &found.estimate_ns);
	}
	*ret_candidate = found;
	return true;
}

/* The first in order over all shapes. short_ns: the time left until the head's shadow time. */
static bool first_candidate(const struct sched *sched, int64_t short_ns,
			    struct candidate *ret_candidate)
{
	struct candidate best, next;
	bool found = false;

	for (size_t i = 0; i < queue_n_shapes(sched->queue); i++) {
		if (!first_of_shape(sched, i, short_ns, &next))
			continue;
		if (found && queue_key_compare(&next.key, &best.key) > 0)
			continue;
		best = next;
		found = true;
	}
	if (found)
		*ret_candidate = best;
	return found;
}

/* Something was started: what would have delayed the head may find another place now. */
static void widen_shapes(struct sched *sched)
{
	for (size_t i = 0; i < queue_n_shapes(sched->queue); i++)
		if (queue_mark(sched->queue, i) == SHAPE_SHORT_ONLY)
			queue_set_mark(sched->queue, i, SHAPE_OPEN);
}

/* Carry out a decision in the scheduler's own books. */
static void start(struct sched *sched, const struct candidate *candidate, int64_t now_ns,
		  struct allocation *alloc, struct decisions *decisions)
{
	struct request shape = *queue_shape(sched->queue, candidate->shape);

	queue_remove(sched->queue, &shape, &candidate->key);
	add_running(sched, candidate->key.id, now_ns, candidate->estimate_ns, alloc);
	xgrow(&decisions->items, &decisions->capacity, decisions->n + 1, sizeof(*decisions->items));
	decisions->items[decisions->n++] = (struct decision){candidate->key.id, *alloc};
	*alloc = (struct allocation){0};
}

/* A job's shape does not fit. True when the pass is to go on with other shapes. */
static bool block(struct sched *sched, const struct candidate *candidate, int64_t now_ns,
		  struct reservation *head)
{
	const struct request *shape = queue_shape(sched->queue, candidate->shape);

	queue_set_mark(sched->queue, candidate->shape, SHAPE_CLOSED);
	if (head->job)
		return true;
	if (reservation_make(&sched->ledger, sched->running, sched->n_running, candidate->key.id,
			     shape, now_ns, head) == RESERVE_NEVER)
		return true;
	return sched->config.backfill == BACKFILL_EASY;
}

void sched_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions)
{
	struct reservation head = {0};
	struct candidate next;

	admit_due(sched, now_ns);
	queue_clear_marks(sched->queue);
	while (first_candidate(sched, head.shadow_ns - now_ns - (head.shadow_ns == TIME_NEVER),
			       &next)) {
		_cleanup_(allocation_finish) struct allocation alloc = {0};
		const struct request *shape = queue_shape(sched->queue, next.shape);
		int64_t end_ns = time_add(now_ns, next.estimate_ns);

		if (placement_find(&sched->ledger, shape, &alloc) == PLACE_NO_FIT) {
			if (!block(sched, &next, now_ns, &head))
				break;
		} else if (head.job && !reservation_allows(&head, &alloc, end_ns)) {
			queue_set_mark(sched->queue, next.shape, SHAPE_SHORT_ONLY);
		} else {
			if (head.job)
				reservation_book(&head, &alloc, end_ns);
			start(sched, &next, now_ns, &alloc, decisions);
			widen_shapes(sched);
		}
	}
	sched->head = head.job;
	sched->head_shadow_ns = head.shadow_ns;
	reservation_release(&head);
}

bool sched_backfills(const struct sched *sched)
{
	return sched->config.backfill != BACKFILL_NONE;
}

int64_t sched_next_wake_ns(const struct sched *sched)
{
	return sched->n_later > 0 ? sched->later[0].begin_ns : TIME_NEVER;
}

uint64_t sched_head(const struct sched *sched, int64_t *ret_shadow_ns)
{
	*ret_shadow_ns = sched->head_shadow_ns;
	return sched->head;
}

size_t sched_ahead(const struct sched *sched, const struct job *job)
{
	struct queue_key key = sched_key(sched, job);

	return queue_count_before(sched->queue, &key);
}

const struct running *sched_running(const struct sched *sched, size_t *ret_n)
{
	*ret_n = sched->n_running;
	return sched->running;
}

/* The most that one node has of each. */
struct capacity {
	unsigned slots;
	uint64_t gpus, all_gpus; /* that suit the request: of one node, of all */
	uint32_t cpus;
	uint64_t mem_bytes;
};

static struct capacity measure(const struct ledger *empty, const struct request *request)
{
	struct capacity most = {0};

	for (uint32_t i = 0; i < empty->n_nodes; i++) {
		const struct node *node = &empty->nodes[i];
		uint64_t suiting = ledger_matching_gpus(empty, i, request) & node->ready;
		uint64_t gpus = (uint64_t)__builtin_popcountll(suiting);

		most.slots = node->n_gpus > most.slots ? node->n_gpus : most.slots;
		most.gpus = gpus > most.gpus ? gpus : most.gpus;
		most.all_gpus += gpus;
		most.cpus = node->cpus > most.cpus ? node->cpus : most.cpus;
		most.mem_bytes =
			node->mem_bytes > most.mem_bytes ? node->mem_bytes : most.mem_bytes;
	}
	return most;
}

/* The first dimension in which even the largest node (for a gang: all of them) is too small. */
static int explain_impossible(const struct ledger *empty, const struct request *request,
			      struct err *err)
{
	struct capacity most = measure(empty, request);
	bool gang = request->num_gpus > most.slots && empty->n_nodes > 1;
	uint64_t gpus = gang ? most.all_gpus : most.gpus;

	if (request->num_gpus > gpus)
		err_set(err, SCHED_IMPOSSIBLE,
			"num_gpus: the job asks for %u GPUs%s%s%s but %s %llu%s; "
			"lower --gpus or see \"tgpu gpus\"",
			request->num_gpus, request->gpu_type ? " of type '" : "",
			ledger_type_name(empty, request->gpu_type), request->gpu_type ? "'" : "",
			gang ? "all nodes together have" : "the largest node has",
			(unsigned long long)gpus,
			request->gpu_mem_bytes ? " with that much memory" : "");
	else if (!gang && request->cpus > most.cpus)
		err_set(err, SCHED_IMPOSSIBLE,
			"cpus: the job asks for %u CPUs but the largest node has %u; lower --cpus",
			request->cpus, most.cpus);
	else if (!gang && request->mem_bytes > most.mem_bytes)
		err_set(err, SCHED_IMPOSSIBLE,
			"mem: the job asks for %llu MiB but the largest node has %llu MiB; lower "
			"--mem",
			(unsigned long long)(request->mem_bytes >> 20),
			(unsigned long long)(most.mem_bytes >> 20));
	else
		err_set(err, SCHED_IMPOSSIBLE,
			"the job asks for more GPUs, CPUs and memory at once than any node has "
			"together; lower --gpus, --cpus or --mem");
	return SCHED_IMPOSSIBLE;
}

int sched_check(struct sched *sched, const struct request *request, struct err *err)
{
	struct ledger empty;
	int r = 0;

	ledger_scratch_init(&empty, &sched->ledger);
	ledger_scratch_clear(&empty);
	if (!placement_fits(&empty, request))
		r = explain_impossible(&empty, request, err);
	ledger_scratch_finish(&empty);
	return r;
}

void sched_check_invariants(const struct sched *sched)
{
	_cleanup_(free_ptr) const struct allocation **allocs =
		xcalloc(sched->n_running, sizeof(const struct allocation *));

	for (size_t i = 0; i < sched->n_running; i++) {
		allocs[i] = &sched->running[i].alloc;
		assert(i == 0 || ends_first(&sched->running[i - 1], sched->running[i].start_ns,
					    sched->running[i].end_ns));
	}
	ledger_check_invariants(&sched->ledger, (const struct allocation *const *)allocs,
				sched->n_running);
}
