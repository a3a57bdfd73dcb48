/* SPDX-License-Identifier: MIT */
/*
 * The line: all that waits, in today's order.
 *
 * The queue is walked, and those whose begin time has not come are merged in where they will stand:
 * they are in the same order by themselves (later.c). Nothing is sorted or kept, for the order may
 * be another one a moment later. Deliberately not here: what the order is (policy.c). Cost:
 * O(shapes) to begin, O(log shapes + log n) per entry walked, however many wait. Read next:
 * preempt.c.
 */
#include "scheduler/line.h"

#include "scheduler/core_internal.h"
#include "scheduler/walk.h"

struct policy_order sched_order(const struct sched *sched, int64_t now_ns)
{
	return (struct policy_order){
		.policy = sched->config.policy,
		.view = {&sched->config.params, sched->users, now_ns},
	};
}

/* One waiting job that others are compared with. */
struct mark {
	struct policy_order order;
	struct shape shape;
	struct queue_key key;
};

static bool stands_before(void *ctx, const struct shape *shape, const struct queue_key *key)
{
	struct mark *mark = ctx;

	return policy_compare(&mark->order, shape, key, &mark->shape, &mark->key) < 0;
}

size_t sched_ahead(struct sched *sched, const struct job *job, int64_t now_ns)
{
	struct mark mark = {
		sched_order(sched, now_ns),
		sched_shape(sched, job),
		sched_key(sched, job),
	};

	return queue_count_before(sched->queue, stands_before, &mark);
}

int sched_compare(struct sched *sched, const struct job *a, const struct job *b, int64_t now_ns)
{
	struct policy_order order = sched_order(sched, now_ns);
	struct shape shape_a = sched_shape(sched, a), shape_b = sched_shape(sched, b);
	struct queue_key key_a = sched_key(sched, a), key_b = sched_key(sched, b);

	return policy_compare(&order, &shape_a, &key_a, &shape_b, &key_b);
}

/* The two walks whose entries make up the line, and who looks at them. */
struct line {
	struct walk present, later;
	const struct sched *sched;
	sched_walk_fn *fn;
	void *ctx;
};

static int look_at_present(struct line *line)
{
	const struct shape *shape;
	const struct waiting *waiting = walk_at(&line->present, &shape);
	int r = line->fn(line->ctx, shape, waiting, TIME_UNKNOWN);

	walk_next(&line->present);
	return r;
}

static int look_at_later(struct line *line)
{
	const struct shape *kept_shape;
	const struct waiting *kept = walk_at(&line->later, &kept_shape);
	struct shape shape;
	struct waiting waiting;
	int64_t begin_ns = later_read(line->sched->later, kept_shape, kept, &shape, &waiting);

	walk_next(&line->later);
	return line->fn(line->ctx, &shape, &waiting, begin_ns);
}

int sched_walk(struct sched *sched, int64_t now_ns, sched_walk_fn *fn, void *ctx)
{
	struct policy_order order = sched_order(sched, now_ns);
	struct line line = {.sched = sched, .fn = fn, .ctx = ctx};
	const struct shape *shape_a, *shape_b;
	const struct waiting *a, *b;
	int r = 0;

	walk_init(&line.present, sched->queue, policy_compare, &order);
	walk_init(&line.later, later_queue(sched->later), policy_compare, &order);
	while (r == 0) {
		a = walk_at(&line.present, &shape_a);
		b = walk_at(&line.later, &shape_b);
		if (!a && !b)
			break;
		if (!b || (a && policy_compare(&order, shape_a, &a->key, shape_b, &b->key) < 0))
			r = look_at_present(&line);
		else
			r = look_at_later(&line);
	}
	walk_finish(&line.later);
	walk_finish(&line.present);
	return r;
}
