/* SPDX-License-Identifier: MIT */
/* common/usage.h: sums of looks, and what is never made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/usage.h"

#define SURE_MS (2 * 60 * 1000)

static const struct usage_look unknown = {USAGE_UNKNOWN, USAGE_UNKNOWN, USAGE_UNKNOWN,
					  USAGE_UNKNOWN, USAGE_UNKNOWN};

static void nothing_seen_is_nothing_known(void **state)
{
	struct usage usage = usage_none();

	(void)state;
	assert_true(usage_utilization_percent(&usage) < 0);
	assert_int_equal(usage_power_mw(&usage), USAGE_UNKNOWN);
	assert_int_equal(usage_total_energy_mj(&usage, 1), USAGE_UNKNOWN);
	assert_int_equal(usage_unused(&usage, 4, SURE_MS), 0);
	assert_int_equal(usage.gpu_mem_peak_bytes, USAGE_UNKNOWN);
}

static void looks_that_tell_nothing_stay_unknown(void **state)
{
	struct usage usage = usage_none();

	(void)state;
	for (int i = 0; i < 10; i++)
		usage_add(&usage, &unknown, 1, 60000);
	assert_int_equal(usage.seen_ms, 600000);
	assert_true(usage_utilization_percent(&usage) < 0);
	assert_int_equal(usage_power_mw(&usage), USAGE_UNKNOWN);
	assert_int_equal(usage_total_energy_mj(&usage, 1), USAGE_UNKNOWN);
	assert_int_equal(usage_unused(&usage, 1, SURE_MS), 0);
	assert_int_equal(usage.gpu_mem_peak_bytes, USAGE_UNKNOWN);
}

static void means_are_weighted_by_time_and_over_gpus(void **state)
{
	struct usage usage = usage_none();
	struct usage_look looks[2] = {{100, 10, 200000, 5, 1}, {0, 30, 100000, 5, 1}};

	(void)state;
	usage_add(&usage, looks, 2, 1000);
	looks[0].utilization_percent = looks[1].utilization_percent = 0;
	looks[0].mem_bytes = looks[1].mem_bytes = 20;
	usage_add(&usage, looks, 2, 3000);
	assert_true(usage_utilization_percent(&usage) == 12.5); /* 100 % of 1 s of 8 GPU seconds */
	assert_int_equal(usage_power_mw(&usage), 150000);
	assert_int_equal(usage_total_energy_mj(&usage, 2), 20);
	assert_int_equal(usage.gpu_mem_peak_bytes, 30);
}

static void a_mean_is_of_what_was_seen(void **state)
{
	struct usage usage = usage_none();
	struct usage_look looks[2] = {{80, 0, 1000, 7, 1}, unknown};

	(void)state;
	usage_add(&usage, looks, 2, 1000);
	assert_true(usage_utilization_percent(&usage) == 80);
	assert_int_equal(usage_power_mw(&usage), 1000);
	assert_int_equal(usage_total_energy_mj(&usage, 2),
			 USAGE_UNKNOWN); /* a total lacks a part */
}

static void the_first_look_is_no_sum(void **state)
{
	struct usage usage = usage_none();
	struct usage_look look = {90, 4096, 1000, 0, 1};

	(void)state;
	usage_add(&usage, &look, 1, 0);
	assert_true(usage_utilization_percent(&usage) < 0);
	assert_int_equal(usage_total_energy_mj(&usage, 1), USAGE_UNKNOWN);
	assert_int_equal(usage.gpu_mem_peak_bytes, 4096);
	assert_int_equal(usage.used, 1);
}

static void energy_is_the_counters_else_the_powers(void **state)
{
	(void)state;
	assert_int_equal(usage_energy_mj(1000, 4000, 100, 1000), 3000);
	assert_int_equal(usage_energy_mj(1000, 1000, 100, 1000), 0);
	assert_int_equal(usage_energy_mj(USAGE_UNKNOWN, 4000, 100, 1000), 100);
	assert_int_equal(usage_energy_mj(1000, USAGE_UNKNOWN, 100, 2000), 200);
	assert_int_equal(usage_energy_mj(4000, 1000, 100, 1000), 100); /* the driver was reloaded */
	assert_int_equal(usage_energy_mj(4000, 1000, USAGE_UNKNOWN, 1000), USAGE_UNKNOWN);
}

static void unused_needs_looks_and_time(void **state)
{
	struct usage_look looks[4] = {
		{50, 1, 1, 1, 1}, {0, 0, 1, 1, 0}, {0, 0, 1, 1, 0}, {0, 0, 1, 1, 0}};
	struct usage usage = usage_none(), brief = usage_none();

	(void)state;
	usage_add(&usage, looks, 4, 0);
	usage_add(&usage, looks, 4, SURE_MS);
	assert_int_equal(usage_unused(&usage, 4, SURE_MS), 0); /* two looks */
	usage_add(&usage, looks, 4, 0);
	assert_int_equal(usage_unused(&usage, 4, SURE_MS), 0xe);
	for (int i = 0; i < 10; i++)
		usage_add(&brief, looks, 4, SURE_MS / 10 - 1);
	assert_int_equal(usage_unused(&brief, 4, SURE_MS), 0); /* not long enough */
}

static void one_doubt_is_enough(void **state)
{
	struct usage_look looks[2] = {{0, 0, 1, 1, 0}, {0, 0, 1, 1, 0}};
	struct usage usage = usage_none();

	(void)state;
	for (int i = 0; i < 5; i++)
		usage_add(&usage, looks, 2, SURE_MS);
	assert_int_equal(usage_unused(&usage, 2, SURE_MS), 3);
	looks[1].in_use = USAGE_UNKNOWN;
	usage_add(&usage, looks, 2, SURE_MS);
	assert_int_equal(usage_unused(&usage, 2, SURE_MS), 1);
	looks[0].in_use = 1;
	usage_add(&usage, looks, 2, SURE_MS);
	assert_int_equal(usage_unused(&usage, 2, SURE_MS), 0);
}

static void sixty_four_gpus(void **state)
{
	struct usage_look looks[64];
	struct usage usage = usage_none();

	(void)state;
	for (int i = 0; i < 64; i++)
		looks[i] = (struct usage_look){100, 1, 1000000, 1, i != 63};
	for (int i = 0; i < 3; i++)
		usage_add(&usage, looks, 64,
			  INT64_C(366) * 86400 * 1000); /* each a year, at 1 kW */
	assert_int_equal(usage_unused(&usage, 64, SURE_MS), UINT64_C(1) << 63);
	assert_int_equal(usage_power_mw(&usage), 1000000);
	assert_true(usage_utilization_percent(&usage) == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_seen_is_nothing_known),
		cmocka_unit_test(looks_that_tell_nothing_stay_unknown),
		cmocka_unit_test(means_are_weighted_by_time_and_over_gpus),
		cmocka_unit_test(a_mean_is_of_what_was_seen),
		cmocka_unit_test(the_first_look_is_no_sum),
		cmocka_unit_test(energy_is_the_counters_else_the_powers),
		cmocka_unit_test(unused_needs_looks_and_time),
		cmocka_unit_test(one_doubt_is_enough),
		cmocka_unit_test(sixty_four_gpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
