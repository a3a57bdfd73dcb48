/* SPDX-License-Identifier: MIT */
/*
 * Options of one command, GNU style, from one table that help is printed from as well.
 *
 *     --gpus 2   --gpus=2   -G 2   -G2   -aq (flags only)   -- ends the options
 *
 * No abbreviations: a script must not change its meaning when a later version adds an option.
 */
#pragma once

#include "common/err.h"

struct jobspec_field;

/* Which of a job's options a command takes. */
enum options_job {
	OPTIONS_JOB_NONE,
	OPTIONS_JOB_ALL,
	OPTIONS_JOB_CHANGE, /* those by which a waiting job is changed */
};

enum option_kind {
	OPTION_FLAG,   /* --quiet */
	OPTION_SWITCH, /* --requeue; --no-requeue or --requeue=false */
	OPTION_VALUE,  /* --gpus 2 */
};

struct option_desc {
	const char *name; /* without dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	const char *metavar;		   /* "N"; NULL for a flag */
	const char *help;		   /* one line */
	const struct jobspec_field *field; /* what a job's option sets; NULL: the command's own */
};

struct option_value {
	const struct option_desc *desc;
	const char *text; /* borrowed from argv; "true" for a flag */
};

struct options {
	enum options_job job;
	struct option_desc *table; /* owned: everything the command takes */
	size_t n_table;
	struct option_value *values; /* owned: what was given, in order */
	size_t n_values;
	char **words; /* owned array, NULL-terminated, of borrowed words that are no options */
	size_t n_words;
	size_t n_plain;			   /* this many of them stood before "--" */
	bool dashes;			   /* there was a "--" */
	const struct option_desc *pending; /* the one whose value is missing at the end; or NULL */
};

/* Make the table of a command: its own `n` entries, those of a job, and --help. */
void options_init(struct options *options, const struct option_desc *own, size_t n,
		  enum options_job job);
void options_finish(struct options *options);

/*
 * Sort argv[0..argc) into values and words. With `stop_at_word`, everything from the first word on
 * is words, so that a script's own options stay its own. 0, or -EINVAL with a sentence.
 */
int options_parse(struct options *options, int argc, char **argv, bool stop_at_word,
		  struct err *err);

/* The option whose name is the first `len` bytes of `name`, NULL when there is none. */
const struct option_desc *options_find(const struct options *options, const char *name, size_t len);

/* Was the flag given? */
bool options_has(const struct options *options, const char *name);

/* The last value given for an option, NULL when there is none. */
const char *options_get(const struct options *options, const char *name);

/* Print the help of the options: the job's when `job`, else the command's own. */
void options_print(const struct options *options, FILE *out, bool job);
