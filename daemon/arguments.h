/* SPDX-License-Identifier: MIT */
/* The command line of tgpud: one table, which its parser, its help and its manual page read. */
#pragma once

#include "common/options.h"

/* The options, without --help. */
extern const struct option_desc arguments_table[];
extern const size_t arguments_count;

/* What was asked for. Texts are borrowed from argv; NULL: not given. */
struct arguments {
	bool system;
	const char *config, *trace;
	bool check;		 /* say whether it could start, and do not */
	const char *check_store; /* the directory whose store is to be checked instead */
	int ready_fd;		 /* -1: none */
};

/* What arguments_parse() has done. */
enum arguments_outcome {
	ARGUMENTS_GIVEN = 0,
	ARGUMENTS_ANSWERED = 1, /* help or the version is printed: nothing is left to do */
};

/*
 * Read argv, of which the first is the program. One of arguments_outcome, or -EINVAL with a
 * sentence.
 */
int arguments_parse(int argc, char **argv, struct arguments *ret_arguments, struct err *err);
