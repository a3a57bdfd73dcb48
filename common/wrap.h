/* SPDX-License-Identifier: MIT */
#pragma once

#include "common/util.h"

#define WRAP_WIDTH 80 /* of the narrowest terminal that people use */

/* Print words of `text`, which starts at column `at`, and a newline, in lines of at most WRAP_WIDTH
 * columns; the lines behind the first are indented by `indent`. For ASCII. */
void wrap_print(FILE *out, const char *text, size_t at, size_t indent);
