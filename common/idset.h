/* SPDX-License-Identifier: MIT */
/* Sets of job ids as people write them: "12", "1,3-5", "1-1000000". */
#pragma once

#include "common/buf.h"
#include "common/err.h"

struct idrange {
	uint64_t first, last; /* inclusive, first <= last */
};

struct idset {
	struct idrange *ranges; /* owned; ascending, disjoint, not touching */
	size_t n_ranges;
	size_t capacity;
};

#define IDSET_RANGES_MAX 100000

/* Parse; ids are 1..2^53. 0 or -EINVAL with a sentence ("5-3": write 3-5). */
int idset_parse(const char *text, struct idset *ret_set, struct err *err);

void idset_finish(struct idset *set);

/* Add one range, merging. Bounds checked: 0, -EINVAL, or -E2BIG past IDSET_RANGES_MAX ranges. */
int idset_add(struct idset *set, uint64_t first, uint64_t last);

bool idset_has(const struct idset *set, uint64_t id);

/* The part of `range` that is in the set, from its first common id on: true with *ret_part, or
 * false when nothing of it is. */
bool idset_first_part(const struct idset *set, const struct idrange *range,
		      struct idrange *ret_part);

/* The same from the other end: up to its last common id. */
bool idset_last_part(const struct idset *set, const struct idrange *range,
		     struct idrange *ret_part);

/* How many ids; saturates at UINT64_MAX. */
uint64_t idset_count(const struct idset *set);

/* Append "12" or "3-5". */
void idrange_format(struct buf *buf, const struct idrange *range);

/* "1,3-5" as a heap string owned by the caller; "" for the empty set. */
char *idset_format(const struct idset *set);
