/* SPDX-License-Identifier: MIT */
/* A verb of tgpu-sim: everything that is known of it, in one constant. */
#pragma once

#include "common/options.h"

#define EXIT_USAGE 2

struct sim_command {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	const char *details; /* more lines for its help; NULL: none */
	const char *examples;
	const struct option_desc *options;
	size_t n_options;
	bool takes_words; /* false: words are an error */
	/* Do it. 0, or a negative errno with a sentence; -EINVAL: it was called wrongly. */
	int (*run)(const struct options *options, struct err *err);
};

extern const struct sim_command command_replay, command_verify, command_policies, command_formats;
