/* SPDX-License-Identifier: MIT */
/* Text from outside: is it UTF-8, is it safe to show on a terminal or in one line of a message. */
#pragma once

#include "common/util.h"

/*
 * The length in bytes (1..4) of the well-formed UTF-8 sequence at the start of `text`, 0 when there
 * is none: overlong forms, surrogates and what lies past U+10FFFF are not well-formed (RFC 3629).
 */
size_t utf8_sequence(const char *text, size_t len);

/* Are all `len` bytes well-formed UTF-8? A NUL byte counts as U+0000 and is well-formed. */
bool utf8_is_valid(const char *text, size_t len);

/* Does valid `text` hold a control character: C0 (tab and newline too), DEL or C1? */
bool utf8_has_control(const char *text);

/*
 * Bytes of the character at `text` (NUL-terminated) if a terminal would obey instead of showing it:
 * a control character as above, or one that changes the direction of what follows (U+061C, U+200E,
 * U+200F, U+202A to U+202E, U+2066 to U+2069), so that a name can be read as another. Else 0.
 */
size_t utf8_control_length(const char *text);

#define UTF8_QUOTE_SIZE 64

/*
 * `text` in double quotes for a message: one line, cut with "..." where it is long, and '?' for
 * control characters and whatever is not UTF-8. Returns `buf`.
 */
const char *utf8_quote(const char *text, char buf[UTF8_QUOTE_SIZE]);
