/* SPDX-License-Identifier: MIT */
/*
 * The option parser: one pass over argv, one table.
 *
 * Invariants: every argument ends as exactly one value or word, or the parse fails with a sentence;
 * nothing is copied, so argv must outlive the result. Job options are taken from the fields of the
 * job specification and exist nowhere else.
 * Deliberately not here: what a value means. Cost: arguments times table entries.
 */
#include "common/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "common/jobfile.h"
#include "common/suggest.h"
#include "common/wrap.h"

#define NAME_WIDTH 26 /* of the column that the explanations start after */

/* What is left of the command line. */
struct cursor {
	char **argv;
	int n;
};

static enum option_kind kind_of_field(const struct jobspec_field *field)
{
	return field->type == JOBSPEC_BOOL ? OPTION_SWITCH : OPTION_VALUE;
}

static void add_job_options(struct options *options)
{
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n; i++)
		if (fields[i].option && (options->job == OPTIONS_JOB_ALL || !fields[i].fixed))
			options->table[options->n_table++] = (struct option_desc){
				.name = fields[i].option,
				.letter = fields[i].letter,
				.kind = kind_of_field(&fields[i]),
				.metavar = fields[i].metavar,
				.help = fields[i].help,
				.field = &fields[i],
			};
}

void options_init(struct options *options, const struct option_desc *own, size_t n,
		  enum options_job job)
{
	static const struct option_desc help = {"help",		  'h', OPTION_FLAG, NULL,
						"show this help", NULL};
	size_t n_fields;

	jobspec_fields(&n_fields);
	*options = (struct options){
		.job = job,
		.table = xcalloc(n + n_fields + 1, sizeof(*options->table)),
	};
	if (job != OPTIONS_JOB_NONE)
		add_job_options(options);
	for (size_t i = 0; i < n; i++)
		options->table[options->n_table++] = own[i];
	options->table[options->n_table++] = help;
}

void options_finish(struct options *options)
{
	free(options->table);
	free(options->values);
	free(options->words);
	*options = (struct options){0};
}

const struct option_desc *options_find(const struct options *options, const char *name, size_t len)
{
	for (size_t i = 0; i < options->n_table; i++)
		if (strlen(options->table[i].name) == len &&
		    strncmp(options->table[i].name, name, len) == 0)
			return &options->table[i];
	return NULL;
}

static const struct option_desc *find_letter(const struct options *options, char letter)
{
	for (size_t i = 0; i < options->n_table; i++)
		if (options->table[i].letter == letter)
			return &options->table[i];
	return NULL;
}

static bool is_switch(const struct options *options, const char *name)
{
	return options_find(options, name, strlen(name))->kind == OPTION_SWITCH;
}

static const struct jobspec_field *field_by_letter(char letter)
{
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; letter && i < n; i++)
		if (fields[i].letter == letter)
			return &fields[i];
	return NULL;
}

/*
 * Of a name (or a letter, where it is NULL) that means something of a job, though not here: one
 * that cannot be changed, another name for an option of ours, an option of Slurm's. -EINVAL with
 * the sentence; 0: it is none of these.
 */
static int advise(const struct options *options, const char *name, char letter, struct err *err)
{
	bool negated = name && strncmp(name, "no-", 3) == 0;
	const struct jobspec_field *field =
		name ? jobspec_field_by_any_name(negated ? name + 3 : name)
		     : field_by_letter(letter);

	if (options->job == OPTIONS_JOB_NONE)
		return 0;
	if (field && field->fixed && options->job == OPTIONS_JOB_CHANGE)
		return err_set(err, -EINVAL, "--%s cannot be changed; %s", field->option,
			       field->fixed);
	if (field && field->option && !negated)
		return err_set(err, -EINVAL, "there is no option --%s; did you mean --%s?", name,
			       field->option);
	if (field && !negated)
		return err_set(err, -EINVAL,
			       "there is no option --%s; a %s goes after \"--\": -- %s", name,
			       field->key, field->example);
	return jobfile_sbatch_advise(name, letter, err);
}

static int unknown(const struct options *options, const char *name, size_t len, struct err *err)
{
	_cleanup_(free_ptr) const char **names = xcalloc(options->n_table, sizeof(*names));
	_cleanup_(free_ptr) char *word = xstrndup(name, len);
	bool negated = strncmp(word, "no-", 3) == 0;
	const char *close;

	for (size_t i = 0; i < options->n_table; i++)
		names[i] = options->table[i].name;
	if (advise(options, word, 0, err) < 0)
		return -EINVAL;
	close = suggest_closest(negated ? word + 3 : word, names, options->n_table);
	if (close)
		return err_set(err, -EINVAL, "there is no option --%s; did you mean --%s%s?", word,
			       negated && is_switch(options, close) ? "no-" : "", close);
	return err_set(err, -EINVAL, "there is no option --%s; see --help", word);
}

static void keep(struct options *options, const struct option_desc *desc, const char *text)
{
	options->values[options->n_values++] = (struct option_value){desc, text};
}

/* The value of `desc` when it was not glued to the option: the next argument. */
static int next_value(struct options *options, const struct option_desc *desc, struct cursor *rest,
		      struct err *err)
{
	if (rest->n == 0)
		options->pending = desc;
	if (rest->n == 0 || STREQ(rest->argv[0], "--"))
		return err_set(err, -EINVAL, "--%s needs a value; write --%s %s", desc->name,
			       desc->name, desc->metavar ? desc->metavar : "VALUE");
	keep(options, desc, rest->argv[0]);
	rest->argv++;
	rest->n--;
	return 0;
}

static int parse_long(struct options *options, const char *name, struct cursor *rest,
		      struct err *err)
{
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_desc *desc = options_find(options, name, len), *positive;

	if (!desc && !equals && strncmp(name, "no-", 3) == 0) {
		positive = options_find(options, name + 3, len - 3);
		if (positive && positive->kind == OPTION_SWITCH) {
			keep(options, positive, "false");
			return 0;
		}
	}
	if (!desc)
		return unknown(options, name, len, err);
	if (equals && desc->kind == OPTION_FLAG)
		return err_set(err, -EINVAL, "--%s takes no value; write --%s alone", desc->name,
			       desc->name);
	if (!equals && desc->kind == OPTION_VALUE)
		return next_value(options, desc, rest, err);
	keep(options, desc, equals ? equals + 1 : "true");
	return 0;
}

/* Nearly always the wrong case: -g for -G. */
static int unknown_letter(const struct options *options, char letter, struct err *err)
{
	const struct option_desc *other = find_letter(options, (char)(letter ^ 0x20));

	if (advise(options, NULL, letter, err) < 0)
		return -EINVAL;
	if (other && isalpha((unsigned char)letter))
		return err_set(err, -EINVAL, "there is no option -%c; did you mean -%c (--%s)?",
			       letter, other->letter, other->name);
	return err_set(err, -EINVAL, "there is no option -%c; see --help", letter);
}

static int parse_letters(struct options *options, const char *letters, struct cursor *rest,
			 struct err *err)
{
	for (const char *at = letters; *at; at++) {
		const struct option_desc *desc = find_letter(options, *at);

		if (!desc)
			return unknown_letter(options, *at, err);
		if (desc->kind == OPTION_VALUE && at[1] == '\0')
			return next_value(options, desc, rest, err);
		if (desc->kind == OPTION_VALUE) {
			keep(options, desc, at + 1);
			return 0;
		}
		keep(options, desc, "true");
	}
	return 0;
}

static void keep_words(struct options *options, struct cursor *rest)
{
	while (rest->n > 0) {
		options->words[options->n_words++] = *rest->argv++;
		rest->n--;
	}
}

/* At most one value per letter of a cluster, and one word per argument. */
static void allocate(struct options *options, int argc, char **argv)
{
	size_t n = 1;

	for (int i = 0; i < argc; i++)
		n += strlen(argv[i]) + 1;
	options->values = xcalloc(n, sizeof(*options->values));
	options->words = xcalloc((size_t)argc + 1, sizeof(*options->words));
}

int options_parse(struct options *options, int argc, char **argv, bool stop_at_word,
		  struct err *err)
{
	struct cursor rest = {argv, argc};
	int r = 0;

	allocate(options, argc, argv);
	while (rest.n > 0 && !options->dashes && r == 0) {
		const char *arg = rest.argv[0];

		if (stop_at_word && (arg[0] != '-' || arg[1] == '\0'))
			break;
		rest.argv++;
		rest.n--;
		options->dashes = STREQ(arg, "--");
		if (options->dashes)
			options->n_plain = options->n_words;
		else if (strncmp(arg, "--", 2) == 0)
			r = parse_long(options, arg + 2, &rest, err);
		else if (arg[0] == '-' && arg[1])
			r = parse_letters(options, arg + 1, &rest, err);
		else
			options->words[options->n_words++] = rest.argv[-1];
	}
	if (r < 0)
		return r;
	keep_words(options, &rest);
	if (!options->dashes)
		options->n_plain = options->n_words;
	return 0;
}

bool options_has(const struct options *options, const char *name)
{
	return options_get(options, name) != NULL;
}

const char *options_get(const struct options *options, const char *name)
{
	for (size_t i = options->n_values; i-- > 0;)
		if (STREQ(options->values[i].desc->name, name))
			return options->values[i].text;
	return NULL;
}

static void print_option(FILE *out, const struct option_desc *desc)
{
	char left[128];
	char letter[8] = "    ";
	int len;

	if (desc->letter)
		snprintf(letter, sizeof(letter), "-%c, ", desc->letter);
	if (desc->kind == OPTION_VALUE)
		len = snprintf(left, sizeof(left), "%s--%s %s", letter, desc->name,
			       desc->metavar ? desc->metavar : "VALUE");
	else
		len = snprintf(left, sizeof(left), "%s--%s%s", letter,
			       desc->kind == OPTION_SWITCH ? "[no-]" : "", desc->name);
	fprintf(out, "  %-*s ", NAME_WIDTH, left);
	if (len > NAME_WIDTH)
		fprintf(out, "\n%*s", NAME_WIDTH + 3, "");
	wrap_print(out, desc->help, NAME_WIDTH + 3, NAME_WIDTH + 3);
}

void options_print(const struct options *options, FILE *out, bool job)
{
	for (size_t i = 0; i < options->n_table; i++)
		if ((options->table[i].field != NULL) == job)
			print_option(out, &options->table[i]);
}
