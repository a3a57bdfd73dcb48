/* SPDX-License-Identifier: MIT */
/* common/sketch.h: quantiles against the sorted values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/sketch.h"

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void assert_near(int64_t value, int64_t want)
{
	double error = (double)llabs((long long)(value - want));

	if (error > (double)want * 0.0161)
		fail_msg("%lld is not within 1.6 %% of %lld", (long long)value, (long long)want);
}

static void empty_is_unknown(void **state)
{
	struct sketch sketch = {0};

	(void)state;
	assert_true(sketch_mean(&sketch) < 0);
	assert_int_equal(sketch_quantile(&sketch, 0.5), -1);
	sketch_finish(&sketch);
}

static void one_value_is_exact(void **state)
{
	static const int64_t values[] = {0, 1, 63, 64, 65, 1000003, INT64_C(123456789012)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct sketch sketch = {0};

		sketch_add(&sketch, values[i]);
		assert_int_equal(sketch_quantile(&sketch, 0), values[i]);
		assert_int_equal(sketch_quantile(&sketch, 0.5), values[i]);
		assert_int_equal(sketch_quantile(&sketch, 1), values[i]);
		assert_true(sketch_mean(&sketch) == (double)values[i]);
		sketch_finish(&sketch);
	}
}

static void small_values_are_exact(void **state)
{
	struct sketch sketch = {0};

	(void)state;
	for (int64_t i = 0; i < 64; i++)
		sketch_add(&sketch, i);
	for (int i = 0; i < 64; i++)
		assert_int_equal(sketch_quantile(&sketch, (i + 0.5) / 64), i);
	sketch_finish(&sketch);
}

/* Every power of two and its neighbours find their bucket again. */
static void every_octave(void **state)
{
	(void)state;
	for (int bit = 0; bit < 45; bit++)
		for (int64_t near = -1; near <= 1; near++) {
			int64_t value = (INT64_C(1) << bit) + near;
			struct sketch sketch = {0};

			sketch_add(&sketch, 0);
			sketch_add(&sketch, value);
			sketch_add(&sketch, INT64_MAX);
			assert_near(sketch_quantile(&sketch, 0.5), value);
			sketch_finish(&sketch);
		}
}

static void quantiles_of_many(void **state)
{
	static int64_t values[20000];
	struct sketch sketch = {0};
	unsigned seed = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		values[i] = (int64_t)rand_r(&seed) % 1000 * (rand_r(&seed) % 100000);
		sketch_add(&sketch, values[i]);
	}
	qsort(values, ARRAY_SIZE(values), sizeof(values[0]), compare);
	for (int percent = 1; percent < 100; percent++)
		assert_near(sketch_quantile(&sketch, percent / 100.0),
			    values[ARRAY_SIZE(values) * (size_t)percent / 100]);
	sketch_finish(&sketch);
}

static void what_is_out_of_range_is_kept_at_its_edge(void **state)
{
	struct sketch sketch = {0};

	(void)state;
	sketch_add(&sketch, -5);
	sketch_add(&sketch, INT64_MAX);
	assert_int_equal(sketch.min, 0);
	assert_int_equal(sketch.max, (INT64_C(1) << 45) - 1);
	assert_near(sketch_quantile(&sketch, 1), sketch.max);
	sketch_finish(&sketch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_unknown),
		cmocka_unit_test(one_value_is_exact),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(every_octave),
		cmocka_unit_test(quantiles_of_many),
		cmocka_unit_test(what_is_out_of_range_is_kept_at_its_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
