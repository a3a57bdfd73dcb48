/* SPDX-License-Identifier: MIT */
/*
 * struct err: one code and one sentence.
 *
 * Invariants: msg is always terminated; a sentence too long is cut at the end, never at the front.
 * Cost: no allocation. `err` may be NULL where the caller does not care for the text.
 */
#include "common/err.h"

#include "common/utf8.h"

/* Where a sentence was cut, it ends with a whole character: texts are UTF-8. */
static void trim(struct err *err)
{
	size_t len = strlen(err->msg), at = 0;

	if (len < sizeof(err->msg) - 1)
		return;
	for (size_t n; at < len; at += n) {
		n = utf8_sequence(err->msg + at, len - at);
		if (n == 0 && len - at < 4)
			break;
		n = n ? n : 1; /* no text at all in the middle: not for us to mend */
	}
	err->msg[at] = '\0';
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	trim(err);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[sizeof(err->msg)], inner[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(inner, err->msg, sizeof(inner));
	if (snprintf(err->msg, sizeof(err->msg), "%s: %s", context, inner) < 0)
		err->msg[0] = '\0';
	trim(err);
	return err->code;
}
