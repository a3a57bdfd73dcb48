/* SPDX-License-Identifier: MIT */
/*
 * scheduler/forecast.h: what it says comes true when every job runs just as long as is planned.
 * That it does on random machines and queues is in tests/property.
 */
#include "fixture.h"
#include "scheduler/forecast.h"

static void expect_forecast(const struct fixture *fixture, size_t max_jobs, const int64_t *starts,
			    size_t n)
{
	struct forecast forecast;

	forecast_make(fixture->sched, fixture->now_ns, max_jobs, &forecast);
	assert_true(forecast.n <= max_jobs);
	for (size_t i = 0; i < n; i++)
		assert_true(forecast_start_ns(&forecast, i + 1) ==
			    (starts[i] ? S(starts[i]) : TIME_UNKNOWN));
	forecast_finish(&forecast);
}

static void test_ends_and_starts_are_foretold(void **state)
{
	static const int64_t starts[] = {0, 11, 1, 21, 0, 0};
	struct fixture f;

	(void)state;
	open_node(&f, 2, &policy_fifo, BACKFILL_EASY);
	submit(&f, 1, 1, 0, 10);
	expect_at(&f, 1, "1"); /* runs: no start to come */
	submit(&f, 2, 2, 0, 10);
	submit(&f, 3, 1, 0, 10);
	submit(&f, 4, 1, 0, 0);
	submit(&f, 5, 2, 0, 10); /* after one whose end nobody knows */
	expect_forecast(&f, 100, starts, 6);
	expect_at(&f, 1, "3"); /* nothing was changed */
	finish(&f);
}

/* A job whose begin time comes stands where its submit time says, not before all others. */
static void test_a_job_that_begins_later_takes_its_place(void **state)
{
	static const int64_t starts[] = {0, 11, 21, 31};
	struct job later = cluster_job(4, 1, S(1), S(10));
	struct fixture f;

	(void)state;
	open_node(&f, 1, &policy_fifo, BACKFILL_NONE);
	submit(&f, 1, 1, 0, 10);
	submit(&f, 2, 1, 0, 10);
	submit(&f, 3, 1, 0, 10);
	later.begin_ns = S(5);
	sched_enqueue(f.sched, &later, 1);
	expect_at(&f, 1, "1");
	expect_forecast(&f, 100, starts, 4);
	later.id = 5;
	sched_dequeue(f.sched, &later); /* another: nothing happens */
	finish(&f);
}

static void test_never_more_than_was_asked_for(void **state)
{
	struct job array = cluster_job(1, 1, S(1), S(10));
	struct fixture f;

	(void)state;
	open_node(&f, 8, &policy_fifo, BACKFILL_EASY);
	array.array = 1;
	array.begin_ns = S(5);
	sched_enqueue(f.sched, &array, 100);
	expect_at(&f, 1, "");
	expect_forecast(&f, 3, (const int64_t[]){5, 5, 5, 0}, 4);
	expect_forecast(&f, 0, (const int64_t[]){0}, 1);
	finish(&f);
}

static void test_arrays_and_limits_are_foretold(void **state)
{
	static const int64_t starts[] = {1, 1, 11, 11, 21, 1};
	struct job array = cluster_job(1, 1, S(1), S(10));
	struct fixture f;

	(void)state;
	open_node(&f, 4, &policy_fifo, BACKFILL_EASY);
	array.array = 1;
	array.array_limit = 2;
	sched_enqueue(f.sched, &array, 5);
	submit(&f, 6, 1, 0, 10);
	expect_forecast(&f, 100, starts, 6);
	finish(&f);
}

/* Promises are foretold as they were made, not as they would be made today. */
static void test_promises_are_foretold(void **state)
{
	static const int64_t starts[] = {0, 101, 141};
	struct fixture f;

	(void)state;
	open_node(&f, 2, &policy_priority, BACKFILL_CONSERVATIVE);
	submit(&f, 1, 2, 0, 100);
	submit(&f, 2, 2, 0, 40);
	expect_at(&f, 1, "1");
	submit(&f, 3, 2, 9, 50);
	expect_at(&f, 1, "");
	expect_forecast(&f, 100, starts, 3);
	expect_forecast(&f, 1, (const int64_t[]){0, 0, 141}, 3); /* the first in order alone */
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_and_starts_are_foretold),
		cmocka_unit_test(test_a_job_that_begins_later_takes_its_place),
		cmocka_unit_test(test_never_more_than_was_asked_for),
		cmocka_unit_test(test_arrays_and_limits_are_foretold),
		cmocka_unit_test(test_promises_are_foretold),
	};

	return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
