/* SPDX-License-Identifier: MIT */
/*
 * sched_pass(): who starts now, and where.
 *
 * One loop takes the first candidate in order, tries to place it, and draws the conclusion:
 *
 *   - it fits: start it;
 *   - it does not fit: nothing of its shape does, so close the shape; if it is the first that must
 *     wait, it becomes the head and gets a reservation;
 *   - it fits, but would delay the head, or be in the way of a window of somebody else's: narrow
 *     the shape to jobs that are over in time.
 *
 * Within a pass resources only shrink, so a closed shape stays closed. A narrowed one is widened
 * by every start: what is left to choose from is another place now, and it may be one that does not
 * delay the head. So no waiting job passes the test when the pass is over.
 *
 * Once there is a head, and after each start beside it, all open shapes are closed, narrowed or
 * widened in one review, so that nearly every further round starts a job. What a user's or an
 * array's limit or a window keeps from starting is found out in a round of its own. At most
 * (starts + 1) x shapes rounds, whatever the queue's length, each a look at every open shape.
 *
 * With reservations for several (BACKFILL_RESERVE) the test is another: what has been promised is
 * in a plan, and a candidate may start where the plan leaves room for all of its length.
 *
 * Invariants: a job that would not fit even on an empty machine of this moment (its GPUs are lost
 * or held by others) reserves nothing, and neither does one that its own limits or only windows
 * hold back, so none of these blocks anybody. Deliberately not here: promises to everybody
 * (conservative.c), the reasons shown (why.c). Read next: conservative.c.
 */
#include <assert.h>
#include <stdlib.h>

#include "scheduler/core_internal.h"
#include "scheduler/line.h"
#include "scheduler/walk.h"

/* One pass under way. */
struct pass {
	struct sched *sched;
	int64_t now_ns;
	struct decisions *decisions;
	struct policy_order order;
	struct shape head;  /* of the job that holds the one reservation */
	unsigned free_gpus; /* at the last review of the candidates */
};

/* Its begin time has come. */
static void admit(void *ctx, const struct shape *shape, const struct waiting *waiting)
{
	sched_admit(ctx, shape, waiting);
}

/* Predictions that were outlived move on, so that no job counts as ending for ever. */
static void raise_predictions(struct sched *sched, int64_t now_ns)
{
	size_t n;

	for (;;) {
		struct running *const *running = runnings_list(sched->runnings, &n);
		struct running *overdue = NULL;

		for (size_t i = 0; i < n && running[i]->end_ns <= now_ns && !overdue; i++)
			if (running[i]->predicted && !running[i]->leaving)
				overdue = running[i];
		if (!overdue)
			return;
		runnings_set_end(
			sched->runnings, overdue,
			time_add(overdue->start_ns, predict_raise(now_ns - overdue->start_ns)));
		conservative_restart(&sched->conservative);
	}
}

/* Carry out a start in the scheduler's own books. */
static void start(struct pass *pass, struct candidate *candidate, struct allocation *alloc)
{
	struct sched *sched = pass->sched;
	struct shape shape = *candidate->shape;
	struct waiting waiting = *candidate->waiting;

	candidates_pop(&sched->candidates, candidate);
	sched_book_start(sched, &shape, &waiting, pass->now_ns, alloc, pass->decisions);
}

/* Tell victims to leave. They hold what they have until they are gone, a grace from now. */
static void preempt(const struct pass *pass, struct running **victims, size_t n, uint64_t job)
{
	struct decisions *decisions = pass->decisions;
	int64_t gone_ns = time_add(pass->now_ns, pass->sched->config.preempt.grace_ns);

	for (size_t i = 0; i < n; i++) {
		victims[i]->leaving = true;
		if (gone_ns < victims[i]->end_ns)
			runnings_set_end(pass->sched->runnings, victims[i], gone_ns);
		xgrow(&decisions->items, &decisions->capacity, decisions->n + 1,
		      sizeof(*decisions->items));
		decisions->items[decisions->n++] = (struct decision){
			.kind = DECISION_PREEMPT,
			.job = victims[i]->job,
			.beneficiary = job,
		};
	}
}

/* Make room for the head, unless it would start soon anyway. True if somebody was told to leave. */
static bool make_room(const struct pass *pass, const struct candidate *head)
{
	struct sched *sched = pass->sched;
	const struct preempt_params *params = &sched->config.preempt;
	const struct preempt_request request = {
		.shape = head->shape,
		.key = head->waiting->key,
		.priority = head->waiting->priority,
		.order = pass->order,
	};
	_cleanup_(free_ptr) struct running **victims = NULL;
	size_t n, n_running;
	struct running *const *running = runnings_list(sched->runnings, &n_running);
	int r;

	if (!params->enabled || sched->reservation.shadow_ns - pass->now_ns <= params->restart_ns)
		return false;
	/* Nobody leaves for a place that the head may not have. */
	windows_keep(&sched->windows, &sched->ledger, head->shape->user, pass->now_ns,
		     time_add(pass->now_ns, head->waiting->estimate_ns));
	r = preempt_find(&sched->ledger, running, n_running, &request, params, pass->now_ns,
			 &victims, &n, &sched->wake_ns);
	windows_keep_nothing(&sched->windows, &sched->ledger);
	if (r == PREEMPT_NONE)
		return false;
	preempt(pass, victims, n, head->waiting->key.id);
	return true;
}

/* Reserve for the first job that must wait. False: nothing could ever make it fit. */
static bool reserve(struct pass *pass, const struct candidate *head)
{
	struct sched *sched = pass->sched;
	const struct request *request = &head->shape->request;
	size_t n;
	struct running *const *running = runnings_list(sched->runnings, &n);

	pass->head = *head->shape;
	return reservation_make(&sched->reservation, &sched->ledger, running, n,
				head->waiting->key.id, request, pass->now_ns) == 0;
}

/* Something was started, and that has brought the head's user or its array to the limit: the head
 * reserves nothing any more, so begin anew. */
static void drop_bound_head(const struct pass *pass)
{
	struct sched *sched = pass->sched;

	if (!sched->reservation.job || sched_shape_bound(sched, &pass->head) == SCHED_UNBOUND)
		return;
	reservation_clear(&sched->reservation);
	candidates_open(&sched->candidates, sched->queue, &pass->order);
}

/* The lengths that are over by the head's shadow time; before it, if that is never. */
static int64_t short_enough(const struct pass *pass)
{
	const struct reservation *head = &pass->sched->reservation;

	return head->shadow_ns - pass->now_ns - (head->shadow_ns == TIME_NEVER);
}

/* May a job that asks for this, and fits, run beyond the head's shadow time? */
static bool may_stay(struct sched *sched, const struct request *request)
{
	_cleanup_(allocation_finish) struct allocation alloc = {0};

	return request->num_gpus <= sched->reservation.spare_gpus &&
	       placement_find(&sched->ledger, request, &alloc) == 0 &&
	       reservation_allows(&sched->reservation, &alloc, TIME_NEVER);
}

/* How long may jobs of this shape be beside the head? The windows that are in a job's way depend on
 * its own length: where there are any, that is left to its round. */
static int64_t longest_beside_head(void *ctx, const struct candidate *candidate)
{
	const struct pass *pass = ctx;
	struct sched *sched = pass->sched;
	const struct request *request = &candidate->shape->request;

	if (!sched->reservation.job)
		return TIME_NEVER;
	if (request->num_gpus > pass->free_gpus || !placement_fits(&sched->ledger, request))
		return 0;
	if (sched->windows.n > 0 || candidate->waiting->estimate_ns <= short_enough(pass) ||
	    may_stay(sched, request))
		return TIME_NEVER;
	return short_enough(pass);
}

/* Beside a head most shapes do not fit, or must be short: find out at once which, not each in a
 * round of its own; and again after every start. */
static void review(struct pass *pass)
{
	pass->free_gpus = ledger_free_gpus(&pass->sched->ledger);
	candidates_review(&pass->sched->candidates, longest_beside_head, pass);
}

/* A job's shape does not fit. True when the pass is to go on with other shapes. */
static bool block(struct pass *pass, struct candidate *candidate)
{
	struct sched *sched = pass->sched;
	struct candidate blocked = *candidate;

	candidates_close(&sched->candidates, candidate);
	if (sched->config.backfill == BACKFILL_GREEDY || sched->reservation.job)
		return true;
	if (!reserve(pass, &blocked))
		return true;
	if (make_room(pass, &blocked))
		reserve(pass, &blocked);
	if (sched->config.backfill == BACKFILL_NONE)
		return false;
	if (sched->config.shortest_passes)
		candidates_sort_by_length(&sched->candidates);
	review(pass);
	return true;
}

/* One round: what becomes of the first candidate? False: the pass is over. */
static bool try_candidate(struct pass *pass, struct candidate *next)
{
	struct sched *sched = pass->sched;
	struct reservation *head = &sched->reservation;
	const struct shape *shape = next->shape;
	int64_t end_ns = time_add(pass->now_ns, next->waiting->estimate_ns);
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	int r;

	if (sched_shape_bound(sched, shape) != SCHED_UNBOUND) {
		candidates_close(&sched->candidates, next);
		return true;
	}
	r = windows_place(&sched->windows, &sched->ledger, &shape->request, shape->user,
			  pass->now_ns, end_ns, &alloc);
	if (r == PLACE_NO_FIT)
		return block(pass, next);
	if (r == PLACE_KEPT) {
		next->limit_ns =
			windows_shorter_ns(&sched->windows, shape->user, pass->now_ns, end_ns);
	} else if (head->job && !reservation_allows(head, &alloc, end_ns)) {
		next->limit_ns = short_enough(pass);
	} else {
		if (head->job)
			reservation_book(head, &alloc, end_ns);
		start(pass, next, &alloc);
		drop_bound_head(pass);
		review(pass);
	}
	return true;
}

static void pass_with_one_reservation(struct pass *pass)
{
	struct sched *sched = pass->sched;
	struct candidate *next;

	candidates_open(&sched->candidates, sched->queue, &pass->order);
	while ((next = candidates_first(&sched->candidates)))
		if (!try_candidate(pass, next))
			break;
	sched->head = sched->reservation.job;
	sched->head_shadow_ns = sched->reservation.shadow_ns;
}

/* The first jobs in order, while reservations are to be had. */
struct first_jobs {
	const struct pass *pass;
	unsigned n_reserved;
	struct {
		struct shape shape;
		struct queue_key key;
	} * started; /* owned */
	size_t n_started, capacity;
};

/* Start one job, or reserve for it. False when neither can be done for it, nor for any other of its
 * shape: the shape is at a limit, and starts only bring it further; or it does not fit even when
 * all that runs is over. */
static bool start_or_reserve(struct first_jobs *first, const struct shape *shape,
			     const struct waiting *waiting)
{
	struct sched *sched = first->pass->sched;
	int64_t now_ns = first->pass->now_ns, start_ns;
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	int r;

	if (sched_shape_bound(sched, shape) != SCHED_UNBOUND)
		return false;
	plan_keep(&sched->plan, &sched->windows, shape->user);
	r = plan_find(&sched->plan, &shape->request, waiting->estimate_ns, &start_ns, &alloc);
	plan_keep_nothing(&sched->plan, &sched->windows);
	if (r == PLAN_NEVER)
		return false;
	plan_book(&sched->plan, &alloc, start_ns,
		  plan_end(&sched->plan, start_ns, waiting->estimate_ns));
	if (start_ns > now_ns) {
		if (first->n_reserved++ == 0)
			sched_set_head(sched, waiting->key.id, start_ns);
		return true;
	}
	xgrow(&first->started, &first->capacity, first->n_started + 1, sizeof(*first->started));
	first->started[first->n_started].shape = *shape;
	first->started[first->n_started++].key = waiting->key;
	sched_book_start(sched, shape, waiting, now_ns, &alloc, first->pass->decisions);
	return true;
}

/* The same for the jobs of an entry. */
static bool look_at_entry(struct first_jobs *first, const struct shape *shape,
			  const struct waiting *waiting)
{
	struct waiting task = *waiting;

	while (task.n > 0 && first->n_reserved < first->pass->sched->config.reservations) {
		if (!start_or_reserve(first, shape, &task))
			return false;
		task.key.id++;
		task.n--;
	}
	return true;
}

/* Does the plan leave room now for a job of this user and length? If not, *ret_longest_ns as
 * plan_find_now(). */
static bool has_gap(const struct sched *sched, struct plan *plan, const struct request *request,
		    uint32_t uid, int64_t length_ns, struct allocation *ret_alloc,
		    int64_t *ret_longest_ns)
{
	int r;

	plan_keep(plan, &sched->windows, uid);
	r = plan_find_now(plan, request, length_ns, ret_alloc, ret_longest_ns);
	plan_keep_nothing(plan, &sched->windows);
	return r == 0;
}

/* All others may start where the plan leaves room. */
static void fill_gaps(struct pass *pass)
{
	struct sched *sched = pass->sched;
	struct candidate *next;

	candidates_open(&sched->candidates, sched->queue, &pass->order);
	while ((next = candidates_first(&sched->candidates))) {
		_cleanup_(allocation_finish) struct allocation alloc = {0};
		const struct shape *shape = next->shape;
		int64_t estimate_ns = next->waiting->estimate_ns, longest_ns = 0;

		if (sched_shape_bound(sched, shape) != SCHED_UNBOUND) {
			candidates_close(&sched->candidates, next);
		} else if (!has_gap(sched, &sched->plan, &shape->request, shape->user, estimate_ns,
				    &alloc, &longest_ns)) {
			next->limit_ns = longest_ns;
		} else {
			plan_book(&sched->plan, &alloc, pass->now_ns,
				  plan_end(&sched->plan, pass->now_ns, estimate_ns));
			start(pass, next, &alloc);
		}
	}
}

/* Start or reserve, in order. The queue is walked meanwhile, so who starts leaves it afterwards. */
static void serve_first(struct pass *pass)
{
	struct sched *sched = pass->sched;
	struct first_jobs first = {.pass = pass};
	const struct waiting *waiting;
	const struct shape *shape;
	struct walk walk;

	walk_init(&walk, sched->queue, policy_compare, &pass->order);
	while (first.n_reserved < sched->config.reservations && (waiting = walk_at(&walk, &shape)))
		if (look_at_entry(&first, shape, waiting))
			walk_next(&walk);
		else
			walk_drop_shape(&walk);
	walk_finish(&walk);
	for (size_t i = 0; i < first.n_started; i++)
		queue_pop(sched->queue, queue_find(sched->queue, &first.started[i].shape),
			  &first.started[i].key);
	free(first.started);
}

static void reserve_and_fill(struct pass *pass)
{
	struct sched *sched = pass->sched;
	size_t n;
	struct running *const *running = runnings_list(sched->runnings, &n);

	sched->head = 0;
	sched->head_shadow_ns = TIME_UNKNOWN;
	plan_make(&sched->plan, &sched->ledger, running, n, pass->now_ns);
	serve_first(pass);
	fill_gaps(pass);
}

/* Again as long as something starts: that may have moved a reservation to another place, or brought
 * its holder to a limit of its own, and what was kept for that job is for others then. */
static void pass_with_reservations(struct pass *pass)
{
	size_t n_before;

	do {
		n_before = pass->decisions->n;
		reserve_and_fill(pass);
	} while (pass->decisions->n > n_before);
}

void sched_pass(struct sched *sched, int64_t now_ns, struct decisions *decisions)
{
	struct pass pass = {sched, now_ns, decisions, sched_order(sched, now_ns)};
	size_t n_before = decisions->n;

	later_take_due(sched->later, now_ns, admit, sched);
	raise_predictions(sched, now_ns);
	reservation_clear(&sched->reservation);
	sched->head = 0;
	sched->head_shadow_ns = TIME_UNKNOWN;
	sched->wake_ns = windows_next_ns(&sched->windows, now_ns);
	switch (sched->config.backfill) {
	case BACKFILL_RESERVE: pass_with_reservations(&pass); break;
	case BACKFILL_CONSERVATIVE: conservative_pass(sched, now_ns, decisions); break;
	default: pass_with_one_reservation(&pass);
	}
	sched_tell(sched, &(struct sched_told){
				  .call = SCHED_CALL_PASS,
				  .now_ns = now_ns,
				  .decisions = decisions->n ? &decisions->items[n_before] : NULL,
				  .n_decisions = decisions->n - n_before,
			  });
#ifdef CHECK_INVARIANTS
	sched_check_invariants(sched);
#endif
}

/*
 * Beside the one reservation: length_ns itself if a job of it could start now, else a shorter
 * length at which what is in its way is not any more; 0: there is none.
 */
static int64_t shorten(struct sched *sched, const struct request *request, uint32_t uid,
		       int64_t length_ns, int64_t now_ns)
{
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	struct reservation *head = &sched->reservation;
	int64_t end_ns = time_add(now_ns, length_ns);
	bool easy = sched->config.backfill == BACKFILL_EASY;
	int r = windows_place(&sched->windows, &sched->ledger, request, uid, now_ns, end_ns,
			      &alloc);

	if (r == PLACE_NO_FIT)
		return 0;
	if (r == PLACE_KEPT)
		return windows_shorter_ns(&sched->windows, uid, now_ns, end_ns);
	if (!head->job || sched->config.backfill == BACKFILL_GREEDY ||
	    (easy && reservation_allows(head, &alloc, end_ns)))
		return length_ns;
	return easy && head->shadow_ns < TIME_NEVER && head->shadow_ns > now_ns
		       ? head->shadow_ns - now_ns
		       : 0;
}

bool sched_could_start(struct sched *sched, const struct request *request, uint32_t uid,
		       int64_t length_ns, int64_t now_ns, int64_t *ret_longest_ns)
{
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	int64_t longest_ns = length_ns, shorter_ns;

	*ret_longest_ns = 0;
	if (sched->config.backfill == BACKFILL_CONSERVATIVE)
		return has_gap(sched, &sched->conservative.plan, request, uid, length_ns, &alloc,
			       ret_longest_ns);
	if (sched->config.backfill == BACKFILL_RESERVE)
		return has_gap(sched, &sched->plan, request, uid, length_ns, &alloc,
			       ret_longest_ns);
	while ((shorter_ns = shorten(sched, request, uid, longest_ns, now_ns)) < longest_ns)
		longest_ns = shorter_ns;
	if (longest_ns < length_ns)
		*ret_longest_ns = longest_ns;
	return longest_ns == length_ns;
}
