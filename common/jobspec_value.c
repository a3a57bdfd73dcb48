/* SPDX-License-Identifier: MIT */
/*
 * The setters of a job specification: what each kind of value may be.
 *
 * Invariants: a setter changes the spec only when it returns 0; every string it stores is UTF-8
 * without a NUL, so that it can be written as JSON and handed to exec; every refusal names the key,
 * the value and a remedy.
 * Deliberately not here: where values come from (jobspec_text.c, jobspec_json.c), checks that need
 * two fields (jobspec.c).
 * Cost: linear in the value; adding a variable is linear in their number.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/jobspec_internal.h"
#include "common/timetext.h"
#include "common/utf8.h"

const struct jobspec_field jobspec_script_field = {
	.key = "script",
	.type = JOBSPEC_STRING,
	.example = "\"#!/bin/sh\\npython train.py\\n\"",
};
const struct jobspec_field jobspec_args_field = {
	.key = "args",
	.type = JOBSPEC_COMMAND,
	.example = "[\"--epochs\", \"3\"]",
};
const struct jobspec_field jobspec_umask_field = {
	.key = "umask",
	.type = JOBSPEC_STRING,
	.example = "\"022\"",
};

static void *member(struct jobspec *spec, const struct jobspec_field *field)
{
	return (char *)spec + field->offset;
}

int jobspec_refuse(const struct jobspec_field *field, const char *text, const char *what,
		   struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];
	/* A switch takes its value by '=' alone: the word behind it is another's. */
	const char *between = field->key[0] != '-' ? ": " : field->type == JOBSPEC_BOOL ? "=" : " ";

	return err_set(err, -EINVAL, "%s: %s %s; write for example %s%s%s", field->key,
		       utf8_quote(text, quoted), what, field->key, between, field->example);
}

int jobspec_put_integer(struct jobspec *spec, const struct jobspec_field *field, int64_t value,
			const char *text, struct err *err)
{
	char what[80];

	if (value < field->min || value > field->max) {
		snprintf(what, sizeof(what), "is outside %" PRId64 " to %" PRId64, field->min,
			 field->max);
		return jobspec_refuse(field, text, what, err);
	}
	/* Each integer member has 32 bits, signed where the bounds go below 0. */
	*(uint32_t *)member(spec, field) = (uint32_t)value;
	return 0;
}

void jobspec_put_bool(struct jobspec *spec, const struct jobspec_field *field, bool value)
{
	*(bool *)member(spec, field) = value;
}

/* A number without a unit is of the unit that people have in mind. */
static int refuse_few_bytes(const struct jobspec_field *field, const char *text, uint64_t bytes,
			    struct err *err)
{
	char least[32], what[64];

	snprintf(what, sizeof(what), "is less than %s", bytes_format((uint64_t)field->min, least));
	if (text[strspn(text, "0123456789")] != '\0')
		return jobspec_refuse(field, text, what, err);
	return err_set(err, -EINVAL,
		       "%s: \"%.20s\" without a unit is in bytes; write %" PRIu64 "%s", field->key,
		       text, bytes, bytes < 1024 ? "G" : "M");
}

int jobspec_put_bytes(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		      struct err *err)
{
	uint64_t bytes;

	if (bytes_parse(text, &bytes, err) < 0)
		return err_wrap(err, "%s", field->key);
	if (bytes > (uint64_t)field->max)
		return jobspec_refuse(field, text, "is more than 1 EiB", err);
	if (bytes > 0 && bytes < (uint64_t)field->min)
		return refuse_few_bytes(field, text, bytes, err);
	*(uint64_t *)member(spec, field) = bytes;
	return 0;
}

/* Slurm's words, and systemd's. */
static bool is_unlimited(const char *text)
{
	return strcasecmp(text, "unlimited") == 0 || strcasecmp(text, "infinite") == 0 ||
	       strcasecmp(text, "infinity") == 0;
}

int jobspec_put_duration(struct jobspec *spec, const struct jobspec_field *field, const char *text,
			 struct err *err)
{
	int64_t ms = 0;

	if (!(field->unlimited && is_unlimited(text)) && duration_parse(text, &ms, err) < 0)
		return err_wrap(err, "%s", field->key);
	if (ms > field->max)
		return jobspec_refuse(field, text, "is longer than 366 days", err);
	*(int64_t *)member(spec, field) = ms;
	return 0;
}

/* A day that is over was not meant; the minute in which a script asked for the time was. */
#define PAST_SLACK_NS (60 * NS_PER_S)

/* Rounded up to whole seconds: "not before" still holds, and JSON can say it as an integer. */
int jobspec_put_time(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		     int64_t now_ns, struct err *err)
{
	char now[32], what[80];
	int64_t ns;

	if (time_parse(text, now_ns, &ns, err) < 0)
		return err_wrap(err, "%s", field->key);
	if (ns < now_ns - PAST_SLACK_NS) {
		snprintf(what, sizeof(what), "has passed, it is %s now", time_format(now_ns, now));
		return jobspec_refuse(field, text, what, err);
	}
	if (ns % NS_PER_S != 0)
		ns = ns / NS_PER_S * NS_PER_S + (ns < INT64_MAX - NS_PER_S ? NS_PER_S : 0);
	*(int64_t *)member(spec, field) = ns;
	return 0;
}

/* Signals that stop, continue or say nothing about ending. KILL is allowed: it means at once. */
static bool can_end(int signal)
{
	static const int useless[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
				      SIGCONT, SIGCHLD, SIGURG,	 SIGWINCH};

	for (size_t i = 0; i < ARRAY_SIZE(useless); i++)
		if (signal == useless[i])
			return false;
	return true;
}

static int parse_signal(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int64_t number;

	if (parse_int64(text, 1, SIGRTMAX, &number) == 0)
		return number < SIGRTMIN && !sigabbrev_np((int)number) ? 0 : (int)number;
	for (int i = 1; i < SIGRTMIN; i++)
		if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), name) == 0)
			return i;
	return 0;
}

int jobspec_put_signal(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       struct err *err)
{
	int number = parse_signal(text);

	if (number == 0)
		return jobspec_refuse(field, text, "is not a signal", err);
	if (!can_end(number))
		return jobspec_refuse(field, text, "does not ask a process to end", err);
	*(int *)member(spec, field) = number;
	return 0;
}

const struct jobspec_event_desc jobspec_events[] = {
	{"start", JOBSPEC_EVENT_START, "it starts"},
	{"end", JOBSPEC_EVENT_END, "it ends, however it does"},
	{"fail", JOBSPEC_EVENT_FAIL, "it fails"},
	{NULL, 0, NULL},
};

int jobspec_events_parse(const char *text, uint32_t *ret_events)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *rest = copy, *word;
	uint32_t bits = 0;

	while ((word = strsep(&rest, ","))) {
		size_t i = 0;

		word += strspn(word, " ");
		word[strcspn(word, " ")] = '\0';
		while (jobspec_events[i].name && !STREQ(jobspec_events[i].name, word))
			i++;
		if (!jobspec_events[i].name)
			return -EINVAL;
		bits |= jobspec_events[i].bit;
	}
	*ret_events = bits;
	return 0;
}

const char *jobspec_events_format(uint32_t bits, char buf[32])
{
	buf[0] = '\0';
	for (size_t i = 0; jobspec_events[i].name; i++)
		if (bits & jobspec_events[i].bit) {
			strcat(buf, buf[0] ? "," : "");
			strcat(buf, jobspec_events[i].name);
		}
	return buf;
}

int jobspec_put_events(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       struct err *err)
{
	if (jobspec_events_parse(text, member(spec, field)) == 0)
		return 0;
	return jobspec_refuse(field, text, "is no list of start, end and fail", err);
}

const char *jobspec_signal_name(int signal, char buf[16])
{
	const char *name = sigabbrev_np(signal);

	if (name)
		snprintf(buf, 16, "%s", name);
	else
		snprintf(buf, 16, "%d", signal);
	return buf;
}

/* A NUL is legal in YAML and JSON, but not in what the kernel takes. */
static int check_text(const struct jobspec_field *field, const char *text, size_t len,
		      struct err *err)
{
	if (memchr(text, '\0', len))
		return jobspec_refuse(field, text, "holds a NUL character", err);
	if (!utf8_is_valid(text, len))
		return jobspec_refuse(field, text, "is not UTF-8", err);
	return 0;
}

/* %j, %x and %% are all there is; a letter of Slurm's that is missing here would be a wrong file.
 */
static int check_pattern(const struct jobspec_field *field, const char *text, struct err *err)
{
	char what[80];

	for (const char *at = strchr(text, '%'); at; at = strchr(at + 2, '%')) {
		if (at[1] == '\0')
			return jobspec_refuse(field, text, "ends in a single %", err);
		if (strchr("jxaA%", at[1]))
			continue;
		snprintf(what, sizeof(what),
			 "holds %%%c, and only %%j, %%x, %%a, %%A and %%%% are known",
			 at[1] > 0x20 && at[1] < 0x7f ? at[1] : '?');
		return jobspec_refuse(field, text, what, err);
	}
	return 0;
}

static size_t max_length(const struct jobspec_field *field)
{
	switch (field->offset) {
	case offsetof(struct jobspec, name): return JOBSPEC_NAME_MAX;
	case offsetof(struct jobspec, gpu_type): return JOBSPEC_GPU_TYPE_MAX;
	default: return JOBSPEC_PATH_MAX - 1;
	}
}

static int check_string(const struct jobspec_field *field, const char *text, struct err *err)
{
	char what[80];

	if (!*text)
		return jobspec_refuse(field, text, "is empty", err);
	if (utf8_has_control(text))
		return jobspec_refuse(field, text, "holds a control character", err);
	if (strlen(text) > max_length(field)) {
		snprintf(what, sizeof(what), "has %zu bytes, more than %zu", strlen(text),
			 max_length(field));
		return jobspec_refuse(field, text, what, err);
	}
	if (field->offset == offsetof(struct jobspec, cwd) && text[0] != '/')
		return jobspec_refuse(field, text, "is not an absolute path", err);
	if (field->offset == offsetof(struct jobspec, output) ||
	    field->offset == offsetof(struct jobspec, error))
		return check_pattern(field, text, err);
	if (field->check && field->check(text, err) < 0)
		return err_wrap(err, "%s", field->key);
	return 0;
}

int jobspec_put_string(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       size_t len, struct err *err)
{
	char **slot = member(spec, field);
	int r = check_text(field, text, len, err);

	if (r == 0)
		r = check_string(field, text, err);
	if (r < 0)
		return r;
	free(*slot);
	*slot = xstrndup(text, len);
	return 0;
}

int jobspec_check_word(const struct jobspec_field *field, const char *text, size_t len,
		       struct err *err)
{
	char what[80];

	if (len <= JOBSPEC_WORD_MAX)
		return check_text(field, text, len, err);
	snprintf(what, sizeof(what), "has %zu bytes, and Linux takes %d; use a file instead", len,
		 JOBSPEC_WORD_MAX);
	return jobspec_refuse(field, text, what, err);
}

void jobspec_clear_words(struct jobspec *spec)
{
	for (size_t i = 0; i < spec->n_argv; i++)
		free(spec->argv[i]);
	free(spec->argv);
	spec->argv = NULL;
	spec->n_argv = 0;
}

void jobspec_clear_command(struct jobspec *spec)
{
	jobspec_clear_words(spec);
	free(spec->command);
	spec->command = NULL;
}

/* Lists are short and callers may bring their own, so no capacity is kept beside the length. */
static void append_word(char ***list, size_t *n, char *word)
{
	*list = xreallocarray(*list, *n + 2, sizeof(**list));
	(*list)[(*n)++] = word;
	(*list)[*n] = NULL;
}

int jobspec_add_word(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		     size_t len, struct err *err)
{
	int r = jobspec_check_word(field, text, len, err);

	if (r < 0)
		return r;
	if (spec->n_argv == JOBSPEC_ARGS_MAX)
		return jobspec_refuse(field, text, "is one word more than the 4096 allowed", err);
	append_word(&spec->argv, &spec->n_argv, xstrndup(text, len));
	return 0;
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

int jobspec_put_shell(struct jobspec *spec, const char *text, size_t len, struct err *err)
{
	const struct jobspec_field *field = jobspec_field_by_key("command");
	int r = jobspec_check_word(field, text, len, err);

	if (r < 0)
		return r;
	if (is_blank(text))
		return jobspec_refuse(field, text, "is empty", err);
	jobspec_clear_command(spec);
	spec->command = xstrndup(text, len);
	return 0;
}

int jobspec_put_script(struct jobspec *spec, const char *text, size_t len, struct err *err)
{
	const struct jobspec_field *field = &jobspec_script_field;
	int r = check_text(field, text, len, err);

	if (r < 0)
		return r;
	if (len > JOBSPEC_BYTES_MAX)
		return jobspec_refuse(field, text, "has more than 4 MiB", err);
	/* The kernel runs it by this line; without one exec fails after the job has waited. */
	if (strncmp(text, "#!", 2) != 0)
		return jobspec_refuse(field, text, "does not begin with #! and an interpreter",
				      err);
	free(spec->script);
	spec->script = xstrndup(text, len);
	return 0;
}

void jobspec_clear_env(struct jobspec *spec)
{
	for (size_t i = 0; i < spec->n_env; i++)
		free(spec->env[i]);
	free(spec->env);
	spec->env = NULL;
	spec->n_env = 0;
}

/*
 * A name is any text without blanks, control characters and '='. POSIX's letters, digits and '_'
 * would be too narrow: bash exports its functions as "BASH_FUNC_module%%", and a job must get the
 * environment that its owner has.
 */
static int check_env(const char *name, const char *value, size_t len, struct err *err)
{
	const struct jobspec_field *field = jobspec_field_by_key("env");
	char quoted[UTF8_QUOTE_SIZE];

	if (!*name)
		return jobspec_refuse(field, name, "is no name of a variable", err);
	if (!utf8_is_valid(name, strlen(name)) || utf8_has_control(name) || strpbrk(name, "= "))
		return jobspec_refuse(field, name,
				      "cannot name a variable (blanks, '=', control characters)",
				      err);
	if (strlen(name) > JOBSPEC_ENV_NAME_MAX)
		return jobspec_refuse(field, name, "is a name of more than 256 bytes", err);
	utf8_quote(name, quoted);
	if (memchr(value, '\0', len))
		return err_set(err, -EINVAL,
			       "env: the value of %s holds a NUL character; take it out", quoted);
	if (!utf8_is_valid(value, len))
		return err_set(err, -EINVAL,
			       "env: the value of %s is not UTF-8; unset it or set it anew",
			       quoted);
	if (strlen(name) + 1 + len > JOBSPEC_WORD_MAX)
		return err_set(err, -EINVAL,
			       "env: %s has %zu bytes, and Linux takes %d; unset it or use a file",
			       quoted, strlen(name) + 1 + len, JOBSPEC_WORD_MAX);
	return 0;
}

int jobspec_append_env(struct jobspec *spec, const char *name, const char *value, size_t len,
		       struct err *err)
{
	int r = check_env(name, value, len, err);

	if (r < 0)
		return r;
	if (spec->n_env == JOBSPEC_ENV_MAX)
		return jobspec_refuse(jobspec_field_by_key("env"), name,
				      "is one variable more than the 4096 allowed", err);
	append_word(&spec->env, &spec->n_env, xasprintf("%s=%.*s", name, (int)len, value));
	return 0;
}

int jobspec_set_env(struct jobspec *spec, const char *name, const char *value, size_t len,
		    struct err *err)
{
	size_t name_len = strlen(name);
	int r;

	for (size_t i = 0; i < spec->n_env; i++) {
		if (strncmp(spec->env[i], name, name_len) != 0 || spec->env[i][name_len] != '=')
			continue;
		r = check_env(name, value, len, err);
		if (r < 0)
			return r;
		free(spec->env[i]);
		spec->env[i] = xasprintf("%s=%.*s", name, (int)len, value);
		return 0;
	}
	return jobspec_append_env(spec, name, value, len, err);
}
