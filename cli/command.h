/* SPDX-License-Identifier: MIT */
/* A verb of tgpu: everything that is known of it, in one constant. */
#pragma once

#include "cli/exit.h"
#include "common/options.h"

struct command {
	const char *name;
	const char *usage;		   /* what follows the name */
	const char *summary;		   /* one line */
	const char *details;		   /* a paragraph more, not wrapped; NULL: none */
	const char *examples;		   /* one line each, the whole command */
	const struct option_desc *options; /* its own, n_options of them */
	size_t n_options;
	enum options_job job_options; /* the options of a job that it takes as well */
	bool stop_at_word;	      /* options end at the first word */
	const char *words;  /* what its words are: "ID", "GPU", "start|stop"; NULL: it takes none */
	const char *states; /* of the jobs or GPUs that make sense as its words, for completion */
	const char *also;   /* what other programs call it, with blanks around each */

	/*
	 * Do it. Returns the exit code, or a negative errno with a sentence for stderr, from which
	 * exit_code_of_error() makes one.
	 */
	int (*run)(const struct options *options, struct err *err);
};

extern const struct command command_submit, command_run, command_list, command_show, command_why,
	command_logs, command_wait, command_cancel, command_hold, command_release, command_gpus,
	command_requeue, command_update, command_drain, command_resume, command_reserve,
	command_reservations, command_unreserve, command_daemon, command_doctor, command_top,
	command_stats, command_events, command_help;

/* All verbs in the order of the overview; *ret_n of them. */
const struct command *const *commands(size_t *ret_n);
const struct command *command_find(const char *name);

/* The verb that somebody who wrote `word` may have meant, NULL when none is near. */
const struct command *command_suggest(const char *word);

/* There is no verb `verb`: -EINVAL with a sentence that says what to write instead. */
int command_refuse(const char *verb, struct err *err);
