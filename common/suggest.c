/* SPDX-License-Identifier: MIT */
/*
 * The closest name, by optimal string alignment distance.
 *
 * Invariants: words longer than WORD_MAX are never matched, so the cost is bounded: WORD_MAX^2
 * steps per name and three rows on the stack. Deliberately not here: the sentence around the
 * suggestion. Source: the restricted edit distance of R. Lowrance and R. Wagner, JACM 22(2), 1975.
 */
#include "common/suggest.h"

#include <ctype.h>
#include <strings.h>

#define WORD_MAX 32
#define FAR	 (WORD_MAX + 1)

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Rows of the usual table; `before` is the row above `above`, which a swap of neighbours needs. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

/* A third of the word; rounded up where the first letter is right, which people seldom miss. */
static size_t how_far_is_near(const char *word, size_t len, const char *name)
{
	if (len < 3)
		return 1;
	return same(word[0], name[0]) ? (len + 2) / 3 : len / 3;
}

static size_t how_far(const char *word, size_t len, const char *name)
{
	size_t name_len = strlen(name), far;

	if (name_len > WORD_MAX)
		return FAR;
	far = distance(word, len, name, name_len);
	/* Part of a longer name ("limit" of "time_limit"): as good as two slips. */
	if (far > 2 && len >= 3 && strcasestr(name, word))
		far = 2;
	else if (far > how_far_is_near(word, len, name))
		far = FAR;
	return far;
}

const char *suggest_closest(const char *word, const char *const *names, size_t n)
{
	size_t len = strnlen(word, WORD_MAX + 1), best = FAR;
	const char *closest = NULL;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t far = how_far(word, len, names[i]);

		if (far < best) {
			best = far;
			closest = names[i];
		}
	}
	return closest;
}
