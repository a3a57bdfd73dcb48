/* SPDX-License-Identifier: MIT */
/* "Did you mean ...?" for mistyped keys, options and verbs. */
#pragma once

#include "common/util.h"

/*
 * The one of `n` names that `word` was most likely meant to be, or NULL when none is near. Borrowed
 * from `names`. Near is an edit distance (insert, delete, change, swap of neighbours) of at most a
 * third of the word (rounded up where it begins with the same letter), or a name of which the word
 * is a part. Earlier names win ties.
 */
const char *suggest_closest(const char *word, const char *const *names, size_t n);
