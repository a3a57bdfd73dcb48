/* SPDX-License-Identifier: MIT */
/* cli/format.h and cli/jobview.h: what a person sees of jobs, and what scripts get as exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/exit.h"
#include "cli/jobview.h"

static void test_printable(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{"train", "train"},
		{"a\tb\nc", "a?b?c"},
		{"\033[31mred", "?[31mred"},
		{"del\x7f", "del?"},
		{"c1 \xc2\x9b"
		 "31m",
		 "c1 ?31m"},
		{"nbsp \xc2\xa0", "nbsp \xc2\xa0"},
		{"Gr\xc3\xb6\xc3\x9f"
		 "e",
		 "Gr\xc3\xb6\xc3\x9f"
		 "e"},
		{"\xc2", "\xc2"},
		{"a\u202eb\u2066c\u200fd\u061ce", "a?b?c?d?e"},
		{"\u200a\u200d\u2029\u202f\u2065\u206a", "\u200a\u200d\u2029\u202f\u2065\u206a"},
		{"\xe2\x80", "\xe2\x80"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf buf = {0};

		format_printable(&buf, cases[i].text);
		assert_string_equal(buf_get(&buf), cases[i].want);
		buf_finish(&buf);
	}
}

static void test_columns(void **state)
{
	(void)state;
	assert_int_equal(format_columns(""), 0);
	assert_int_equal(format_columns("abc"), 3);
	assert_int_equal(format_columns("Gr\xc3\xb6\xc3\x9f"
					"e"),
			 5);
	assert_int_equal(format_columns("日本"), 4);
	assert_int_equal(format_columns("🚀go"), 4);
	assert_int_equal(format_columns("e\xcc\x81t\xc3\xa9"), 3); /* e and a combining acute */
	assert_int_equal(format_columns("a\xff"
					"b\xe6\x97"),
			 5);
}

static void test_user(void **state)
{
	(void)state;
	assert_string_equal(format_user(0), "root");
	assert_string_equal(format_user(4000000000u), "4000000000");
	assert_ptr_equal(format_user(0), format_user(0));
}

static void test_elapsed(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(format_elapsed(-1, text), "-");
	assert_string_equal(format_elapsed(1999, text), "1s");
	assert_string_equal(format_elapsed(0, text), "0s");
	assert_string_equal(format_elapsed(90000, text), "1m30s");
	assert_string_equal(format_elapsed(3 * 3600000 + 5 * 60000 + 17000, text), "3h05m");
}

static void test_duration(void **state)
{
	static const struct {
		int64_t ms;
		const char *want;
	} cases[] = {
		{-1, "-"},
		{0, "0s"},
		{120, "120ms"},
		{59999, "59s"},
		{60000, "1m"},
		{65000, "1m05s"},
		{3600000, "1h"},
		{3600000 + 59000, "1h"},
		{3900000, "1h05m"},
		{86400000, "1d"},
		{2 * 86400000 + 3 * 3600000, "2d03h"},
		{INT64_MAX, "106751991167d07h"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(format_duration(cases[i].ms, text), cases[i].want);
}

static void test_energy(void **state)
{
	static const struct {
		double mj;
		const char *want;
	} cases[] = {
		{0, "0.0 J"},	    {60000, "60.0 J"},	       {3.59e6, "3590.0 J"},
		{3.6e6, "1.0 Wh"},  {180e6, "50.0 Wh"},	       {3599.99e6, "1.0 kWh"},
		{3.6e9, "1.0 kWh"}, {3.6e12 * 12, "12.0 MWh"}, {3.6e12 * 12345, "12345.0 MWh"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(format_energy(cases[i].mj, text), cases[i].want);
}

static void test_time(void **state)
{
	const int64_t now_ms = INT64_C(1767276000000); /* 2026-01-01 14:00 UTC */
	char text[32];

	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	assert_string_equal(format_time(now_ms + 300000, now_ms, text), "14:05");
	assert_string_equal(format_moment(now_ms - 1000, now_ms, text), "13:59:59");
	assert_string_equal(format_time(now_ms + 86400000, now_ms, text), "2026-01-02 14:00");
	assert_string_equal(format_moment(now_ms - 14 * 3600000 - 1000, now_ms, text),
			    "2025-12-31 23:59:59");
	/* The same day of another year is another day. */
	assert_string_equal(format_time(now_ms + INT64_C(365) * 86400000, now_ms, text),
			    "2027-01-01 14:00");
}

static const struct table_column columns[] = {
	{"ID", true, 0},
	{"NAME", false, 8},
	{"END", false, 0},
};

/* What a table prints for two fixed rows. */
static char *print(size_t width, bool colours)
{
	struct table table;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	table_init(&table, columns, ARRAY_SIZE(columns));
	table_add(&table, COLOUR_NONE, "7");
	table_add(&table, COLOUR_GREEN, "a-rather-long-name");
	table_add(&table, COLOUR_NONE, "x");
	table_addf(&table, COLOUR_NONE, "%d", 1234);
	table_add(&table, COLOUR_NONE, "b\n\xc3\xb6");
	table_add(&table, COLOUR_NONE, "");
	table_print(&table, f, width, colours);
	table_finish(&table);
	fclose(f);
	return text;
}

static void assert_print(size_t width, bool colours, const char *want)
{
	_cleanup_(free_ptr) char *text = print(width, colours);

	assert_string_equal(text, want);
}

static void test_table(void **state)
{
	(void)state;
	assert_print(0, false,
		     "  ID  NAME                END\n"
		     "   7  a-rather-long-name  x\n"
		     "1234  b?\xc3\xb6                 \n");
	assert_print(19, false,
		     "  ID  NAME      END\n"
		     "   7  a-rathe+  x\n"
		     "1234  b?\xc3\xb6       \n");
	/* Never cut below its least width, whatever the terminal. */
	assert_print(3, false,
		     "  ID  NAME      END\n"
		     "   7  a-rathe+  x\n"
		     "1234  b?\xc3\xb6       \n");
	assert_print(20, true,
		     "\033[1m  ID\033[0m  \033[1mNAME     \033[0m  \033[1mEND\033[0m\n"
		     "   7  \033[32ma-rather+\033[0m  x\n"
		     "1234  b?\xc3\xb6        \n");
}

/* A line that is too long even when cut leaves out what can be spared, the highest first. */
static void test_columns_are_spared(void **state)
{
	static const struct table_column four[] = {
		{"ID", true, 0, 0}, {"PRIO", true, 0, 2}, {"NAME", false, 4, 0}, {"T", true, 0, 1}};
	static const char *const rows[] = {"12", "1000", "abcdefgh", "59"};
	static const struct {
		size_t width;
		const char *want;
	} cases[] = {
		{80, "ID  PRIO  NAME       T\n12  1000  abcdefgh  59\n"},
		{18, "ID  PRIO  NAME   T\n12  1000  abc+  59\n"},
		{17, "ID  NAME       T\n12  abcdefgh  59\n"},
		{12, "ID  NAME   T\n12  abc+  59\n"},
		{11, "ID  NAME\n12  abcdef+\n"},
		{1, "ID  NAME\n12  abc+\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct table table;
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		table_init(&table, four, ARRAY_SIZE(four));
		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			table_add(&table, COLOUR_NONE, rows[k]);
		table_print(&table, f, cases[i].width, false);
		fclose(f);
		assert_string_equal(text, cases[i].want);
		table_finish(&table);
		free(text);
	}
}

/* Without a terminal one long name is whole, and does not widen the rows of the others. */
static void test_a_long_value_widens_no_other_row(void **state)
{
	static const struct table_column two[] = {{"NAME", false, 4, 0}, {"ST", false, 0, 0}};
	char name[101] = "", want[256];
	struct table table;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	memset(name, 'x', 100);
	table_init(&table, two, ARRAY_SIZE(two));
	table_add(&table, COLOUR_NONE, name);
	table_add(&table, COLOUR_NONE, "running");
	table_add(&table, COLOUR_NONE, "short");
	table_add(&table, COLOUR_NONE, "queued");
	table_print(&table, f, 0, false);
	fclose(f);
	snprintf(want, sizeof(want), "%-40s  ST\n%s  running\n%-40s  queued\n", "NAME", name,
		 "short");
	assert_string_equal(text, want);
	table_finish(&table);
	free(text);
}

/* The second column of a row begins where it does in every other, whatever the first holds. */
static void test_wide_characters_are_aligned(void **state)
{
	static const struct table_column two[] = {{"NAME", false, 4}, {"ST", false, 0}};
	static const char *const names[] = {"abcdef", "日本語", "e\314\201cole", "🚀🚀"};
	struct table table;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	table_init(&table, two, ARRAY_SIZE(two));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		table_add(&table, COLOUR_NONE, names[i]);
		table_add(&table, COLOUR_NONE, "x");
	}
	table_print(&table, f, 0, false);
	table_print(&table, f, 8, false);
	fclose(f);
	assert_string_equal(text, "NAME    ST\n"
				  "abcdef  x\n"
				  "日本語  x\n"
				  "e\xcc\x81"
				  "cole   x\n"
				  "🚀🚀    x\n"
				  "NAME  ST\n"
				  "abc+  x\n"
				  "日+   x\n" /* half of the next would be cut */
				  "e\xcc\x81"
				  "co+  x\n"
				  "🚀🚀  x\n");
	table_finish(&table);
	free(text);
}

static json_t *job_of(const char *text)
{
	json_t *job = json_loads(text, 0, NULL);

	assert_non_null(job);
	return job;
}

static void test_exit_codes(void **state)
{
	static const struct {
		const char *job;
		int want;
	} cases[] = {
		{"{\"state\":\"finished\",\"cause\":\"exit\",\"exit_code\":0}", 0},
		{"{\"state\":\"failed\",\"cause\":\"exit\",\"exit_code\":3}", 3},
		{"{\"state\":\"failed\",\"cause\":\"exit\",\"exit_code\":255}", 255},
		{"{\"state\":\"failed\",\"cause\":\"signal\",\"signal\":11,\"exit_code\":null}",
		 139},
		{"{\"state\":\"failed\",\"cause\":\"timeout\",\"signal\":15}", EXIT_TIMEOUT},
		{"{\"state\":\"failed\",\"cause\":\"timeout\",\"exit_code\":0}", EXIT_TIMEOUT},
		{"{\"state\":\"failed\",\"cause\":\"oom\",\"signal\":9}", 137},
		{"{\"state\":\"failed\",\"cause\":\"launch\"}", EXIT_CANNOT_START},
		{"{\"state\":\"failed\",\"cause\":\"launch\",\"exit_code\":126}", 126},
		{"{\"state\":\"failed\",\"cause\":\"node-lost\"}", EXIT_FAILED},
		{"{\"state\":\"failed\"}", EXIT_FAILED},
		{"{\"state\":\"cancelled\",\"cause\":\"cancelled\"}", EXIT_FAILED},
		{"{\"state\":\"cancelled\",\"cause\":\"cancelled\",\"signal\":15}", 143},
		{"{\"state\":\"cancelled\",\"cause\":\"cancelled\",\"exit_code\":0}", EXIT_FAILED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *job = job_of(cases[i].job);

		assert_int_equal(jobview_exit_code(job), cases[i].want);
		json_decref(job);
	}
}

static void test_where(void **state)
{
	static const struct {
		const char *job, *want;
	} cases[] = {
		{"{\"state\":\"queued\",\"gpus\":[],\"reason\":{\"text\":\"needs 4 GPUs, 3 "
		 "free\"}}",
		 "(needs 4 GPUs, 3 free)"},
		/* A job that waits again does not hold what its last attempt held. */
		{"{\"state\":\"queued\",\"gpus\":[{\"index\":1}],\"reason\":{\"text\":\"order\"}}",
		 "(order)"},
		{"{\"state\":\"running\",\"gpus\":[{\"index\":0,\"uuid\":\"GPU-1\"},{\"index\":3}]"
		 "}",
		 "0,3"},
		{"{\"state\":\"running\",\"gpus\":[{\"index\":0,\"uuid\":\"SIM-1\"}]}",
		 "0 (simulated)"},
		{"{\"state\":\"failed\",\"gpus\":[{\"index\":0,\"uuid\":\"SIM-1\"}],"
		 "\"cause\":\"launch\"}",
		 "0 (simulated, could not start)"},
		{"{\"state\":\"running\",\"gpus\":[],\"reason\":null}", "-"},
		{"{\"state\":\"failed\",\"gpus\":[{\"index\":2}],\"cause\":\"exit\",\"exit_code\":"
		 "3}",
		 "2 (exit code 3)"},
		{"{\"state\":\"failed\",\"gpus\":[],\"cause\":\"signal\",\"signal\":9}",
		 "(signal KILL)"},
		{"{\"state\":\"failed\",\"gpus\":[],\"cause\":\"timeout\",\"signal\":15}",
		 "(time limit)"},
		{"{\"state\":\"cancelled\",\"gpus\":[],\"cause\":\"cancelled\",\"cancelled_by\":0}",
		 "(cancelled by root)"},
		{"{\"state\":\"finished\",\"gpus\":[{\"index\":2}],\"exit_code\":0}", "2"},
		{"{}", "-"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *job = job_of(cases[i].job);
		struct buf text = {0};

		jobview_where(&text, job);
		assert_string_equal(buf_get(&text), cases[i].want);
		buf_finish(&text);
		json_decref(job);
	}
}

static void test_elapsed_of_job(void **state)
{
	json_t *waiting = job_of("{\"start_ms\":null,\"end_ms\":null}");
	json_t *running = job_of("{\"start_ms\":1000,\"end_ms\":null}");
	json_t *ended = job_of("{\"start_ms\":1000,\"end_ms\":1500}");
	json_t *again = job_of("{\"state\":\"queued\",\"start_ms\":1000,\"end_ms\":1500}");

	(void)state;
	assert_int_equal(jobview_elapsed_ms(waiting, 5000), -1);
	assert_int_equal(jobview_elapsed_ms(running, 5000), 4000);
	assert_int_equal(jobview_elapsed_ms(running, 500), 0); /* the clock was set back */
	assert_int_equal(jobview_elapsed_ms(ended, 5000), 500);
	assert_int_equal(jobview_elapsed_ms(again, 5000), -1); /* its last attempt is past */
	json_decref(waiting);
	json_decref(running);
	json_decref(ended);
	json_decref(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_elapsed),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_columns_are_spared),
		cmocka_unit_test(test_a_long_value_widens_no_other_row),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_energy),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_wide_characters_are_aligned),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_elapsed_of_job),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
