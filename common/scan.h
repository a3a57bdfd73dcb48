/* SPDX-License-Identifier: MIT */
/* Reading a text from left to right: each takes what it names at *at and moves behind it. */
#pragma once

#include "common/util.h"

/* Decimal digits. False when there are none, or more than an int64_t holds. */
bool scan_number(const char **at, int64_t *ret_value);

/* Exactly `digits` digits, as in dates. */
bool scan_digits(const char **at, int digits, int *ret_value);

bool scan_char(const char **at, char c);

/* These letters, large or small. */
bool scan_word(const char **at, const char *word);

/* Any number of blanks, also none. */
void scan_blanks(const char **at);
