/* SPDX-License-Identifier: MIT */
/* timetext.h: points in time, across clock changes and ends of months, to come and past. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/timetext.h"

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
		{"now + 2 hours", now, now + 2 * 3600 * NS_PER_S},
		{"in 2 hours", now, now + 2 * 3600 * NS_PER_S},
		{"In 90m", now, now + 5400 * NS_PER_S},
		{"now+1hour", now, now + 3600 * NS_PER_S},
		{"now +1h", now, now + 3600 * NS_PER_S},
		{"Now", now, now},
		{"+1.5h", now, now + 5400 * NS_PER_S},
		{"noon", now, at_utc(2026, 2, 1, 12, 0, 0)},
		{"noon", now - 60 * NS_PER_S, at_utc(2026, 1, 31, 12, 0, 0)},
		{"midnight", now, at_utc(2026, 2, 1, 0, 0, 0)},
		{"teatime", now, at_utc(2026, 1, 31, 16, 0, 0)},
		{"2pm", now, at_utc(2026, 1, 31, 14, 0, 0)},
		{"2 PM", now, at_utc(2026, 1, 31, 14, 0, 0)},
		{"2:30pm", now, at_utc(2026, 1, 31, 14, 30, 0)},
		{"02:30:15 pm", now, at_utc(2026, 1, 31, 14, 30, 15)},
		{"12am", now, at_utc(2026, 2, 1, 0, 0, 0)},
		{"12:30pm", now, at_utc(2026, 1, 31, 12, 30, 0)},
		{"10am", now, at_utc(2026, 2, 1, 10, 0, 0)},
		{"tomorrow noon", now, at_utc(2026, 2, 1, 12, 0, 0)},
		{"tomorrow 2pm", now, at_utc(2026, 2, 1, 14, 0, 0)},
		{"2pm tomorrow", now, at_utc(2026, 2, 1, 14, 0, 0)},
		{"Noon Tomorrow", now, at_utc(2026, 2, 1, 12, 0, 0)},
		{"14:05 today", now, at_utc(2026, 1, 31, 14, 5, 0)},
		{"2026-02-03 2pm", now, at_utc(2026, 2, 3, 14, 0, 0)},
		{"2026-01-31T14:05Z", now, at_utc(2026, 1, 31, 14, 5, 0)},
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
		/* With a zone of its own it is that moment, whatever is local. */
		{"2026-03-29T02:30:00Z", at_utc(2026, 1, 1, 0, 0, 0),
		 at_utc(2026, 3, 29, 2, 30, 0)},
		{"2026-07-01T12:00:00+02:00", 0, at_utc(2026, 7, 1, 10, 0, 0)},
		{"2026-07-01T12:00-0330", 0, at_utc(2026, 7, 1, 15, 30, 0)},
		{"2026-07-01T12:00+01", 0, at_utc(2026, 7, 1, 11, 0, 0)},
		{"2026-07-01 12:00:30 UTC", 0, at_utc(2026, 7, 1, 12, 0, 30)},
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
		{"7d", now, now - 7 * 86400 * NS_PER_S},
		{"-90", now, now - 90 * NS_PER_S},
		{"2 hours ago", now, now - 7200 * NS_PER_S},
		{"-1.5h", now, now - 5400 * NS_PER_S},
		{"now-1h", now, now - 3600 * NS_PER_S},
		{"7d  ago", now, now - 7 * 86400 * NS_PER_S},
		{"7d Ago", now, now - 7 * 86400 * NS_PER_S},
		{"90 ago", now, now - 90 * NS_PER_S},
		{"2pm", now, at_utc(2026, 1, 30, 14, 0, 0)},
		{"noon", now, at_utc(2026, 1, 31, 12, 0, 0)},
		{"noon yesterday", now, at_utc(2026, 1, 30, 12, 0, 0)},
		{"today", now, at_utc(2026, 1, 31, 0, 0, 0)},
		{"@5", now, 5 * NS_PER_S},
	};

	/* Clocks go back: 02:30 has been twice, and the last one counts. */
	const struct time_row twice[] = {
		{"02:30", at_utc(2026, 10, 25, 1, 45, 0), at_utc(2026, 10, 25, 1, 30, 0)},
		{"02:30", at_utc(2026, 10, 25, 1, 15, 0), at_utc(2026, 10, 25, 0, 30, 0)},
		{"02:30", at_utc(2026, 10, 25, 0, 15, 0), at_utc(2026, 10, 24, 0, 30, 0)},
	};

	(void)state;
	check_times_by(time_parse_past, "UTC0", rows, ARRAY_SIZE(rows));
	check_times_by(time_parse_past, "CET-1CEST,M3.5.0,M10.5.0/3", twice, ARRAY_SIZE(twice));
}

/* Where winter time is called daylight saving time, as in Ireland, the gap lies where it does. */
static void test_a_gap_where_winter_is_the_exception(void **state)
{
	const int64_t now = at_utc(2026, 3, 28, 12, 0, 0);
	const struct time_row rows[] = {
		{"2026-03-29 01:30", now, at_utc(2026, 3, 29, 1, 30, 0)},
		{"2026-03-29 00:59", now, at_utc(2026, 3, 29, 0, 59, 0)},
		{"2026-03-29 02:00", now, at_utc(2026, 3, 29, 1, 0, 0)},
	};

	(void)state;
	check_times("IST-1GMT0,M10.5.0,M3.5.0/1", rows, ARRAY_SIZE(rows));
}

static void test_bad_times_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"noonish",
		"now+",
		"now-1h",
		"now ",
		"now + ",
		"nowish",
		"1h ago",
		"13pm",
		"0am",
		"2p",
		"14:05pm",
		"2:5pm",
		"pm",
		"2pm today tomorrow",
		"2pm  ",
		"today noon pm",
		"teatimes",
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
		"2026-01-31Z",
		"2026-01-31T14:05ZZ",
		"2026-01-31T14:05+",
		"2026-01-31T14:05+1",
		"2026-01-31T14:05+01:",
		"2026-01-31T14:05+24:00",
		"2026-01-31T14:05+01:60",
		"2026-01-31T14:05 CET",
		"1970-01-01T00:00+01:00",
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

static void test_what_is_not_past_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{"tomorrow", "yet to come, it is 2026-01-31T12:00:00 now"},
		{"now+1h", "yet to come"},
		{"+1s", "yet to come"},
		{"today 12:01", "yet to come"},
		{"2027-01-01", "yet to come"},
		{"2026-01-31T12:00:01Z", "yet to come"},
		{"30000d", "no time of the past"},
		{"2026-01", "no time of the past"},
		{"2026", "no time of the past"},
		{"14", "no time of the past"},
		{"1440", "no time of the past"},
		{"01-12", "no time of the past"},
		{"1-0", "no time of the past"},
		{"soon", "yesterday"},
		{" ago", "yesterday"},
		{"", "yesterday"},
		{"-", "yesterday"},
		{"--5", "yesterday"},
		{"5 ago ago", "yesterday"},
	};

	(void)state;
	setenv("TZ", "UTC0", 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		int64_t ns = 42;

		if (time_parse_past(rows[i].text, at_utc(2026, 1, 31, 12, 0, 0), &ns, &err) == 0 ||
		    ns != 42 || !strstr(err.msg, rows[i].text) || !strstr(err.msg, rows[i].says) ||
		    (strstr(err.msg, "now+") && !strstr(rows[i].text, "now+")))
			fail_msg("\"%s\": %" PRId64 " %s", rows[i].text, ns, err.msg);
	}
	unsetenv("TZ");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_across_clock_changes),
		cmocka_unit_test(test_times_in_the_past),
		cmocka_unit_test(test_a_gap_where_winter_is_the_exception),
		cmocka_unit_test(test_bad_times_are_refused),
		cmocka_unit_test(test_what_is_not_past_is_refused),
		cmocka_unit_test(test_times_are_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
