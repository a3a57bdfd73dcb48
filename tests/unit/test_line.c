/* SPDX-License-Identifier: MIT */
/* scheduler/line.h: the order of all that waits, whether its begin time has come or not. */
#include "cluster.h"
#include "draw.h"
#include "fixture.h"
#include "scheduler/line.h"

static void test_ahead_counts_those_that_go_first(void **state)
{
	struct job job = cluster_job(9, 1, S(1), 0), later = cluster_job(4, 1, S(1), 0);
	struct fixture f;

	(void)state;
	open_node(&f, 1, &policy_priority, BACKFILL_EASY);
	submit(&f, 1, 1, 1, 0);
	submit(&f, 2, 2, 0, 0);
	submit(&f, 3, 1, -1, 0);
	later.priority = 5;
	later.begin_ns = S(50);
	sched_enqueue(f.sched, &later, 1);
	assert_int_equal(sched_ahead(f.sched, &job, f.now_ns), 2);
	finish(&f);
}

struct walker {
	struct sched *sched;
	int64_t now_ns;
	const struct job *jobs; /* by id, from 1 on */
	const struct job *last;
	size_t n;
};

static int look(void *ctx, const struct shape *shape, const struct waiting *waiting,
		int64_t begin_ns)
{
	struct walker *walker = ctx;
	const struct job *job = &walker->jobs[waiting->key.id - 1];

	assert_int_equal(shape->request.num_gpus, job->request.num_gpus);
	assert_true(waiting->estimate_ns == sched_estimate(job));
	assert_true(shape->length == 0 || shape->length == sched_estimate(job));
	assert_true(begin_ns == job->begin_ns);
	if (walker->last)
		assert_true(sched_compare(walker->sched, walker->last, job, walker->now_ns) < 0);
	walker->last = job;
	walker->n++;
	return 0;
}

static void check_order(const struct policy *policy)
{
	static struct job jobs[150];
	struct walker walker = {.now_ns = S(1000), .jobs = jobs};
	const struct sched_config config = {
		.policy = policy,
		.params = {.point_ns = S(60), .tau_ns = S(100), .cap_ns = S(800)},
	};

	walker.sched = sched_create(&config);
	for (uint32_t uid = 0; uid < 3; uid++)
		sched_charge(walker.sched, &(struct sched_charge){uid, 0.5, 0, S(draw(500))});
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = cluster_job(i + 1, (uint32_t)draw(4), S(draw(1200)), S(draw(6)));
		jobs[i].uid = (uint32_t)draw(3);
		jobs[i].priority = (int)draw(5);
		jobs[i].begin_ns = draw(2) ? S(1001 + draw(9)) : TIME_UNKNOWN;
		sched_enqueue(walker.sched, &jobs[i], 1);
	}
	assert_int_equal(sched_walk(walker.sched, walker.now_ns, look, &walker), 0);
	assert_int_equal(walker.n, ARRAY_SIZE(jobs));
	sched_destroy(walker.sched);
}

static void test_who_begins_later_is_walked_where_he_will_stand(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 30; round++) {
		draw_seed(round);
		for (size_t i = 0; policies[i]; i++)
			check_order(policies[i]);
	}
}

static int stop(void *ctx, const struct shape *shape, const struct waiting *waiting,
		int64_t begin_ns)
{
	(void)ctx;
	(void)shape;
	(void)begin_ns;
	assert_int_equal(waiting->key.id, 1);
	return 42;
}

/* A page of a list is short, however many begin later. */
static void test_a_walk_that_stops_soon_does_not_look_at_all(void **state)
{
	struct policy counting = policy_fair;
	struct sched *sched;

	(void)state;
	counting.score = cluster_counting_score;
	sched = sched_create(&(struct sched_config){.policy = &counting});
	for (uint64_t id = 1; id <= 1000; id++) {
		struct job job = cluster_job(id, 1, S(1), 0);

		job.uid = id % 10 == 1 ? 0 : (uint32_t)(id % 10);
		job.begin_ns = S(100);
		sched_enqueue(sched, &job, 1);
	}
	assert_int_equal(sched_walk(sched, S(1), stop, NULL), 42);
	assert_in_range(*cluster_n_scores(), 1, 100); /* ten shapes */
	sched_destroy(sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ahead_counts_those_that_go_first),
		cmocka_unit_test(test_who_begins_later_is_walked_where_he_will_stand),
		cmocka_unit_test(test_a_walk_that_stops_soon_does_not_look_at_all),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
