/* SPDX-License-Identifier: MIT */
/*
 * Columns, bars, line breaks.
 *
 * Invariants: what is appended is exactly as wide as was asked, so that columns stay columns
 * whatever a job is called; no control character passes, nor one that turns the direction.
 * Deliberately not: format.c's cutting, which knows no locale, for tgpu does not load one.
 * Bound: wcwidth() is what the C library thinks of a character; a terminal may differ.
 */
#include "cli/top_text.h"

#include <stdlib.h>
#include <wchar.h>

#include "common/utf8.h"

/* One character: its bytes, its columns, and whether it can be shown. */
struct glyph {
	size_t len;
	size_t columns;
	bool shown;
};

static struct glyph glyph_at(const char *text)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t len = mbrtowc(&wide, text, strlen(text), &state);
	int columns;

	if (len == 0 || len > MB_CUR_MAX)
		return (struct glyph){1, 1, false};
	columns = wcwidth(wide);
	if (columns < 0 || utf8_control_length(text) > 0)
		return (struct glyph){len, 1, false};
	return (struct glyph){len, (size_t)columns, true};
}

size_t top_text_width(const char *text)
{
	size_t columns = 0;

	while (*text) {
		struct glyph glyph = glyph_at(text);

		text += glyph.len;
		columns += glyph.columns;
	}
	return columns;
}

static void append_glyph(struct buf *buf, const char *text, struct glyph glyph)
{
	if (glyph.shown)
		buf_append(buf, text, glyph.len);
	else
		buf_putc(buf, '?');
}

/* Append the characters that fit into `width` columns; the columns that they take. */
static size_t append_start(struct buf *buf, const char *text, size_t width)
{
	size_t columns = 0;

	while (*text) {
		struct glyph glyph = glyph_at(text);

		if (columns + glyph.columns > width)
			break;
		append_glyph(buf, text, glyph);
		text += glyph.len;
		columns += glyph.columns;
	}
	return columns;
}

static void append_blanks(struct buf *buf, size_t n)
{
	buf_printf(buf, "%*s", (int)n, "");
}

void top_text_fit(struct buf *buf, const char *text, size_t width, bool right)
{
	size_t columns = top_text_width(text);

	if (width == 0)
		return;
	if (columns > width) {
		columns = append_start(buf, text, width - 1);
		buf_putc(buf, '+');
		append_blanks(buf, width - 1 - columns);
		return;
	}
	if (right)
		append_blanks(buf, width - columns);
	append_start(buf, text, width);
	if (!right)
		append_blanks(buf, width - columns);
}

/* Blocks of 1/8 to 7/8, then full, from U+258F down to U+2588. */
static void bar_utf8(struct buf *buf, unsigned permille, size_t width)
{
	static const char *const parts[] = {"\u2591", "\u258f", "\u258e", "\u258d", "\u258c",
					    "\u258b", "\u258a", "\u2589", "\u2588"};
	size_t eighths = (permille * width * 8 + 500) / 1000;

	if (permille > 0 && eighths == 0)
		eighths = 1;
	for (size_t i = 0; i < width; i++) {
		size_t here = eighths > 8 ? 8 : eighths;

		buf_puts(buf, parts[here]);
		eighths -= here;
	}
}

static void bar_ascii(struct buf *buf, unsigned permille, size_t width)
{
	size_t full = (permille * (width - 2) + 500) / 1000;

	buf_putc(buf, '[');
	for (size_t i = 0; i < width - 2; i++)
		buf_putc(buf, i < full ? '#' : ' ');
	buf_putc(buf, ']');
}

void top_text_bar(struct buf *buf, unsigned permille, size_t width, bool utf8)
{
	permille = permille > 1000 ? 1000 : permille;
	if (utf8)
		bar_utf8(buf, permille, width);
	else if (width > 2)
		bar_ascii(buf, permille, width);
	else
		append_blanks(buf, width);
}

size_t top_text_wrap(const char **text, size_t width)
{
	const char *start = *text, *at = start, *blank = NULL;
	size_t columns = 0;

	while (*at && *at != '\n') {
		struct glyph glyph = glyph_at(at);

		if (columns + glyph.columns > width && at > start)
			break;
		if (*at == ' ' && at > start)
			blank = at;
		columns += glyph.columns;
		at += glyph.len;
	}
	if (!*at || *at == '\n' || *at == ' ')
		blank = at;
	*text = blank ? blank + (*blank != '\0') : at;
	return (size_t)((blank ? blank : at) - start);
}
