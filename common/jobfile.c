/* SPDX-License-Identifier: MIT */
/*
 * What both kinds of job files need: the check of their text, and places in messages.
 *
 * Invariants: behind jobfile_check_text() a text is at most JOBFILE_MAX bytes of UTF-8 without a
 * NUL. Read next: jobfile_yaml.c, jobfile_script.c.
 */
#include <errno.h>

#include "common/jobfile_internal.h"
#include "common/utf8.h"

/* Longer file names lose their front: the message behind them matters more. */
#define NAME_SHOWN 80

int jobfile_wrap(struct err *err, const char *filename, size_t line)
{
	size_t len = strlen(filename);
	const char *dots = len > NAME_SHOWN ? "..." : "";

	return err_wrap(err, "%s%s:%zu", dots,
			len > NAME_SHOWN ? filename + len - NAME_SHOWN : filename, line);
}

static size_t line_of(const char *text, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

static int refuse(const char *text, size_t at, const char *filename, const char *what,
		  struct err *err)
{
	err_set(err, -EINVAL, "%s", what);
	jobfile_wrap(err, filename, line_of(text, at));
	return -EINVAL;
}

int jobfile_check_text(const char *text, size_t len, const char *filename, struct err *err)
{
	if (len > JOBFILE_MAX)
		return refuse(text, 0, filename,
			      "the file has more than 4 MiB; keep data elsewhere", err);
	for (size_t at = 0, n; at < len; at += n) {
		n = utf8_sequence(text + at, len - at);
		if (n == 0)
			return refuse(text, at, filename,
				      "a byte is not UTF-8; save the file as UTF-8", err);
		if (text[at] == '\0')
			return refuse(
				text, at, filename,
				"a NUL byte; this is no text file, and to run a program write "
				"tgpu submit -- PROGRAM",
				err);
	}
	return 0;
}
