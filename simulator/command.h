/* SPDX-License-Identifier: MIT */
/* A verb of tgpu-sim: everything that is known of it, in one constant. */
#pragma once

#include "common/options.h"

struct sim_command {
	const char *name;
	const char *usage;    /* what follows the name */
	const char *summary;  /* one line */
	const char *details;  /* a paragraph more, not wrapped; NULL: none */
	const char *examples; /* one line each, the whole command */
	const struct option_desc *options;
	size_t n_options;
	bool takes_words; /* false: words are an error */
	/* Do it. 0, or a negative errno with a sentence; -EINVAL: it was called wrongly. */
	int (*run)(const struct options *options, struct err *err);
};

extern const struct sim_command command_replay, command_verify, command_policies, command_formats;

/* All verbs in the order of the overview; *ret_n of them. */
const struct sim_command *const *sim_commands(size_t *ret_n);
const struct sim_command *sim_command_find(const char *name);

/* The verb that somebody who wrote `word` may have meant, NULL when none is near. */
const struct sim_command *sim_command_suggest(const char *word);
