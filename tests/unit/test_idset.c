/* SPDX-License-Identifier: MIT */
/* idset.h: one way to write a set, bounds, and a comparison with a plain array of bits. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/idset.h"

#define ID_MAX (UINT64_C(1) << 53)

static void test_sets_are_normalised(void **state)
{
	static const struct {
		const char *text, *printed;
		uint64_t count;
	} rows[] = {
		{"12", "12", 1},
		{"1,3-5", "1,3-5", 4},
		{"5,4,3,1", "1,3-5", 4},
		{"1-2,3-4", "1-4", 4},
		{"1-10,5-20", "1-20", 20},
		{"1-100,2,99,101", "1-101", 101},
		{"7,7,7", "7", 1},
		{"4-4", "4", 1},
		{"007", "7", 1},
		{"1-1000000", "1-1000000", 1000000},
		{"9007199254740992", "9007199254740992", 1},
		{"1-9007199254740992", "1-9007199254740992", ID_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(idset_finish) struct idset set = {0};
		_cleanup_(free_ptr) char *printed = NULL;

		assert_int_equal(idset_parse(rows[i].text, &set, NULL), 0);
		printed = idset_format(&set);
		assert_string_equal(printed, rows[i].printed);
		assert_true(idset_count(&set) == rows[i].count);
	}
}

static void test_bad_sets_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		",",
		"1,",
		",1",
		"1,,2",
		"-",
		"1-",
		"-1",
		"1--2",
		"1-2-3",
		"0",
		"0-5",
		"1-0",
		"1, 2",
		"last",
		"*",
		"+1",
		"0x10",
		"1.5",
		"9007199254740993",
		"99999999999999999999",
		"1-99999999999999999999",
		"[1-3]",
		"1;2",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(idset_finish) struct idset set = {0};
		struct err err = {0};

		if (idset_parse(rows[i], &set, &err) != -EINVAL || set.ranges ||
		    !strstr(err.msg, rows[i]) || !strstr(err.msg, "1,3-5"))
			fail_msg("\"%s\": %s", rows[i], err.msg);
	}
}

static void test_backward_range_says_how_to_write_it(void **state)
{
	struct idset set = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(idset_parse("5-3", &set, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "write 3-5"));
}

static void test_add_checks_bounds(void **state)
{
	_cleanup_(idset_finish) struct idset set = {0};

	(void)state;
	assert_int_equal(idset_add(&set, 0, 1), -EINVAL);
	assert_int_equal(idset_add(&set, 2, 1), -EINVAL);
	assert_int_equal(idset_add(&set, 1, ID_MAX + 1), -EINVAL);
	for (uint64_t i = 0; i < IDSET_RANGES_MAX; i++)
		assert_int_equal(idset_add(&set, 2 * i + 1, 2 * i + 1), 0);
	assert_int_equal(idset_add(&set, ID_MAX, ID_MAX), -E2BIG);
	/* What merges needs no new range. */
	assert_int_equal(idset_add(&set, 2, 2), 0);
	assert_int_equal(set.n_ranges, IDSET_RANGES_MAX - 1);
}

static void test_too_many_ranges_are_refused(void **state)
{
	_cleanup_(buf_finish) struct buf text = {0};
	_cleanup_(idset_finish) struct idset set = {0};
	struct err err = {0};

	(void)state;
	/* Backwards, which is what an insertion sort would choke on. */
	for (int i = IDSET_RANGES_MAX; i > 0; i--)
		buf_printf(&text, "%s%d", text.len ? "," : "", 2 * i);
	assert_int_equal(idset_parse(buf_get(&text), &set, &err), 0);
	assert_int_equal(set.n_ranges, IDSET_RANGES_MAX);
	buf_puts(&text, ",1000000");
	idset_finish(&set);
	assert_int_equal(idset_parse(buf_get(&text), &set, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "100000"));
}

#define SMALL 200

/* The last ids of a range that are in the set, one by one from behind. */
static void check_last_part(const struct idset *set, const bool *bits, const struct idrange *range)
{
	struct idrange part;
	uint64_t last = range->last < SMALL ? range->last : SMALL, first;

	while (last >= range->first && !bits[last])
		last--;
	if (last < range->first) {
		assert_false(idset_last_part(set, range, &part));
		return;
	}
	first = last;
	while (first > range->first && bits[first - 1])
		first--;
	assert_true(idset_last_part(set, range, &part));
	assert_true(part.first == first && part.last == last);
}

static void check_against_bits(const struct idset *set, const bool *bits)
{
	_cleanup_(free_ptr) char *printed = idset_format(set);
	_cleanup_(idset_finish) struct idset again = {0};
	uint64_t count = 0;

	for (uint64_t id = 1; id <= SMALL; id++) {
		count += bits[id];
		assert_int_equal(idset_has(set, id), bits[id]);
	}
	assert_true(idset_count(set) == count);
	for (uint64_t first = 1; first <= SMALL; first += 7)
		check_last_part(set, bits, &(struct idrange){first, first + 20});
	for (size_t i = 1; i < set->n_ranges; i++)
		assert_true(set->ranges[i].first > set->ranges[i - 1].last + 1);
	assert_int_equal(idset_parse(printed, &again, NULL), 0);
	assert_int_equal(again.n_ranges, set->n_ranges);
}

static void test_adding_agrees_with_bits(void **state)
{
	unsigned seed = 20260131;

	(void)state;
	print_message("# seed %u\n", seed);
	for (int round = 0; round < 200; round++) {
		_cleanup_(idset_finish) struct idset set = {0};
		bool bits[SMALL + 1] = {false};

		for (int i = 0; i < 30; i++) {
			uint64_t first = 1 + (uint64_t)rand_r(&seed) % SMALL;
			uint64_t last = first + (uint64_t)rand_r(&seed) % 8;

			last = last > SMALL ? SMALL : last;
			assert_int_equal(idset_add(&set, first, last), 0);
			for (uint64_t id = first; id <= last; id++)
				bits[id] = true;
			check_against_bits(&set, bits);
		}
	}
}

static void test_empty_set(void **state)
{
	struct idset set = {0};
	char *printed = idset_format(&set);

	(void)state;
	assert_string_equal(printed, "");
	free(printed);
	assert_false(idset_has(&set, 1));
	assert_int_equal(idset_count(&set), 0);
	idset_finish(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets_are_normalised),
		cmocka_unit_test(test_bad_sets_are_refused),
		cmocka_unit_test(test_backward_range_says_how_to_write_it),
		cmocka_unit_test(test_add_checks_bounds),
		cmocka_unit_test(test_too_many_ranges_are_refused),
		cmocka_unit_test(test_adding_agrees_with_bits),
		cmocka_unit_test(test_empty_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
