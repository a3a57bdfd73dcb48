/* SPDX-License-Identifier: MIT */
/*
 * Directives at the head of a script: #TGPU lines, and #SBATCH lines where the meaning is the same.
 *
 * Invariants: a directive either takes effect, or is refused, or is named through `warn`: also one
 * that stands too late, or is almost spelled right. #SBATCH lines are applied first and #TGPU lines
 * second, so that a script can carry both and mean each scheduler's own.
 * Deliberately not here: what an option means (jobspec's table, jobfile_sbatch.c).
 * Cost: linear in the script; its head is read twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "common/jobfile_internal.h"
#include "common/jobspec_internal.h"
#include "common/suggest.h"
#include "common/utf8.h"

#define TGPU_WORD   "#TGPU"
#define SBATCH_WORD "#SBATCH"
/* Words of one directive line; more is no line that a person wrote. */
#define WORDS_MAX 256

struct reader {
	struct jobspec *spec;
	const char *filename; /* borrowed */
	int64_t now_ns;
	void (*warn)(void *ctx, const char *sentence);
	void *ctx;
	size_t line; /* counted from 1 */
};

struct words {
	char *text; /* owned: the words, each with its NUL */
	char *word[WORDS_MAX];
	size_t n;
};

static void words_finish(struct words *words)
{
	free(words->text);
}

static void warn(const struct reader *reader, const char *sentence)
{
	struct err err = {0};

	if (!reader->warn)
		return;
	err_set(&err, 0, "%s", sentence);
	jobfile_wrap(&err, reader->filename, reader->line);
	reader->warn(reader->ctx, err.msg);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Move one word from *at to *to as a shell would: quotes and backslashes are taken off, the word
 * ends at a blank. False when a quote or a backslash has no other end.
 */
static bool take_word(const char **at, char **to)
{
	const char *p = *at;
	char quote = '\0', *out = *to;

	for (; *p && (quote || !is_blank(*p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && *++p == '\0')
			return false;
		*out++ = *p;
	}
	*out++ = '\0';
	*at = p;
	*to = out;
	return quote == '\0';
}

/* As in Slurm, a word that begins with '#' begins a comment. */
static int split(const char *line, struct words *words, struct err *err)
{
	char *to = xmalloc(strlen(line) + 2);

	*words = (struct words){.text = to};
	for (;;) {
		while (is_blank(*line))
			line++;
		if (*line == '\0' || *line == '#')
			return 0;
		if (words->n == WORDS_MAX)
			return err_set(err, -EINVAL,
				       "a directive of more than %d words; use several lines",
				       WORDS_MAX);
		words->word[words->n++] = to;
		if (!take_word(&line, &to))
			return err_set(err, -EINVAL,
				       "a quote or backslash at the end of the directive has no "
				       "counterpart; close it");
	}
}

/*
 * Read the option at words[*at], without a value that stands in the next word. `name` keeps the
 * long name; it is as long as the word.
 */
static int take_option(const struct words *words, size_t *at, char *name,
		       struct jobfile_option *ret_option, struct err *err)
{
	char *word = words->word[(*at)++], *equals;
	char quoted[UTF8_QUOTE_SIZE];

	*ret_option = (struct jobfile_option){0};
	if (word[0] != '-' || word[1] == '\0' || STREQ(word, "--"))
		return err_set(err, -EINVAL,
			       "%s is no option; write for example " TGPU_WORD " --gpus 2",
			       utf8_quote(word, quoted));
	if (word[1] != '-') {
		ret_option->letter = word[1];
		ret_option->value = word[2] ? word + 2 : NULL;
		return 0;
	}
	equals = strchr(word, '=');
	strcpy(name, word + 2);
	if (equals) {
		name[equals - word - 2] = '\0';
		ret_option->value = equals + 1;
	}
	ret_option->name = name;
	return 0;
}

/* "--gpus" or "-G", as it was written. */
static const char *show(const struct jobfile_option *option, char buf[UTF8_QUOTE_SIZE])
{
	if (option->name)
		snprintf(buf, UTF8_QUOTE_SIZE, "--%s", option->name);
	else
		snprintf(buf, UTF8_QUOTE_SIZE, "-%c", option->letter);
	return buf;
}

/* The value of an option that is known, from the next word where none is attached. */
static int take_value(const struct words *words, size_t *at, enum jobfile_value kind,
		      struct jobfile_option *option, struct err *err)
{
	char shown[UTF8_QUOTE_SIZE], quoted[UTF8_QUOTE_SIZE];

	if (kind == JOBFILE_VALUE_NONE && option->value)
		return err_set(err, -EINVAL, "%s takes no value; take %s away", show(option, shown),
			       utf8_quote(option->value, quoted));
	if (kind != JOBFILE_VALUE_REQUIRED || option->value)
		return 0;
	if (*at == words->n)
		return err_set(err, -EINVAL, "%s needs a value; write it behind the option",
			       show(option, shown));
	option->value = words->word[(*at)++];
	return 0;
}

static const struct jobspec_field *field_by_letter(char letter)
{
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n; i++)
		if (fields[i].letter == letter)
			return &fields[i];
	return NULL;
}

static int refuse_unknown(const struct jobfile_option *option, struct err *err)
{
	char shown[UTF8_QUOTE_SIZE], quoted[UTF8_QUOTE_SIZE];
	const char *names[64], *closest = NULL;
	size_t n, n_names = 0;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n && n_names < ARRAY_SIZE(names); i++)
		if (fields[i].option)
			names[n_names++] = fields[i].option;
	if (option->name)
		closest = suggest_closest(option->name, names, n_names);
	utf8_quote(show(option, shown), quoted);
	if (closest)
		return err_set(err, -EINVAL, TGPU_WORD " option %s is unknown; did you mean --%s?",
			       quoted, closest);
	return err_set(err, -EINVAL,
		       TGPU_WORD " option %s is unknown; \"tgpu submit --help\" lists the options",
		       quoted);
}

/* The field an option sets. `ret_no`: it was written "--no-NAME". NULL when there is none. */
static const struct jobspec_field *find_field(const struct jobfile_option *option, bool *ret_no)
{
	const struct jobspec_field *field;

	*ret_no = false;
	if (!option->name)
		return field_by_letter(option->letter);
	field = jobspec_field_by_option(option->name);
	if (field || strncmp(option->name, "no-", 3) != 0)
		return field;
	field = jobspec_field_by_option(option->name + 3);
	*ret_no = true;
	return field && field->type == JOBSPEC_BOOL ? field : NULL;
}

static int apply_tgpu(const struct reader *reader, const struct words *words, size_t *at,
		      struct jobfile_option *option, struct err *err)
{
	bool no;
	const struct jobspec_field *field = find_field(option, &no);
	enum jobfile_value kind = JOBFILE_VALUE_REQUIRED;
	int r;

	if (!field)
		return refuse_unknown(option, err);
	if (field->type == JOBSPEC_BOOL)
		kind = no ? JOBFILE_VALUE_NONE : JOBFILE_VALUE_OPTIONAL;
	r = take_value(words, at, kind, option, err);
	if (r < 0)
		return r;
	if (!option->value)
		option->value = no ? "false" : "true";
	return jobspec_set_option(reader->spec, field, option->value, reader->now_ns, err);
}

static int apply_sbatch(const struct reader *reader, const struct words *words, size_t *at,
			struct jobfile_option *option, struct err *err)
{
	enum jobfile_value kind;
	struct err ignored = {0};
	int r = jobfile_sbatch_takes(option, &kind, err);

	if (r == 0)
		r = take_value(words, at, kind, option, err);
	if (r < 0)
		return r;
	r = jobfile_sbatch_apply(reader->spec, option, reader->now_ns, &ignored);
	if (r == JOBFILE_SBATCH_IGNORED)
		warn(reader, ignored.msg);
	else if (r < 0 && err)
		*err = ignored;
	return r < 0 ? r : 0;
}

/* One directive line, behind its first word. */
static int apply_line(const struct reader *reader, const char *text, bool sbatch, struct err *err)
{
	_cleanup_(words_finish) struct words words = {0};
	_cleanup_(free_ptr) char *name = xmalloc(strlen(text) + 1);
	struct jobfile_option option;
	size_t at = 0;
	int r = split(text, &words, err);

	while (r == 0 && at < words.n) {
		r = take_option(&words, &at, name, &option, err);
		if (r < 0)
			break;
		r = sbatch ? apply_sbatch(reader, &words, &at, &option, err)
			   : apply_tgpu(reader, &words, &at, &option, err);
	}
	return r < 0 ? jobfile_wrap(err, reader->filename, reader->line) : 0;
}

/* The text behind `word` where the line is such a directive, else NULL. */
static const char *directive(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 && (line[len] == '\0' || is_blank(line[len]))
		       ? line + len
		       : NULL;
}

/*
 * "# TGPU --gpus 2", "#tgpu --gpus 2": comments that were most likely meant to be more. "##TGPU" is
 * how people switch a directive off.
 */
static bool is_near_directive(const char *line)
{
	const char *word;

	if (line[0] != '#' || directive(line, TGPU_WORD))
		return false;
	word = line + 1 + strspn(line + 1, " \t");
	return strncasecmp(word, &TGPU_WORD[1], 4) == 0 && is_blank(word[4]) &&
	       word[4 + strspn(word + 4, " \t")] == '-';
}

static bool is_head(const char *line)
{
	line += strspn(line, " \t");
	return *line == '\0' || *line == '#';
}

/*
 * Walk the lines once, applying the directives of one kind at the head. The walk for #TGPU also
 * names what looks like a directive and is none.
 */
static int walk(struct reader *reader, const char *text, bool sbatch, struct err *err)
{
	const char *wanted = sbatch ? SBATCH_WORD : TGPU_WORD;
	bool head = true;

	reader->line = 0;
	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_(free_ptr) char *line = xstrndup(text, len);
		const char *options = directive(line, wanted);
		int r = 0;

		text += len + (text[len] == '\n');
		reader->line++;
		head = head && is_head(line);
		if (options && head)
			r = apply_line(reader, options, sbatch, err);
		else if (options)
			warn(reader, "this directive stands behind the first command and has no "
				     "effect; move it up");
		else if (!sbatch && head && is_near_directive(line))
			warn(reader,
			     "this comment is no directive; begin the line with \"#TGPU \"");
		if (r < 0)
			return r;
	}
	return 0;
}

static int refuse_script(const char *filename, const char *what, struct err *err)
{
	err_set(err, -EINVAL, "%s", what);
	jobfile_wrap(err, filename, 1);
	return -EINVAL;
}

static int check_script(const char *script, const char *filename, struct err *err)
{
	if (strncmp(script, "#!", 2) != 0)
		return refuse_script(filename,
				     "the first line does not name an interpreter; begin the "
				     "script with #!/bin/sh",
				     err);
	if (strstr(script, "\r\n"))
		return refuse_script(filename,
				     "lines end in CR LF, which no interpreter takes; convert the "
				     "script with dos2unix",
				     err);
	return 0;
}

int jobfile_parse_script(struct jobspec *spec, const char *text, size_t len, const char *filename,
			 int64_t now_ns, void (*warn_fn)(void *ctx, const char *sentence),
			 void *ctx, struct err *err)
{
	struct reader reader = {spec, filename, now_ns, warn_fn, ctx, 0};
	_cleanup_(free_ptr) char *script = NULL;
	int r = jobfile_check_text(text, len, filename, err);

	if (r < 0)
		return r;
	script = xstrndup(text, len);
	r = check_script(script, filename, err);
	if (r == 0)
		r = jobspec_put_script(spec, script, len, err);
	if (r < 0)
		return r;
	if (!spec->name)
		spec->name = jobspec_name_from(filename);
	r = walk(&reader, script, true, err);
	return r < 0 ? r : walk(&reader, script, false, err);
}
