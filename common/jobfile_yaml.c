/* SPDX-License-Identifier: MIT */
/*
 * YAML job files, event by event.
 *
 * Invariants: the file is one mapping of plain keys; nothing is resolved but scalars, so no alias,
 * tag or second document can smuggle in a meaning; every refusal names file and line.
 * Deliberately not here: YAML's own typing. A scalar is text and goes through jobspec_set_text(),
 * so that `name: 1.0` is "1.0" and `priority: five` is refused in the words of the command line.
 * Rejected: libyaml's document API, which builds the tree (and expands doubled keys) before anyone
 * can say no. Cost: linear in the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#include "common/buf.h"
#include "common/jobfile_internal.h"
#include "common/jobspec_internal.h"
#include "common/utf8.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the one at hand; deleted by next() */
	struct jobspec *spec;
	const char *filename; /* borrowed */
	int64_t now_ns;
	struct err *err;
};

static void reader_finish(struct reader *reader)
{
	yaml_event_delete(&reader->event);
	yaml_parser_delete(&reader->parser);
}

/* Put file and line in front of the message in reader->err. */
static int at_line(struct reader *reader, size_t line)
{
	jobfile_wrap(reader->err, reader->filename, line);
	return -EINVAL;
}

/* Refuse what stands at the event at hand. */
static int refuse(struct reader *reader, const char *key, const char *what)
{
	err_set(reader->err, -EINVAL, "%s%s%s", key ? key : "", key ? ": " : "", what);
	return at_line(reader, reader->event.start_mark.line + 1);
}

static int refuse_syntax(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;

	err_set(reader->err, -EINVAL, "this is not YAML: %s%s%s",
		parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
		parser->context ? parser->context : "");
	return at_line(reader, parser->problem_mark.line + 1);
}

static bool has_tag(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT: return event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT: return event->data.mapping_start.tag;
	default: return false;
	}
}

static bool has_anchor(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT: return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT: return event->data.mapping_start.anchor;
	default: return event->type == YAML_ALIAS_EVENT;
	}
}

/* The next event, refused when it is not simple. `key` is the field being read, or NULL. */
static int next(struct reader *reader, const char *key)
{
	yaml_event_delete(&reader->event);
	if (!yaml_parser_parse(&reader->parser, &reader->event))
		return refuse_syntax(reader);
	if (has_anchor(&reader->event))
		return refuse(reader, key,
			      "anchors and aliases (& and *) are not taken; write the "
			      "value out, or in quotes");
	if (has_tag(&reader->event))
		return refuse(reader, key,
			      "tags (!) are not taken; write the plain value, or in "
			      "quotes");
	return 0;
}

static const char *scalar(const struct reader *reader)
{
	return (const char *)reader->event.data.scalar.value;
}

static size_t scalar_length(const struct reader *reader)
{
	return reader->event.data.scalar.length;
}

/* Nothing, "~" or "null" without quotes. */
static bool is_null(const struct reader *reader)
{
	return reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (STREQ(scalar(reader), "") || STREQ(scalar(reader), "~") ||
		strcasecmp(scalar(reader), "null") == 0);
}

/* A value that is one scalar: the kind of nearly all fields. */
static int read_scalar(struct reader *reader, const struct jobspec_field *field)
{
	if (reader->event.type != YAML_SCALAR_EVENT)
		return refuse(reader, field->key,
			      "a list or mapping is no value here; write one "
			      "value");
	if (is_null(reader)) {
		jobspec_refuse(field, scalar(reader), "is no value", reader->err);
		return at_line(reader, reader->event.start_mark.line + 1);
	}
	if (strlen(scalar(reader)) != scalar_length(reader))
		return refuse(reader, field->key, "the value holds a NUL character; take it out");
	if (jobspec_set_text(reader->spec, field, scalar(reader), reader->now_ns, reader->err) < 0)
		return at_line(reader, reader->event.start_mark.line + 1);
	return 0;
}

static int read_words(struct reader *reader, const struct jobspec_field *field)
{
	jobspec_clear_command(reader->spec);
	for (;;) {
		int r = next(reader, field->key);

		if (r < 0)
			return r;
		if (reader->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (reader->event.type != YAML_SCALAR_EVENT)
			return refuse(reader, field->key,
				      "a word of the command is a list or "
				      "mapping; write each word in quotes");
		r = jobspec_add_word(reader->spec, field, scalar(reader), scalar_length(reader),
				     reader->err);
		if (r < 0)
			return at_line(reader, reader->event.start_mark.line + 1);
	}
	return reader->spec->n_argv > 0
		       ? 0
		       : refuse(reader, field->key,
				"[] has no words; write for example [\"python\", \"train.py\"]");
}

/* [end, fail] of a field that is words between commas. */
static int read_list(struct reader *reader, const struct jobspec_field *field)
{
	_cleanup_(buf_finish) struct buf text = {0};

	for (;;) {
		int r = next(reader, field->key);

		if (r < 0)
			return r;
		if (reader->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (reader->event.type != YAML_SCALAR_EVENT || !*scalar(reader) ||
		    strlen(scalar(reader)) != scalar_length(reader))
			return refuse(reader, field->key,
				      "what is in the list is no word; write one word for each");
		buf_printf(&text, "%s%s", text.len > 0 ? "," : "", scalar(reader));
	}
	if (jobspec_set_text(reader->spec, field, buf_get(&text), reader->now_ns, reader->err) < 0)
		return at_line(reader, reader->event.start_mark.line + 1);
	return 0;
}

/* Read the key at hand of a mapping and note it in the set `seen`. Copies it to *ret_key. */
static int read_key(struct reader *reader, const char *inside, json_t *seen, char **ret_key)
{
	char quoted[UTF8_QUOTE_SIZE], what[UTF8_QUOTE_SIZE + 64];

	if (reader->event.type != YAML_SCALAR_EVENT)
		return refuse(reader, inside, "a key is a list or mapping; write one word");
	utf8_quote(scalar(reader), quoted);
	if (strlen(scalar(reader)) != scalar_length(reader)) {
		snprintf(what, sizeof(what), "the key %s holds a NUL character", quoted);
		return refuse(reader, inside, what);
	}
	if (json_object_get(seen, scalar(reader))) {
		snprintf(what, sizeof(what), "the key %s stands here twice; keep one", quoted);
		return refuse(reader, inside, what);
	}
	json_object_set_new(seen, scalar(reader), json_true());
	*ret_key = xstrdup(scalar(reader));
	return 0;
}

static int read_variable(struct reader *reader, const char *name)
{
	char quoted[UTF8_QUOTE_SIZE], what[UTF8_QUOTE_SIZE + 64];
	int r = next(reader, "env");

	if (r < 0)
		return r;
	utf8_quote(name, quoted);
	if (reader->event.type != YAML_SCALAR_EVENT) {
		snprintf(what, sizeof(what), "%s is a list or mapping; write one value", quoted);
		return refuse(reader, "env", what);
	}
	if (is_null(reader)) {
		snprintf(what, sizeof(what), "%s has no value; write \"\" for an empty one",
			 quoted);
		return refuse(reader, "env", what);
	}
	if (jobspec_set_env(reader->spec, name, scalar(reader), scalar_length(reader),
			    reader->err) < 0)
		return at_line(reader, reader->event.start_mark.line + 1);
	return 0;
}

static void json_unref(json_t **value)
{
	json_decref(*value);
}

static int read_env(struct reader *reader)
{
	_cleanup_(json_unref) json_t *seen = json_object();

	for (;;) {
		_cleanup_(free_ptr) char *name = NULL;
		int r = next(reader, "env");

		if (r == 0 && reader->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (r == 0)
			r = read_key(reader, "env", seen, &name);
		if (r == 0)
			r = read_variable(reader, name);
		if (r < 0)
			return r;
	}
}

static int read_value(struct reader *reader, const struct jobspec_field *field)
{
	int r = next(reader, field->key);

	if (r < 0)
		return r;
	if (field->type == JOBSPEC_COMMAND && reader->event.type == YAML_SEQUENCE_START_EVENT)
		return read_words(reader, field);
	if (field->list && reader->event.type == YAML_SEQUENCE_START_EVENT)
		return read_list(reader, field);
	if (field->type == JOBSPEC_ENV)
		return reader->event.type == YAML_MAPPING_START_EVENT
			       ? read_env(reader)
			       : refuse(reader, field->key,
					"is a mapping of names to values; write for example env: "
					"{SEED: 1}");
	return read_scalar(reader, field);
}

static int read_fields(struct reader *reader)
{
	_cleanup_(json_unref) json_t *seen = json_object();

	for (;;) {
		_cleanup_(free_ptr) char *key = NULL;
		const struct jobspec_field *field;
		int r = next(reader, NULL);

		if (r == 0 && reader->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (r == 0)
			r = read_key(reader, NULL, seen, &key);
		if (r < 0)
			return r;
		field = jobspec_field_by_key(key);
		if (!field) {
			jobspec_refuse_key(key, reader->err);
			return at_line(reader, reader->event.start_mark.line + 1);
		}
		r = read_value(reader, field);
		if (r < 0)
			return r;
	}
}

/* The next event must be of this type. */
static int expect(struct reader *reader, yaml_event_type_t type, const char *what)
{
	int r = next(reader, NULL);

	if (r == 0 && reader->event.type != type)
		r = refuse(reader, NULL, what);
	return r;
}

static int read_file_events(struct reader *reader)
{
	static const char fields_wanted[] = "a job file is one mapping; write for example command: "
					    "python train.py";
	int r = expect(reader, YAML_STREAM_START_EVENT, fields_wanted);

	if (r == 0)
		r = expect(reader, YAML_DOCUMENT_START_EVENT, fields_wanted);
	if (r == 0)
		r = expect(reader, YAML_MAPPING_START_EVENT, fields_wanted);
	if (r == 0)
		r = read_fields(reader);
	if (r == 0)
		r = expect(reader, YAML_DOCUMENT_END_EVENT, fields_wanted);
	if (r == 0)
		r = expect(reader, YAML_STREAM_END_EVENT,
			   "a second document begins; write one file for each job");
	return r;
}

int jobfile_parse_yaml(struct jobspec *spec, const char *text, size_t len, const char *filename,
		       int64_t now_ns, struct err *err)
{
	_cleanup_(reader_finish) struct reader reader = {
		.spec = spec,
		.filename = filename,
		.now_ns = now_ns,
		.err = err,
	};
	int r = jobfile_check_text(text, len, filename, err);

	if (!yaml_parser_initialize(&reader.parser))
		abort();
	if (r < 0)
		return r;
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
	return read_file_events(&reader);
}
