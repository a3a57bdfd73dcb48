/* SPDX-License-Identifier: MIT */
/* cli/command.h: the table of verbs holds together, and says what people may have meant. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/command.h"

static void test_every_verb_tells_of_itself(void **state)
{
	size_t n;
	const struct command *const *all = commands(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(command_find(all[i]->name), all[i]);
		assert_ptr_equal(command_suggest(all[i]->name), all[i]);
		assert_non_null(all[i]->usage);
		assert_non_null(all[i]->summary);
		assert_non_null(strstr(all[i]->examples, all[i]->name));
		assert_non_null(all[i]->run);
	}
}

/* The first of two alike would hide the second. */
static void test_no_option_is_there_twice(void **state)
{
	size_t n;
	const struct command *const *all = commands(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(options_finish) struct options options;

		options_init(&options, all[i]->options, all[i]->n_options, all[i]->job_options);
		for (size_t j = 0; j < options.n_table; j++)
			for (size_t k = 0; k < j; k++) {
				const struct option_desc *a = &options.table[j];
				const struct option_desc *b = &options.table[k];

				if (STREQ(a->name, b->name) ||
				    (a->letter && a->letter == b->letter))
					fail_msg("%s: --%s and --%s", all[i]->name, a->name,
						 b->name);
			}
	}
}

/* Other programs' words: between blanks, no verb of ours, and each of one verb only. */
static void test_every_word_elsewhere_leads_to_one_verb(void **state)
{
	size_t n, words = 0;
	const struct command *const *all = commands(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(free_ptr) char *also = xstrdup(all[i]->also ? all[i]->also : " ");
		char *rest = also, *word;
		size_t len = strlen(also);

		assert_true(also[0] == ' ' && also[len - 1] == ' ');
		while ((word = strsep(&rest, " "))) {
			if (!word[0])
				continue;
			if (command_find(word) || command_suggest(word) != all[i])
				fail_msg("%s: %s", all[i]->name, word);
			words++;
		}
	}
	assert_true(words > n);
}

static void test_refusals_say_what_to_write(void **state)
{
	static const char *const cases[][2] = {
		{"queue", "did you mean \"list\"?"},	 {"status", "did you mean \"list\"?"},
		{"qstat", "did you mean \"list\"?"},	 {"stop", "did you mean \"cancel\"?"},
		{"start", "did you mean \"submit\"?"},	 {"qsub", "did you mean \"submit\"?"},
		{"log", "did you mean \"logs\"?"},	 {"watch", "did you mean \"top\"?"},
		{"version", "did you mean \"help\"?"},	 {"cansel", "did you mean \"cancel\"?"},
		{"python", "\"tgpu submit -- python\""}, {"--gpus", "stands before the command"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err;

		assert_int_equal(command_refuse(cases[i][0], &err), -EINVAL);
		if (!strstr(err.msg, cases[i][0]) || !strstr(err.msg, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_tells_of_itself),
		cmocka_unit_test(test_no_option_is_there_twice),
		cmocka_unit_test(test_every_word_elsewhere_leads_to_one_verb),
		cmocka_unit_test(test_refusals_say_what_to_write),
	};

	return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
