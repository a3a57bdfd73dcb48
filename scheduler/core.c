/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's books: who waits, who runs, who has what, kept in step with each other.
 *
 * Invariants: the ledger's bookings are exactly those of the running jobs; a waiting job is in the
 * queue or, until its begin time, in `later`, never in both and never while it runs; the counts per
 * user and per array are sums over the running jobs. Deliberately not here: decisions (pass.c,
 * conservative.c), states and records of jobs (job.c, the daemon), the order (line.c), what could
 * be said of them (why.c). Cost: O(log n) for each job that comes or goes, and for one that runs
 * moving a part of an array of pointers. Read next: check.c.
 */
#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"
#include "scheduler/core_internal.h"

struct array_count {
	uint64_t array;
	uint32_t running;
	UT_hash_handle hh;
};

void decisions_clear(struct decisions *decisions)
{
	for (size_t i = 0; i < decisions->n; i++)
		allocation_finish(&decisions->items[i].alloc);
	decisions->n = 0;
}

void decisions_finish(struct decisions *decisions)
{
	decisions_clear(decisions);
	free(decisions->items);
	*decisions = (struct decisions){0};
}

struct sched *sched_create(const struct sched_config *config)
{
	struct sched *sched = xcalloc(1, sizeof(*sched));

	assert(config->policy);
	sched->config = *config;
	sched->wake_ns = TIME_NEVER;
	ledger_init(&sched->ledger);
	sched->queue = queue_create();
	sched->later = later_create(config->policy->by_length);
	sched->runnings = runnings_create();
	sched->users = users_create(config->half_life_ns);
	sched->predictor = predictor_create();
	return sched;
}

void sched_destroy(struct sched *sched)
{
	struct array_count *count, *next;

	if (!sched)
		return;
	count = sched->arrays;
	HASH_CLEAR(hh, sched->arrays); /* the table; its entries are still a list */
	for (; count; count = next) {
		next = count->hh.next;
		free(count);
	}
	conservative_finish(&sched->conservative);
	plan_finish(&sched->plan);
	reservation_finish(&sched->reservation);
	candidates_finish(&sched->candidates);
	windows_finish(&sched->windows);
	predictor_destroy(sched->predictor);
	users_destroy(sched->users);
	runnings_destroy(sched->runnings);
	later_destroy(sched->later);
	queue_destroy(sched->queue);
	ledger_finish(&sched->ledger);
	free(sched);
}

struct ledger *sched_ledger(struct sched *sched)
{
	return &sched->ledger;
}

struct users *sched_users(struct sched *sched)
{
	return sched->users;
}

void sched_observe(struct sched *sched, sched_observe_fn *observe, void *ctx)
{
	sched->observe = observe;
	sched->observer = ctx;
}

void sched_tell(const struct sched *sched, const struct sched_told *told)
{
	if (sched->observe)
		sched->observe(sched->observer, told);
}

void sched_charge(struct sched *sched, const struct sched_charge *charge)
{
	sched_tell(sched, &(struct sched_told){.call = SCHED_CALL_CHARGE, .charge = charge});
	users_charge(sched->users, charge->uid, charge->share, charge->start_ns, charge->end_ns);
}

struct predictor *sched_predictor(struct sched *sched)
{
	return sched->predictor;
}

const struct sched_config *sched_config(const struct sched *sched)
{
	return &sched->config;
}

int64_t sched_estimate(const struct job *job)
{
	if (job->limit_ns > 0)
		return job->limit_ns;
	return job->predicted_ns > 0 ? job->predicted_ns : TIME_NEVER;
}

struct queue_key sched_key(const struct sched *sched, const struct job *job)
{
	return (struct queue_key){
		.rank = sched->config.policy->rank(job, sched_estimate(job), &sched->config.params),
		.submit_ns = job->submit_ns,
		.id = job->id,
	};
}

/* Do decisions depend on whose a job is? */
static bool tells_users_apart(const struct sched *sched)
{
	return sched->config.policy->by_user || sched->config.user_limits.max_jobs ||
	       sched->config.user_limits.max_gpus || sched->config.tell_users_apart;
}

void sched_set_windows(struct sched *sched, const struct window *windows, size_t n)
{
	assert(n == 0 || tells_users_apart(sched));
	sched_tell(sched, &(struct sched_told){
				  .call = SCHED_CALL_WINDOWS,
				  .windows = windows,
				  .n_windows = n,
			  });
	windows_set(&sched->windows, windows, n);
	conservative_restart(&sched->conservative);
}

const struct windows *sched_windows(const struct sched *sched)
{
	return &sched->windows;
}

struct shape sched_shape(const struct sched *sched, const struct job *job)
{
	bool bound = job->array && job->array_limit;

	return (struct shape){
		.request = job->request,
		.user = tells_users_apart(sched) ? job->uid : 0,
		.array = bound ? job->array : 0,
		.array_limit = bound ? job->array_limit : 0,
		.length = sched->config.policy->by_length ? sched_estimate(job) : 0,
	};
}

/* Whoever has made room often enough has done their part, and nobody preempts in circles for ever.
 */
static bool may_be_preempted(const struct job *job)
{
	return job->preemptible && job->preempted < PREEMPTIONS_MAX;
}

static struct waiting waiting_of(const struct sched *sched, const struct job *job, uint32_t n)
{
	return (struct waiting){
		.key = sched_key(sched, job),
		.estimate_ns = sched_estimate(job),
		.n = n,
		.priority = (int16_t)job->priority,
		.preemptible = may_be_preempted(job),
		.predicted = job->limit_ns <= 0 && job->predicted_ns > 0,
	};
}

void sched_admit(struct sched *sched, const struct shape *shape, const struct waiting *waiting)
{
	queue_insert(sched->queue, shape, waiting);
	if (sched->config.backfill == BACKFILL_CONSERVATIVE)
		conservative_add(&sched->conservative, shape, waiting);
}

void sched_enqueue(struct sched *sched, const struct job *job, uint32_t n)
{
	struct shape shape = sched_shape(sched, job);
	struct waiting waiting = waiting_of(sched, job, n);

	assert(job->state == JOB_QUEUED && !job->held);
	sched_tell(sched, &(struct sched_told){.call = SCHED_CALL_ENQUEUE, .job = job, .n = n});
	if (job->begin_ns > TIME_UNKNOWN)
		later_insert(sched->later, &shape, &waiting, job->begin_ns);
	else
		sched_admit(sched, &shape, &waiting);
}

void sched_dequeue(struct sched *sched, const struct job *job)
{
	struct shape shape = sched_shape(sched, job);
	struct waiting waiting = waiting_of(sched, job, 1);

	sched_tell(sched, &(struct sched_told){.call = SCHED_CALL_DEQUEUE, .id = job->id});
	if (queue_remove(sched->queue, &shape, &waiting.key))
		conservative_forget(&sched->conservative, job->id);
	else
		later_remove(sched->later, &shape, &waiting);
}

static struct array_count *find_count(const struct sched *sched, uint64_t array)
{
	struct array_count *count;

	HASH_FIND(hh, sched->arrays, &array, sizeof(array), count);
	return count;
}

static void count_task(struct sched *sched, uint64_t array, int change)
{
	struct array_count *count = find_count(sched, array);

	if (array == 0)
		return;
	if (!count) {
		count = xcalloc(1, sizeof(*count));
		count->array = array;
		HASH_ADD(hh, sched->arrays, array, sizeof(count->array), count);
	}
	count->running += (uint32_t)change;
	if (count->running > 0)
		return;
	HASH_DEL(sched->arrays, count);
	free(count);
}

void sched_count_running(struct sched *sched, struct running *running)
{
	if (tells_users_apart(sched)) {
		running->share = ledger_share(&sched->ledger, &running->alloc);
		users_take(sched->users, running->shape.user, running->shape.request.num_gpus,
			   running->share, running->start_ns);
	}
	count_task(sched, running->shape.array, 1);
}

/* Book a running job; its alloc is taken over. */
static void add_running(struct sched *sched, struct running *running)
{
	sched_count_running(sched, running);
	ledger_take(&sched->ledger, &running->alloc);
	runnings_add(sched->runnings, running);
}

void sched_book_start(struct sched *sched, const struct shape *shape, const struct waiting *waiting,
		      int64_t now_ns, struct allocation *alloc, struct decisions *decisions)
{
	struct running running = {
		.job = waiting->key.id,
		.shape = *shape,
		.key = waiting->key,
		.start_ns = now_ns,
		.end_ns = time_add(now_ns, waiting->estimate_ns),
		.alloc = allocation_dup(alloc),
		.priority = waiting->priority,
		.preemptible = waiting->preemptible,
		.predicted = waiting->predicted,
	};

	add_running(sched, &running);
	xgrow(&decisions->items, &decisions->capacity, decisions->n + 1, sizeof(*decisions->items));
	decisions->items[decisions->n++] = (struct decision){
		.kind = DECISION_START,
		.job = waiting->key.id,
		.alloc = *alloc,
	};
	*alloc = (struct allocation){0};
}

void sched_adopt(struct sched *sched, const struct job *job)
{
	int64_t start_ns = job->start_ns != TIME_UNKNOWN ? job->start_ns : job->place_ns;
	struct running running = {
		.job = job->id,
		.shape = sched_shape(sched, job),
		.key = sched_key(sched, job),
		.start_ns = start_ns,
		.end_ns = time_add(start_ns, sched_estimate(job)),
		.alloc = allocation_dup(&job->alloc),
		.priority = job->priority,
		.preemptible = may_be_preempted(job),
		.predicted = job->limit_ns <= 0 && job->predicted_ns > 0,
		.leaving = job->state == JOB_STOPPING,
	};

	assert(job_state_has_gpus(job->state));
	sched_tell(sched, &(struct sched_told){.call = SCHED_CALL_ADOPT, .job = job});
	add_running(sched, &running);
	conservative_restart(&sched->conservative);
}

void sched_measure_shares(struct sched *sched, int64_t now_ns)
{
	size_t n;
	struct running *const *list = runnings_list(sched->runnings, &n);

	sched_tell(sched, &(struct sched_told){.call = SCHED_CALL_MEASURE, .now_ns = now_ns});
	for (size_t i = 0; i < n && tells_users_apart(sched); i++) {
		struct running *running = list[i];
		uint32_t user = running->shape.user, gpus = running->shape.request.num_gpus;
		double share = ledger_share(&sched->ledger, &running->alloc);

		users_give(sched->users, user, gpus, running->share, now_ns);
		users_charge(sched->users, user, share - running->share, running->start_ns, now_ns);
		users_take(sched->users, user, gpus, share, now_ns);
		running->share = share;
	}
}

void sched_release(struct sched *sched, uint64_t job, int64_t now_ns)
{
	struct running *running = runnings_find(sched->runnings, job);

	sched_tell(sched,
		   &(struct sched_told){.call = SCHED_CALL_RELEASE, .id = job, .now_ns = now_ns});
	if (!running)
		return;
	if (tells_users_apart(sched))
		users_give(sched->users, running->shape.user, running->shape.request.num_gpus,
			   running->share, now_ns);
	count_task(sched, running->shape.array, -1);
	ledger_give(&sched->ledger, &running->alloc);
	conservative_release(&sched->conservative, running, now_ns);
	runnings_remove(sched->runnings, running);
}

void sched_leave(struct sched *sched, uint64_t job, int64_t now_ns)
{
	struct running *running = runnings_find(sched->runnings, job);
	int64_t gone_ns = time_add(now_ns, sched->config.preempt.grace_ns);

	sched_tell(sched,
		   &(struct sched_told){.call = SCHED_CALL_LEAVE, .id = job, .now_ns = now_ns});
	if (!running)
		return;
	running->leaving = true;
	if (gone_ns < running->end_ns) {
		runnings_set_end(sched->runnings, running, gone_ns);
		conservative_restart(&sched->conservative);
	}
}

int64_t sched_next_wake_ns(const struct sched *sched)
{
	int64_t begin_ns = later_next_ns(sched->later);

	return begin_ns < sched->wake_ns ? begin_ns : sched->wake_ns;
}

uint64_t sched_head(const struct sched *sched, int64_t *ret_shadow_ns)
{
	*ret_shadow_ns = sched->head_shadow_ns;
	return sched->head;
}

void sched_set_head(struct sched *sched, uint64_t job, int64_t start_ns)
{
	sched->head = job;
	sched->head_shadow_ns = start_ns < PLAN_FAR_NS ? start_ns : TIME_NEVER;
}

bool sched_backfills(const struct sched *sched)
{
	return sched->config.backfill != BACKFILL_NONE;
}

enum sched_bound sched_shape_bound(const struct sched *sched, const struct shape *shape)
{
	const struct user_limits *limits = &sched->config.user_limits;
	const struct array_count *count = shape->array ? find_count(sched, shape->array) : NULL;

	if (limits->max_jobs && users_jobs(sched->users, shape->user) >= limits->max_jobs)
		return SCHED_USER_JOBS;
	if (limits->max_gpus &&
	    users_gpus(sched->users, shape->user) + shape->request.num_gpus > limits->max_gpus)
		return SCHED_USER_GPUS;
	return count && count->running >= shape->array_limit ? SCHED_ARRAY : SCHED_UNBOUND;
}

enum sched_bound sched_bound(const struct sched *sched, const struct job *job)
{
	struct shape shape = sched_shape(sched, job);

	return sched_shape_bound(sched, &shape);
}

struct running *const *sched_running(const struct sched *sched, size_t *ret_n)
{
	return runnings_list(sched->runnings, ret_n);
}

void sched_check_invariants(const struct sched *sched)
{
	size_t n;
	struct running *const *running = sched_running(sched, &n);
	_cleanup_(free_ptr) const struct allocation **allocs =
		xcalloc(n, sizeof(const struct allocation *));

	for (size_t i = 0; i < n; i++) {
		allocs[i] = &running[i]->alloc;
		assert(i == 0 || running[i - 1]->end_ns <= running[i]->end_ns);
	}
	ledger_check_invariants(&sched->ledger, (const struct allocation *const *)allocs, n);
}
