/* SPDX-License-Identifier: MIT */
/* scheduler/predict.h: the ladder, the mean of the last two, what is forgotten. */
#include "cluster.h"
#include "scheduler/predict.h"

#define MINUTES(n) S(60 * (n))
#define HOURS(n)   MINUTES(60 * (n))
#define DAYS(n)	   HOURS(24 * (n))
#define BOUND	   65536 /* likenesses that are remembered */

static void test_the_ladder(void **state)
{
	static const int64_t steps[] = {MINUTES(30), HOURS(1), HOURS(2),     HOURS(4),	  HOURS(8),
					HOURS(12),   DAYS(1),  DAYS(2),	     DAYS(4),	  DAYS(7),
					DAYS(14),    DAYS(28), DAYS(2 * 28), DAYS(3 * 28)};

	(void)state;
	assert_int_equal(predict_raise(0), steps[0]);
	for (size_t i = 0; i + 1 < ARRAY_SIZE(steps); i++) {
		assert_int_equal(predict_raise(steps[i] - 1), steps[i]);
		assert_int_equal(predict_raise(steps[i]), steps[i + 1]); /* it outlived that */
	}
	assert_true(predict_raise(TIME_NEVER - 1) == TIME_NEVER);
	assert_true(predict_raise(TIME_NEVER) == TIME_NEVER);
	for (int64_t run_ns = 1; run_ns < TIME_NEVER / 3; run_ns *= 3)
		assert_true(predict_raise(run_ns) > run_ns);
}

static void test_the_mean_of_the_last_two(void **state)
{
	struct predictor *predictor = predictor_create();

	(void)state;
	assert_int_equal(predict_run(predictor, 1), 0);
	predict_learn(predictor, 1, HOURS(3));
	assert_int_equal(predict_run(predictor, 1), HOURS(4));
	predict_learn(predictor, 1, HOURS(9)); /* 6 h */
	assert_int_equal(predict_run(predictor, 1), HOURS(8));
	predict_learn(predictor, 1, HOURS(1)); /* the first is forgotten: 5 h */
	assert_int_equal(predict_run(predictor, 1), HOURS(8));
	predict_learn(predictor, 1, MINUTES(5)); /* 32.5 min */
	assert_int_equal(predict_run(predictor, 1), HOURS(1));
	assert_int_equal(predict_run(predictor, 2), 0);
	predictor_destroy(predictor);
}

static void test_what_teaches_nothing(void **state)
{
	struct predictor *predictor = predictor_create();

	(void)state;
	predict_learn(predictor, 0, HOURS(1));
	assert_int_equal(predict_run(predictor, 0), 0);
	predict_learn(predictor, 1, 0);
	predict_learn(predictor, 1, -5);
	assert_int_equal(predict_run(predictor, 1), 0);
	predictor_destroy(predictor);
	predictor_destroy(NULL);
}

/* The oldest lesson goes first, not the oldest likeness. */
static void test_memory_is_bounded(void **state)
{
	struct predictor *predictor = predictor_create();

	(void)state;
	for (uint64_t id = 1; id <= BOUND; id++)
		predict_learn(predictor, id, HOURS(1));
	predict_learn(predictor, 1, HOURS(1)); /* seen again: 2 is the oldest now */
	assert_int_equal(predict_run(predictor, 2), HOURS(2));
	predict_learn(predictor, BOUND + 1, HOURS(1));
	assert_int_equal(predict_run(predictor, 2), 0);
	assert_int_equal(predict_run(predictor, 1), HOURS(2));
	assert_int_equal(predict_run(predictor, 3), HOURS(2));
	assert_int_equal(predict_run(predictor, BOUND + 1), HOURS(2));
	predictor_destroy(predictor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_ladder),
		cmocka_unit_test(test_the_mean_of_the_last_two),
		cmocka_unit_test(test_what_teaches_nothing),
		cmocka_unit_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests_name("predict", tests, NULL, NULL);
}
