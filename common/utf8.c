/* SPDX-License-Identifier: MIT */
/*
 * UTF-8: well-formedness, control characters, quoting for messages.
 *
 * Invariants: utf8_quote() never writes a control character or one that turns the direction, half a
 * sequence or more than UTF8_QUOTE_SIZE bytes, whatever it is given; so no message can move a
 * terminal's cursor. Deliberately not here: widths, case, normalisation. Cost: linear, no
 * allocation.
 */
#include "common/utf8.h"

/* Room for the closing quote, the dots and the NUL behind the last character. */
#define QUOTE_TAIL sizeof("...\"")

static bool is_continuation(const unsigned char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t utf8_sequence(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;

	if (len == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	if (at[0] < 0xe0)
		return len >= 2 && is_continuation(at + 1, 1) ? 2 : 0;
	if (at[0] < 0xf0) {
		if (len < 3 || !is_continuation(at + 1, 2))
			return 0;
		if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
			return 0;
		return 3;
	}
	if (len < 4 || !is_continuation(at + 1, 3))
		return 0;
	if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return 4;
}

bool utf8_is_valid(const char *text, size_t len)
{
	while (len > 0) {
		size_t n = utf8_sequence(text, len);

		if (n == 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

/* Is the sequence at `text` a control character? C1 is U+0080..U+009F, that is 0xc2 0x80..0x9f. */
static bool is_control(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

size_t utf8_control_length(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	if (at[0] && (at[0] < 0x20 || at[0] == 0x7f))
		return 1;
	if (at[0] == 0xc2)
		return at[1] >= 0x80 && at[1] < 0xa0 ? 2 : 0;
	if (at[0] == 0xd8)
		return at[1] == 0x9c ? 2 : 0; /* U+061C */
	if (at[0] != 0xe2)
		return 0;
	if (at[1] == 0x80) /* U+200E, U+200F, U+202A to U+202E */
		return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae) ? 3 : 0;
	return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9 ? 3 : 0; /* U+2066 to U+2069 */
}

bool utf8_has_control(const char *text)
{
	for (; *text; text++)
		if (is_control(text))
			return true;
	return false;
}

const char *utf8_quote(const char *text, char buf[UTF8_QUOTE_SIZE])
{
	size_t left = strnlen(text, UTF8_QUOTE_SIZE), at = 0;

	buf[at++] = '"';
	while (left > 0) {
		size_t n = utf8_sequence(text, left), width = n ? n : 1;

		if (at + width + QUOTE_TAIL > UTF8_QUOTE_SIZE) {
			memcpy(buf + at, "...", 3);
			at += 3;
			break;
		}
		if (n == 0 || utf8_control_length(text) > 0)
			buf[at++] = '?';
		else
			at = (size_t)((char *)mempcpy(buf + at, text, n) - buf);
		text += width;
		left -= width;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
