/* SPDX-License-Identifier: MIT */
/*
 * A job as JSON: what the CLI sends, the API takes and the store keeps.
 *
 * Invariants: jobspec_from_json(jobspec_to_json(x)) == x for every valid x; types are strict ("2"
 * and 2.0 are no integers, null is nothing at all), because a program wrote this.
 * Deliberately not here: the text of JSON, which jansson reads and bounds in depth.
 * Cost: linear; the environment is replaced as a whole, so no variable is searched for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/jobspec_internal.h"
#include "common/utf8.h"

/* Refuse the type: `what` is what was wanted. The value is shown as JSON shows it. */
static int refuse_type(const struct jobspec_field *field, const json_t *value, const char *what,
		       struct err *err)
{
	_cleanup_(free_ptr) char *text = NULL;
	char quoted[UTF8_QUOTE_SIZE];

	if (json_is_string(value))
		utf8_quote(json_string_value(value), quoted);
	else if (json_is_array(value) || json_is_object(value))
		snprintf(quoted, sizeof(quoted), json_is_array(value) ? "[...]" : "{...}");
	else if ((text = json_dumps(value, JSON_ENCODE_ANY)))
		snprintf(quoted, sizeof(quoted), "%s", text);
	return err_set(err, -EINVAL, "%s: %s is not %s; write for example %s: %s", field->key,
		       quoted, what, field->key, field->example);
}

static int set_integer(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		       struct err *err)
{
	char text[32];

	if (!json_is_integer(value))
		return refuse_type(field, value, "a whole number", err);
	snprintf(text, sizeof(text), "%" PRId64, (int64_t)json_integer_value(value));
	return jobspec_put_integer(spec, field, json_integer_value(value), text, err);
}

static int set_string(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		      struct err *err)
{
	if (!json_is_string(value))
		return refuse_type(field, value, "a string", err);
	return jobspec_put_string(spec, field, json_string_value(value), json_string_length(value),
				  err);
}

static int set_bool(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		    struct err *err)
{
	if (!json_is_boolean(value))
		return refuse_type(field, value, "true or false", err);
	jobspec_put_bool(spec, field, json_is_true(value));
	return 0;
}

/*
 * Sizes, durations, times and signals: a string in the words people use, or a number in the unit
 * that the type has in JSON. The number is put into those words, so that there is one check.
 */
static int set_quantity(struct jobspec *spec, const struct jobspec_field *field,
			const json_t *value, int64_t now_ns, struct err *err)
{
	const char *text = json_string_value(value);
	char number[32];

	if (json_is_integer(value)) {
		now_ns = 0; /* programs may say what has passed by now, as each stored job does */
		snprintf(number, sizeof(number), "%s%" PRId64,
			 field->type == JOBSPEC_TIME ? "@" : "",
			 (int64_t)json_integer_value(value));
		text = number;
	} else if (!text) {
		return refuse_type(field, value, "a string or a whole number", err);
	} else if (strlen(text) != json_string_length(value)) {
		return jobspec_refuse(field, text, "holds a NUL character", err);
	}
	switch (field->type) {
	case JOBSPEC_BYTES: return jobspec_put_bytes(spec, field, text, err);
	case JOBSPEC_DURATION: return jobspec_put_duration(spec, field, text, err);
	case JOBSPEC_TIME: return jobspec_put_time(spec, field, text, now_ns, err);
	case JOBSPEC_EVENTS: return jobspec_put_events(spec, field, text, err);
	default: return jobspec_put_signal(spec, field, text, err);
	}
}

static int set_words(struct jobspec *spec, const struct jobspec_field *field, const json_t *words,
		     struct err *err)
{
	const json_t *word;
	size_t i;

	jobspec_clear_words(spec);
	json_array_foreach (words, i, word) {
		int r = json_is_string(word)
				? jobspec_add_word(spec, field, json_string_value(word),
						   json_string_length(word), err)
				: refuse_type(field, word, "a string", err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int set_command(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		       struct err *err)
{
	if (json_is_string(value))
		return jobspec_put_shell(spec, json_string_value(value), json_string_length(value),
					 err);
	if (!json_is_array(value) || json_array_size(value) == 0)
		return refuse_type(field, value, "a string or an array of words", err);
	jobspec_clear_command(spec);
	return set_words(spec, field, value, err);
}

static int set_env(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		   struct err *err)
{
	const char *name;
	json_t *text;

	if (!json_is_object(value))
		return refuse_type(field, value, "an object of strings", err);
	jobspec_clear_env(spec);
	json_object_foreach ((json_t *)value, name, text) {
		int r = json_is_string(text)
				? jobspec_append_env(spec, name, json_string_value(text),
						     json_string_length(text), err)
				: refuse_type(field, text, "a string", err);

		if (r < 0)
			return r;
	}
	return 0;
}

int jobspec_set_json(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		     int64_t now_ns, struct err *err)
{
	switch (field->type) {
	case JOBSPEC_STRING: return set_string(spec, field, value, err);
	case JOBSPEC_INTEGER: return set_integer(spec, field, value, err);
	case JOBSPEC_BOOL: return set_bool(spec, field, value, err);
	case JOBSPEC_COMMAND: return set_command(spec, field, value, err);
	case JOBSPEC_ENV: return set_env(spec, field, value, err);
	default: return set_quantity(spec, field, value, now_ns, err);
	}
}

static int set_script(struct jobspec *spec, const json_t *value, struct err *err)
{
	if (!json_is_string(value))
		return refuse_type(&jobspec_script_field, value, "a string", err);
	return jobspec_put_script(spec, json_string_value(value), json_string_length(value), err);
}

static int set_args(struct jobspec *spec, const json_t *value, struct err *err)
{
	if (!json_is_array(value))
		return refuse_type(&jobspec_args_field, value, "an array of words", err);
	return set_words(spec, &jobspec_args_field, value, err);
}

/* Octal, as a string: 022 is no number in JSON, and 22 would be another mask. */
static int set_umask(struct jobspec *spec, const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return refuse_type(&jobspec_umask_field, value, "a string", err);
	if (len != json_string_length(value) || len < 1 || len > 4 ||
	    strspn(text, "01234567") != len || strtoul(text, NULL, 8) > 0777)
		return jobspec_refuse(&jobspec_umask_field, text, "is not an octal mask up to 777",
				      err);
	spec->umask = (mode_t)strtoul(text, NULL, 8);
	return 0;
}

/* What only programs write, and so has no row in the table of fields. */
static const struct {
	const char *key;
	int (*set)(struct jobspec *spec, const json_t *value, struct err *err);
} program_keys[] = {{"script", set_script}, {"args", set_args}, {"umask", set_umask}};

static int set_key(struct jobspec *spec, const char *key, const json_t *value, int64_t now_ns,
		   struct err *err)
{
	const struct jobspec_field *field = jobspec_field_by_key(key);

	if (field)
		return jobspec_set_json(spec, field, value, now_ns, err);
	for (size_t i = 0; i < ARRAY_SIZE(program_keys); i++)
		if (STREQ(program_keys[i].key, key))
			return program_keys[i].set(spec, value, err);
	return jobspec_refuse_key(key, err);
}

int jobspec_from_json(struct jobspec *spec, const json_t *object, int64_t now_ns, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return err_set(err, -EINVAL,
			       "a job is a JSON object; write for example {\"command\": \"python "
			       "train.py\", \"cwd\": \"/home/me\"}");
	if (json_object_get(object, "script") && json_object_get(object, "command"))
		return err_set(err, -EINVAL,
			       "command: there is also a script; give one thing to run, not two");
	if (json_object_get(object, "args") && !json_object_get(object, "script"))
		return err_set(err, -EINVAL,
			       "args: are for a script, and there is none; put all words into "
			       "command");
	json_object_foreach ((json_t *)object, key, value) {
		int r = set_key(spec, key, value, now_ns, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static json_t *words_to_json(char *const *words, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_string(words[i]));
	return array;
}

static json_t *env_to_json(const struct jobspec *spec)
{
	json_t *object = json_object();

	for (size_t i = 0; i < spec->n_env; i++) {
		const char *equals = strchr(spec->env[i], '=');
		_cleanup_(free_ptr) char *name =
			xstrndup(spec->env[i], (size_t)(equals - spec->env[i]));

		json_object_set_new(object, name, json_string(equals + 1));
	}
	return object;
}

static json_t *command_to_json(const struct jobspec *spec)
{
	if (spec->command)
		return json_string(spec->command);
	return spec->script || !spec->argv ? NULL : words_to_json(spec->argv, spec->n_argv);
}

/* NULL for what was not asked for: the key is left out. */
static json_t *value_to_json(const struct jobspec *spec, const struct jobspec_field *field)
{
	const void *member = (const char *)spec + field->offset;
	char text[32];

	switch (field->type) {
	case JOBSPEC_STRING: return json_string(*(char *const *)member);
	case JOBSPEC_INTEGER:
		return json_integer(field->min < 0 ? (json_int_t) * (const int32_t *)member
						   : (json_int_t) * (const uint32_t *)member);
	case JOBSPEC_BOOL: return json_boolean(*(const bool *)member);
	case JOBSPEC_BYTES: return json_integer((json_int_t) * (const uint64_t *)member);
	case JOBSPEC_DURATION: return json_string(duration_format(*(const int64_t *)member, text));
	case JOBSPEC_TIME:
		return *(const int64_t *)member == TIME_UNKNOWN
			       ? NULL
			       : json_integer(*(const int64_t *)member / NS_PER_S);
	case JOBSPEC_SIGNAL: return json_string(jobspec_signal_name(*(const int *)member, text));
	case JOBSPEC_EVENTS:
		return *(const uint32_t *)member
			       ? json_string(jobspec_events_format(*(const uint32_t *)member, text))
			       : NULL;
	case JOBSPEC_COMMAND: return command_to_json(spec);
	case JOBSPEC_ENV: return env_to_json(spec);
	}
	return NULL;
}

json_t *jobspec_to_json(const struct jobspec *spec)
{
	json_t *object = json_object();
	char mask[8];
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n; i++) {
		json_t *value = value_to_json(spec, &fields[i]);

		if (value)
			json_object_set_new(object, fields[i].key, value);
	}
	if (spec->script) {
		json_object_set_new(object, "script", json_string(spec->script));
		json_object_set_new(object, "args", words_to_json(spec->argv, spec->n_argv));
	}
	snprintf(mask, sizeof(mask), "%03o", (unsigned)spec->umask & 0777);
	json_object_set_new(object, "umask", json_string(mask));
	return object;
}
