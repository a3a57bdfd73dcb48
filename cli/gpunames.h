/* SPDX-License-Identifier: MIT */
/* GPUs as a command line names them: `3`, `gpu3`, `2,3`, `0-3`, a UUID, `all`. */
#pragma once

#include <jansson.h>

#include "common/err.h"

/*
 * Append the names in `word` to the array `names`, as the API takes them: one GPU each, or "all". A
 * range is of indices, with or without "gpu" before them. Whether these GPUs exist, the daemon
 * knows. 0, or -EINVAL with a sentence.
 */
int gpunames_add(json_t *names, const char *word, struct err *err);
