/* SPDX-License-Identifier: MIT */
/*
 * Text for people beside the code for programs.
 *
 * Functions return 0, a negative errno (unexpected; forward it unchanged) or a positive outcome
 * that they name. Where a person will read the failure, the function also takes a `struct err`,
 * which lives on the caller's stack; callers add their own context in front on the way up.
 * A message says what failed, on which object, why, and what to do about it.
 */
#pragma once

#include "common/util.h"

struct err {
	int code;      /* negative errno, 0 while nothing failed */
	char msg[256]; /* one sentence, no newline; cut off if longer */
};

/* Record a failure and return `code`, so that callers write `return err_set(err, -EINVAL, ...)`. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "context: " in front of the message and return err->code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
