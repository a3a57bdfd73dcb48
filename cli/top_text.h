/* SPDX-License-Identifier: MIT */
/* Text in columns of a terminal, in the locale that setlocale() chose: wide characters take two. */
#pragma once

#include "common/buf.h"

/* Columns that text takes. What the locale cannot show counts, and is shown, as one '?'. */
size_t top_text_width(const char *text);

/*
 * Append text in exactly `width` columns: padded with blanks, on the left when `right`, or cut with
 * a '+' at its end.
 */
void top_text_fit(struct buf *buf, const char *text, size_t width, bool right);

/* Append a bar of `width` columns, `permille` (0..1000) of it full; ASCII unless `utf8`. */
void top_text_bar(struct buf *buf, unsigned permille, size_t width, bool utf8);

/*
 * The next line of wrapped text: at most `width` (> 0) columns, broken at a blank where there is
 * one. Advances *text behind it; the length of the line in bytes. At least one character is taken.
 */
size_t top_text_wrap(const char **text, size_t width);
