/* SPDX-License-Identifier: MIT */
/* scheduler/window.c, and what passes, plans, forecasts and advice make of windows. */
#include "fixture.h"
#include "scheduler/forecast.h"
#include "scheduler/why_text.h"

enum { OWNER = 1, OTHER = 2 };

/* A node of n GPUs, of which `gpus` are the owner's from start_s to end_s. */
static void open_window(struct fixture *fixture, unsigned n, enum backfill_mode backfill,
			uint64_t gpus, int64_t start_s, int64_t end_s)
{
	const struct window window = {
		.id = 1, .uid = OWNER, .start_ns = S(start_s), .end_ns = S(end_s), .gpus = gpus};

	open_with(fixture, &(struct sched_config){.policy = &policy_fifo,
						  .backfill = backfill,
						  .reservations = 1,
						  .tell_users_apart = true});
	cluster_add(sched_ledger(fixture->sched), n, 16, 0, NULL);
	sched_set_windows(fixture->sched, &window, 1);
}

static struct job submit_of(struct fixture *fixture, uint32_t uid, uint64_t id, uint32_t gpus,
			    int64_t limit_s)
{
	struct job job = cluster_job(id, gpus, fixture->now_ns, S(limit_s));

	job.uid = uid;
	sched_enqueue(fixture->sched, &job, 1);
	return job;
}

static void test_only_what_is_over_in_time_starts(void **state)
{
	struct fixture f;

	(void)state;
	open_window(&f, 3, BACKFILL_EASY, 7, 100, 200);
	submit_of(&f, OTHER, 1, 1, 0);	/* for ever */
	submit_of(&f, OTHER, 2, 1, 96); /* over at 101 */
	submit_of(&f, OTHER, 3, 1, 95); /* over as it begins */
	submit_of(&f, OWNER, 4, 1, 0);
	expect_at(&f, 5, "3 4");
	expect_head(&f, 0, TIME_UNKNOWN); /* who waits for a window blocks nobody */
	assert_true(sched_next_wake_ns(f.sched) == S(100));
	finish(&f);
}

static void test_all_wait_until_it_ends(void **state)
{
	struct fixture f;

	(void)state;
	open_window(&f, 2, BACKFILL_EASY, 3, 100, 200);
	submit_of(&f, OTHER, 1, 2, 0);
	submit_of(&f, OTHER, 2, 1, 1);
	expect_at(&f, 100, "");
	assert_true(sched_next_wake_ns(f.sched) == S(200));
	expect_at(&f, 199, "");
	expect_at(&f, 200, "1");
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	finish(&f);
}

static void test_others_gpus_are_as_ever(void **state)
{
	struct fixture f;

	(void)state;
	open_window(&f, 4, BACKFILL_EASY, 3, 100, 200);
	submit_of(&f, OTHER, 1, 1, 0);
	submit_of(&f, OTHER, 2, 1, 0);
	submit_of(&f, OTHER, 3, 1, 0);
	expect_at(&f, 5, "1 2");
	assert_int_equal(gpus_of(&f, 0) | gpus_of(&f, 1), 0xc);
	finish(&f);
}

/* What does not fit anyway reserves as ever, whoever's windows there are. */
static void test_the_head_is_not_concerned(void **state)
{
	struct fixture f;

	(void)state;
	open_window(&f, 2, BACKFILL_EASY, 1, 100, 200);
	submit_of(&f, OTHER, 1, 1, 50);
	expect_at(&f, 5, "1");
	submit_of(&f, OTHER, 2, 2, 10);
	expect_at(&f, 6, "");
	expect_head(&f, 2, S(55));
	finish(&f);
}

/* The job that is found at the length that one window leaves meets the next. */
static void test_one_window_after_the_other(void **state)
{
	const struct window windows[] = {
		{.id = 1, .uid = OWNER, .start_ns = S(100), .end_ns = S(200), .gpus = 1},
		{.id = 2, .uid = OWNER, .start_ns = S(50), .end_ns = S(60), .gpus = 1},
	};
	struct fixture f;

	(void)state;
	open_window(&f, 1, BACKFILL_EASY, 1, 100, 200);
	sched_set_windows(f.sched, windows, 2);
	submit_of(&f, OTHER, 1, 1, 0);
	submit_of(&f, OTHER, 2, 1, 80);
	submit_of(&f, OTHER, 3, 1, 40);
	expect_at(&f, 5, "3");
	finish(&f);
}

static void open_preempt(struct fixture *fixture, unsigned gpus, int64_t start_s)
{
	const struct window window = {.id = 1,
				      .uid = OWNER,
				      .start_ns = S(start_s),
				      .end_ns = S(start_s + 100),
				      .gpus = 1};

	open_with(fixture, &(struct sched_config){.policy = &policy_priority,
						  .params.point_ns = S(1000),
						  .backfill = BACKFILL_EASY,
						  .preempt.enabled = true,
						  .tell_users_apart = true});
	cluster_add(sched_ledger(fixture->sched), gpus, 16, 0, NULL);
	sched_set_windows(fixture->sched, &window, 1);
}

static void submit_preemptible(struct fixture *fixture, uint32_t uid, uint64_t id, uint32_t gpus)
{
	struct job job = cluster_job(id, gpus, fixture->now_ns, 0);

	job.uid = uid;
	job.preemptible = true;
	sched_enqueue(fixture->sched, &job, 1);
}

static void submit_urgent(struct fixture *fixture, uint64_t id, uint32_t gpus)
{
	struct job job = cluster_job(id, gpus, fixture->now_ns, S(500));

	job.uid = OTHER;
	job.priority = 5;
	sched_enqueue(fixture->sched, &job, 1);
}

static void test_nobody_is_preempted_for_a_place_that_is_kept(void **state)
{
	struct fixture f;

	(void)state;
	open_preempt(&f, 1, 100);
	submit_preemptible(&f, OWNER, 1, 1);
	expect_at(&f, 5, "1");
	submit_urgent(&f, 2, 1);
	expect_at(&f, 40, "");
	sched_set_windows(f.sched, NULL, 0);
	expect_at(&f, 41, "-1");
	finish(&f);
}

/* What is kept counts as taken for the choice too: 3 alone costs less than 1 and 2 together. */
static void test_the_cheapest_leave_beside_what_is_kept(void **state)
{
	struct fixture f;

	(void)state;
	open_preempt(&f, 5, 300);
	submit_preemptible(&f, OTHER, 1, 1);
	expect_at(&f, 5, "1");
	submit_preemptible(&f, OTHER, 2, 1);
	expect_at(&f, 6, "2");
	submit_preemptible(&f, OTHER, 3, 2);
	expect_at(&f, 40, "3");
	submit_urgent(&f, 4, 2);
	expect_at(&f, 82, "-3"); /* 2 x 42 < 77 + 76 */
	finish(&f);
}

/* In a plan the window's time is taken for others only: a promise comes after it or before it. */
static void test_plans_mind_windows(void **state)
{
	static const enum backfill_mode modes[] = {BACKFILL_RESERVE, BACKFILL_CONSERVATIVE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct fixture f;

		open_window(&f, 2, modes[i], 3, 100, 200);
		submit_of(&f, OTHER, 1, 2, 96);
		expect_at(&f, 5, "");
		expect_head(&f, 1, S(200));
		submit_of(&f, OTHER, 2, 1, 94);
		submit_of(&f, OTHER, 3, 1, 96);
		submit_of(&f, OWNER, 4, 1, 150);
		expect_at(&f, 6, "2 4");
		end_at(&f, 100, 2);
		expect_at(&f, 100, "");
		assert_true(sched_next_wake_ns(f.sched) == S(200));
		end_at(&f, 156, 4);
		expect_at(&f, 200, "1");
		finish(&f);
	}
}

/* A window that is made or taken back moves what has been promised. */
static void test_promises_move_with_windows(void **state)
{
	const struct window window = {
		.id = 1, .uid = OWNER, .start_ns = S(10), .end_ns = S(300), .gpus = 3};
	struct fixture f;

	(void)state;
	open_window(&f, 2, BACKFILL_CONSERVATIVE, 3, 100, 200);
	submit_of(&f, OWNER, 1, 2, 10);
	expect_at(&f, 5, "1");
	submit_of(&f, OTHER, 2, 2, 20);
	expect_at(&f, 6, "");
	expect_head(&f, 2, S(15));
	sched_set_windows(f.sched, &window, 1);
	expect_at(&f, 7, "");
	expect_head(&f, 2, S(300));
	sched_set_windows(f.sched, NULL, 0);
	expect_at(&f, 8, "");
	expect_head(&f, 2, S(15));
	finish(&f);
}

static void test_a_forecast_knows_of_it(void **state)
{
	struct fixture f;
	struct forecast forecast;

	(void)state;
	open_window(&f, 2, BACKFILL_EASY, 3, 100, 200);
	submit_of(&f, OTHER, 1, 1, 0);
	expect_at(&f, 5, "");
	forecast_make(f.sched, f.now_ns, 10, &forecast);
	assert_true(forecast_start_ns(&forecast, 1) == S(200));
	forecast_finish(&forecast);
	finish(&f);
}

static void collect(void *ctx, const char *sentence)
{
	buf_printf(ctx, "%s\n", sentence);
}

static void expect_why(struct fixture *f, const struct job *job, const char *text)
{
	_cleanup_(buf_finish) struct buf sentences = {0};
	struct why why;

	sched_why(f->sched, job, f->now_ns, &why);
	sched_advise(f->sched, job, f->now_ns, &why);
	assert_int_equal(why.code, WHY_WINDOW);
	why_sentences(f->sched, &why, NULL, f->now_ns, collect, &sentences);
	assert_string_equal(buf_get(&sentences), text);
}

static void test_why_names_them(void **state)
{
	struct fixture f;
	struct job job;

	(void)state;
	open_window(&f, 4, BACKFILL_EASY, 6, 100, 200);
	job = submit_of(&f, OTHER, 1, 3, 0);
	expect_at(&f, 40, "");
	expect_why(&f, &job,
		   "would fit now, but not beside what is reserved for others: without a time "
		   "limit it counts as running for ever\n"
		   "gpu1, gpu2 are reserved for uid 1 in 1m, for 1m40s\n"
		   "with a time limit of 1m or less it would start now\n"
		   "with 2 GPUs it would start now\n");
	expect_at(&f, 150, "");
	expect_why(&f, &job,
		   "would fit now, but not beside what is reserved for others: without a time "
		   "limit it counts as running for ever\n"
		   "gpu1, gpu2 are reserved for uid 1, for another 50s\n"
		   "with 2 GPUs it would start now\n");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_over_in_time_starts),
		cmocka_unit_test(test_all_wait_until_it_ends),
		cmocka_unit_test(test_others_gpus_are_as_ever),
		cmocka_unit_test(test_the_head_is_not_concerned),
		cmocka_unit_test(test_one_window_after_the_other),
		cmocka_unit_test(test_nobody_is_preempted_for_a_place_that_is_kept),
		cmocka_unit_test(test_the_cheapest_leave_beside_what_is_kept),
		cmocka_unit_test(test_plans_mind_windows),
		cmocka_unit_test(test_promises_move_with_windows),
		cmocka_unit_test(test_a_forecast_knows_of_it),
		cmocka_unit_test(test_why_names_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
