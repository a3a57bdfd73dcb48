/* SPDX-License-Identifier: MIT */
/*
 * The job specification: what a person asked for, checked.
 *
 * Four inputs, one parser: the command line, a YAML job file, #TGPU (or #SBATCH) lines of a script
 * and JSON over the API all end in the same table of fields (jobspec.c), so a key means the same
 * and is refused with the same sentence wherever it is written. A message names the field, the
 * value and the remedy. Unknown keys, wrong types and unparsable times are refused, never dropped.
 *
 * A spec that came out of here is complete: defaults are filled in and jobspec_validate() holds.
 * What only a machine can refuse (more GPUs than any node has) is checked at submit by the daemon.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "common/err.h"

#define JOBSPEC_PRIORITY_MIN	 (-1000)
#define JOBSPEC_PRIORITY_MAX	 1000
#define JOBSPEC_GPUS_MAX	 4096
#define JOBSPEC_CPUS_MAX	 65536
#define JOBSPEC_NAME_MAX	 128 /* bytes */
#define JOBSPEC_RETRIES_MAX	 100
#define JOBSPEC_ARGS_MAX	 4096	       /* words of a command */
#define JOBSPEC_ENV_MAX		 4096	       /* variables */
#define JOBSPEC_BYTES_MAX	 (4u << 20)    /* of command, script and environment together */
#define JOBSPEC_LOG_MIN		 (64 << 10)    /* of log_max: less would be cut all the time */
#define JOBSPEC_LIMIT_MAX_S	 (366 * 86400) /* time_limit, grace */
#define JOBSPEC_GRACE_DEFAULT_MS 40000	       /* torchrun gives its workers 30 s after SIGTERM */

/* What a job's owner may want to be told of. */
enum jobspec_event {
	JOBSPEC_EVENT_START = 1, /* its program executes */
	JOBSPEC_EVENT_END = 2,	 /* it is over, however */
	JOBSPEC_EVENT_FAIL = 4,	 /* it is over and has failed */
};

struct jobspec {
	char **argv; /* owned, NULL-terminated; NULL when command is one string or a script */
	size_t n_argv;
	char *command; /* owned: one string for `sh -c`; NULL otherwise */
	char *script;  /* owned: text of a script, run with argv as its arguments; or NULL */
	char *name;    /* owned; default: base name of what runs */
	char *cwd;     /* owned, absolute; required */
	char **env;    /* owned, NULL-terminated "NAME=value" */
	size_t n_env;
	uint32_t num_gpus;	/* default 0: a job on CPUs */
	char *gpu_type;		/* owned: part of a GPU's name, without case ("a100"); NULL: any */
	uint64_t gpu_mem_bytes; /* least memory of each GPU; 0: any */
	uint32_t cpus;		/* default 1 */
	uint64_t mem_bytes;	/* host memory; 0: not asked for */
	int32_t priority;	/* larger goes first; default 0 */
	int64_t time_limit_ms;	/* 0: none */
	int64_t begin_ns;	/* wall clock, whole seconds, not before; 0: at once */
	char *after;	      /* owned: jobs whose end it waits for (jobspec_lists.h); NULL: none */
	bool cancel_if_never; /* where that can never be, it is cancelled instead of kept */
	char *array;	      /* owned: indices of its tasks (jobspec_lists.h); NULL: one job */
	bool preemptible;     /* may make room for jobs of higher priority, and begin again later */
	bool hold;	      /* wait until released */
	bool requeue;	  /* run again after the machine, runner or GPU was lost; default true */
	uint32_t retries; /* run again after a failure of its own, at most so often */
	bool unique;	  /* where a job of this user and name has not ended, that one is meant */
	int signal;	  /* how it is asked to end; default SIGTERM */
	int64_t grace_ms; /* from that signal to the kill */
	char *output; /* owned: path, relative to cwd, with %j job, %x name, %a index in its array,
			 %A first job of its array, %% ; NULL: tgpu's own log */
	char *error;  /* owned: the same; NULL: together with output */
	uint64_t log_max_bytes; /* of each log the end of about so much is kept; 0: tgpud's log_max
				 */
	uint32_t notify;	/* bits of enum jobspec_event: what its owner is told of */
	mode_t umask;		/* of the submitter; default 022 */
};

/* Fill in the defaults of an empty spec. */
void jobspec_init(struct jobspec *spec);

/* Release everything. Accepts a zeroed spec. For _cleanup_ as well. */
void jobspec_finish(struct jobspec *spec);

/* A kind of value, for help texts and for choosing the JSON type. */
enum jobspec_type {
	JOBSPEC_STRING,
	JOBSPEC_INTEGER,
	JOBSPEC_BOOL,
	JOBSPEC_BYTES,	  /* "16G"; a JSON integer is bytes */
	JOBSPEC_DURATION, /* "1h30m", "2-03:00:00"; a JSON integer is seconds */
	JOBSPEC_TIME, /* "14:05", "now+1h", "2026-01-31T09:00"; a JSON integer is seconds since 1970
		       */
	JOBSPEC_SIGNAL,	 /* "TERM", "SIGUSR1", "10" */
	JOBSPEC_EVENTS,	 /* "start,end,fail" */
	JOBSPEC_COMMAND, /* array of words, or one string */
	JOBSPEC_ENV,	 /* object; on the command line NAME=VALUE, or NAME to copy */
};

/* One field: every spelling of it and its one parser. The table is the source of help and docs. */
struct jobspec_field {
	const char *key;    /* in JSON and YAML: "num_gpus" */
	const char *option; /* on the command line and after #TGPU: "gpus" for --gpus; NULL: none */
	char letter;	    /* Slurm's letter where both have the option: 'G'; 0: none */
	const char *sbatch; /* Slurm's long option of the same meaning: "gpus"; NULL: none */
	enum jobspec_type type;
	size_t offset;	  /* of the member in struct jobspec */
	int64_t min, max; /* bounds of INTEGER; of DURATION in ms; of BYTES, where 0 is none */
	bool unlimited;	  /* of DURATION: "unlimited" and its kin say 0 */
	int (*check)(const char *text,
		     struct err *err); /* of STRING: is it well-formed? NULL: any */
	bool list;		       /* words between commas: YAML may write a list */
	const char *fixed;	       /* what to do instead of changing it; NULL: tgpu update */
	const char *metavar;	       /* "N", "SIZE", "TIME" */
	const char *example;	       /* a good value, for the remedy in messages and for docs */
	const char *help;	       /* one line */
};

/* The table; *ret_n entries, in the order in which help shows them. */
const struct jobspec_field *jobspec_fields(size_t *ret_n);
const struct jobspec_field *jobspec_field_by_key(const char *key);
const struct jobspec_field *jobspec_field_by_option(const char *option);

/*
 * The field that goes by this name, whoever's it is: key, option or Slurm's, with '_' or '-', or
 * the "cmd" of a command line; NULL. For suggestions: a job is not read by it.
 */
const struct jobspec_field *jobspec_field_by_any_name(const char *name);

/*
 * Refuse `key`, which is no field: -EINVAL with "unknown key ..." and the nearest one. Suggests
 * from keys and options, so that "gpus" in a YAML file finds num_gpus.
 */
int jobspec_refuse_key(const char *key, struct err *err);

/*
 * Set one field from text (command line, directives, YAML scalars). `now_ns` is the wall clock, for
 * relative times. 0, or -EINVAL with a sentence naming the field as `field->key`, value and remedy.
 * A BOOL given as option without value: pass "true".
 *
 * `cwd` that is relative is taken from this process's own directory, and `env` adds one variable
 * ("NAME" alone copies this process's): only programs of the submitter call this.
 */
int jobspec_set_text(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		     int64_t now_ns, struct err *err);

/*
 * The same for the option of the field (which has one), by whose name the sentence calls it. A
 * number alone is refused as --time: whoever knows Slurm means minutes by it.
 */
int jobspec_set_option(struct jobspec *spec, const struct jobspec_field *field, const char *text,
		       int64_t now_ns, struct err *err);

/* The events that an owner may hear of, ended by a NULL name. */
extern const struct jobspec_event_desc {
	const char *name;
	enum jobspec_event bit;
	const char *meaning; /* what a job does then, a few words */
} jobspec_events[];

/* A list of events as text, "start,end", and back: 0, or -EINVAL. */
int jobspec_events_parse(const char *text, uint32_t *ret_events);
const char *jobspec_events_format(uint32_t events, char buf[32]);

/* The string for a shell in a word "cmd=..." or "command=...", borrowed; NULL: it is none. */
const char *jobspec_shell_word(const char *word);

/*
 * Set the command from words of a command line: one such word is a shell string. Where a script is
 * set already, the words are its arguments.
 */
int jobspec_set_command_words(struct jobspec *spec, char *const *words, size_t n, struct err *err);

/* Add or replace one variable. `value` has `len` bytes. -EINVAL with a sentence. */
int jobspec_set_env(struct jobspec *spec, const char *name, const char *value, size_t len,
		    struct err *err);

/*
 * Set one field, or all keys of an object, from JSON. Unknown keys are refused. Beside the fields
 * there are three keys that only programs write: "script" (a string), "args" (its arguments, an
 * array of strings) and "umask" (octal, a string such as "022"). "env" replaces all variables.
 */
int jobspec_set_json(struct jobspec *spec, const struct jobspec_field *field, const json_t *value,
		     int64_t now_ns, struct err *err);
int jobspec_from_json(struct jobspec *spec, const json_t *object, int64_t now_ns, struct err *err);

/* The complete spec as a JSON object (new reference); jobspec_from_json() reads it back unchanged.
 */
json_t *jobspec_to_json(const struct jobspec *spec);

/*
 * Check the whole: something to run, an absolute cwd, bounds that span fields. Fills in the default
 * name. 0, or -EINVAL with a sentence.
 */
int jobspec_validate(struct jobspec *spec, struct err *err);

/* Which job a path is expanded for. */
struct jobspec_identity {
	uint64_t job;
	uint64_t array;	      /* the first job of its array; 0: of none */
	uint32_t array_index; /* 0 without an array */
};

/*
 * The path of an output file: %j the job's id, %x its name (with '_' for '/'), %a its index in its
 * array, %A its array's first job (its own without an array), %% a percent sign; relative to cwd.
 * Heap, owned by the caller. The spec must be valid.
 */
char *jobspec_expand_path(const struct jobspec *spec, const char *pattern,
			  const struct jobspec_identity *identity);

/*
 * What runs, as one line to be shown: words are quoted where a shell would need it, control
 * characters are shown as '?'. Cut to some 200 bytes. Heap, owned by the caller.
 */
char *jobspec_describe_command(const struct jobspec *spec);
