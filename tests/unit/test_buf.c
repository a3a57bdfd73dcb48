/* SPDX-License-Identifier: MIT */
/* buf.h: always terminated, empty is "", taking leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/buf.h"

static void test_empty_is_a_string(void **state)
{
	struct buf buf = {0};
	char *taken;

	(void)state;
	assert_string_equal(buf_get(&buf), "");
	taken = buf_take(&buf);
	assert_string_equal(taken, "");
	free(taken);
	buf_clear(&buf);
	buf_finish(&buf);
}

static void test_appends_are_terminated(void **state)
{
	_cleanup_(buf_finish) struct buf buf = {0};

	(void)state;
	buf_puts(&buf, "ab");
	buf_putc(&buf, 'c');
	buf_append(&buf, "d\0e", 3);
	buf_append(&buf, NULL, 0);
	buf_printf(&buf, "%d%s", 5, "f");
	assert_int_equal(buf.len, 8);
	assert_memory_equal(buf.data, "abcd\0e5f", 9);
	buf_clear(&buf);
	assert_string_equal(buf_get(&buf), "");
	buf_printf(&buf, "%s", "");
	assert_int_equal(buf.len, 0);
}

static void test_growth_keeps_contents(void **state)
{
	_cleanup_(buf_finish) struct buf buf = {0};

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_printf(&buf, "%04d", i);
	assert_int_equal(buf.len, 40000);
	assert_memory_equal(buf.data + 4 * 1234, "1234", 4);
	assert_int_equal(strlen(buf_get(&buf)), 40000);
}

static void test_take_hands_over(void **state)
{
	struct buf buf = {0};
	char *taken;

	(void)state;
	buf_puts(&buf, "mine");
	taken = buf_take(&buf);
	assert_string_equal(taken, "mine");
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
	free(taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_is_a_string),
		cmocka_unit_test(test_appends_are_terminated),
		cmocka_unit_test(test_growth_keeps_contents),
		cmocka_unit_test(test_take_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
