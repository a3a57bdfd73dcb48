/* SPDX-License-Identifier: MIT */
/* util.h, err.h, utf8.h, suggest.h: the contracts of the small helpers. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/err.h"
#include "common/suggest.h"
#include "common/utf8.h"

static void test_parse_int64(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max;
		int result;
		int64_t value;
	} rows[] = {
		{"0", -5, 5, 0, 0},
		{"-5", -5, 5, 0, -5},
		{"007", 0, 10, 0, 7},
		{"-0", 0, 10, 0, 0},
		{"9223372036854775807", 0, INT64_MAX, 0, INT64_MAX},
		{"-9223372036854775808", INT64_MIN, 0, 0, INT64_MIN},
		{"6", -5, 5, -ERANGE, 0},
		{"-6", -5, 5, -ERANGE, 0},
		{"9223372036854775808", 0, INT64_MAX, -ERANGE, 0},
		{"", 0, 9, -EINVAL, 0},
		{"-", 0, 9, -EINVAL, 0},
		{"+1", 0, 9, -EINVAL, 0},
		{"--1", -9, 9, -EINVAL, 0},
		{" 1", 0, 9, -EINVAL, 0},
		{"1 ", 0, 9, -EINVAL, 0},
		{"1x", 0, 9, -EINVAL, 0},
		{"0x1", 0, 9, -EINVAL, 0},
		{"1.0", 0, 9, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t value = 42;
		int r = parse_int64(rows[i].text, rows[i].min, rows[i].max, &value);

		if (r != rows[i].result || value != (r == 0 ? rows[i].value : 42))
			fail_msg("\"%s\": result %d value %lld", rows[i].text, r, (long long)value);
	}
}

static void test_xgrow_doubles_and_keeps(void **state)
{
	_cleanup_(free_ptr) int *items = NULL;
	size_t capacity = 0;

	(void)state;
	for (size_t n = 0; n < 1000; n++) {
		xgrow(&items, &capacity, n + 1, sizeof(*items));
		assert_true(capacity > n);
		items[n] = (int)n;
	}
	assert_int_equal(capacity, 1024);
	for (int n = 0; n < 1000; n++)
		assert_int_equal(items[n], n);
}

static void test_read_and_write(void **state)
{
	char path[] = "/tmp/test_util.XXXXXX";
	_cleanup_(close_fd) int fd = mkstemp(path);
	_cleanup_(free_ptr) char *text = NULL, *big = xcalloc(10000, 1);
	size_t len = 0;

	(void)state;
	memset(big, 'x', 9999);
	assert_int_equal(write_all(fd, big, 9999), 0);
	assert_int_equal(read_file(path, 9999, &text, &len), 0);
	assert_int_equal(len, 9999);
	assert_string_equal(text, big);
	free(text);
	text = NULL;
	assert_int_equal(read_file(path, 9998, &text, &len), -EFBIG);
	assert_null(text);
	unlink(path);
	assert_int_equal(read_file(path, 10, &text, NULL), -ENOENT);
	assert_int_equal(write_all(-1, "x", 1), -EBADF);
	assert_int_equal(read_all(-1, 10, &text, NULL), -EBADF);
}

static void test_hand_over(void **state)
{
	char *text = xstrdup("a");
	char *taken = TAKE_PTR(text);
	int fd = 3, taken_fd = TAKE_FD(fd);

	(void)state;
	assert_null(text);
	assert_string_equal(taken, "a");
	free(taken);
	assert_int_equal(fd, -1);
	assert_int_equal(taken_fd, 3);
	assert_int_equal(fd_close(-1), -1);
}

static void test_err_set_and_wrap(void **state)
{
	struct err err = {0};
	char big[600];

	(void)state;
	assert_int_equal(err_set(&err, -EINVAL, "%s is %d", "x", 5), -EINVAL);
	assert_string_equal(err.msg, "x is 5");
	assert_int_equal(err_wrap(&err, "job %d", 7), -EINVAL);
	assert_string_equal(err.msg, "job 7: x is 5");
	assert_int_equal(err_set(NULL, -ENOENT, "nobody reads this"), -ENOENT);
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, -EIO, "front %s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_memory_equal(err.msg, "front ", 6);
	for (size_t i = 0; i + 2 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xbc", 2); /* the cut falls into the middle of one */
	err_set(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 2);
	err_set(&err, -EIO, "x%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} rows[] = {
		{"", true},
		{"plain", true},
		{"\xc3\xa9", true},
		{"\xe2\x98\x83", true},
		{"\xf0\x9f\x98\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\xf4\x90\x80\x80", false},
		{"\xc0\x80", false},
		{"\xc1\xbf", false},
		{"\xe0\x9f\xbf", false},
		{"\xed\xa0\x80", false},
		{"\xf0\x8f\xbf\xbf", false},
		{"\xc3", false},
		{"\xe2\x98", false},
		{"\xf0\x9f\x98", false},
		{"\x80", false},
		{"\xff", false},
		{"\xc3(", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (utf8_is_valid(rows[i].text, strlen(rows[i].text)) != rows[i].valid)
			fail_msg("row %zu", i);
	assert_true(utf8_is_valid("a\0b", 3));
	assert_int_equal(utf8_control_length("\u202ex"), 3);
	assert_int_equal(utf8_control_length("\u061cx"), 2);
	assert_int_equal(utf8_control_length("x"), 0);
	assert_int_equal(utf8_control_length(""), 0);
	assert_true(utf8_has_control("a\tb"));
	assert_true(utf8_has_control("\x7f"));
	assert_true(utf8_has_control("\xc2\x85"));
	assert_false(utf8_has_control("\xc2\xa0\xc3\x85"));
}

static void test_quote_is_one_safe_line(void **state)
{
	char buf[UTF8_QUOTE_SIZE];

	(void)state;
	assert_string_equal(utf8_quote("two", buf), "\"two\"");
	assert_string_equal(utf8_quote("a\n\x1b[2J\xff", buf), "\"a??[2J?\"");
	assert_string_equal(utf8_quote("", buf), "\"\"");
	utf8_quote("0123456789012345678901234567890123456789012345678901234567890123456789", buf);
	assert_true(strlen(buf) < UTF8_QUOTE_SIZE);
	assert_string_equal(buf + strlen(buf) - 4, "...\"");
	/* Never half a character. */
	for (size_t pad = 0; pad < 4; pad++) {
		char text[128] = "aaa";

		text[pad] = '\0';
		for (int i = 0; i < 30; i++)
			strcat(text, "\xe2\x98\x83");
		utf8_quote(text, buf);
		assert_true(utf8_is_valid(buf, strlen(buf)));
	}
}

static void test_suggest(void **state)
{
	static const char *const names[] = {"gpus", "gpu-type", "time", "num_gpus", "time_limit"};
	static const struct {
		const char *word, *closest;
	} rows[] = {
		{"gpu", "gpus"},
		{"gpsu", "gpus"},
		{"GPUS", "gpus"},
		{"tiem", "time"},
		{"limit", "time_limit"},
		{"num_gpu", "num_gpus"},
		{"gputype", "gpu-type"},
		{"banana", NULL},
		{"gps", "gpus"},
		{"tumes", "time"},
		{"dumes", NULL}, /* as far, and it begins with another letter */
		{"", NULL},
		{"xx", NULL},
		{"a-word-far-too-long-to-be-any-option-of-ours", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *closest = suggest_closest(rows[i].word, names, ARRAY_SIZE(names));

		if (!closest != !rows[i].closest || (closest && !STREQ(closest, rows[i].closest)))
			fail_msg("\"%s\": %s", rows[i].word, closest ? closest : "(none)");
	}
	assert_null(suggest_closest("gpus", NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_int64),
		cmocka_unit_test(test_xgrow_doubles_and_keeps),
		cmocka_unit_test(test_read_and_write),
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_err_set_and_wrap),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_quote_is_one_safe_line),
		cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
