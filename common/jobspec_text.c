/* SPDX-License-Identifier: MIT */
/*
 * Fields of a job from text: the command line, #TGPU and #SBATCH lines, scalars of a YAML file.
 *
 * Invariants: text is never guessed at: what is not wholly a value of the field's type is refused.
 * Deliberately not here: splitting text into options (cli/, jobfile_script.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/jobspec_internal.h"
#include "common/utf8.h"

static int set_integer(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       struct err *err)
{
	int64_t value;
	int r = parse_int64(text, INT64_MIN, INT64_MAX, &value);

	if (r == -ERANGE)
		value = text[0] == '-' ? INT64_MIN : INT64_MAX;
	else if (r < 0)
		return jobspec_refuse(field, text, "is not a whole number", err);
	return jobspec_put_integer(spec, field, value, text, err);
}

static int set_bool(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		    struct err *err)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		bool is_yes = strcasecmp(text, yes[i]) == 0;

		if (!is_yes && strcasecmp(text, no[i]) != 0)
			continue;
		jobspec_put_bool(spec, field, is_yes);
		return 0;
	}
	return jobspec_refuse(field, text, "is neither true nor false", err);
}

/* The daemon has another directory than the submitter, so a path leaves here absolute. */
static int set_cwd(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		   struct err *err)
{
	_cleanup_(free_ptr) char *here = NULL, *path = NULL;

	if (text[0] == '/' || text[0] == '\0')
		return jobspec_put_string(spec, field, text, strlen(text), err);
	here = getcwd(NULL, 0);
	if (!here || here[0] != '/')
		return jobspec_refuse(field, text,
				      "is relative, and the directory you are in is gone", err);
	path = STREQ(text, ".") ? xstrdup(here) : xasprintf("%s/%s", here, text);
	return jobspec_put_string(spec, field, path, strlen(path), err);
}

static int set_env(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		   struct err *err)
{
	const char *equals = strchr(text, '='), *value = equals ? equals + 1 : getenv(text);
	_cleanup_(free_ptr) char *name = xstrndup(text, strcspn(text, "="));

	if (!value)
		return jobspec_refuse(field, text, "is not set here, so it cannot be copied", err);
	return jobspec_set_env(spec, name, value, strlen(value), err);
}

int jobspec_set_text(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		     int64_t now_ns, struct err *err)
{
	switch (field->type) {
	case JOBSPEC_INTEGER: return set_integer(spec, field, text, err);
	case JOBSPEC_BOOL: return set_bool(spec, field, text, err);
	case JOBSPEC_BYTES: return jobspec_put_bytes(spec, field, text, err);
	case JOBSPEC_DURATION: return jobspec_put_duration(spec, field, text, err);
	case JOBSPEC_TIME: return jobspec_put_time(spec, field, text, now_ns, err);
	case JOBSPEC_SIGNAL: return jobspec_put_signal(spec, field, text, err);
	case JOBSPEC_EVENTS: return jobspec_put_events(spec, field, text, err);
	case JOBSPEC_COMMAND: return jobspec_put_shell(spec, text, strlen(text), err);
	case JOBSPEC_ENV: return set_env(spec, field, text, err);
	case JOBSPEC_STRING: break;
	}
	if (field->offset == offsetof(struct jobspec, cwd))
		return set_cwd(spec, field, text, err);
	return jobspec_put_string(spec, field, text, strlen(text), err);
}

/* Slurm's users mean minutes by a bare number, and a job that ends after 30 s has lost its work. */
static int check_unit(const struct jobspec_field *field, const char *text, struct err *err)
{
	size_t digits = strspn(text, "0123456789");

	if (field->type != JOBSPEC_DURATION || !field->sbatch || digits == 0 || text[digits] ||
	    strspn(text, "0") == digits)
		return 0;
	return err_set(err, -EINVAL, "%s: \"%.20s\" has no unit; write %.20ss or %.20sm",
		       field->key, text, text, text);
}

int jobspec_set_option(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       int64_t now_ns, struct err *err)
{
	struct jobspec_field option = *field;
	char spelled[64];

	snprintf(spelled, sizeof(spelled), "--%s", field->option);
	option.key = spelled;
	if (check_unit(&option, text, err) < 0)
		return -EINVAL;
	return jobspec_set_text(spec, &option, text, now_ns, err);
}

static int set_words(struct jobspec *spec, const struct jobspec_field *field, char *const *words,
		     size_t n, struct err *err)
{
	jobspec_clear_words(spec);
	for (size_t i = 0; i < n; i++) {
		int r = jobspec_add_word(spec, field, words[i], strlen(words[i]), err);

		if (r < 0)
			return r;
	}
	return 0;
}

const char *jobspec_shell_word(const char *word)
{
	if (strncmp(word, "cmd=", 4) == 0)
		return word + 4;
	return strncmp(word, "command=", 8) == 0 ? word + 8 : NULL;
}

int jobspec_set_command_words(struct jobspec *spec, char *const *words, size_t n, struct err *err)
{
	const struct jobspec_field *field = jobspec_field_by_key("command");
	const char *shell = n > 0 ? jobspec_shell_word(words[0]) : NULL;

	if (spec->script)
		return set_words(spec, &jobspec_args_field, words, n, err);
	if (shell) {
		if (n > 1)
			return jobspec_refuse(field, words[1],
					      "follows cmd=..., which is a whole command; put both "
					      "into one pair of quotes",
					      err);
		return jobspec_put_shell(spec, shell, strlen(shell), err);
	}
	if (n > 0 && words[0][0] == '\0')
		return jobspec_refuse(field, words[0], "is no program", err);
	jobspec_clear_command(spec);
	return set_words(spec, field, words, n, err);
}
