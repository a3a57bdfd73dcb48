/* SPDX-License-Identifier: MIT */
/* jobfile.h: YAML files, scripts with #TGPU and #SBATCH lines, and everything they refuse. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/jobfile.h"

#define NOW (INT64_C(1767225600) * NS_PER_S)

static int parse_yaml(struct jobspec *spec, const char *text, struct err *err)
{
	jobspec_init(spec);
	spec->cwd = xstrdup("/home/me");
	return jobfile_parse_yaml(spec, text, strlen(text), "job.yaml", NOW, err);
}

static void keep_warning(void *ctx, const char *sentence)
{
	buf_printf(ctx, "%s\n", sentence);
}

/* `warnings`, when given, collects them, a line for each. */
static int parse_script(struct jobspec *spec, const char *text, struct buf *warnings,
			struct err *err)
{
	_cleanup_(buf_finish) struct buf unread = {0};

	jobspec_init(spec);
	spec->cwd = xstrdup("/home/me");
	return jobfile_parse_script(spec, text, strlen(text), "dir/job.sh", NOW, keep_warning,
				    warnings ? warnings : &unread, err);
}

static void test_mission_yaml(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	assert_int_equal(
		parse_yaml(&spec, "command: python train.py\nnum_gpus: 2\npriority: 5\n", NULL), 0);
	assert_string_equal(spec.command, "python train.py");
	assert_int_equal(spec.num_gpus, 2);
	assert_int_equal(spec.priority, 5);
	assert_int_equal(jobspec_validate(&spec, NULL), 0);
}

static void test_full_yaml(void **state)
{
	static const char text[] =
		"--- # a job\n"
		"command: [python, \"train.py\", --lr, 0.1, \"\"]\n"
		"name: 123\n"
		"env:\n  SEED: 1\n  NAME: 'yes'\n  EMPTY: \"\"\n"
		"num_gpus: \"4\"\ngpu_type: A100\ngpu_mem: 40G\ncpus: 8\nmem: 1.5G\n"
		"time_limit: 1-12:00:00\nbegin: '@1767229200'\nhold: on\nrequeue: No\n"
		"signal: usr1\ngrace: 2m\noutput: \"%x-%j.log\"\nerror: e\n...\n";
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};

	(void)state;
	if (parse_yaml(&spec, text, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(spec.n_argv, 5);
	assert_string_equal(spec.argv[3], "0.1");
	assert_string_equal(spec.argv[4], "");
	assert_string_equal(spec.name, "123");
	assert_int_equal(spec.n_env, 3);
	assert_string_equal(spec.env[0], "SEED=1");
	assert_string_equal(spec.env[1], "NAME=yes");
	assert_string_equal(spec.env[2], "EMPTY=");
	assert_int_equal(spec.num_gpus, 4);
	assert_true(spec.gpu_mem_bytes == UINT64_C(40) << 30);
	assert_true(spec.mem_bytes == UINT64_C(3) << 29);
	assert_true(spec.time_limit_ms == 36 * 3600 * INT64_C(1000));
	assert_true(spec.begin_ns == INT64_C(1767229200) * NS_PER_S);
	assert_true(spec.hold && !spec.requeue);
	assert_int_equal(spec.signal, SIGUSR1);
	assert_true(spec.grace_ms == 120000);
	assert_string_equal(spec.output, "%x-%j.log");
}

static void test_yaml_blocks_and_bools(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "True", "YES"};
	_cleanup_(jobspec_finish) struct jobspec literal = {0};

	(void)state;
	assert_int_equal(parse_yaml(&literal, "command: |\n  cd x\n  python train.py\n", NULL), 0);
	assert_string_equal(literal.command, "cd x\npython train.py\n");
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		_cleanup_(free_ptr) char *text = xasprintf("hold: %s\n", yes[i]);

		assert_int_equal(parse_yaml(&spec, text, NULL), 0);
		assert_true(spec.hold);
	}
}

static void test_lists_of_words(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	assert_int_equal(parse_yaml(&spec,
				    "notify: [end, fail]\nafter:\n  - afterok:12\n  - 14-20\n"
				    "array: [0, 2-3%2]\n",
				    NULL),
			 0);
	assert_int_equal(spec.notify, JOBSPEC_EVENT_END | JOBSPEC_EVENT_FAIL);
	assert_string_equal(spec.after, "afterok:12,14-20");
	assert_string_equal(spec.array, "0,2-3%2");
}

struct bad {
	const char *text;
	const char *parts[4]; /* all of them stand in the sentence */
};

static void check_refusal(int r, const struct err *err, const struct bad *row)
{
	if (r != -EINVAL || strchr(err->msg, '\n') || !strchr(err->msg, ';'))
		if (r != -EINVAL || strchr(err->msg, '\n') ||
		    !(strstr(err->msg, "not YAML") || strstr(err->msg, "did you mean")))
			fail_msg("%s: result %d: %s", row->text, r, err->msg);
	for (size_t i = 0; i < ARRAY_SIZE(row->parts) && row->parts[i]; i++)
		if (!strstr(err->msg, row->parts[i]))
			fail_msg("%s: no \"%s\" in: %s", row->text, row->parts[i], err->msg);
}

static void test_bad_yaml_is_refused(void **state)
{
	static const struct bad rows[] = {
		{"", {"job.yaml:1", "mapping"}},
		{"# nothing\n", {"job.yaml:", "mapping"}},
		{"hello\n", {"job.yaml:1", "mapping"}},
		{"- a\n- b\n", {"job.yaml:1", "mapping"}},
		{"gpus: 2\n", {"job.yaml:1", "\"gpus\"", "\"num_gpus\""}},
		{"command: a\ngpu: 2\n", {"job.yaml:2", "\"gpu\"", "num_gpus"}},
		{"script: x\n", {"job.yaml:1", "\"script\""}},
		{"num_gpus: two\n", {"job.yaml:1", "num_gpus", "\"two\" is not a whole number"}},
		{"num_gpus: 2.0\n", {"num_gpus", "2.0"}},
		{"num_gpus: 0x2\n", {"num_gpus", "0x2"}},
		{"num_gpus: 1_000\n", {"num_gpus", "1_000"}},
		{"num_gpus:\n", {"num_gpus", "no value"}},
		{"num_gpus: ~\n", {"num_gpus", "~"}},
		{"gpu_type: null\n", {"gpu_type", "null"}},
		{"priority: 5000\n", {"priority", "5000"}},
		{"hold: maybe\n", {"hold", "maybe"}},
		{"name: \"\"\n", {"name", "empty"}},
		{"name: \"a\\0b\"\n", {"name", "NUL"}},
		{"name: \"a\\tb\"\n", {"name", "a?b"}},
		{"name: [a]\n", {"job.yaml:1", "name", "list"}},
		{"notify: [end, [fail]]\n", {"job.yaml:1", "notify", "no word"}},
		{"notify: [end, 5]\n", {"job.yaml:1", "notify", "\"end,5\""}},
		{"notify: []\n", {"job.yaml:1", "notify"}},
		{"cmd: echo hi\n", {"job.yaml:1", "did you mean \"command\"?"}},
		{"job-name: a\n", {"did you mean \"name\"?"}},
		{"cpus_per_task: 4\n", {"did you mean \"cpus\"?"}},
		{"name: {a: b}\n", {"name", "mapping"}},
		{"name: a\nname: b\n", {"job.yaml:2", "\"name\"", "twice"}},
		{"name: &x a\n", {"job.yaml:1", "name", "anchors"}},
		{"name: a\ncwd: *x\n", {"job.yaml:2", "cwd", "aliases"}},
		{"&x name: a\n", {"anchors"}},
		{"&x\nname: a\n", {"anchors"}},
		{"name: !!str a\n", {"job.yaml:1", "name", "tags"}},
		{"!job\nname: a\n", {"tags"}},
		{"<<: {a: b}\n", {"\"<<\""}},
		{"[a]: b\n", {"key", "list"}},
		{"? {a: b}\n: c\n", {"key", "mapping"}},
		{"name: a\n---\nname: b\n", {"job.yaml:2", "second document"}},
		{"command: []\n", {"command", "[]"}},
		{"command: \"\"\n", {"command", "empty"}},
		{"command: {a: b}\n", {"command", "mapping"}},
		{"command: [[a]]\n", {"command", "list"}},
		{"command: [\"a\\0\"]\n", {"command", "NUL"}},
		{"env: A=1\n", {"env", "mapping"}},
		{"env: [A=1]\n", {"env", "mapping"}},
		{"env: {A: }\n", {"env", "\"A\"", "no value"}},
		{"env: {A: [1]}\n", {"env", "\"A\"", "list"}},
		{"env: {A: 1, A: 2}\n", {"env", "\"A\"", "twice"}},
		{"env: {\"A=B\": 1}\n", {"env", "A=B"}},
		{"env: {[a]: 1}\n", {"env", "key"}},
		{"env:\n  A: 1\n  B: *x\n", {"job.yaml:3", "env"}},
		{"time_limit: soon\n", {"time_limit", "soon"}},
		{"time_limit: 30m 1h\n", {"time_limit", "30m 1h"}},
		{"mem: 5\n", {"mem", "\"5\"", "write 5G"}},
		{"begin: 2025-12-31\n", {"begin", "2025-12-31", "has passed"}},
		{"begin: later\n", {"begin", "later"}},
		{"mem: 16 G B\n", {"mem", "16 G B"}},
		{"signal: HUGE\n", {"signal", "HUGE"}},
		{"output: \"%z\"\n", {"output", "%z"}},
		{"\tname: a\n", {"job.yaml:1", "not YAML"}},
		{"name: \"a\n", {"job.yaml:", "not YAML"}},
		{"command: [a\n", {"job.yaml:", "not YAML"}},
		{"name: a\n b: c: d\n", {"job.yaml:", "not YAML"}},
		{"name: @a\n", {"job.yaml:1", "not YAML"}},
		{"name: \"\\ud800\"\n", {"job.yaml:1", "not YAML"}},
		{"# fine\nname: \xff\n", {"job.yaml:2", "UTF-8"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		struct err err = {0};

		check_refusal(parse_yaml(&spec, rows[i].text, &err), &err, &rows[i]);
	}
}

static void test_binary_and_big_files_are_refused(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(free_ptr) char *big = xcalloc(JOBFILE_MAX + 2, 1);
	struct err err = {0};

	(void)state;
	jobspec_init(&spec);
	assert_int_equal(jobfile_parse_yaml(&spec, "name: a\n\0", 9, "job.yaml", NOW, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "job.yaml:2: a NUL byte"));
	memset(big, '#', JOBFILE_MAX + 1);
	assert_int_equal(jobfile_parse_yaml(&spec, big, JOBFILE_MAX + 1, "job.yaml", NOW, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "4 MiB"));
	assert_int_equal(jobfile_parse_script(&spec,
					      "\x7f"
					      "ELF\0",
					      5, "a.out", NOW, NULL, NULL, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "tgpu submit -- PROGRAM"));
}

static void test_long_file_names_leave_room(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};
	char name[1000];

	(void)state;
	memset(name, 'd', sizeof(name));
	strcpy(name + sizeof(name) - 10, "/job.yaml");
	jobspec_init(&spec);
	assert_int_equal(jobfile_parse_yaml(&spec, "gpus: 2", 7, name, NOW, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "/job.yaml:1: unknown key"));
}

static void test_tgpu_lines(void **state)
{
	static const char text[] = "#!/bin/sh\n"
				   "# a comment\n"
				   "\n"
				   "#TGPU --gpus 2 --priority=5 # and why\n"
				   "#TGPU\t-c4 -t 1h30m -H\n"
				   "#TGPU --name \"a b\" --env 'X=1 2' --env Y=a\\ b --no-requeue\n"
				   "#TGPU\n"
				   "##TGPU --gpus 8\n"
				   "echo hi\n";
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(buf_finish) struct buf warnings = {0};
	struct err err = {0};

	(void)state;
	if (parse_script(&spec, text, &warnings, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_get(&warnings), "");
	assert_string_equal(spec.script, text);
	assert_int_equal(spec.num_gpus, 2);
	assert_int_equal(spec.priority, 5);
	assert_int_equal(spec.cpus, 4);
	assert_true(spec.time_limit_ms == 90 * 60 * INT64_C(1000));
	assert_true(spec.hold && !spec.requeue);
	assert_string_equal(spec.name, "a b");
	assert_string_equal(spec.env[0], "X=1 2");
	assert_string_equal(spec.env[1], "Y=a b");
	assert_int_equal(jobspec_validate(&spec, NULL), 0);
}

static void test_script_name_and_arguments(void **state)
{
	static char *words[] = {(char *)"cmd=x", (char *)"b c"};
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(free_ptr) char *shown = NULL;

	(void)state;
	assert_int_equal(parse_script(&spec, "#!/bin/sh", NULL, NULL), 0);
	assert_string_equal(spec.name, "job.sh");
	assert_int_equal(jobspec_set_command_words(&spec, words, 2, NULL), 0);
	assert_null(spec.command);
	assert_string_equal(spec.argv[0], "cmd=x");
	assert_int_equal(jobspec_validate(&spec, NULL), 0);
	shown = jobspec_describe_command(&spec);
	assert_string_equal(shown, "job.sh cmd=x 'b c'");
}

static void test_tgpu_wins_over_sbatch(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};

	(void)state;
	assert_int_equal(parse_script(&spec, "#!/bin/sh\n#TGPU --gpus 4\n#SBATCH --gpus=2 -c 3\n",
				      NULL, NULL),
			 0);
	assert_int_equal(spec.num_gpus, 4);
	assert_int_equal(spec.cpus, 3);
}

#define SCRIPT(lines) "#!/bin/bash\n" lines "\nsrun x\n"

static void test_sbatch_with_our_meaning(void **state)
{
	static const struct {
		const char *text;
		uint32_t gpus, cpus;
		uint64_t mem_mib;
		int64_t minutes;
		const char *gpu_type;
	} rows[] = {
		{SCRIPT("#SBATCH --gpus=2"), 2, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH -G 2 -c8"), 2, 8, 0, 0, NULL},
		{SCRIPT("#SBATCH --gpus=a100:2"), 2, 1, 0, 0, "a100"},
		{SCRIPT("#SBATCH --gres=gpu:3"), 3, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH --gres gpu:v100:4"), 4, 1, 0, 0, "v100"},
		{SCRIPT("#SBATCH --gres=gpu"), 1, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH --gres=gpu:tesla"), 1, 1, 0, 0, "tesla"},
		{SCRIPT("#SBATCH -N1 -n 1 --gpus-per-node=2"), 2, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH --gpus-per-task=2 --ntasks=1"), 2, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH --time=90"), 0, 1, 0, 90, NULL},
		{SCRIPT("#SBATCH -t 90:00"), 0, 1, 0, 90, NULL},
		{SCRIPT("#SBATCH -t 01:30:00"), 0, 1, 0, 90, NULL},
		{SCRIPT("#SBATCH -t 1-0"), 0, 1, 0, 24 * 60, NULL},
		{SCRIPT("#SBATCH --time=UNLIMITED"), 0, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH --time=0"), 0, 1, 0, 0, NULL},
		{SCRIPT("#SBATCH --mem=16000"), 0, 1, 16000, 0, NULL},
		{SCRIPT("#SBATCH --mem=16G"), 0, 1, 16384, 0, NULL},
		{SCRIPT("#SBATCH --cpus-per-task=4 # why"), 0, 4, 0, 0, NULL},
		{SCRIPT("#SBATCH --export=ALL --open-mode=append"), 0, 1, 0, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		_cleanup_(buf_finish) struct buf warnings = {0};
		struct err err = {0};

		if (parse_script(&spec, rows[i].text, &warnings, &err) != 0)
			fail_msg("%s%s", rows[i].text, err.msg);
		assert_string_equal(buf_get(&warnings), "");
		assert_int_equal(spec.num_gpus, rows[i].gpus);
		assert_int_equal(spec.cpus, rows[i].cpus);
		assert_true(spec.mem_bytes == rows[i].mem_mib << 20);
		assert_true(spec.time_limit_ms == rows[i].minutes * 60000);
		assert_int_equal(!spec.gpu_type, !rows[i].gpu_type);
		if (spec.gpu_type)
			assert_string_equal(spec.gpu_type, rows[i].gpu_type);
	}
}

static void test_sbatch_strings_and_switches(void **state)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	struct err err = {0};

	(void)state;
	if (parse_script(&spec,
			 SCRIPT("#SBATCH -J train -o slurm-%j.out -e %x.err -D /data -H\n"
				"#SBATCH --no-requeue --begin=now+60"),
			 NULL, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(spec.name, "train");
	assert_string_equal(spec.output, "slurm-%j.out");
	assert_string_equal(spec.error, "%x.err");
	assert_string_equal(spec.cwd, "/data");
	assert_true(spec.hold && !spec.requeue);
	assert_true(spec.begin_ns == NOW + 60 * NS_PER_S);
}

static void test_ignored_sbatch_options_are_named(void **state)
{
	static const char *const options[] = {
		"--mail-type=ALL",
		"--mail-user=me@example.org",
		"--account=x",
		"-A x",
		"--partition=gpu",
		"-p gpu",
		"--qos=high",
		"--comment=x",
		"--nice",
		"--nice=5",
		"--reservation=r",
		"--hint=nomultithread",
		"-s",
		"--wckey=w",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		_cleanup_(buf_finish) struct buf warnings = {0};
		_cleanup_(free_ptr) char *text = xasprintf("#!/bin/sh\n#SBATCH %s\n", options[i]);
		_cleanup_(free_ptr) char *name = xstrndup(options[i], strcspn(options[i], "= "));

		assert_int_equal(parse_script(&spec, text, &warnings, NULL), 0);
		if (!strstr(buf_get(&warnings), name) ||
		    !strstr(buf_get(&warnings), "job.sh:2: ") ||
		    !strstr(buf_get(&warnings), "no effect"))
			fail_msg("%s: %s", options[i], buf_get(&warnings));
	}
}

static void test_bad_directives_are_refused(void **state)
{
	static const struct bad rows[] = {
		{"echo hi\n", {"job.sh:1", "interpreter"}},
		{"", {"job.sh:1", "interpreter"}},
		{"#!/bin/sh\r\necho\r\n", {"job.sh:1", "CR LF"}},
		{SCRIPT("#TGPU --gpsu 2"), {"job.sh:2", "\"--gpsu\"", "--gpus"}},
		{SCRIPT("#TGPU --zzzzzzzz 2"), {"job.sh:2", "zzzzzzzz"}},
		{SCRIPT("\n#TGPU -Z"), {"job.sh:3", "\"-Z\""}},
		{SCRIPT("#TGPU -\xc3\xa9"), {"job.sh:2", "unknown"}},
		{SCRIPT("#TGPU gpus 2"), {"\"gpus\"", "--gpus 2"}},
		{SCRIPT("#TGPU --"), {"\"--\""}},
		{SCRIPT("#TGPU -"), {"\"-\""}},
		{SCRIPT("#TGPU --gpus"), {"--gpus", "value"}},
		{SCRIPT("#TGPU -G"), {"-G", "value"}},
		{SCRIPT("#TGPU --gpus="), {"--gpus: ", "\"\""}},
		{SCRIPT("#TGPU --gpus two"), {"job.sh:2", "--gpus: ", "\"two\""}},
		{SCRIPT("#TGPU --priority 1 --mem 5X"), {"mem", "5X"}},
		{SCRIPT("#TGPU -t never"), {"--time: ", "never"}},
		{SCRIPT("#TGPU --name \"a"), {"job.sh:2", "quote"}},
		{SCRIPT("#TGPU --name a\\"), {"job.sh:2", "backslash"}},
		{SCRIPT("#TGPU --name ''"), {"name", "empty"}},
		{SCRIPT("#TGPU --hold=maybe"), {"hold", "maybe"}},
		{SCRIPT("#TGPU --no-gpus"), {"no-gpus", "unknown"}},
		{SCRIPT("#TGPU --no-hold=yes"), {"no-hold", "yes"}},
		{SCRIPT("#TGPU --env TGPU_TEST_NOT_SET"), {"env", "TGPU_TEST_NOT_SET"}},
		{SCRIPT("#TGPU --output %z"), {"output", "%z"}},
		{SCRIPT("#SBATCH --array=9-0"), {"job.sh:2", "array", "9-0", "0-99%4"}},
		{SCRIPT("#SBATCH -a x"), {"array", "x"}},
		{SCRIPT("#SBATCH --nodes=2"), {"--nodes", "2", "--nodes=1"}},
		{SCRIPT("#SBATCH -N 2-4"), {"-N", "2-4"}},
		{SCRIPT("#SBATCH --ntasks=4"), {"--ntasks", "4"}},
		{SCRIPT("#SBATCH --ntasks-per-node=4"), {"--ntasks-per-node", "4"}},
		{SCRIPT("#SBATCH --dependency=singleton"), {"after", "singleton", "afterok:12"}},
		{SCRIPT("#SBATCH --exclusive"), {"--exclusive", "--gpus"}},
		{SCRIPT("#SBATCH --exclusive=user"), {"--exclusive", "user"}},
		{SCRIPT("#SBATCH --constraint=a100"), {"--constraint", "a100", "gpu-type"}},
		{SCRIPT("#SBATCH --nodelist=n1"), {"--nodelist", "n1"}},
		{SCRIPT("#SBATCH --mem-per-cpu=4G"), {"--mem-per-cpu", "4G", "--mem"}},
		{SCRIPT("#SBATCH --mem=0"), {"--mem", "\"0\""}},
		{SCRIPT("#SBATCH --mem=lots"), {"mem", "lots"}},
		{SCRIPT("#SBATCH --gres=fpga:1"), {"--gres", "fpga:1", "gpu:2"}},
		{SCRIPT("#SBATCH --gres=gpu:1,fpga:1"), {"--gres", "gpu:1,fpga:1"}},
		{SCRIPT("#SBATCH --gres=gpu:a100:two"), {"--gres", "a100:two"}},
		{SCRIPT("#SBATCH --gpus=a100:2,v100:1"), {"--gpus", "a100:2,v100:1"}},
		{SCRIPT("#SBATCH --gpus=many"), {"--gpus", "num_gpus", "many"}},
		{SCRIPT("#SBATCH --time=soon"), {"--time", "time_limit", "soon"}},
		{SCRIPT("#SBATCH --time=-1"), {"--time", "-1"}},
		{SCRIPT("#SBATCH --output=%N_%a.log"), {"--output", "%N"}},
		{SCRIPT("#SBATCH --error=%N.err"), {"--error", "%N"}},
		{SCRIPT("#SBATCH --signal=B:USR1@120"), {"--signal", "B:USR1@120", "--grace"}},
		{SCRIPT("#SBATCH --export=NONE"), {"--export", "NONE", "ALL"}},
		{SCRIPT("#SBATCH --open-mode=truncate"), {"--open-mode", "truncate"}},
		{SCRIPT("#SBATCH --wrap=x"), {"--wrap"}},
		{SCRIPT("#SBATCH --begin=16:00:61"), {"--begin", "begin", "16:00:61"}},
		{SCRIPT("#SBATCH --tim=5"), {"--tim", "--time?"}},
		{SCRIPT("#SBATCH --nodse=5"), {"--nodse", "--nodes?"}},
		{SCRIPT("#SBATCH -Y"), {"-Y", "unknown"}},
		{SCRIPT("#SBATCH hetjob"), {"\"hetjob\""}},
		{SCRIPT("#SBATCH --time"), {"--time", "value"}},
		{SCRIPT("#SBATCH --contiguous=yes"), {"--contiguous", "yes"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		struct err err = {0};

		check_refusal(parse_script(&spec, rows[i].text, NULL, &err), &err, &rows[i]);
	}
}

static void test_directives_out_of_place_are_named(void **state)
{
	static const char text[] = "#!/bin/sh\n# TGPU --gpus 2\n#tgpu -c 2\necho\n#TGPU --gpus 4\n"
				   "#SBATCH --gpus=8\n";
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(buf_finish) struct buf warnings = {0};

	(void)state;
	assert_int_equal(parse_script(&spec, text, &warnings, NULL), 0);
	assert_int_equal(spec.num_gpus, 0);
	assert_int_equal(spec.cpus, 1);
	assert_non_null(strstr(buf_get(&warnings), "job.sh:2: "));
	assert_non_null(strstr(buf_get(&warnings), "job.sh:3: "));
	assert_non_null(strstr(buf_get(&warnings), "job.sh:5: "));
	assert_non_null(strstr(buf_get(&warnings), "job.sh:6: "));
}

static void test_examples_parse(void **state)
{
	static const char *const names[] = {"sleep_job.sh", "multi_gpu_job.sh", "job.yaml"};
	const char *root = getenv("TGPU_SOURCE_ROOT");

	(void)state;
	if (!root) {
		print_message("# TGPU_SOURCE_ROOT is not set\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(jobspec_finish) struct jobspec spec = {0};
		_cleanup_(buf_finish) struct buf warnings = {0};
		_cleanup_(free_ptr) char *path = xasprintf("%s/examples/%s", root, names[i]);
		_cleanup_(free_ptr) char *text = NULL;
		struct err err = {0};
		size_t len;
		int r;

		assert_int_equal(read_file(path, JOBFILE_MAX, &text, &len), 0);
		jobspec_init(&spec);
		spec.cwd = xstrdup("/");
		r = strstr(names[i], ".yaml")
			    ? jobfile_parse_yaml(&spec, text, len, names[i], NOW, &err)
			    : jobfile_parse_script(&spec, text, len, names[i], NOW, keep_warning,
						   &warnings, &err);
		if (r < 0 || jobspec_validate(&spec, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(buf_get(&warnings), "");
	}
}

/* docs/job-spec.md is written by hand; here it is held to the table. */
static void test_docs_name_every_field(void **state)
{
	const char *root = getenv("TGPU_SOURCE_ROOT");
	_cleanup_(free_ptr) char *path = xasprintf("%s/docs/job-spec.md", root ? root : ".");
	_cleanup_(free_ptr) char *text = NULL;
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	(void)state;
	if (!root) {
		print_message("# TGPU_SOURCE_ROOT is not set\n");
		skip();
	}
	assert_int_equal(read_file(path, JOBFILE_MAX, &text, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(free_ptr) char *row = xasprintf("\n| `%s` | `--%s`", fields[i].key,
							  fields[i].option ? fields[i].option : "");
		_cleanup_(free_ptr) char *key = xasprintf("\n| `%s` |", fields[i].key);
		_cleanup_(free_ptr) char *sbatch =
			xasprintf("`--%s`", fields[i].sbatch ? fields[i].sbatch : "gpus");

		if (!strstr(text, fields[i].option ? row : key) || !strstr(text, sbatch))
			fail_msg("docs/job-spec.md lacks %s", fields[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mission_yaml),
		cmocka_unit_test(test_full_yaml),
		cmocka_unit_test(test_yaml_blocks_and_bools),
		cmocka_unit_test(test_lists_of_words),
		cmocka_unit_test(test_bad_yaml_is_refused),
		cmocka_unit_test(test_binary_and_big_files_are_refused),
		cmocka_unit_test(test_long_file_names_leave_room),
		cmocka_unit_test(test_tgpu_lines),
		cmocka_unit_test(test_script_name_and_arguments),
		cmocka_unit_test(test_tgpu_wins_over_sbatch),
		cmocka_unit_test(test_sbatch_with_our_meaning),
		cmocka_unit_test(test_sbatch_strings_and_switches),
		cmocka_unit_test(test_ignored_sbatch_options_are_named),
		cmocka_unit_test(test_bad_directives_are_refused),
		cmocka_unit_test(test_directives_out_of_place_are_named),
		cmocka_unit_test(test_examples_parse),
		cmocka_unit_test(test_docs_name_every_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
