/* SPDX-License-Identifier: MIT */
/* scheduler/conservative.h: promises are made, kept, moved to earlier only, and taken back. */
#include "fixture.h"
#include "scheduler/core_internal.h"

static void open_conservative(struct fixture *fixture, unsigned gpus)
{
	open_node(fixture, gpus, &policy_fifo, BACKFILL_CONSERVATIVE);
}

static void expect_promise(const struct fixture *fixture, uint64_t id, int64_t start_ns)
{
	assert_true(conservative_promised(&fixture->sched->conservative, id) == start_ns);
}

static void test_everybody_is_promised_a_start(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 4);
	submit(&f, 1, 3, 0, 10);
	submit(&f, 2, 4, 0, 10);
	submit(&f, 3, 4, 0, 10);
	submit(&f, 4, 1, 0, 10); /* beside job 1 */
	submit(&f, 5, 1, 0, 1);	 /* would delay nobody, but nothing is free before 31 */
	expect_at(&f, 1, "1 4");
	expect_head(&f, 2, S(11));
	expect_promise(&f, 3, S(21));
	expect_promise(&f, 5, S(31));
	end_at(&f, 11, 1);
	end_at(&f, 11, 4);
	expect_at(&f, 11, "2");
	finish(&f);
}

static void test_what_is_given_back_is_offered_in_order(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 2);
	submit(&f, 1, 2, 0, 100);
	submit(&f, 2, 2, 0, 100);
	submit(&f, 3, 1, 0, 100);
	expect_at(&f, 1, "1");
	expect_promise(&f, 2, S(101));
	expect_promise(&f, 3, S(201));
	end_at(&f, 50, 1);
	expect_at(&f, 50, "2");
	expect_promise(&f, 3, S(150));
	finish(&f);
}

/* The end of a job is told a moment late, as it always is: who was to follow it does. */
static void test_a_late_end_does_not_change_the_order(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 1);
	submit(&f, 1, 1, 0, 10);
	submit(&f, 2, 1, 0, 10);
	submit(&f, 3, 1, 0, 10);
	expect_at(&f, 1, "1");
	expect_at(&f, 12, ""); /* overdue */
	expect_promise(&f, 2, S(12) + 1);
	expect_promise(&f, 3, S(22) + 1);
	end_at(&f, 13, 1);
	expect_at(&f, 13, "2");
	expect_promise(&f, 3, S(23));
	end_at(&f, 20, 2); /* early: what is given back is what it held */
	expect_at(&f, 20, "3");
	finish(&f);
}

static void test_an_end_told_late_without_a_pass_between(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 1);
	submit(&f, 1, 1, 0, 10);
	submit(&f, 2, 1, 0, 10);
	expect_at(&f, 1, "1");
	end_at(&f, 12, 1);
	expect_at(&f, 12, "2");
	end_at(&f, 15, 2);
	expect_at(&f, 15, "");
	sched_check_invariants(f.sched);
	finish(&f);
}

static void submit_predicted(struct fixture *fixture, uint64_t id, int64_t predicted_ns)
{
	struct job job = cluster_job(id, 1, fixture->now_ns, 0);

	job.predicted_ns = predicted_ns;
	sched_enqueue(fixture->sched, &job, 1);
}

static void test_a_prediction_that_is_outlived(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 2);
	submit_predicted(&f, 1, S(1800));
	expect_at(&f, 1, "1");
	expect_at(&f, 1801, "");
	submit(&f, 2, 2, 0, 10);
	expect_at(&f, 1802, "");
	expect_promise(&f, 2, S(3601));
	submit(&f, 3, 1, 0, 10);
	expect_at(&f, 1803, "3"); /* in the hole before it */
	end_at(&f, 1804, 1);
	end_at(&f, 1804, 3);
	expect_at(&f, 1804, "2");
	finish(&f);
}

/* It ends before its new time: what the plan gives back is what the plan holds. */
static void test_a_prediction_outlived_by_a_little(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 1);
	submit_predicted(&f, 1, S(1800));
	expect_at(&f, 1, "1");
	expect_at(&f, 1801, "");
	end_at(&f, 1802, 1);
	submit(&f, 2, 1, 0, 10);
	expect_at(&f, 1802, "2");
	finish(&f);
}

/* Who is kept back by a limit of their own keeps nobody else back. */
static void test_own_limits_block_nobody(void **state)
{
	struct sched_config config = {.policy = &policy_fifo,
				      .backfill = BACKFILL_CONSERVATIVE,
				      .user_limits.max_jobs = 1};
	struct fixture f;
	struct job job;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 2, 16, 0, NULL);
	for (uint64_t id = 1; id <= 4; id++) {
		job = cluster_job(id, 1, S(1), S(100));
		job.uid = id < 4 ? 7 : 8;
		sched_enqueue(f.sched, &job, 1);
	}
	expect_at(&f, 1, "1 4");
	end_at(&f, 2, 4);
	job.id = 5;
	sched_enqueue(f.sched, &job, 1);
	expect_at(&f, 2, "5");
	end_at(&f, 3, 1);
	expect_at(&f, 3, "2");
	finish(&f);
}

/* A promise that falls to its own limit is for those before it in the order too. */
static void test_what_a_bound_job_had_is_for_all(void **state)
{
	struct sched_config config = {.policy = &policy_priority,
				      .backfill = BACKFILL_CONSERVATIVE,
				      .user_limits.max_jobs = 1};
	struct fixture f;
	struct job job;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 2, 16, 0, NULL);
	submit(&f, 1, 1, 0, 100);
	job = cluster_job(2, 2, S(1), 0);
	job.uid = 7;
	sched_enqueue(f.sched, &job, 1);
	expect_at(&f, 1, "1");
	expect_promise(&f, 2, S(101));
	job = cluster_job(3, 2, S(1), S(100));
	job.uid = 8;
	job.priority = 9;
	sched_enqueue(f.sched, &job, 1); /* after job 2, whose end nobody knows */
	job = cluster_job(4, 0, S(1), S(1000));
	job.uid = 7;
	sched_enqueue(f.sched, &job, 1); /* brings user 7 to his limit */
	expect_at(&f, 1, "4");
	end_at(&f, 50, 1);
	expect_at(&f, 50, "3");
	finish(&f);
}

static void test_arrays_are_promised_task_by_task(void **state)
{
	struct job array = cluster_job(1, 1, S(1), S(10));
	struct fixture f;

	(void)state;
	open_conservative(&f, 2);
	array.array = 1;
	array.array_limit = 1;
	sched_enqueue(f.sched, &array, 3);
	submit(&f, 4, 1, 0, 100);
	expect_at(&f, 1, "1 4"); /* only one task at a time */
	end_at(&f, 11, 1);
	expect_at(&f, 11, "2");
	array.id = 3;
	sched_dequeue(f.sched, &array);
	end_at(&f, 21, 2);
	expect_at(&f, 21, "");
	finish(&f);
}

static void test_arrays_without_a_limit_fill_the_machine(void **state)
{
	struct job array = cluster_job(1, 1, S(1), S(10));
	struct fixture f;

	(void)state;
	open_conservative(&f, 3);
	array.array = 1;
	sched_enqueue(f.sched, &array, 5);
	submit(&f, 6, 3, 0, 10);
	expect_at(&f, 1, "1 2 3");
	expect_promise(&f, 6, S(11)); /* of an array only the next task is promised anything */
	expect_promise(&f, 4, S(21));
	finish(&f);
}

static void test_a_cancelled_job_makes_room_for_those_behind(void **state)
{
	struct job job = cluster_job(2, 2, S(1), S(100));
	struct fixture f;

	(void)state;
	open_conservative(&f, 2);
	submit(&f, 1, 1, 0, 100);
	sched_enqueue(f.sched, &job, 1);
	submit(&f, 3, 1, 0, 101); /* one second too long to pass job 2 */
	expect_at(&f, 1, "1");
	expect_promise(&f, 3, S(201));
	sched_dequeue(f.sched, &job);
	expect_promise(&f, 2, TIME_UNKNOWN);
	expect_at(&f, 2, "3");
	finish(&f);
}

/* Job 4 was offered the place of job 1 before job 3 had moved up, which left a gap. The next end,
 * although it comes on time, lets it in. */
static void test_a_gap_is_offered_at_the_next_end(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 2, &policy_priority, BACKFILL_CONSERVATIVE);
	submit(&f, 1, 1, 0, 100);
	submit(&f, 2, 1, 0, 60);
	submit(&f, 3, 2, 0, 40);
	expect_at(&f, 1, "1 2");
	assert_true(sched_next_wake_ns(f.sched) == S(101));
	submit(&f, 4, 2, 9, 50); /* goes before job 3, but that has its promise */
	expect_at(&f, 1, "");
	expect_promise(&f, 4, S(141));
	end_at(&f, 61, 1);
	end_at(&f, 61, 2);
	expect_at(&f, 61, "3");
	expect_promise(&f, 4, S(141));
	end_at(&f, 101, 3);
	expect_at(&f, 101, "4");
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	finish(&f);
}

/* While something is overdue or being cleaned, its end is what wakes, not each nanosecond. */
static void test_what_comes_at_any_moment_wakes_nobody(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 1);
	submit(&f, 1, 1, 0, 10);
	submit(&f, 2, 1, 0, 10);
	expect_at(&f, 1, "1");
	expect_at(&f, 12, "");
	expect_promise(&f, 2, S(12) + 1);
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	end_at(&f, 13, 1);
	cluster_condition(sched_ledger(f.sched), 0, 0, GPU_CLEANING, "");
	expect_at(&f, 13, "");
	expect_at(&f, 14, "");
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	cluster_condition(sched_ledger(f.sched), 0, 0, GPU_READY, "");
	expect_at(&f, 15, "2");
	finish(&f);
}

static void test_a_clock_that_is_set_back(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 1);
	expect_at(&f, 1000, "");
	f.now_ns = S(10);
	submit(&f, 1, 1, 0, 10);
	expect_at(&f, 10, "1");
	finish(&f);
}

/* Behind a job without a limit no time can be named; that is no date in a far century. */
static void test_a_start_that_nobody_knows(void **state)
{
	static const enum backfill_mode modes[] = {BACKFILL_EASY, BACKFILL_RESERVE,
						   BACKFILL_CONSERVATIVE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct sched_config config = {
			.policy = &policy_fifo, .backfill = modes[i], .reservations = 2};
		struct fixture f;

		open_with(&f, &config);
		cluster_add(sched_ledger(f.sched), 2, 16, 0, NULL);
		submit(&f, 1, 1, 0, 0);
		submit(&f, 2, 2, 0, 10);
		submit(&f, 3, 1, 0, 10);
		expect_at(&f, 1, "1 3");
		expect_head(&f, 2, TIME_NEVER);
		end_at(&f, 11, 3);
		end_at(&f, 12, 1);
		expect_at(&f, 12, "2");
		finish(&f);
	}
}

/* A GPU breaks and is mended: promises are made anew, nobody is forgotten. */
static void test_a_broken_gpu_moves_promises(void **state)
{
	struct fixture f;

	(void)state;
	open_conservative(&f, 2);
	submit(&f, 1, 2, 0, 10);
	submit(&f, 2, 2, 0, 10);
	submit(&f, 3, 1, 0, 10);
	expect_at(&f, 1, "1");
	cluster_condition(sched_ledger(f.sched), 0, 1, GPU_UNHEALTHY, "");
	expect_at(&f, 2, "");
	expect_promise(&f, 2, TIME_UNKNOWN); /* it blocks nobody */
	expect_promise(&f, 3, S(11));
	cluster_condition(sched_ledger(f.sched), 0, 1, GPU_READY, "");
	end_at(&f, 11, 1);
	expect_at(&f, 11, "3"); /* what could be promised meanwhile is kept */
	expect_promise(&f, 2, S(21));
	finish(&f);
}

/* The plan outlives a pass, and must know what was named since. */
static void test_a_type_of_gpu_that_is_named_later(void **state)
{
	struct fixture f;
	struct job job = cluster_job(2, 1, S(1), S(10));

	(void)state;
	open_conservative(&f, 2);
	submit(&f, 1, 2, 0, 10);
	expect_at(&f, 1, "1");
	job.request.gpu_type = ledger_intern_type(sched_ledger(f.sched), "v100");
	sched_enqueue(f.sched, &job, 1);
	expect_at(&f, 2, "");
	expect_promise(&f, 2, S(11));
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_is_promised_a_start),
		cmocka_unit_test(test_what_is_given_back_is_offered_in_order),
		cmocka_unit_test(test_a_late_end_does_not_change_the_order),
		cmocka_unit_test(test_an_end_told_late_without_a_pass_between),
		cmocka_unit_test(test_a_prediction_that_is_outlived),
		cmocka_unit_test(test_a_prediction_outlived_by_a_little),
		cmocka_unit_test(test_own_limits_block_nobody),
		cmocka_unit_test(test_what_a_bound_job_had_is_for_all),
		cmocka_unit_test(test_arrays_are_promised_task_by_task),
		cmocka_unit_test(test_arrays_without_a_limit_fill_the_machine),
		cmocka_unit_test(test_a_cancelled_job_makes_room_for_those_behind),
		cmocka_unit_test(test_a_gap_is_offered_at_the_next_end),
		cmocka_unit_test(test_what_comes_at_any_moment_wakes_nobody),
		cmocka_unit_test(test_a_clock_that_is_set_back),
		cmocka_unit_test(test_a_start_that_nobody_knows),
		cmocka_unit_test(test_a_broken_gpu_moves_promises),
		cmocka_unit_test(test_a_type_of_gpu_that_is_named_later),
	};

	return cmocka_run_group_tests_name("conservative", tests, NULL, NULL);
}
