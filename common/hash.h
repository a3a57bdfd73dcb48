/* SPDX-License-Identifier: MIT */
/*
 * uthash, set up once for all: FNV, because its default falls through cases in a way of which Clang
 * warns; and running out of memory aborts like everywhere else.
 */
#pragma once

#include <stdlib.h>

#include "common/util.h"

#define HASH_FUNCTION	  HASH_FNV
#define uthash_malloc(sz) xmalloc(sz)
#define uthash_fatal(msg) abort()
#include <uthash.h>
