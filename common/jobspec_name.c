/* SPDX-License-Identifier: MIT */
/*
 * The name of a job that was given none: what runs, as a person would call it.
 *
 * "python train.py" is train.py and "uv run train.py" too, because a list of jobs that are all
 * called python tells nothing, and because jobs of one name are taken to run equally long. Known
 * launchers are looked through, up to a word that is a script or a module; of a shell command, what
 * stands before the program ("A=1", "cd dir &&"). What is not understood is called by its first
 * word.
 */
#include "common/jobspec_internal.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/utf8.h"

#define WORDS_MAX 64 /* of a shell command that are looked at */

/* What is run by what: words before the script. */
static const struct launcher {
	const char *program;	/* begins with this, and a version may follow */
	const char *subcommand; /* must follow; NULL: none */
	bool any_word; /* the first word that is no option is it; else only a script's name */
} launchers[] = {
	{"python", NULL, true},	    {"bash", NULL, true},      {"sh", NULL, true},
	{"zsh", NULL, true},	    {"dash", NULL, true},      {"perl", NULL, true},
	{"ruby", NULL, true},	    {"Rscript", NULL, true},   {"julia", NULL, true},
	{"node", NULL, true},	    {"torchrun", NULL, false}, {"accelerate", "launch", false},
	{"deepspeed", NULL, false}, {"uv", "run", true},       {"poetry", "run", true},
	{"mpirun", NULL, false},    {"time", NULL, true},      {"nohup", NULL, true},
	{"nice", NULL, false},	    {"env", NULL, false},      {"stdbuf", NULL, false},
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Is it that program, in any version ("python3.11")? */
static bool is_program(const char *word, const char *program)
{
	const char *base = base_of(word);
	size_t len = strlen(program);

	return strncmp(base, program, len) == 0 &&
	       base[len + strspn(base + len, "0123456789.")] == '\0';
}

static bool is_script(const char *word)
{
	static const char *const ends[] = {".py", ".sh", ".R", ".r", ".jl", ".pl", ".rb", ".js"};
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (len > strlen(ends[i]) && STREQ(word + len - strlen(ends[i]), ends[i]))
			return true;
	return false;
}

static const struct launcher *find_launcher(char *const *words, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(launchers); i++) {
		const struct launcher *launcher = &launchers[i];

		if (is_program(words[0], launcher->program) &&
		    (!launcher->subcommand || (n > 1 && STREQ(words[1], launcher->subcommand))))
			return launcher;
	}
	return NULL;
}

/* The word that a launcher runs: of a module its name, of code in the command (-c) nothing. */
static const char *launched(const struct launcher *launcher, char *const *words, size_t n)
{
	for (size_t i = launcher->subcommand ? 2 : 1; i < n; i++) {
		if (STREQ(words[i], "-c"))
			return NULL;
		if (STREQ(words[i], "-m"))
			return i + 1 < n ? words[i + 1] : NULL;
		if (is_script(words[i]) || (launcher->any_word && words[i][0] != '-'))
			return words[i];
	}
	return NULL;
}

/* The word that says best what these run. */
static const char *pick(char *const *words, size_t n)
{
	const struct launcher *launcher = find_launcher(words, n);
	const char *word = launcher ? launched(launcher, words, n) : NULL;

	/* "uv run python train.py": what is launched launches. */
	for (size_t i = 1; word && i < n; i++)
		if (words[i] == word && find_launcher(words + i, n - i))
			return pick(words + i, n - i);
	return word ? word : words[0];
}

static bool ends_command(const char *word)
{
	return strpbrk(word, ";|&<>()") != NULL;
}

/* Where the program stands in the words of a shell command: behind settings and "cd DIR &&". */
static size_t find_program(char *const *words, size_t n)
{
	size_t at = 0;

	while (at + 1 < n && strchr(words[at], '='))
		at++;
	if (at + 3 < n && STREQ(words[at], "cd") && STREQ(words[at + 2], "&&"))
		return at + 3 + find_program(words + at + 3, n - at - 3);
	return at;
}

/* Owned by the caller. Quotes are not understood: a name needs no more than its words. */
static char *name_of_shell(const char *command)
{
	_cleanup_(free_ptr) char *copy = xstrdup(command);
	char *words[WORDS_MAX], *rest = copy, *word;
	size_t n = 0, at, end;

	while (n < WORDS_MAX && (word = strsep(&rest, " \t\n")))
		if (*word)
			words[n++] = word;
	if (n == 0)
		return xstrdup("");
	at = find_program(words, n);
	for (end = at + 1; end < n && !ends_command(words[end]); end++)
		;
	return xstrdup(pick(words + at, end - at));
}

char *jobspec_name_from(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t left = strlen(base);
	struct buf name = {0};

	while (left > 0) {
		char one[5] = {0};
		size_t n = utf8_sequence(base, left), width = n ? n : 1;

		if (name.len + width > JOBSPEC_NAME_MAX)
			break;
		memcpy(one, base, width);
		buf_puts(&name, n == 0 || utf8_has_control(one) ? "?" : one);
		base += width;
		left -= width;
	}
	if (name.len == 0)
		buf_puts(&name, "job");
	return buf_take(&name);
}

char *jobspec_default_name(const struct jobspec *spec)
{
	_cleanup_(free_ptr) char *shell = spec->command ? name_of_shell(spec->command) : NULL;

	if (spec->script)
		return jobspec_name_from("script");
	return jobspec_name_from(shell ? shell : pick(spec->argv, spec->n_argv));
}
