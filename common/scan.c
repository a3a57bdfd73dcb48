/* SPDX-License-Identifier: MIT */
/* What the parsers of durations, times and sizes have in common. */
#include "common/scan.h"

#include <strings.h>

bool scan_number(const char **at, int64_t *ret_value)
{
	int64_t value = 0;
	const char *p = *at;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			return false;
	*at = p;
	*ret_value = value;
	return true;
}

bool scan_digits(const char **at, int digits, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < digits; i++) {
		if ((*at)[i] < '0' || (*at)[i] > '9')
			return false;
		value = value * 10 + ((*at)[i] - '0');
	}
	*at += digits;
	*ret_value = value;
	return true;
}

bool scan_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

bool scan_word(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

void scan_blanks(const char **at)
{
	*at += strspn(*at, " ");
}
