/* SPDX-License-Identifier: MIT */
/*
 * struct err: one code and one sentence.
 *
 * Invariants: msg is always terminated; a sentence too long is cut at the end, never at the front.
 * Cost: no allocation. `err` may be NULL where the caller does not care for the text.
 */
#include "common/err.h"

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
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
	return err->code;
}
