/* SPDX-License-Identifier: MIT */
/* Exit codes of tgpu: one table for the code, the help and the docs. */
#pragma once

#include <stddef.h>

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DAEMON = 3,
	EXIT_NOT_FOUND = 4,
	EXIT_NOT_PERMITTED = 5,
	EXIT_TIMEOUT = 124,	 /* as timeout(1) */
	EXIT_NOT_RUNNABLE = 126, /* as sh(1): the job's program is there and cannot be run */
	EXIT_CANNOT_START = 127, /* as sh(1): the job's program is not there */
};

struct exit_meaning {
	enum exit_code code;
	int error; /* the negative errno that ends in this code; 0: none does */
	const char *meaning;
};

/* How the codes of `run` and `wait` differ, one sentence. */
extern const char exit_of_jobs[];

/* The table; *ret_n entries, ascending. */
const struct exit_meaning *exit_meanings(size_t *ret_n);

/* What a command that failed with this negative errno returns; EXIT_FAILED unless the table knows.
 */
int exit_code_of_error(int error);
