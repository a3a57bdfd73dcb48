/* SPDX-License-Identifier: MIT */
/*
 * uthash, set up once for all: a hash that takes eight bytes at a time, because most keys are a few
 * numbers; and running out of memory aborts like everywhere else.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* The low bits decide: multiplying brings every bit of a word up, and they are folded down. */
static inline uint32_t hash_key(const void *key, size_t len)
{
	const char *at = key;
	uint64_t hash = len, word = 0;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = hash_word(hash, word);
	}
	word = 0;
	memcpy(&word, at, len);
	return (uint32_t)hash_word(hash, word);
}

#define HASH_FUNCTION(key, len, ret_hash) ((ret_hash) = hash_key(key, len))
#define uthash_malloc(sz)		  xmalloc(sz)
#define uthash_fatal(msg)		  abort()
#include <uthash.h>
