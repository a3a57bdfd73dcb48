/* SPDX-License-Identifier: MIT */
/*
 * scheduler/pass.c by hand: who makes room for whom, whom limits hold back, several reservations.
 * The order and the one reservation are in test_core.c.
 */
#include "fixture.h"

#define RESTART_S  20
#define GRACE_S	   5
#define IMMUNITY_S 30

static void open_preempt(struct fixture *fixture, unsigned gpus, struct preempt_params params)
{
	params.enabled = true;
	open_with(fixture, &(struct sched_config){.policy = &policy_priority,
						  .params.point_ns = S(1000),
						  .backfill = BACKFILL_EASY,
						  .preempt = params});
	cluster_add(sched_ledger(fixture->sched), gpus, 16, 0, NULL);
}

static struct preempt_params usual(void)
{
	return (struct preempt_params){
		.restart_ns = S(RESTART_S), .grace_ns = S(GRACE_S), .immunity_ns = S(IMMUNITY_S)};
}

static struct job submit_preemptible(struct fixture *fixture, uint64_t id, uint32_t gpus,
				     int64_t limit_s)
{
	struct job job = cluster_job(id, gpus, fixture->now_ns, S(limit_s));

	job.preemptible = true;
	sched_enqueue(fixture->sched, &job, 1);
	return job;
}

static void test_the_head_gets_what_a_victim_gives(void **state)
{
	struct fixture f;
	struct job victim;

	(void)state;
	open_preempt(&f, 2, usual());
	victim = submit_preemptible(&f, 1, 2, 1000);
	expect_at(&f, 1, "1");
	f.now_ns = S(40);
	submit(&f, 2, 1, 5, 1000);
	expect_at(&f, 40, "-1"); /* told once */
	assert_int_equal(f.decisions.items[0].beneficiary, 2);
	expect_head(&f, 2, S(40 + GRACE_S));
	sched_leave(f.sched, 1, f.now_ns); /* as the daemon says, when it has told it */
	expect_at(&f, 41, "");
	end_at(&f, 43, 1);
	sched_enqueue(f.sched, &victim, 1); /* it does not take its place back */
	expect_at(&f, 43, "2");
	expect_head(&f, 1, S(1043));
	end_at(&f, 100, 2);
	expect_at(&f, 100, "1");
	finish(&f);
}

static void test_nobody_is_preempted_for_what_starts_soon_anyway(void **state)
{
	struct fixture f;

	(void)state;
	open_preempt(&f, 1, usual());
	submit_preemptible(&f, 1, 1, 100); /* over at 101 */
	expect_at(&f, 1, "1");
	submit(&f, 2, 1, 5, 1000);
	expect_at(&f, 101 - RESTART_S, "");
	expect_at(&f, 101, "");
	finish(&f);
}

static void test_immunity_is_waited_for(void **state)
{
	struct fixture f;

	(void)state;
	open_preempt(&f, 1, usual());
	submit_preemptible(&f, 1, 1, 1000);
	expect_at(&f, 1, "1");
	submit(&f, 2, 1, 5, 1000);
	expect_at(&f, 2, "");
	assert_true(sched_next_wake_ns(f.sched) == S(1 + IMMUNITY_S));
	expect_at(&f, 1 + IMMUNITY_S, "-1");
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	finish(&f);
}

/* The grace is longer than what a restart costs: still nobody else is told to leave. */
static void test_one_wave_is_enough(void **state)
{
	struct preempt_params params = {.restart_ns = S(1), .grace_ns = S(100)};
	struct fixture f;

	(void)state;
	open_preempt(&f, 2, params);
	submit_preemptible(&f, 1, 1, 1000);
	submit_preemptible(&f, 2, 1, 1000);
	expect_at(&f, 1, "1 2");
	submit(&f, 3, 1, 5, 1000);
	expect_at(&f, 2, "-1");
	expect_at(&f, 3, "");
	expect_at(&f, 4, "");
	expect_at(&f, 200, ""); /* long past its grace; it may go at any moment */
	end_at(&f, 201, 1);
	expect_at(&f, 201, "3");
	finish(&f);
}

/* What is leaving counts as room for the next head too; only what is missing beyond is taken. */
static void test_two_heads_share_what_is_leaving(void **state)
{
	struct preempt_params params = {.restart_ns = S(1), .grace_ns = S(100)};
	struct fixture f;

	(void)state;
	open_preempt(&f, 3, params);
	submit_preemptible(&f, 1, 2, 1000);
	submit_preemptible(&f, 2, 1, 1000);
	expect_at(&f, 1, "1 2");
	submit(&f, 3, 1, 5, 1000);
	expect_at(&f, 2, "-2");
	submit(&f, 4, 1, 6, 1000); /* goes before job 3, and job 2 is leaving already */
	expect_at(&f, 3, "");
	expect_head(&f, 4, S(102));
	end_at(&f, 4, 2);
	expect_at(&f, 4, "4 -1"); /* now job 3 needs room again */
	finish(&f);
}

static void test_only_the_head_makes_room(void **state)
{
	struct fixture f;

	(void)state;
	open_preempt(&f, 2, usual());
	submit(&f, 1, 1, 0, 1000); /* not preemptible */
	submit_preemptible(&f, 2, 1, 1000);
	expect_at(&f, 1, "1 2");
	submit(&f, 3, 2, 9, 1000); /* no set of victims is enough for it */
	submit(&f, 4, 1, 5, 1000);
	expect_at(&f, 50, "");
	expect_head(&f, 3, S(1001));
	finish(&f);
}

static void test_no_preemption_when_it_is_off_or_greedy(void **state)
{
	struct sched_config configs[] = {
		{.policy = &policy_fifo, .backfill = BACKFILL_EASY},
		{.policy = &policy_fifo, .backfill = BACKFILL_GREEDY, .preempt.enabled = true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		struct fixture f;

		open_with(&f, &configs[i]);
		cluster_add(sched_ledger(f.sched), 1, 16, 0, NULL);
		f.now_ns = S(2);
		submit_preemptible(&f, 1, 1, 1000);
		expect_at(&f, 2, "1");
		f.now_ns = S(1); /* before it in the order */
		submit(&f, 2, 1, 5, 1000);
		expect_at(&f, 3, "");
		finish(&f);
	}
}

/* Under fair share it is who has used least that goes first, whatever the priorities: a victim who
 * would go before the head again makes no room for it. */
static void test_nobody_is_preempted_who_would_go_first_again(void **state)
{
	struct sched_config config = {
		.policy = &policy_fair, .backfill = BACKFILL_EASY, .preempt.enabled = true};
	struct fixture f;
	struct job job;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 1, 16, 0, NULL);
	users_charge(sched_users(f.sched), 8, 1, S(1), S(1000));
	f.now_ns = S(1000);
	job = cluster_job(1, 1, f.now_ns, S(5000));
	job.uid = 7;
	job.preemptible = true;
	sched_enqueue(f.sched, &job, 1);
	expect_at(&f, 1000, "1");
	job = cluster_job(2, 1, f.now_ns, S(5000));
	job.uid = 8;
	job.priority = 5;
	sched_enqueue(f.sched, &job, 1);
	expect_at(&f, 1500, "");   /* 500 s against 999 s */
	expect_at(&f, 2500, "-1"); /* 1500 s */
	finish(&f);
}

static const enum backfill_mode all_modes[] = {BACKFILL_NONE, BACKFILL_GREEDY, BACKFILL_EASY,
					       BACKFILL_RESERVE, BACKFILL_CONSERVATIVE};

static void test_an_array_runs_as_many_tasks_as_it_may(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_modes); i++) {
		struct sched_config config = {
			.policy = &policy_fifo, .backfill = all_modes[i], .reservations = 2};
		struct job array = cluster_job(1, 1, S(1), S(100));
		struct fixture f;

		open_with(&f, &config);
		cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
		array.array = 1;
		array.array_limit = 2;
		sched_enqueue(f.sched, &array, 5);
		submit(&f, 6, 1, 0, 100);
		expect_at(&f, 1, "1 2 6"); /* it blocks nobody */
		array.id = 3;
		assert_int_equal(sched_bound(f.sched, &array), SCHED_ARRAY);
		expect_at(&f, 2, "");
		end_at(&f, 3, 2);
		assert_int_equal(sched_bound(f.sched, &array), SCHED_UNBOUND);
		expect_at(&f, 3, "3");
		array.id = 4;
		sched_dequeue(f.sched, &array); /* what is left of it */
		end_at(&f, 4, 1);
		end_at(&f, 4, 3);
		expect_at(&f, 4, "");
		assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
		finish(&f);
	}
}

static void submit_of(struct fixture *fixture, uint64_t id, uint32_t uid, uint32_t gpus)
{
	struct job job = cluster_job(id, gpus, fixture->now_ns, S(100));

	job.uid = uid;
	sched_enqueue(fixture->sched, &job, 1);
}

static void test_users_are_held_to_their_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_modes); i++) {
		struct sched_config config = {.policy = &policy_fifo,
					      .backfill = all_modes[i],
					      .reservations = 2,
					      .user_limits = {.max_jobs = 2, .max_gpus = 3}};
		struct job job = cluster_job(9, 1, S(1), S(100));
		struct fixture f;

		open_with(&f, &config);
		cluster_add(sched_ledger(f.sched), 8, 16, 0, NULL);
		submit_of(&f, 1, 7, 2);
		submit_of(&f, 2, 7, 2); /* 4 of 3 GPUs */
		submit_of(&f, 3, 7, 1);
		submit_of(&f, 4, 7, 0); /* 3 of 2 jobs */
		submit_of(&f, 5, 8, 3);
		expect_at(&f, 1, "1 3 5");
		job.uid = 7;
		assert_int_equal(sched_bound(f.sched, &job), SCHED_USER_JOBS);
		job.uid = 8;
		assert_int_equal(sched_bound(f.sched, &job), SCHED_USER_GPUS);
		end_at(&f, 2, 1);
		expect_at(&f, 2, "2");
		end_at(&f, 3, 3);
		expect_at(&f, 3, "4");
		finish(&f);
	}
}

/* A start brings the head's user to the limit: then the head reserves nothing, and keeps nobody. */
static void test_a_head_that_comes_to_its_limit(void **state)
{
	static const enum backfill_mode modes[] = {BACKFILL_EASY, BACKFILL_RESERVE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct sched_config config = {.policy = &policy_fifo,
					      .backfill = modes[i],
					      .reservations = 1,
					      .user_limits.max_jobs = 1};
		struct job forever = cluster_job(4, 1, S(1), 0);
		struct fixture f;

		open_with(&f, &config);
		cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
		submit_of(&f, 1, 6, 2);
		submit_of(&f, 2, 7, 4);
		submit_of(&f, 3, 7, 1); /* over in time, so it passes job 2 */
		forever.uid = 8;
		sched_enqueue(f.sched, &forever, 1); /* would delay job 2 */
		expect_at(&f, 1, "1 3 4");
		expect_head(&f, 0, TIME_UNKNOWN);
		finish(&f);
	}
}

/* With two reservations the second job that waits is not passed at its cost either. */
static void test_the_second_reservation_holds(void **state)
{
	struct sched_config config = {
		.policy = &policy_fifo, .backfill = BACKFILL_RESERVE, .reservations = 2};
	struct fixture f;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
	submit(&f, 1, 3, 0, 10);
	submit(&f, 2, 2, 0, 10); /* at 11 */
	submit(&f, 3, 4, 0, 10); /* at 21 */
	submit(&f, 4, 1, 0, 30); /* fits beside job 2, not beside job 3 */
	submit(&f, 5, 1, 0, 20);
	expect_at(&f, 1, "1 5");
	expect_head(&f, 2, S(11));
	end_at(&f, 11, 1);
	expect_at(&f, 11, "2");
	expect_head(&f, 3, S(21));
	finish(&f);
}

/* And with one it does not: only as many are reserved for as was said, tasks of an array too. */
static void test_there_are_no_more_reservations(void **state)
{
	struct sched_config config = {
		.policy = &policy_fifo, .backfill = BACKFILL_RESERVE, .reservations = 1};
	struct job array;
	struct fixture f;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
	submit(&f, 1, 3, 0, 10);
	submit(&f, 2, 2, 0, 10);
	submit(&f, 3, 4, 0, 10);
	submit(&f, 4, 1, 0, 30); /* beside job 2, in the way of job 3 */
	expect_at(&f, 1, "1 4");
	finish(&f);

	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
	submit(&f, 1, 3, 0, 10);
	array = cluster_job(2, 2, S(1), S(10)); /* there will be room for two tasks at 11 */
	array.array = 2;
	sched_enqueue(f.sched, &array, 2);
	submit(&f, 4, 1, 0, 30); /* it leaves room for one */
	expect_at(&f, 1, "1 4");
	finish(&f);
}

/* A limit so long that its end cannot be written down is over "never". */
static void test_a_limit_beyond_all_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_modes); i++) {
		struct sched_config config = {
			.policy = &policy_fifo, .backfill = all_modes[i], .reservations = 1};
		struct job job = cluster_job(3, 1, S(1), TIME_NEVER - 1);
		struct fixture f;

		open_with(&f, &config);
		cluster_add(sched_ledger(f.sched), 2, 16, 0, NULL);
		submit(&f, 1, 1, 0, 0);
		submit(&f, 2, 2, 0, 0);
		sched_enqueue(f.sched, &job, 1);
		expect_at(&f, 1, all_modes[i] == BACKFILL_GREEDY ? "1 3" : "1");
		finish(&f);
	}
}

/* Reservations that nobody may have do not make a pass look at all who wait. */
static void test_who_is_at_a_limit_is_asked_once(void **state)
{
	struct policy counting = policy_fair;
	struct fixture f;

	(void)state;
	counting.score = cluster_counting_score;
	open_with(&f, &(struct sched_config){
			      .policy = &counting,
			      .backfill = BACKFILL_RESERVE,
			      .reservations = 3,
			      .user_limits.max_gpus = 1,
		      });
	cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
	for (uint64_t id = 1; id <= 1000; id++) {
		struct job job = cluster_job(id, 1, S(1), 0);

		job.uid = (uint32_t)(id % 2);
		sched_enqueue(f.sched, &job, 1);
	}
	expect_at(&f, 1, "2 1");
	assert_in_range(*cluster_n_scores(), 1, 100);
	expect_head(&f, 0, 0);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_head_gets_what_a_victim_gives),
		cmocka_unit_test(test_nobody_is_preempted_for_what_starts_soon_anyway),
		cmocka_unit_test(test_immunity_is_waited_for),
		cmocka_unit_test(test_one_wave_is_enough),
		cmocka_unit_test(test_two_heads_share_what_is_leaving),
		cmocka_unit_test(test_only_the_head_makes_room),
		cmocka_unit_test(test_nobody_is_preempted_who_would_go_first_again),
		cmocka_unit_test(test_no_preemption_when_it_is_off_or_greedy),
		cmocka_unit_test(test_an_array_runs_as_many_tasks_as_it_may),
		cmocka_unit_test(test_users_are_held_to_their_limits),
		cmocka_unit_test(test_a_head_that_comes_to_its_limit),
		cmocka_unit_test(test_the_second_reservation_holds),
		cmocka_unit_test(test_there_are_no_more_reservations),
		cmocka_unit_test(test_a_limit_beyond_all_time),
		cmocka_unit_test(test_who_is_at_a_limit_is_asked_once),
	};

	return cmocka_run_group_tests_name("pass", tests, NULL, NULL);
}
