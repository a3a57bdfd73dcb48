/* SPDX-License-Identifier: MIT */
/* duration.h: durations, times (across DST and ends of months) and sizes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
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
		"1.5h",
		"h",
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

static int64_t at_utc(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = {second, minute, hour, day, month - 1, year - 1900, 0, 0, 0, 0, NULL};

	return timegm(&tm) * NS_PER_S;
}

struct time_row {
	const char *text;
	int64_t now, expected;
};

typedef int parse_fn(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err);

static void check_times_by(parse_fn *parse, const char *zone, const struct time_row *rows, size_t n)
{
	setenv("TZ", zone, 1);
	for (size_t i = 0; i < n; i++) {
		struct err err = {0};
		int64_t ns = -1;

		if (parse(rows[i].text, rows[i].now, &ns, &err) != 0 || ns != rows[i].expected)
			fail_msg("%s: \"%s\" (row %zu): off by %" PRId64 " s %s", zone,
				 rows[i].text, i, (ns - rows[i].expected) / NS_PER_S, err.msg);
	}
	unsetenv("TZ");
}

static void check_times(const char *zone, const struct time_row *rows, size_t n)
{
	check_times_by(time_parse, zone, rows, n);
}

static void test_times(void **state)
{
	const int64_t now = at_utc(2026, 1, 31, 12, 0, 0) + 7;
	const struct time_row rows[] = {
		{"now", now, now},
		{"now+1h30m", now, now + 90 * 60 * NS_PER_S},
		{"now+60", now, now + 60 * NS_PER_S},
		{"now+1-0", now, now + 86400 * NS_PER_S},
		{"+1h30m", now, now + 90 * 60 * NS_PER_S},
		{"14:05", now, at_utc(2026, 1, 31, 14, 5, 0)},
		{"9:05", now, at_utc(2026, 2, 1, 9, 5, 0)},
		{"tomorrow 9:00", now, at_utc(2026, 2, 1, 9, 0, 0)},
		{"tomorrowT09:00:30", now, at_utc(2026, 2, 1, 9, 0, 30)},
		{"14:05:30", now, at_utc(2026, 1, 31, 14, 5, 30)},
		{"today", now, at_utc(2026, 1, 31, 0, 0, 0)},
		{"today 18:00", now, at_utc(2026, 1, 31, 18, 0, 0)},
		{"yesterday", now, at_utc(2026, 1, 30, 0, 0, 0)},
		{"yesterday", at_utc(2024, 3, 1, 8, 0, 0), at_utc(2024, 2, 29, 0, 0, 0)},
		{"yesterdayT09:00:30", now, at_utc(2026, 1, 30, 9, 0, 30)},
		{"11:59", now, at_utc(2026, 2, 1, 11, 59, 0)},
		{"12:00", now, at_utc(2026, 2, 1, 12, 0, 0)},
		{"tomorrow", now, at_utc(2026, 2, 1, 0, 0, 0)},
		{"tomorrow", at_utc(2026, 12, 31, 23, 59, 59), at_utc(2027, 1, 1, 0, 0, 0)},
		{"tomorrow", at_utc(2024, 2, 28, 8, 0, 0), at_utc(2024, 2, 29, 0, 0, 0)},
		{"00:30", at_utc(2026, 12, 31, 23, 0, 0), at_utc(2027, 1, 1, 0, 30, 0)},
		{"2026-01-31", now, at_utc(2026, 1, 31, 0, 0, 0)},
		{"2026-03-01T09:00", now, at_utc(2026, 3, 1, 9, 0, 0)},
		{"2024-02-29T23:59:59", now, at_utc(2024, 2, 29, 23, 59, 59)},
		{"@1767225600", now, INT64_C(1767225600) * NS_PER_S},
		{"@0", now, 0},
		{"2026-03-01 09:00", now, at_utc(2026, 3, 1, 9, 0, 0)},
		{"1970-01-01", now, 0},
	};

	(void)state;
	check_times("UTC0", rows, ARRAY_SIZE(rows));
}

/* Central Europe, by rule, so that the test needs no zone files: 2026-03-29 and 2026-10-25. */
static void test_times_across_clock_changes(void **state)
{
	const struct time_row rows[] = {
		/* Clocks jump from 02:00 to 03:00 at 01:00 UTC. */
		{"09:00", at_utc(2026, 3, 28, 12, 0, 0), at_utc(2026, 3, 29, 7, 0, 0)},
		{"09:00", at_utc(2026, 3, 27, 12, 0, 0), at_utc(2026, 3, 28, 8, 0, 0)},
		{"tomorrow", at_utc(2026, 3, 29, 12, 0, 0), at_utc(2026, 3, 29, 22, 0, 0)},
		{"tomorrow", at_utc(2026, 3, 28, 12, 0, 0), at_utc(2026, 3, 28, 23, 0, 0)},
		/* 02:30 does not come on that day: just behind the gap instead. */
		{"02:30", at_utc(2026, 3, 29, 0, 30, 0), at_utc(2026, 3, 29, 1, 30, 0)},
		{"2026-03-29T02:30", at_utc(2026, 1, 1, 0, 0, 0), at_utc(2026, 3, 29, 1, 30, 0)},
		/* Clocks go from 03:00 back to 02:00 at 01:00 UTC: 02:30 comes twice. */
		{"02:30", at_utc(2026, 10, 24, 23, 0, 0), at_utc(2026, 10, 25, 0, 30, 0)},
		{"02:30", at_utc(2026, 10, 25, 0, 45, 0), at_utc(2026, 10, 25, 1, 30, 0)},
		{"02:30", at_utc(2026, 10, 25, 1, 45, 0), at_utc(2026, 10, 26, 1, 30, 0)},
		{"2026-10-25T02:30", at_utc(2026, 1, 1, 0, 0, 0), at_utc(2026, 10, 25, 0, 30, 0)},
		{"tomorrow", at_utc(2026, 10, 24, 23, 0, 0), at_utc(2026, 10, 25, 23, 0, 0)},
		/* "now+" counts hours that pass, whatever clocks show. */
		{"now+24h", at_utc(2026, 3, 28, 12, 0, 0), at_utc(2026, 3, 29, 12, 0, 0)},
	};

	(void)state;
	check_times("CET-1CEST,M3.5.0,M10.5.0/3", rows, ARRAY_SIZE(rows));
}

static void test_times_in_the_past(void **state)
{
	const int64_t now = at_utc(2026, 1, 31, 12, 0, 0) + 7;
	const struct time_row rows[] = {
		{"11:59", now, at_utc(2026, 1, 31, 11, 59, 0)},
		{"12:00", now, at_utc(2026, 1, 31, 12, 0, 0)},
		{"12:00:01", now, at_utc(2026, 1, 30, 12, 0, 1)},
		{"23:00", at_utc(2026, 1, 1, 8, 0, 0), at_utc(2025, 12, 31, 23, 0, 0)},
		{"yesterday 23:00", now, at_utc(2026, 1, 30, 23, 0, 0)},
		{"2026-01-05", now, at_utc(2026, 1, 5, 0, 0, 0)},
		{"now", now, now},
	};

	(void)state;
	check_times_by(time_parse_past, "UTC0", rows, ARRAY_SIZE(rows));
}

static void test_bad_times_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"noon",
		"now+",
		"now-1h",
		"now +1h",
		"nowish",
		"24:00",
		"14:60",
		"14:05:60",
		"14",
		"14:05 ",
		"1405",
		"2026-1-31",
		"2026-02-29",
		"2026-02-30",
		"2026-00-10",
		"2026-13-01",
		"2026-01-00",
		"2026-01-32",
		"2026-01-31T",
		"2026-01-31T25:00",
		"2026-01-31T14:05Z",
		"1969-12-31",
		"2262-12-31",
		"9999-12-31",
		"26-01-31",
		"@",
		"@-1",
		"@1.5",
		"@9223372037",
		"@99999999999999999999",
		"now+99999999999999999",
		"tomorrow+1h",
		"tomorrow ",
		"tomorrow 25:00",
		"tomorrows",
		"+",
		"++1h",
		":05",
		"1:5",
		"2026-01-31  14:05",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		int64_t ns = 42;

		if (time_parse(rows[i], at_utc(2026, 1, 1, 0, 0, 0), &ns, &err) == 0 || ns != 42 ||
		    !strstr(err.msg, rows[i]) || !strstr(err.msg, "14:05"))
			fail_msg("\"%s\": %" PRId64 " %s", rows[i], ns, err.msg);
	}
}

static void test_times_are_printed(void **state)
{
	char buf[32];

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_string_equal(time_format(at_utc(2026, 7, 1, 12, 5, 30), buf), "2026-07-01T14:05:30");
	assert_string_equal(time_format(at_utc(2026, 1, 31, 13, 5, 30), buf),
			    "2026-01-31T14:05:30");
	assert_string_equal(time_format(TIME_UNKNOWN, buf), "-");
	unsetenv("TZ");
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
		"16 G",	 " 16G",
		"16G ",	 "16Q",
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
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_across_clock_changes),
		cmocka_unit_test(test_times_in_the_past),
		cmocka_unit_test(test_bad_times_are_refused),
		cmocka_unit_test(test_times_are_printed),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bad_sizes_are_refused),
		cmocka_unit_test(test_sizes_are_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
