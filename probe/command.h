/* SPDX-License-Identifier: MIT */
/* Runs a program that may hang, and collects what it prints. */
#pragma once

#include <sys/types.h>

#include "common/err.h"

#define COMMAND_ABSENT 1 /* no such program on PATH */

struct command {
	pid_t stuck; /* a run that did not even die of SIGKILL; 0: none. Zero-initialise. */
};

/*
 * Run argv (looked up on PATH) with LC_ALL=C and without input, for at most timeout_ms. Its
 * standard output, up to `max` bytes, becomes *ret_text (owned by the caller), its exit code
 * *ret_code (128 + the signal it died of). 0; COMMAND_ABSENT; -ETIMEDOUT, -EFBIG or another error
 * with a sentence. While an earlier run is stuck nothing is started: -EBUSY.
 */
int command_run(struct command *command, char *const argv[], int timeout_ms, size_t max,
		char **ret_text, int *ret_code, struct err *err);
