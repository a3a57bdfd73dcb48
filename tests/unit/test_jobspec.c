/* SPDX-License-Identifier: MIT */
/* jobspec.h: the table, every kind of value, every kind of refusal, and the way through JSON. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/jobspec.h"
#include "common/utf8.h"

#define NOW (INT64_C(1767225600) * NS_PER_S)

static int set_text(struct jobspec *spec, const char *key, const char *text, struct err *err)
{
	return jobspec_set_text(spec, jobspec_field_by_key(key), text, NOW, err);
}

static int from_json(struct jobspec *spec, const char *text, struct err *err)
{
	json_t *object = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	int r;

	assert_non_null(object);
	r = jobspec_from_json(spec, object, NOW, err);
	json_decref(object);
	return r < 0 ? r : jobspec_validate(spec, err);
}

static void test_table_is_complete(void **state)
{
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	(void)state;
	assert_true(n >= 18);
	for (size_t i = 0; i < n; i++) {
		const struct jobspec_field *field = &fields[i];

		assert_non_null(field->key);
		assert_non_null(field->metavar);
		assert_non_null(field->example);
		assert_true(strlen(field->help) > 0);
		assert_ptr_equal(jobspec_field_by_key(field->key), field);
		if (field->option)
			assert_ptr_equal(jobspec_field_by_option(field->option), field);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(fields[j].key, field->key);
			assert_false(field->letter && fields[j].letter == field->letter);
		}
		/* -p is Slurm's partition. */
		assert_int_not_equal(field->letter, 'p');
	}
	assert_null(jobspec_field_by_key("gpus"));
	assert_null(jobspec_field_by_option("num_gpus"));
}

/* What a message recommends must work. */
static void test_examples_are_accepted(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	(void)state;
	jobspec_init(&spec);
	for (size_t i = 0; i < n; i++) {
		struct err err = {0};

		if (jobspec_set_text(&spec, &fields[i], fields[i].example, NOW, &err) != 0)
			fail_msg("%s", err.msg);
	}
	assert_int_equal(jobspec_validate(&spec, NULL), 0);
}

static void test_defaults(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	jobspec_init(&spec);
	assert_int_equal(spec.num_gpus, 0);
	assert_int_equal(spec.cpus, 1);
	assert_int_equal(spec.priority, 0);
	assert_int_equal(spec.time_limit_ms, 0);
	assert_true(spec.requeue);
	assert_false(spec.hold);
	assert_int_equal(spec.signal, SIGTERM);
	assert_int_equal(spec.grace_ms, 40000);
	assert_int_equal(spec.umask, 022);
}

struct bad {
	const char *input, *field, *value;
};

/* A refusal names the field and the value, is one line, and says what to do. */
static void check_refusal(int r, const struct err *err, const struct bad *row)
{
	if (r != -EINVAL || err->code != -EINVAL || !strstr(err->msg, row->field) ||
	    !strstr(err->msg, row->value) || strchr(err->msg, '\n') ||
	    !(strstr(err->msg, "write") || strstr(err->msg, "did you mean") ||
	      strstr(err->msg, ";")))
		fail_msg("%s: result %d: %s", row->input, r, err->msg);
}

static void test_bad_json_is_refused(void **state)
{
	static const struct bad rows[] = {
		{"[]", "job", "object"},
		{"5", "job", "object"},
		{"null", "job", "object"},
		{"{}", "command", "nothing"},
		{"{\"command\": \"x\"}", "cwd", "missing"},
		{"{\"gpu\": 2}", "unknown key \"gpu\"", "did you mean \"num_gpus\"?"},
		{"{\"gpus\": 2}", "\"gpus\"", "num_gpus"},
		{"{\"time\": 2}", "\"time\"", "\"time_limit\""},
		{"{\"Priority\": 2}", "\"Priority\"", "\"priority\""},
		{"{\"zzzzzzzz\": 2}", "zzzzzzzz", "help"},
		{"{\"a\\nb\": 2}", "a?b", "key"},
		{"{\"num_gpus\": \"2\"}", "num_gpus", "\"2\""},
		{"{\"num_gpus\": 2.0}", "num_gpus", "2.0"},
		{"{\"num_gpus\": -1}", "num_gpus", "-1"},
		{"{\"num_gpus\": 4097}", "num_gpus", "4097"},
		{"{\"num_gpus\": 9223372036854775807}", "num_gpus", "9223372036854775807"},
		{"{\"num_gpus\": true}", "num_gpus", "true"},
		{"{\"num_gpus\": null}", "num_gpus", "null"},
		{"{\"num_gpus\": [2]}", "num_gpus", "[...]"},
		{"{\"cpus\": 0}", "cpus", "0"},
		{"{\"cpus\": 65537}", "cpus", "65537"},
		{"{\"priority\": 1001}", "priority", "-1000 to 1000"},
		{"{\"priority\": -1001}", "priority", "-1001"},
		{"{\"priority\": \"high\"}", "priority", "high"},
		{"{\"name\": 5}", "name", "5"},
		{"{\"name\": null}", "name", "null"},
		{"{\"name\": \"\"}", "name", "\"\""},
		{"{\"name\": \"a\\nb\"}", "name", "a?b"},
		{"{\"name\": \"a\\u0000b\"}", "name", "NUL"},
		{"{\"name\": \"\\u0085\"}", "name", "control"},
		{"{\"cwd\": \"train\"}", "cwd", "\"train\""},
		{"{\"cwd\": \"\"}", "cwd", "\"\""},
		{"{\"gpu_type\": \"\", \"num_gpus\": 1}", "gpu_type", "\"\""},
		{"{\"command\": \"x\", \"cwd\": \"/\", \"gpu_type\": \"a100\"}", "gpu_type",
		 "a100"},
		{"{\"command\": \"x\", \"cwd\": \"/\", \"gpu_mem\": \"1G\"}", "gpu_mem",
		 "1073741824"},
		{"{\"gpu_mem\": \"lots\"}", "gpu_mem", "lots"},
		{"{\"mem\": -1}", "mem", "-1"},
		{"{\"mem\": 1.5}", "mem", "1.5"},
		{"{\"mem\": 5}", "mem", "\"5\" without a unit is in bytes; write 5G"},
		{"{\"gpu_mem\": 40}", "gpu_mem", "write 40G"},
		{"{\"mem\": \"16Q\"}", "mem", "16Q"},
		{"{\"mem\": \"2048P\"}", "mem", "2048P"},
		{"{\"mem\": \"1\\u0000G\"}", "mem", "NUL"},
		{"{\"time_limit\": \"soon\"}", "time_limit", "soon"},
		{"{\"time_limit\": -5}", "time_limit", "-5"},
		{"{\"time_limit\": false}", "time_limit", "false"},
		{"{\"time_limit\": \"367d\"}", "time_limit", "367d"},
		{"{\"time_limit\": 9223372036854775807}", "time_limit", "9223372036854775807"},
		{"{\"grace\": \"1-25\"}", "grace", "1-25"},
		{"{\"begin\": \"soon\"}", "begin", "soon"},
		{"{\"begin\": \"2025-12-31\"}", "begin", "has passed"},
		{"{\"begin\": -1}", "begin", "-1"},
		{"{\"begin\": {}}", "begin", "{...}"},
		{"{\"hold\": \"yes\"}", "hold", "yes"},
		{"{\"hold\": 1}", "hold", "1"},
		{"{\"requeue\": null}", "requeue", "null"},
		{"{\"signal\": \"FOO\"}", "signal", "FOO"},
		{"{\"signal\": 0}", "signal", "0"},
		{"{\"signal\": 65}", "signal", "65"},
		{"{\"signal\": 32}", "signal", "32"},
		{"{\"signal\": \"STOP\"}", "signal", "STOP"},
		{"{\"output\": \"%z.log\"}", "output", "%z"},
		{"{\"error\": \"100%\"}", "error", "100%"},
		{"{\"output\": 1}", "output", "1"},
		{"{\"command\": 5}", "command", "5"},
		{"{\"command\": []}", "command", "[...]"},
		{"{\"command\": \"  \"}", "command", "empty"},
		{"{\"command\": [\"a\", 5]}", "command", "5"},
		{"{\"command\": [\"\"], \"cwd\": \"/\"}", "command", "\"\""},
		{"{\"command\": [\"a\\u0000\"]}", "command", "NUL"},
		{"{\"command\": \"x\", \"script\": \"#!/bin/sh\"}", "command", "script"},
		{"{\"args\": [\"x\"]}", "args", "script"},
		{"{\"script\": \"echo\"}", "script", "#!"},
		{"{\"script\": 5}", "script", "5"},
		{"{\"script\": \"#!/bin/sh\", \"args\": \"x\"}", "args", "\"x\""},
		{"{\"umask\": 18}", "umask", "18"},
		{"{\"umask\": \"088\"}", "umask", "088"},
		{"{\"umask\": \"1777\"}", "umask", "1777"},
		{"{\"env\": [\"A=1\"]}", "env", "[...]"},
		{"{\"env\": {\"A\": 1}}", "env", "1"},
		{"{\"env\": {\"A=B\": \"1\"}}", "env", "A=B"},
		{"{\"env\": {\"\": \"1\"}}", "env", "\"\""},
		{"{\"env\": {\"A B\": \"1\"}}", "env", "A B"},
		{"{\"env\": {\"SECRET\": \"\\u0000\"}}", "env", "SECRET"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		struct err err = {0};

		jobspec_init(&spec);
		check_refusal(from_json(&spec, rows[i].input, &err), &err, &rows[i]);
	}
}

static void test_bad_text_is_refused(void **state)
{
	/* input is the value; value is what else the sentence must hold. */
	static const struct bad rows[] = {
		{"two", "num_gpus", "\"two\" is not a whole number; write for example num_gpus: 2"},
		{"", "num_gpus", "\"\""},
		{"2.0", "num_gpus", "2.0"},
		{"+2", "num_gpus", "+2"},
		{"-1", "num_gpus", "-1"},
		{"99999999999999999999", "num_gpus", "99999999999999999999"},
		{"-99999999999999999999", "priority", "outside"},
		{"5000", "priority", "5000"},
		{"0", "cpus", "0"},
		{"16 Q", "mem", "16 Q"},
		{"5", "mem", "\"5\" without a unit is in bytes; write 5G"},
		{"16384", "mem", "\"16384\" without a unit is in bytes; write 16384M"},
		{"1048575", "gpu_mem", "write 1048575M"},
		{"5K", "mem", "\"5K\" is less than 1M; write for example mem: 32G"},
		{"-1G", "gpu_mem", "-1G"},
		{"1h30", "time_limit", "1h30"},
		{"unlimited", "grace", "unlimited"},
		{"unlimited2", "time_limit", "unlimited2"},
		{"0.0001", "time_limit", "0.0001"},
		{"1-", "time_limit", "1-"},
		{"400d", "grace", "400d"},
		{"25:00", "begin", "25:00"},
		{"2026-02-30", "begin", "2026-02-30"},
		{"yesterday", "begin", "\"yesterday\" has passed, it is 20"},
		{"2025-12-31T12:00", "begin", "write for example begin: now+1h"},
		{"@1767225539", "begin", "has passed"},
		{"maybe", "hold", "maybe"},
		{"", "requeue", "\"\""},
		{"KILLALL", "signal", "KILLALL"},
		{"-9", "signal", "-9"},
		{"CONT", "signal", "CONT"},
		{"", "name", "empty"},
		{"a\tb", "name", "a?b"},
		{"\xff\xfe", "name", "UTF-8"},
		{"%N.out", "output", "%N"},
		{"%", "output", "%"},
		{"", "error", "empty"},
		{"", "command", "empty"},
		{" \n", "command", "empty"},
		{"TGPU_TEST_NOT_SET", "env", "TGPU_TEST_NOT_SET"},
		{"=5", "env", "\"\""},
		{"A\x01=5", "env", "A?"},
		{"BAD=\xff", "env", "BAD"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		struct err err = {0};

		jobspec_init(&spec);
		check_refusal(set_text(&spec, rows[i].field, rows[i].input, &err), &err, &rows[i]);
	}
}

static void test_sizes_are_bounded(void **state)
{
	static const struct {
		const char *key;
		size_t len;
		int result;
	} rows[] = {
		{"name", JOBSPEC_NAME_MAX, 0}, {"name", JOBSPEC_NAME_MAX + 1, -EINVAL},
		{"gpu_type", 64, 0},	       {"gpu_type", 65, -EINVAL},
		{"output", 4095, 0},	       {"output", 4096, -EINVAL},
		{"command", 131071, 0},	       {"command", 131072, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		_cleanup_(free_ptr) char *text = xcalloc(rows[i].len + 1, 1);

		jobspec_init(&spec);
		memset(text, 'x', rows[i].len);
		assert_int_equal(set_text(&spec, rows[i].key, text, NULL), rows[i].result);
	}
}

static void test_lists_are_bounded(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(free_ptr) char *big = xcalloc(131000, 1);
	char *words[JOBSPEC_ARGS_MAX + 1], name[32];
	struct err err = {0};

	(void)state;
	jobspec_init(&spec);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = (char *)"w";
	assert_int_equal(jobspec_set_command_words(&spec, words, JOBSPEC_ARGS_MAX, &err), 0);
	assert_int_equal(jobspec_set_command_words(&spec, words, JOBSPEC_ARGS_MAX + 1, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "4096"));
	for (int i = 0; i < JOBSPEC_ENV_MAX; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		assert_int_equal(jobspec_set_env(&spec, name, "", 0, NULL), 0);
	}
	assert_int_equal(jobspec_set_env(&spec, "ONE_MORE", "", 0, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "ONE_MORE"));
	/* Each variable is small enough, but not all of them together. */
	memset(big, 'x', 130999);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		assert_int_equal(jobspec_set_env(&spec, name, big, strlen(big), NULL), 0);
	}
	set_text(&spec, "cwd", "/", NULL);
	assert_int_equal(jobspec_validate(&spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "together"));
}

static void test_command_words(void **state)
{
	static char *mission[] = {(char *)"cmd=python train.py"};
	static char *words[] = {(char *)"/usr/bin/python3", (char *)"train.py"};
	static char *mixed[] = {(char *)"cmd=python", (char *)"train.py"};
	static char *nothing[] = {(char *)""};
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};

	(void)state;
	jobspec_init(&spec);
	set_text(&spec, "cwd", "/", NULL);
	assert_int_equal(jobspec_set_command_words(&spec, mission, 1, &err), 0);
	assert_string_equal(spec.command, "python train.py");
	assert_null(spec.argv);
	assert_int_equal(jobspec_set_command_words(&spec, words, 2, &err), 0);
	assert_null(spec.command);
	assert_int_equal(spec.n_argv, 2);
	assert_null(spec.argv[2]);
	assert_int_equal(jobspec_set_command_words(&spec, mixed, 2, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "train.py"));
	assert_int_equal(jobspec_set_command_words(&spec, nothing, 1, &err), -EINVAL);
	assert_int_equal(jobspec_validate(&spec, &err), 0);
	assert_string_equal(spec.name, "train.py");
}

static void test_default_names(void **state)
{
	static const struct {
		const char *command, *name;
	} rows[] = {
		{"python train.py", "train.py"},
		{"python3.11 -u scripts/train.py --lr 3", "train.py"},
		{"python -c 'print(1)'", "python"},
		{"python -m torch.distributed.run train.py", "torch.distributed.run"},
		{"cd /data && A=1 bash run.sh > log", "run.sh"},
		{"torchrun --nproc_per_node 2 train.py", "train.py"},
		{"torchrun --standalone", "torchrun"},
		{"uv run python -u train.py", "train.py"},
		{"uv sync", "uv"},
		{"accelerate launch --multi_gpu fine.py a.py", "fine.py"},
		{"nohup ./go.sh", "go.sh"},
		{"pythonic x.py", "pythonic"},
		{"python && rm x.py", "python"},
		{"bash", "bash"},
		{"cd", "cd"},
		{"  /opt/bin/run.sh x", "run.sh"},
		{"A=1 B=2 ./go", "go"},
		{"A=1", "A=1"},
		{"dir/", "job"},
		{"\xe2\x98\x83", "\xe2\x98\x83"},
		{"a\x01z", "a?z"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};

		jobspec_init(&spec);
		set_text(&spec, "command", rows[i].command, NULL);
		set_text(&spec, "cwd", "/", NULL);
		assert_int_equal(jobspec_validate(&spec, NULL), 0);
		assert_string_equal(spec.name, rows[i].name);
	}
}

static void test_environment(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	jobspec_init(&spec);
	setenv("TGPU_TEST_COPIED", "from here", 1);
	assert_int_equal(set_text(&spec, "env", "A=1", NULL), 0);
	assert_int_equal(set_text(&spec, "env", "AB=2=3", NULL), 0);
	assert_int_equal(set_text(&spec, "env", "EMPTY=", NULL), 0);
	assert_int_equal(set_text(&spec, "env", "TGPU_TEST_COPIED", NULL), 0);
	assert_int_equal(set_text(&spec, "env", "BASH_FUNC_module%%=() { :\n}", NULL), 0);
	assert_int_equal(set_text(&spec, "env", "A=again", NULL), 0);
	unsetenv("TGPU_TEST_COPIED");
	assert_int_equal(spec.n_env, 5);
	assert_string_equal(spec.env[0], "A=again");
	assert_string_equal(spec.env[1], "AB=2=3");
	assert_string_equal(spec.env[2], "EMPTY=");
	assert_string_equal(spec.env[3], "TGPU_TEST_COPIED=from here");
	assert_null(spec.env[5]);
}

static void test_relative_cwd_becomes_absolute(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(free_ptr) char *here = getcwd(NULL, 0);
	_cleanup_(free_ptr) char *wanted = xasprintf("%s/sub", here);

	(void)state;
	jobspec_init(&spec);
	assert_int_equal(set_text(&spec, "cwd", "sub", NULL), 0);
	assert_string_equal(spec.cwd, wanted);
	assert_int_equal(set_text(&spec, "cwd", ".", NULL), 0);
	assert_string_equal(spec.cwd, here);
}

static void test_signals(void **state)
{
	static const struct {
		const char *text;
		int number;
	} rows[] = {{"TERM", SIGTERM}, {"SIGUSR1", SIGUSR1}, {"sigint", SIGINT},
		    {"10", 10},	       {"KILL", SIGKILL},    {"64", 64}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};

		jobspec_init(&spec);
		assert_int_equal(set_text(&spec, "signal", rows[i].text, NULL), 0);
		assert_int_equal(spec.signal, rows[i].number);
	}
}

static void test_begin_is_rounded_up_to_seconds(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	const struct jobspec_field *begin = jobspec_field_by_key("begin");

	(void)state;
	jobspec_init(&spec);
	assert_int_equal(jobspec_set_text(&spec, begin, "now+500ms", NOW, NULL), 0);
	assert_true(spec.begin_ns == NOW + NS_PER_S);
	assert_int_equal(jobspec_set_text(&spec, begin, "now", NOW, NULL), 0);
	assert_true(spec.begin_ns == NOW);
}

/* A script's own clock is a little behind, a stored job's begin may be over for long. */
static void test_what_has_only_just_passed_is_no_mistake(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	jobspec_init(&spec);
	assert_int_equal(set_text(&spec, "begin", "@1767225540", NULL), 0);
	assert_true(spec.begin_ns == NOW - 60 * NS_PER_S);
	assert_int_equal(
		from_json(&spec, "{\"command\": \"x\", \"cwd\": \"/\", \"begin\": 5}", NULL), 0);
	assert_true(spec.begin_ns == 5 * NS_PER_S);
}

static void test_no_limit_has_names(void **state)
{
	static const char *const words[] = {"unlimited", "UNLIMITED", "infinite", "Infinity", "0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};

		jobspec_init(&spec);
		spec.time_limit_ms = 5;
		assert_int_equal(set_text(&spec, "time_limit", words[i], NULL), 0);
		assert_int_equal(spec.time_limit_ms, 0);
	}
}

static void test_the_least_memory(void **state)
{
	static const char *const keys[] = {"mem", "gpu_mem"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};

		jobspec_init(&spec);
		assert_int_equal(set_text(&spec, keys[i], "1048576", NULL), 0);
		assert_int_equal(set_text(&spec, keys[i], "1M", NULL), 0);
		assert_int_equal(set_text(&spec, keys[i], "0", NULL), 0); /* not asked for */
	}
}

static void test_paths_are_expanded(void **state)
{
	static const struct {
		const char *pattern, *path;
	} rows[] = {
		{"%x-%j.log", "/home/me/a_b-12.log"}, {"/var/%j", "/var/12"},
		{"100%%", "/home/me/100%"},	      {"%%j%j", "/home/me/%j12"},
		{"plain", "/home/me/plain"},	      {"%A_%a", "/home/me/10_2"},
	};
	const struct jobspec_identity identity = {.job = 12, .array = 10, .array_index = 2};
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	jobspec_init(&spec);
	set_text(&spec, "cwd", "/home/me", NULL);
	set_text(&spec, "name", "a/b", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(free_ptr) char *path =
			jobspec_expand_path(&spec, rows[i].pattern, &identity);

		assert_string_equal(path, rows[i].path);
	}
}

static void test_command_is_described(void **state)
{
	static char *words[] = {(char *)"echo", (char *)"a b", (char *)"it's", (char *)"",
				(char *)"\x1b[2J"};
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(free_ptr) char *shown = NULL, *cut = NULL, *big = xcalloc(1000, 1);

	(void)state;
	jobspec_init(&spec);
	jobspec_set_command_words(&spec, words, ARRAY_SIZE(words), NULL);
	shown = jobspec_describe_command(&spec);
	assert_string_equal(shown, "echo 'a b' 'it'\\''s' '' '?[2J'");
	for (int i = 0; i < 300; i++)
		strcat(big, "\xe2\x98\x83");
	set_text(&spec, "command", big, NULL);
	cut = jobspec_describe_command(&spec);
	assert_true(strlen(cut) <= 203 && utf8_is_valid(cut, strlen(cut)));
}

static unsigned seed;

static uint64_t random_below(uint64_t n)
{
	return (((uint64_t)rand_r(&seed) << 31) ^ (uint64_t)rand_r(&seed)) % n;
}

static char *random_text(size_t max, bool control)
{
	static const char *const pieces[] = {"a", "Z",	" ",  "%%", "\xc3\xa9", "\xf0\x9f\x98\x80",
					     "/", "\"", "\\", "'"};
	static const char *const controls[] = {"\n", "\t", "\x1b", "\xc2\x85"};
	struct buf text = {0};

	buf_putc(&text, 'x');
	for (size_t n = random_below(max); n > 0; n--)
		buf_puts(&text, control && random_below(4) == 0 ? controls[random_below(4)]
								: pieces[random_below(10)]);
	return buf_take(&text);
}

static void random_what(struct jobspec *spec)
{
	_cleanup_(free_ptr) char *text = random_text(50, true);
	char *words[20];
	size_t n = random_below(20);

	if (random_below(3) == 0) {
		set_text(spec, "command", text, NULL);
		return;
	}
	if (random_below(2) == 0)
		spec->script = xasprintf("#!/bin/sh\n%s", text);
	else
		n = n ? n : 1;
	for (size_t i = 0; i < n; i++)
		words[i] = random_text(10, true);
	assert_int_equal(jobspec_set_command_words(spec, words, n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		free(words[i]);
}

static void random_numbers(struct jobspec *spec)
{
	static const int signals[] = {SIGTERM, SIGUSR1, SIGKILL, 34, 64};

	spec->num_gpus = (uint32_t)(1 + random_below(JOBSPEC_GPUS_MAX));
	spec->gpu_mem_bytes = random_below(UINT64_C(1) << 60);
	spec->log_max_bytes = random_below(UINT64_C(1) << 60);
	spec->cpus = (uint32_t)(1 + random_below(JOBSPEC_CPUS_MAX));
	spec->mem_bytes = random_below(UINT64_C(1) << 60);
	spec->priority = (int32_t)random_below(2001) - 1000;
	spec->time_limit_ms = (int64_t)random_below(JOBSPEC_LIMIT_MAX_S * UINT64_C(1000));
	spec->grace_ms = (int64_t)random_below(100000);
	spec->begin_ns = (int64_t)random_below(9223372036) * NS_PER_S;
	spec->hold = random_below(2);
	spec->requeue = random_below(2);
	spec->signal = signals[random_below(5)];
	spec->umask = (mode_t)random_below(01000);
}

static void random_spec(struct jobspec *spec)
{
	static const char *const keys[] = {"name", "cwd", "gpu_type", "output", "error"};

	random_what(spec);
	random_numbers(spec);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_(free_ptr) char *text = random_text(15, false);
		_cleanup_(free_ptr) char *path = xasprintf("/%s", text);

		if (STREQ(keys[i], "cwd"))
			assert_int_equal(set_text(spec, "cwd", path, NULL), 0);
		else if (random_below(2))
			assert_int_equal(set_text(spec, keys[i], text, NULL), 0);
	}
	for (size_t n = random_below(10); n > 0; n--) {
		_cleanup_(free_ptr) char *value = random_text(20, true);
		char name[16];

		snprintf(name, sizeof(name), "V%d%%", (int)random_below(100));
		assert_int_equal(jobspec_set_env(spec, name, value, strlen(value), NULL), 0);
	}
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? STREQ(a, b) : a == b;
}

static bool same_words(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!STREQ(a[i], b[i]))
			return false;
	return true;
}

static bool same_spec(const struct jobspec *a, const struct jobspec *b)
{
	return same_words(a->argv, a->n_argv, b->argv, b->n_argv) &&
	       same_words(a->env, a->n_env, b->env, b->n_env) &&
	       same_text(a->command, b->command) && same_text(a->script, b->script) &&
	       same_text(a->name, b->name) && same_text(a->cwd, b->cwd) &&
	       same_text(a->gpu_type, b->gpu_type) && same_text(a->output, b->output) &&
	       same_text(a->error, b->error) && a->num_gpus == b->num_gpus &&
	       a->gpu_mem_bytes == b->gpu_mem_bytes && a->log_max_bytes == b->log_max_bytes &&
	       a->cpus == b->cpus && a->mem_bytes == b->mem_bytes && a->priority == b->priority &&
	       a->time_limit_ms == b->time_limit_ms && a->begin_ns == b->begin_ns &&
	       a->hold == b->hold && a->requeue == b->requeue && a->signal == b->signal &&
	       a->grace_ms == b->grace_ms && a->umask == b->umask;
}

static void test_json_reads_back_unchanged(void **state)
{
	(void)state;
	seed = getenv("TGPU_TEST_SEED") ? (unsigned)strtoul(getenv("TGPU_TEST_SEED"), NULL, 10)
					: (unsigned)time(NULL);
	print_message("# seed %u (set TGPU_TEST_SEED to repeat)\n", seed);
	for (int i = 0; i < 2000; i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0}, again = {0};
		_cleanup_(free_ptr) char *text = NULL;
		struct err err = {0};
		json_t *object;

		jobspec_init(&spec);
		random_spec(&spec);
		if (jobspec_validate(&spec, &err) != 0)
			fail_msg("round %d: %s", i, err.msg);
		object = jobspec_to_json(&spec);
		text = json_dumps(object, JSON_COMPACT);
		json_decref(object);
		jobspec_init(&again);
		if (from_json(&again, text, &err) != 0)
			fail_msg("round %d: %s\n%s", i, err.msg, text);
		if (!same_spec(&spec, &again))
			fail_msg("round %d: %s", i, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_complete),
		cmocka_unit_test(test_examples_are_accepted),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad_json_is_refused),
		cmocka_unit_test(test_bad_text_is_refused),
		cmocka_unit_test(test_sizes_are_bounded),
		cmocka_unit_test(test_lists_are_bounded),
		cmocka_unit_test(test_command_words),
		cmocka_unit_test(test_default_names),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_relative_cwd_becomes_absolute),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_begin_is_rounded_up_to_seconds),
		cmocka_unit_test(test_what_has_only_just_passed_is_no_mistake),
		cmocka_unit_test(test_no_limit_has_names),
		cmocka_unit_test(test_the_least_memory),
		cmocka_unit_test(test_paths_are_expanded),
		cmocka_unit_test(test_command_is_described),
		cmocka_unit_test(test_json_reads_back_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
