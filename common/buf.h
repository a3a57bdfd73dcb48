/* SPDX-License-Identifier: MIT */
/* A growing byte buffer, always NUL-terminated. Zero-initialise it: `struct buf b = {0};`. */
#pragma once

#include "common/util.h"

struct buf {
	char *data; /* owned; NULL while empty, else terminated at data[len] */
	size_t len;
	size_t capacity;
};

/* Release the memory and leave an empty buffer. Accepts an empty one. For _cleanup_ as well. */
void buf_finish(struct buf *buf);

/* Forget the contents, keep the memory. */
void buf_clear(struct buf *buf);

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The contents as a string, "" while empty. Borrowed: valid until the next append. */
const char *buf_get(const struct buf *buf);

/* Hand the contents over as a heap string and leave an empty buffer. */
char *buf_take(struct buf *buf);
