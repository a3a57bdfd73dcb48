/* SPDX-License-Identifier: MIT */
/*
 * What jobspec's own files share: one checked setter for each kind of value. Text and JSON differ
 * only in how they get at the value; what is allowed and how it is refused is decided here, once.
 */
#pragma once

#include "common/jobspec.h"

#define JOBSPEC_PATH_MAX     4096
#define JOBSPEC_GPU_TYPE_MAX 64
#define JOBSPEC_ENV_NAME_MAX 256
/* Linux takes no longer word in an argument list or environment (MAX_ARG_STRLEN, with its NUL). */
#define JOBSPEC_WORD_MAX 131071

/* Refuse: `key: "text" <what>; write for example key: example`. Returns -EINVAL. */
int jobspec_refuse(const struct jobspec_field *field, const char *text, const char *what,
		   struct err *err);

/* The field for what is not in the table of fields, so that it is refused in the same words. */
extern const struct jobspec_field jobspec_script_field, jobspec_args_field, jobspec_umask_field;

/* Check and set. `text` of put_string has `len` bytes and may hold a NUL, which is refused. */
int jobspec_put_integer(struct jobspec *spec, const struct jobspec_field *field, int64_t value,
			const char *text, struct err *err);
int jobspec_put_string(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       size_t len, struct err *err);
int jobspec_put_bytes(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		      struct err *err);
int jobspec_put_duration(struct jobspec *spec, const struct jobspec_field *field, const char *text,
			 struct err *err);
int jobspec_put_time(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		     int64_t now_ns, struct err *err);
int jobspec_put_signal(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       struct err *err);
int jobspec_put_events(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       struct err *err);
void jobspec_put_bool(struct jobspec *spec, const struct jobspec_field *field, bool value);

/* "TERM", or the number as text where the signal has no name. */
const char *jobspec_signal_name(int signal, char buf[16]);

/* Is this usable as one word of a command, a shell string, or a variable's value? */
int jobspec_check_word(const struct jobspec_field *field, const char *text, size_t len,
		       struct err *err);

/* Set what runs; each replaces what was set before. */
int jobspec_put_shell(struct jobspec *spec, const char *text, size_t len, struct err *err);
int jobspec_put_script(struct jobspec *spec, const char *text, size_t len, struct err *err);

/* Forget both the words and the string for the shell. */
void jobspec_clear_command(struct jobspec *spec);

/* Forget the words, or add one; `argv` stays NULL-terminated. For "command" and "args". */
void jobspec_clear_words(struct jobspec *spec);
int jobspec_add_word(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		     size_t len, struct err *err);

/* Forget the environment, or add a variable known not to be there yet. */
void jobspec_clear_env(struct jobspec *spec);
int jobspec_append_env(struct jobspec *spec, const char *name, const char *value, size_t len,
		       struct err *err);

/* The name of a job that runs `path`: its last part, made fit to be a name. And of one that was
 * given none, by what it runs. Heap, owned by the caller. */
char *jobspec_name_from(const char *path);
char *jobspec_default_name(const struct jobspec *spec);
