/* SPDX-License-Identifier: MIT */
/* config.h: defaults, every key, and every way to get a line wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/config.h"

static void test_defaults_are_those_of_the_table(void **state)
{
	struct config config;

	(void)state;
	config_init(&config);
	assert_ptr_equal(config.sched.policy, &policy_priority);
	assert_int_equal(config.sched.backfill, BACKFILL_EASY);
	assert_int_equal(config.sched.params.point_ns, 3600 * NS_PER_S);
	assert_int_equal(config.probe_interval_ms, 5000);
	assert_int_equal(config.foreign_mem_bytes, 1u << 30);
	assert_false(config.export_uuids);
}

static void test_reads_keys_comments_and_blank_lines(void **state)
{
	struct config config;
	struct err err = {0};

	(void)state;
	config_init(&config);
	assert_int_equal(config_parse(&config,
				      "# order\n\n policy = fifo # as they come\r\n"
				      "backfill=none\nvisible_devices = uuid\nmax_body = 1M\n"
				      "policy = priority\n",
				      "t.conf", &err),
			 0);
	assert_ptr_equal(config.sched.policy, &policy_priority); /* later lines win */
	assert_int_equal(config.sched.backfill, BACKFILL_NONE);
	assert_true(config.export_uuids);
	assert_int_equal(config.max_body_bytes, 1 << 20);
}

/* Each is refused with the file, the line, and the words given. */
static const struct {
	const char *text;
	const char *expected[3];
} bad[] = {
	{"polcy = fifo", {"t.conf:1", "polcy", "did you mean policy?"}},
	{"colour = red", {"t.conf:1", "colour", "tgpu.conf(5)"}},
	{"\npolicy fifo", {"t.conf:2", "policy fifo", "key = value"}},
	{"policy = lifo", {"policy", "lifo", "fifo"}},
	{"policy =", {"policy", "''", "fifo"}},
	{"backfill = yes", {"backfill", "yes", "easy"}},
	{"priority_point = soon", {"priority_point", "soon", ""}},
	{"priority_point = -1h", {"priority_point", "-1h", ""}},
	{"probe_interval = 1ms", {"probe_interval", "1ms", "100ms"}},
	{"probe_timeout = 0", {"probe_timeout", "0", "100ms"}},
	{"foreign_memory = lots", {"foreign_memory", "lots", ""}},
	{"display_memory = -1", {"display_memory", "-1", ""}},
	{"display_memory = 512", {"display_memory", "512", "512M"}},
	{"foreign_memory = 5K", {"foreign_memory", "5K", "less than 1M"}},
	{"visible_devices = both", {"visible_devices", "both", "uuid"}},
	{"max_jobs_per_user = 0", {"max_jobs_per_user", "0", "1"}},
	{"max_jobs_per_user = 1e6", {"max_jobs_per_user", "1e6", "whole number"}},
	{"log_max = 1K", {"log_max", "1K", "64K"}},
	{"max_body = 1", {"max_body", "1", "4K"}},
	{"max_connections = many", {"max_connections", "many", "whole number"}},
};

static void test_refuses_with_file_line_and_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config config;
		struct err err = {0};

		config_init(&config);
		assert_int_equal(config_parse(&config, bad[i].text, "t.conf", &err), -EINVAL);
		for (size_t j = 0; j < ARRAY_SIZE(bad[i].expected); j++)
			if (!strstr(err.msg, bad[i].expected[j]))
				fail_msg("'%s' gave \"%s\", without '%s'", bad[i].text, err.msg,
					 bad[i].expected[j]);
	}
}

/* Every policy is taken, and whoever writes none of them is told of all. */
static void test_knows_every_policy(void **state)
{
	struct config config;
	struct err err = {0};

	(void)state;
	config_init(&config);
	assert_int_equal(config_parse(&config, "policy = lifo", "t.conf", &err), -EINVAL);
	for (size_t i = 0; policies[i]; i++) {
		char line[64];

		assert_non_null(strstr(err.msg, policies[i]->name));
		snprintf(line, sizeof(line), "policy = %s", policies[i]->name);
		assert_int_equal(config_parse(&config, line, "t.conf", NULL), 0);
		assert_ptr_equal(config.sched.policy, policies[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_those_of_the_table),
		cmocka_unit_test(test_reads_keys_comments_and_blank_lines),
		cmocka_unit_test(test_refuses_with_file_line_and_value),
		cmocka_unit_test(test_knows_every_policy),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
