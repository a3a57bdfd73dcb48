/* SPDX-License-Identifier: MIT */
/* scheduler/users.h: the closed form against small steps, history in any order, counts. */
#include <math.h>

#include "cluster.h"
#include "draw.h"
#include "scheduler/users.h"

#define HALF_LIFE_S 50
#define STEPS	    1000 /* of a second, in the integration by hand */

static void expect_near(double is, double want, double relative)
{
	if (fabs(is - want) > relative * fabs(want) + 1e-12)
		fail_msg("%.15g instead of %.15g", is, want);
}

/* One second at a rate, in small steps. */
static double integrate(double usage, double rate)
{
	for (int i = 0; i < STEPS; i++) {
		usage += rate / STEPS / 2;
		usage *= exp2(-1.0 / STEPS / HALF_LIFE_S);
		usage += rate / STEPS / 2;
	}
	return usage;
}

static void test_the_closed_form_is_the_integral(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 20; round++) {
		struct users *users = users_create(S(HALF_LIFE_S));
		double shares[8], rate = 0, usage = 0;
		size_t n = 0;

		draw_seed(round);
		for (int64_t now_s = 1; now_s < 200; now_s++) {
			if (n < ARRAY_SIZE(shares) && draw(5) == 0) {
				shares[n] = (double)(1 + draw(100)) / 100;
				users_take(users, 7, 1, shares[n], S(now_s));
				rate += shares[n++];
			}
			if (n > 0 && draw(8) == 0) {
				users_give(users, 7, 1, shares[--n], S(now_s));
				rate -= shares[n];
			}
			usage = integrate(usage, rate);
			if (draw(3) == 0) /* to look changes nothing */
				expect_near(users_usage(users, 7, S(now_s + 1)), usage, 1e-6);
			assert_int_equal(users_jobs(users, 7), n);
		}
		users_destroy(users);
	}
}

static void test_half_is_left_after_a_half_life(void **state)
{
	struct users *users = users_create(S(HALF_LIFE_S));
	double at_end;

	(void)state;
	users_charge(users, 1, 0.5, S(90), S(100));
	at_end = users_usage(users, 1, S(100));
	assert_true(at_end < 5 && at_end > 4.5); /* 10 s of one half; a little has faded */
	expect_near(users_usage(users, 1, S(100 + HALF_LIFE_S)), at_end / 2, 1e-9);
	expect_near(users_usage(users, 1, S(100 + 3 * HALF_LIFE_S)), at_end / 8, 1e-9);
	users_destroy(users);
}

static void test_nothing_fades_without_a_half_life(void **state)
{
	struct users *users = users_create(0);

	(void)state;
	users_charge(users, 1, 0.25, S(10), S(20));
	users_take(users, 1, 2, 0.5, S(100));
	expect_near(users_usage(users, 1, S(104)), 4.5, 1e-12);
	expect_near(users_usage(users, 1, S(1000000)), 2.5 + 0.5 * 999900, 1e-12);
	users_destroy(users);
}

struct charge {
	double share;
	int64_t start_s, end_s;
};

/* The history is read in any order, and comes to what was counted as it happened. */
static void test_history_in_any_order(void **state)
{
	struct charge charges[12];

	(void)state;
	for (uint64_t round = 0; round < 50; round++) {
		struct users *live = users_create(S(HALF_LIFE_S));
		struct users *late = users_create(S(HALF_LIFE_S));

		draw_seed(round);
		for (size_t i = 0; i < ARRAY_SIZE(charges); i++) {
			charges[i] = (struct charge){
				.share = (double)draw(100) / 100,
				.start_s = 10 * (int64_t)i,
				.end_s = 10 * (int64_t)i + 1 + (int64_t)draw(9),
			};
			users_take(live, 1, 1, charges[i].share, S(charges[i].start_s));
			users_give(live, 1, 1, charges[i].share, S(charges[i].end_s));
		}
		for (size_t n = ARRAY_SIZE(charges); n > 0; n--) {
			size_t at = draw(n);

			users_charge(late, 1, charges[at].share, S(charges[at].start_s),
				     S(charges[at].end_s));
			charges[at] = charges[n - 1];
		}
		expect_near(users_usage(late, 1, S(300)), users_usage(live, 1, S(300)), 1e-9);
		users_destroy(live);
		users_destroy(late);
	}
}

static void test_a_clock_that_is_set_back_charges_nothing(void **state)
{
	struct users *users = users_create(S(HALF_LIFE_S));
	double before;

	(void)state;
	users_take(users, 1, 1, 0.5, S(100));
	users_take(users, 1, 1, 0,
		   S(110)); /* something happens: what was used by then is settled */
	before = users_usage(users, 1, S(110));
	expect_near(users_usage(users, 1, S(50)), before, 1e-12);
	users_give(users, 1, 1, 0.5, S(60));
	expect_near(users_usage(users, 1, S(110)), before, 1e-12);
	users_charge(users, 1, 0.5, S(70), S(60)); /* that ended before it began */
	expect_near(users_usage(users, 1, S(110)), before, 1e-12);
	users_destroy(users);
}

static void test_counts(void **state)
{
	struct users *users = users_create(0);

	(void)state;
	assert_int_equal(users_jobs(users, 9), 0);
	assert_int_equal(users_gpus(users, 9), 0);
	assert_true(users_usage(users, 9, S(1)) == 0);
	users_take(users, 9, 4, 0.1, S(1));
	users_take(users, 9, 0, 0.1, S(1));
	users_take(users, 8, 2, 0.1, S(1));
	assert_int_equal(users_jobs(users, 9), 2);
	assert_int_equal(users_gpus(users, 9), 4);
	users_give(users, 9, 4, 0.1, S(2));
	assert_int_equal(users_jobs(users, 9), 1);
	assert_int_equal(users_gpus(users, 9), 0);
	users_give(users, 9, 0, 0.1, S(2));
	expect_near(users_usage(users, 9, S(100)), 0.2, 1e-9); /* nothing is left running */
	users_destroy(users);
	users_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_closed_form_is_the_integral),
		cmocka_unit_test(test_half_is_left_after_a_half_life),
		cmocka_unit_test(test_nothing_fades_without_a_half_life),
		cmocka_unit_test(test_history_in_any_order),
		cmocka_unit_test(test_a_clock_that_is_set_back_charges_nothing),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
