/* SPDX-License-Identifier: MIT */
/*
 * The job specification: its table of fields, defaults, the checks that span fields.
 *
 * Invariants: a field exists when it has a row in `fields`; help, the command line, directives,
 * YAML, JSON and the docs read that table and no other list. What a setter accepted is valid by
 * itself; jobspec_validate() adds only what needs several fields at once. Deliberately not here:
 * what depends on the machine (sizes of nodes, existing users, whether a directory exists where the
 * job will run). Cost: linear in the spec. Read next: jobspec_value.c (setters), jobspec_text.c and
 * jobspec_json.c (the two ways in), jobfile.h (files).
 */
#include "common/jobspec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/jobspec_internal.h"
#include "common/jobspec_lists.h"
#include "common/suggest.h"
#include "common/utf8.h"

#define AT(member) .offset = offsetof(struct jobspec, member)

/* Sizes up to 1 EiB: more than any machine has, and far from overflow where sizes are added. */
#define BYTES_MAX (INT64_C(1) << 60)
/* Who asks for less has left out the unit: no program fits into that. */
#define MEM_MIN	     (INT64_C(1) << 20)
#define LIMIT_MAX_MS (JOBSPEC_LIMIT_MAX_S * INT64_C(1000))

static int check_after(const char *text, struct err *err)
{
	_cleanup_(after_finish) struct after_list list = {0};

	return after_parse(text, &list, err);
}

static int check_array(const char *text, struct err *err)
{
	_cleanup_(array_spec_finish) struct array_spec spec = {0};

	return array_spec_parse(text, &spec, err);
}

/* clang-format off */
static const struct jobspec_field fields[] = {
	{ "command", NULL, 0, NULL, JOBSPEC_COMMAND, AT(command), .example = "python train.py",
	  .metavar = "COMMAND", .help = "what to run: a list of words, or one string for the shell" },
	{ "name", "name", 'J', "job-name", JOBSPEC_STRING, AT(name), .example = "train",
	  .metavar = "NAME", .help = "name of the job (default: what runs)" },
	{ "cwd", "chdir", 'D', "chdir", JOBSPEC_STRING, AT(cwd), .example = "/home/me/project",
	  .metavar = "DIR", .help = "directory to run in (default: where you submit)" },
	{ "env", "env", 0, NULL, JOBSPEC_ENV, AT(env), .example = "SEED=1",
	  .fixed = "submit a new job",
	  .metavar = "NAME[=VALUE]", .help = "set a variable, or copy yours; may be repeated" },
	{ "num_gpus", "gpus", 'G', "gpus", JOBSPEC_INTEGER, AT(num_gpus), .example = "2",
	  .max = JOBSPEC_GPUS_MAX, .metavar = "N", .help = "how many GPUs, for this job alone (default 0)" },
	{ "gpu_type", "gpu-type", 0, NULL, JOBSPEC_STRING, AT(gpu_type), .example = "a100",
	  .metavar = "TYPE", .help = "only GPUs whose name contains this, such as a100" },
	{ "gpu_mem", "gpu-mem", 0, NULL, JOBSPEC_BYTES, AT(gpu_mem_bytes), .example = "40G",
	  .min = MEM_MIN, .max = BYTES_MAX, .metavar = "SIZE", .help = "only GPUs with at least this much memory" },
	{ "cpus", "cpus", 'c', "cpus-per-task", JOBSPEC_INTEGER, AT(cpus), .example = "8",
	  .min = 1, .max = JOBSPEC_CPUS_MAX, .metavar = "N", .help = "CPU cores (default 1)" },
	{ "mem", "mem", 0, "mem", JOBSPEC_BYTES, AT(mem_bytes), .example = "32G",
	  .min = MEM_MIN, .max = BYTES_MAX, .metavar = "SIZE", .help = "main memory that the job needs" },
	{ "priority", "priority", 0, NULL, JOBSPEC_INTEGER, AT(priority), .example = "5",
	  .min = JOBSPEC_PRIORITY_MIN, .max = JOBSPEC_PRIORITY_MAX,
	  .metavar = "N", .help = "larger goes first, -1000 to 1000 (default 0)" },
	{ "time_limit", "time", 't', "time", JOBSPEC_DURATION, AT(time_limit_ms), .example = "1h30m",
	  .max = LIMIT_MAX_MS, .unlimited = true, .metavar = "TIME",
	  .help = "end the job after this long, such as 1h30m (0, unlimited: no limit)" },
	{ "begin", "begin", 'b', "begin", JOBSPEC_TIME, AT(begin_ns), .example = "now+1h",
	  .metavar = "WHEN", .help = "do not start before this time, such as 14:05" },
	{ "after", "after", 'd', "dependency", JOBSPEC_STRING, AT(after), .example = "afterok:12,13-20",
	  .check = check_after, .list = true, .metavar = "[KIND:]JOBS",
	  .help = "start after these jobs; KIND: afterok (the default), afterany, afternotok" },
	{ "cancel_if_never", "cancel-if-never", 0, NULL, JOBSPEC_BOOL, AT(cancel_if_never), .example = "true",
	  .metavar = "BOOL", .help = "cancel it when what it waits for can never be" },
	{ "array", "array", 'a', "array", JOBSPEC_STRING, AT(array), .example = "0-99%4",
	  .check = check_array, .list = true, .fixed = "submit a new array", .metavar = "LIST",
	  .help = "one job per index; %N: at most N of them at a time" },
	{ "preemptible", "preemptible", 0, NULL, JOBSPEC_BOOL, AT(preemptible), .example = "true",
	  .metavar = "BOOL", .help = "may make room for higher priority, and begin again later" },
	{ "hold", "hold", 'H', "hold", JOBSPEC_BOOL, AT(hold), .example = "true",
	  .fixed = "write \"tgpu hold\" or \"tgpu release\"",
	  .metavar = "BOOL", .help = "wait until \"tgpu release\"" },
	{ "requeue", "requeue", 0, "requeue", JOBSPEC_BOOL, AT(requeue), .example = "false",
	  .metavar = "BOOL", .help = "run again after the machine was lost (default yes)" },
	{ "retries", "retries", 0, NULL, JOBSPEC_INTEGER, AT(retries), .example = "3",
	  .max = JOBSPEC_RETRIES_MAX, .metavar = "N", .help = "run again after a failure, at most N times" },
	{ "unique", "unique", 0, NULL, JOBSPEC_BOOL, AT(unique), .example = "true",
	  .fixed = "submit a new job",
	  .metavar = "BOOL", .help = "only if no job of yours of this name waits or runs" },
	{ "signal", "signal", 0, NULL, JOBSPEC_SIGNAL, AT(signal), .example = "USR1",
	  .metavar = "SIGNAL", .help = "signal that asks the job to end (default TERM)" },
	{ "grace", "grace", 0, NULL, JOBSPEC_DURATION, AT(grace_ms), .example = "2m",
	  .max = LIMIT_MAX_MS, .metavar = "TIME", .help = "time from that signal to the kill (default 40s)" },
	{ "output", "output", 'o', "output", JOBSPEC_STRING, AT(output), .example = "train-%j.log",
	  .metavar = "FILE", .help = "append stdout to this file: %j job id, %x name (default: tgpu logs)" },
	{ "error", "error", 'e', "error", JOBSPEC_STRING, AT(error), .example = "train-%j.err",
	  .metavar = "FILE", .help = "append stderr to this file (default: with stdout)" },
	{ "log_max", "log-max", 0, NULL, JOBSPEC_BYTES, AT(log_max_bytes), .example = "1G",
	  .min = JOBSPEC_LOG_MIN, .max = BYTES_MAX, .metavar = "SIZE", .help = "keep only the end of each log, about so much" },
	{ "notify", "notify", 0, NULL, JOBSPEC_EVENTS, AT(notify), .example = "end",
	  .list = true, .metavar = "EVENTS", .help = "tell me of start, end, fail (a list); as tgpud's notify_command does it" },
};
/* clang-format on */

const struct jobspec_field *jobspec_fields(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(fields);
	return fields;
}

const struct jobspec_field *jobspec_field_by_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (STREQ(fields[i].key, key))
			return &fields[i];
	return NULL;
}

const struct jobspec_field *jobspec_field_by_option(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].option && STREQ(fields[i].option, option))
			return &fields[i];
	return NULL;
}

/* The same name, whether '_' or '-' stands between its words. */
static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b))
			return false;
	return *a == *b;
}

const struct jobspec_field *jobspec_field_by_any_name(const char *name)
{
	_cleanup_(free_ptr) char *word = xasprintf("%s=", name);

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (same_name(name, fields[i].key) ||
		    (fields[i].option && same_name(name, fields[i].option)) ||
		    (fields[i].sbatch && same_name(name, fields[i].sbatch)))
			return &fields[i];
	return jobspec_shell_word(word) ? jobspec_field_by_key("command") : NULL;
}

int jobspec_refuse_key(const char *key, struct err *err)
{
	const char *names[2 * ARRAY_SIZE(fields)], *closest;
	char quoted[UTF8_QUOTE_SIZE];
	const struct jobspec_field *field = jobspec_field_by_any_name(key);
	size_t n = 0;

	utf8_quote(key, quoted);
	if (field)
		return err_set(err, -EINVAL, "unknown key %s; did you mean \"%s\"?", quoted,
			       field->key);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].option)
			names[n++] = fields[i].option;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		names[n++] = fields[i].key;
	closest = suggest_closest(key, names, n);
	if (!closest)
		return err_set(err, -EINVAL,
			       "unknown key %s; the keys are listed by \"tgpu submit --help\"",
			       quoted);
	field = jobspec_field_by_option(closest);
	return err_set(err, -EINVAL, "unknown key %s; did you mean \"%s\"?", quoted,
		       field ? field->key : closest);
}

void jobspec_init(struct jobspec *spec)
{
	*spec = (struct jobspec){
		.cpus = 1,
		.requeue = true,
		.signal = SIGTERM,
		.grace_ms = JOBSPEC_GRACE_DEFAULT_MS,
		.umask = 022,
	};
}

void jobspec_finish(struct jobspec *spec)
{
	jobspec_clear_words(spec);
	jobspec_clear_env(spec);
	free(spec->command);
	free(spec->script);
	free(spec->name);
	free(spec->cwd);
	free(spec->gpu_type);
	free(spec->after);
	free(spec->array);
	free(spec->output);
	free(spec->error);
	*spec = (struct jobspec){0};
}

static size_t bytes_of_words(char *const *words, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(words[i]) + 1;
	return bytes;
}

static int check_bytes(const struct jobspec *spec, struct err *err)
{
	size_t bytes = bytes_of_words(spec->argv, spec->n_argv) +
		       bytes_of_words(spec->env, spec->n_env) +
		       (spec->command ? strlen(spec->command) : 0) +
		       (spec->script ? strlen(spec->script) : 0);

	if (bytes <= JOBSPEC_BYTES_MAX)
		return 0;
	return err_set(
		err, -EINVAL,
		"command: command, script and env together have %zu bytes, more than %u; pass "
		"large data in a file",
		bytes, JOBSPEC_BYTES_MAX);
}

static int check_command(const struct jobspec *spec, struct err *err)
{
	if (spec->command && (spec->script || spec->n_argv > 0))
		return err_set(err, -EINVAL,
			       "command: there is also %s; give one thing to run, not two",
			       spec->script ? "a script" : "args");
	if (spec->command || spec->script)
		return 0;
	if (spec->n_argv == 0)
		return err_set(err, -EINVAL,
			       "command: there is nothing to run; write for example tgpu submit "
			       "--gpus 2 -- python train.py");
	if (spec->argv[0][0] == '\0')
		return err_set(err, -EINVAL,
			       "command: the first word is \"\", which is no program; write for "
			       "example command: python train.py");
	return 0;
}

int jobspec_validate(struct jobspec *spec, struct err *err)
{
	int r = check_command(spec, err);

	if (r == 0)
		r = check_bytes(spec, err);
	if (r < 0)
		return r;
	if (!spec->cwd)
		return err_set(err, -EINVAL,
			       "cwd: the directory to run in is missing; write for example cwd: "
			       "/home/me/project");
	if (spec->num_gpus == 0 && spec->gpu_type)
		return err_set(err, -EINVAL,
			       "gpu_type: \"%s\" is asked for, but num_gpus is 0; add num_gpus: 1",
			       spec->gpu_type);
	if (spec->num_gpus == 0 && spec->gpu_mem_bytes > 0)
		return err_set(err, -EINVAL,
			       "gpu_mem: %" PRIu64
			       " bytes are asked for, but num_gpus is 0; add num_gpus: 1",
			       spec->gpu_mem_bytes);
	if (!spec->name)
		spec->name = jobspec_default_name(spec);
	return 0;
}

/* What stands for %LETTER. */
static void expand_letter(struct buf *path, char letter, const struct jobspec *spec,
			  const struct jobspec_identity *identity)
{
	switch (letter) {
	case 'j': buf_printf(path, "%" PRIu64, identity->job); break;
	case 'a': buf_printf(path, "%" PRIu32, identity->array_index); break;
	case 'A':
		buf_printf(path, "%" PRIu64, identity->array ? identity->array : identity->job);
		break;
	case '%': buf_putc(path, '%'); break;
	default:
		for (const char *c = spec->name; *c; c++)
			buf_putc(path, *c == '/' ? '_' : *c);
	}
}

char *jobspec_expand_path(const struct jobspec *spec, const char *pattern,
			  const struct jobspec_identity *identity)
{
	struct buf path = {0};

	if (pattern[0] != '/')
		buf_printf(&path, "%s/", spec->cwd);
	for (; *pattern; pattern++)
		if (*pattern == '%')
			expand_letter(&path, *++pattern, spec, identity);
		else
			buf_putc(&path, *pattern);
	return buf_take(&path);
}

/* One word as a person would type it. */
static void describe_word(struct buf *line, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=./:,@%";

	if (*word && word[strspn(word, plain)] == '\0') {
		buf_puts(line, word);
		return;
	}
	buf_putc(line, '\'');
	for (; *word; word++)
		if (*word == '\'')
			buf_puts(line, "'\\''");
		else
			buf_putc(line, *word);
	buf_putc(line, '\'');
}

#define DESCRIPTION_MAX 200

/* Cut between characters, and leave nothing in it that could move a cursor. */
static char *make_shown(const char *line)
{
	struct buf shown = {0};

	for (size_t n; *line; line += n) {
		char one[5] = {0};

		n = utf8_sequence(line, strnlen(line, 4));
		n = n ? n : 1;
		if (shown.len + n > DESCRIPTION_MAX) {
			buf_puts(&shown, "...");
			break;
		}
		memcpy(one, line, n);
		buf_puts(&shown, utf8_has_control(one) ? "?" : one);
	}
	return buf_take(&shown);
}

char *jobspec_describe_command(const struct jobspec *spec)
{
	_cleanup_(buf_finish) struct buf line = {0};

	if (spec->command)
		buf_puts(&line, spec->command);
	else if (spec->script)
		buf_puts(&line, spec->name ? spec->name : "script");
	for (size_t i = 0; i < spec->n_argv && line.len <= DESCRIPTION_MAX; i++) {
		if (line.len > 0)
			buf_putc(&line, ' ');
		describe_word(&line, spec->argv[i]);
	}
	return make_shown(buf_get(&line));
}
