/* SPDX-License-Identifier: MIT */
/* duration.h: durations and sizes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/duration.h"

#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{"0", 0},
		{"90", 90 * S},
		{"90s", 90 * S},
		{"15m", 15 * M},
		{"1h30m", H + 30 * M},
		{"2d", 2 * D},
		{"1w", 7 * D},
		{"500ms", 500},
		{"1w2d3h4m5s6ms", 9 * D + 3 * H + 4 * M + 5 * S + 6},
		{"1h5s", H + 5 * S},
		{"90m", 90 * M},
		{"12:30", 12 * M + 30 * S},
		{"90:00", 90 * M},
		{"01:02:03", H + 2 * M + 3 * S},
		{"100:00:00", 100 * H},
		{"1-0", D},
		{"2-12", 2 * D + 12 * H},
		{"1-12:30", D + 12 * H + 30 * M},
		{"2-12:00:01", 2 * D + 12 * H + S},
		{"0-0", 0},
		{"9223372036854775", INT64_C(9223372036854775000)},
		{"15min", 15 * M},
		{"1hour", H},
		{"2 hours", 2 * H},
		{"1day", D},
		{"2 days 3 hours", 2 * D + 3 * H},
		{"1h 30min", H + 30 * M},
		{"1week", 7 * D},
		{"90 seconds", 90 * S},
		{"10secs", 10 * S},
		{"1hr", H},
		{"250 msec", 250},
		{"1.5h", 90 * M},
		{"0.5d", 12 * H},
		{"1.25 hours", 75 * M},
		{"1.5", 1500},
		{"0.1s", 100},
		{"1.3333h", 4799880},
		{"1.000000001h", H},
		{"1.5h30m", 2 * H},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t ms = -1;

		if (duration_parse(rows[i].text, &ms, NULL) != 0 || ms != rows[i].ms)
			fail_msg("\"%s\": %" PRId64, rows[i].text, ms);
	}
}

static void test_bad_durations_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"5 ",
		" 5",
		"-5",
		"+5",
		"1.h",
		".5h",
		"1..5h",
		"1.5.5h",
		"0.0001ms",
		"0.0001",
		"1.0000000001h",
		"1.5:30",
		"1.5-0",
		"h",
		"1 ",
		"1h ",
		"1 x",
		"1 30",
		"1houri",
		"1 our",
		"30min 1hour",
		"1h 1hour",
		"1x",
		"1H",
		"1h30",
		"30m1h",
		"1h1h",
		"1ms1s",
		"unlimited",
		"none",
		":",
		"1:",
		":1",
		"1:60",
		"1:60:00",
		"1:2:3:4",
		"1-",
		"-1",
		"1-24",
		"1-1:60",
		"1--2",
		"1-2-3",
		"1-2d",
		"99999999999999999999",
		"9223372036854776",
		"9223372036854775807w",
		"15250284453w",
		"10675199116731-0",
		"1d-2",
		"0x5",
		"1e3",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		int64_t ms = 42;

		if (duration_parse(rows[i], &ms, &err) == 0 || ms != 42 ||
		    !strstr(err.msg, rows[i]) || !strstr(err.msg, "1h30m"))
			fail_msg("\"%s\": %" PRId64 " %s", rows[i], ms, err.msg);
	}
}

static void test_durations_are_printed(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{120, "120ms"},
		{45 * S, "45s"},
		{60 * S, "1m"},
		{H + 30 * M, "1h30m"},
		{2 * D + 3 * H, "2d3h"},
		{H + M + S, "61m1s"},
		{14 * D, "14d"},
		{S + 1, "1s1ms"},
		{D + S, "1440m1s"},
		{D + S + 1, "86401s1ms"},
		{-1, "-"},
		{INT64_MAX, "9223372036854775s807ms"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(duration_format(rows[i].ms, buf), rows[i].text);
}

static void test_what_is_printed_reads_back(void **state)
{
	uint64_t random = 88172645463325252;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t ms, again = -1;
		char buf[32];

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		ms = (int64_t)(random >> (1 + random % 63));
		if (duration_parse(duration_format(ms, buf), &again, NULL) != 0 || again != ms)
			fail_msg("%" PRId64 " printed as %s", ms, buf);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{"0", 0},
		{"4096", 4096},
		{"512B", 512},
		{"1K", 1024},
		{"16G", UINT64_C(16) << 30},
		{"16GiB", UINT64_C(16) << 30},
		{"16GB", UINT64_C(16) << 30},
		{"16Gi", UINT64_C(16) << 30},
		{"16 G", UINT64_C(16) << 30},
		{"1.5 GB", UINT64_C(3) << 29},
		{"4 GiB", UINT64_C(4) << 30},
		{"16g", UINT64_C(16) << 30},
		{"512M", UINT64_C(512) << 20},
		{"1T", UINT64_C(1) << 40},
		{"2P", UINT64_C(2) << 50},
		{"1.5G", UINT64_C(3) << 29},
		{"0.5K", 512},
		{"0.125M", 131072},
		{"1.001K", 1025},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = 42;

		if (bytes_parse(rows[i].text, &bytes, NULL) != 0 || bytes != rows[i].bytes)
			fail_msg("\"%s\": %" PRIu64, rows[i].text, bytes);
	}
}

static void test_bad_sizes_are_refused(void **state)
{
	static const char *const rows[] = {
		"",	 "G",
		"-1G",	 "+1G",
		"16G B", " 16G",
		"16G ",	 "16Q",
		"16 ",	 "16 i",
		"16GG",	 "16Gib2",
		"16iB",	 "1.5",
		"1.5B",	 "1.G",
		".5G",	 "1.2345G",
		"1,5G",	 "1e3",
		"0x10",	 "99999999999999999999",
		"8192P", "9007199254740992K",
		"16%",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		uint64_t bytes = 42;

		if (bytes_parse(rows[i], &bytes, &err) == 0 || bytes != 42 ||
		    !strstr(err.msg, rows[i]) || !strstr(err.msg, "512M"))
			fail_msg("\"%s\": %" PRIu64 " %s", rows[i], bytes, err.msg);
	}
}

static void test_sizes_are_printed(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{0, "0"},
		{1023, "1023"},
		{1024, "1K"},
		{UINT64_C(16) << 30, "16G"},
		{UINT64_C(3) << 29, "1.5G"},
		{UINT64_C(512) << 20, "512M"},
		{UINT64_C(16160) << 20, "15.8G"},
		{(UINT64_C(1) << 30) - 1, "1G"},
		{UINT64_C(1) << 50, "1P"},
		{UINT64_MAX, "16E"},
		{1075, "1K"},
		{1076, "1.1K"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(bytes_format(rows[i].bytes, buf), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_bad_durations_are_refused),
		cmocka_unit_test(test_durations_are_printed),
		cmocka_unit_test(test_what_is_printed_reads_back),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bad_sizes_are_refused),
		cmocka_unit_test(test_sizes_are_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
