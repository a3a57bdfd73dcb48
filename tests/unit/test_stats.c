/* SPDX-License-Identifier: MIT */
/* daemon/stats.h: sums over jobs, their window, and what stays out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/stats.h"

#define T(seconds) ((int64_t)(seconds)*NS_PER_S)

static struct store_row make_row(uint64_t id, enum job_state state, int submit, int start, int end)
{
	struct store_row row = {.name = "train", .usage = usage_none()};

	job_init(&row.job);
	row.job.id = id;
	row.job.uid = 7;
	row.job.state = state;
	row.job.attempt = 1;
	row.job.request.num_gpus = 2;
	row.job.submit_ns = T(submit);
	row.job.start_ns = T(start);
	row.job.end_ns = T(end);
	if (state != JOB_FINISHED && job_state_is_final(state))
		row.job.cause = JOB_CAUSE_EXIT;
	return row;
}

static void slowdown_is_bounded(void **state)
{
	(void)state;
	assert_true(stats_slowdown(0, 1000) == 1);
	assert_true(stats_slowdown(19000, 1000) == 2); /* 20 s / 10 s */
	assert_true(stats_slowdown(20000, 20000) == 2);
	assert_true(stats_slowdown(0, 100000) == 1);
}

static void waits_runs_and_gpu_time(void **state)
{
	struct store_row a = make_row(1, JOB_FINISHED, 100, 110, 130);
	struct store_row b = make_row(2, JOB_FAILED, 100, 140, 240);
	struct stats stats;

	(void)state;
	stats_init(&stats, STATS_BY_NOTHING, T(1), T(1000));
	stats_add(&stats, &a);
	stats_add(&stats, &b);
	assert_true(sketch_mean(&stats.total.wait_ms) == 25000);
	assert_true(sketch_mean(&stats.total.run_ms) == 60000);
	assert_true(stats.total.gpu_ms == 2 * 120000);
	assert_true(stats.total.slowdown_sum == 1.5 + 1.4);
	assert_int_equal(stats.total.ends[JOB_FINISHED], 1);
	assert_int_equal(stats.total.causes[JOB_CAUSE_EXIT], 1);
	assert_null(stats.groups);
	stats_finish(&stats);
}

static void begin_and_later_attempts_are_no_wait(void **state)
{
	struct store_row delayed = make_row(1, JOB_FINISHED, 100, 210, 230);
	struct store_row again = make_row(2, JOB_FINISHED, 100, 500, 530);
	struct store_row never = make_row(3, JOB_CANCELLED, 100, 0, 530);
	struct stats stats;

	(void)state;
	delayed.job.begin_ns = T(200);
	again.job.attempt = 2;
	never.job.n_tasks = 4;
	stats_init(&stats, STATS_BY_NOTHING, T(1), T(1000));
	stats_add(&stats, &delayed);
	stats_add(&stats, &again);
	stats_add(&stats, &never);
	assert_int_equal(stats.total.wait_ms.n, 1);
	assert_int_equal(stats.total.wait_ms.max, 10000);
	assert_int_equal(stats.total.run_ms.n, 2);
	assert_int_equal(stats.total.ends[JOB_CANCELLED], 4);
	stats_finish(&stats);
}

static void only_the_window_counts(void **state)
{
	struct store_row before = make_row(1, JOB_FINISHED, 10, 20, 99);
	struct store_row across = make_row(2, JOB_FINISHED, 10, 20, 150);
	struct store_row living = make_row(3, JOB_RUNNING, 10, 180, 0);
	struct store_row waiting = make_row(4, JOB_QUEUED, 10, 0, 0);
	struct stats stats;

	(void)state;
	stats_init(&stats, STATS_BY_USER, T(100), T(200));
	stats_add(&stats, &before);
	stats_add(&stats, &across);
	stats_add(&stats, &living);
	stats_add(&stats, &waiting);
	assert_int_equal(stats.total.ends[JOB_FINISHED], 1);
	assert_true(stats.total.gpu_ms == 2 * (50000 + 20000));
	assert_int_equal(HASH_COUNT(stats.groups), 1);
	assert_string_equal(stats.groups->key, "7");
	stats_finish(&stats);
}

static void unknown_utilisation_is_in_no_sum(void **state)
{
	struct store_row known = make_row(1, JOB_FINISHED, 10, 20, 30);
	struct store_row unknown = make_row(2, JOB_FINISHED, 10, 20, 1000);
	struct usage_look looks[2] = {{50, 1, 1000, 7, 1}, {100, 1, 1000, 7, 1}};
	struct stats stats;

	(void)state;
	usage_add(&known.usage, looks, 2, 10000);
	stats_init(&stats, STATS_BY_NOTHING, T(1), T(2000));
	stats_add(&stats, &known);
	stats_add(&stats, &unknown);
	assert_true(stats.total.util_percent_ms / stats.total.util_of_ms == 75);
	assert_true(stats.total.energy_mj == 14 && stats.total.energy_of_ms == 20000);
	stats_finish(&stats);
}

static void groups_are_bounded(void **state)
{
	struct stats stats;
	struct stats_group *others;
	uint64_t n = 0;

	(void)state;
	stats_init(&stats, STATS_BY_NAME, T(1), T(2000));
	for (uint64_t i = 0; i < 3 * STATS_GROUPS_MAX; i++) {
		_cleanup_(free_ptr) char *name = xasprintf("job-%lu", i);
		struct store_row row = make_row(i + 1, JOB_FINISHED, 10, 20, 30);

		row.name = name;
		stats_add(&stats, &row);
	}
	assert_int_equal(HASH_COUNT(stats.groups), STATS_GROUPS_MAX);
	HASH_FIND_STR(stats.groups, STATS_OTHERS, others);
	assert_non_null(others);
	for (const struct stats_group *group = stats.groups; group; group = group->hh.next)
		n += group->ends[JOB_FINISHED];
	assert_int_equal(n, 3 * STATS_GROUPS_MAX);
	assert_int_equal(others->ends[JOB_FINISHED], 2 * STATS_GROUPS_MAX + 1);
	stats_finish(&stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slowdown_is_bounded),
		cmocka_unit_test(waits_runs_and_gpu_time),
		cmocka_unit_test(begin_and_later_attempts_are_no_wait),
		cmocka_unit_test(only_the_window_counts),
		cmocka_unit_test(unknown_utilisation_is_in_no_sum),
		cmocka_unit_test(groups_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
