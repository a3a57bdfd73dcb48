/* SPDX-License-Identifier: MIT */
/* common/options.h and cli/selector.h: every way to write an option or name jobs, every way to be
 * wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/selector.h"
#include "common/jobspec.h"

static const struct option_desc table[] = {
	{"gpus", 'G', OPTION_VALUE, "N", "", NULL},
	{"all", 'a', OPTION_FLAG, NULL, "", NULL},
	{"quiet", 'q', OPTION_FLAG, NULL, "", NULL},
	{"requeue", 0, OPTION_SWITCH, NULL, "", NULL},
};

#define WORDS_MAX 8

static int parse(struct options *options, const char *const *argv, bool stop_at_word,
		 struct err *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	options_init(options, table, ARRAY_SIZE(table), OPTIONS_JOB_NONE);
	return options_parse(options, argc, (char **)argv, stop_at_word, err);
}

/* Arguments, and the values and words they must become, written as one line. */
struct accepted {
	const char *argv[WORDS_MAX];
	bool stop_at_word;
	const char *want; /* "name=value ... | word ... / word after -- ..." */
};

static void describe(const struct options *options, char *text, size_t size)
{
	FILE *f = fmemopen(text, size, "w");

	for (size_t i = 0; i < options->n_values; i++)
		fprintf(f, "%s=%s ", options->values[i].desc->name, options->values[i].text);
	fputc('|', f);
	for (size_t i = 0; i < options->n_words; i++)
		fprintf(f, "%s%s", i == options->n_plain ? " / " : " ", options->words[i]);
	fclose(f);
}

static void test_accepted(void **state)
{
	static struct accepted cases[] = {
		{{NULL}, false, "|"},
		{{"--gpus", "2"}, false, "gpus=2 |"},
		{{"--gpus=2"}, false, "gpus=2 |"},
		{{"--gpus="}, false, "gpus= |"},
		{{"-G", "2"}, false, "gpus=2 |"},
		{{"-G2"}, false, "gpus=2 |"},
		{{"-aq"}, false, "all=true quiet=true |"},
		{{"-aG2"}, false, "all=true gpus=2 |"},
		{{"-aG", "2", "-q"}, false, "all=true gpus=2 quiet=true |"},
		{{"--gpus", "-5"}, false, "gpus=-5 |"},
		{{"--gpus", "1", "--gpus", "2"}, false, "gpus=1 gpus=2 |"},
		{{"--requeue"}, false, "requeue=true |"},
		{{"--requeue=false"}, false, "requeue=false |"},
		{{"12", "--all", "13"}, false, "all=true | 12 13"},
		{{"12", "--", "--all"}, false, "| 12 / --all"},
		{{"--", "python", "-q"}, false, "| / python -q"},
		{{"--", "--"}, false, "| / --"},
		{{"-"}, false, "| -"},
		{{"-a", "-"}, true, "all=true | -"},
		{{"-a", "train.sh", "--gpus", "--", "-q"},
		 true,
		 "all=true | train.sh --gpus -- -q"},
		{{"-a", "--", "train.sh", "-q"}, true, "all=true | / train.sh -q"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options options;
		struct err err = {0};
		char text[256];

		assert_int_equal(parse(&options, cases[i].argv, cases[i].stop_at_word, &err), 0);
		describe(&options, text, sizeof(text));
		/* A first word after "--" is written with its slash. */
		assert_string_equal(text, cases[i].want);
		options_finish(&options);
	}
}

static void test_refused(void **state)
{
	static struct {
		const char *argv[WORDS_MAX];
		const char *says;
	} cases[] = {
		{{"--gpsu", "2"}, "--gpus"},
		{{"--gpu", "2"}, "--gpus"}, /* no abbreviations */
		{{"--zzzzzz"}, "--zzzzzz"},
		{{"-z"}, "-z"},
		{{"-az"}, "-z"},
		{{"-g", "2"}, "-G (--gpus)"},
		{{"-A"}, "-a (--all)"},
		{{"--no-requeu"}, "did you mean --no-requeue?"},
		{{"--no-al"}, "did you mean --all?"},
		{{"--gpus"}, "--gpus needs a value"},
		{{"-G"}, "--gpus needs a value"},
		{{"--gpus", "--", "python"}, "--gpus needs a value"},
		{{"--all=yes"}, "--all takes no value"},
		{{"--=2"}, "no option"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options options;
		struct err err = {0};

		assert_int_equal(parse(&options, cases[i].argv, false, &err), -EINVAL);
		assert_non_null(strstr(err.msg, cases[i].says));
		options_finish(&options);
	}
}

static void test_last_value_wins(void **state)
{
	const char *argv[] = {"--gpus", "1", "-G", "2", NULL};
	struct options options;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse(&options, argv, false, &err), 0);
	assert_string_equal(options_get(&options, "gpus"), "2");
	assert_true(options_has(&options, "gpus"));
	assert_false(options_has(&options, "all"));
	assert_null(options_get(&options, "all"));
	options_finish(&options);
}

/* What completion asks: is the end a place for a value, an option or a word? */
static void test_where_the_line_ends(void **state)
{
	static const struct {
		const char *argv[WORDS_MAX];
		const char *pending;
		bool dashes;
	} cases[] = {
		{{"--gpus"}, "gpus", false},	{{"-aG"}, "gpus", false},
		{{"--gpus", "2"}, NULL, false}, {{"--all"}, NULL, false},
		{{"12", "--"}, NULL, true},	{{"--", "--gpus"}, NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options options;
		struct err err;

		parse(&options, cases[i].argv, false, &err);
		assert_int_equal(options.pending != NULL, cases[i].pending != NULL);
		if (options.pending)
			assert_string_equal(options.pending->name, cases[i].pending);
		assert_true(options.dashes == cases[i].dashes);
		options_finish(&options);
	}
}

/* Every option of a job's specification is an option of submit, under the same name and letter. */
static void test_job_options_come_from_the_fields(void **state)
{
	struct options options;
	size_t n, found = 0;
	const struct jobspec_field *fields = jobspec_fields(&n);

	(void)state;
	options_init(&options, NULL, 0, OPTIONS_JOB_ALL);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; fields[i].option && j < options.n_table; j++)
			if (options.table[j].field == &fields[i]) {
				assert_string_equal(options.table[j].name, fields[i].option);
				assert_int_equal(options.table[j].letter, fields[i].letter);
				found++;
			}
	assert_int_equal(found, options.n_table - 1); /* and --help */
	options_finish(&options);
}

static const struct option_desc selector_table[] = {SELECTOR_OPTIONS};

static int select_jobs(struct options *options, const char *const *argv, struct selector *selector,
		       struct err *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	options_init(options, selector_table, ARRAY_SIZE(selector_table), OPTIONS_JOB_NONE);
	assert_int_equal(options_parse(options, argc, (char **)argv, false, err), 0);
	return selector_parse(selector, options, err);
}

static void test_selectors(void **state)
{
	static struct {
		const char *argv[WORDS_MAX];
		const char *query;
		bool last;
	} cases[] = {
		{{NULL}, "", false},
		{{"12"}, "ids=12", false},
		{{"1,3-5"}, "ids=1,3-5", false},
		{{"4", "3", "9,1"}, "ids=1,3-4,9", false},
		{{"last"}, "", true},
		{{"last,7"}, "ids=7", true},
		{{"--user", "root"}, "uid=0", false},
		{{"--user", "123456"}, "uid=123456", false},
		{{"--state", "queued,running"}, "state=queued,running", false},
		{{"3-5", "-u", "root", "-s", "failed"}, "ids=3-5&uid=0&state=failed", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selector selector;
		struct options options;
		struct err err = {0};
		struct buf query = {0};

		assert_int_equal(select_jobs(&options, cases[i].argv, &selector, &err), 0);
		selector_query(&selector, &query);
		assert_string_equal(buf_get(&query), cases[i].query);
		assert_true(selector.last == cases[i].last);
		assert_true(selector_is_empty(&selector) == (!query.len && !cases[i].last));
		buf_finish(&query);
		selector_finish(&selector);
		options_finish(&options);
	}
}

static void test_bad_selectors(void **state)
{
	static struct {
		const char *argv[WORDS_MAX];
		const char *says;
	} cases[] = {
		{{"5-3"}, "3-5"},
		{{"x"}, "x"},
		{{"0"}, "0"},
		{{"1,,2"}, ""},
		{{""}, ""},
		{{"--state", ""}, "--state"},
		{{"--state", "queued&limit=1"}, "--state"},
		{{"--state", "queudd"}, "did you mean queued?"},
		{{"--state", "queued,,running"}, "--state"},
		{{"--state", "sleeping"}, "no state"},
		{{"running"}, "--state running"},
		{{"all"}, "--state all"},
		{{"lst"}, "did you mean last?"},
		{{"--user", "no such user"}, "no such user"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct selector selector;
		struct options options;
		struct err err = {0};

		assert_int_equal(select_jobs(&options, cases[i].argv, &selector, &err), -EINVAL);
		assert_true(err.msg[0]);
		assert_non_null(strstr(err.msg, cases[i].says));
		selector_finish(&selector);
		options_finish(&options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_last_value_wins),
		cmocka_unit_test(test_where_the_line_ends),
		cmocka_unit_test(test_job_options_come_from_the_fields),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_bad_selectors),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
