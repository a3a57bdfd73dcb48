/* SPDX-License-Identifier: MIT */
/*
 * Growing byte buffer.
 *
 * Invariants: data is NULL or data[len] == '\0'. Growth doubles, so n appends cost O(n) in all.
 * Deliberately no bound of its own: whoever reads from outside bounds what it appends.
 */
#include "common/buf.h"

#include <stdlib.h>

void buf_finish(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
	xgrow(&buf->data, &buf->capacity, buf->len + len + 1, 1);
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap, again;
	int need;

	va_start(ap, fmt);
	va_copy(again, ap);
	need = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (need > 0) {
		xgrow(&buf->data, &buf->capacity, buf->len + (size_t)need + 1, 1);
		vsnprintf(buf->data + buf->len, (size_t)need + 1, fmt, again);
		buf->len += (size_t)need;
	}
	va_end(again);
}

const char *buf_get(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
	char *text = buf->data ? TAKE_PTR(buf->data) : xstrdup("");

	*buf = (struct buf){0};
	return text;
}
