/* SPDX-License-Identifier: MIT */
/*
 * Sets of job ids as sorted ranges.
 *
 * Invariants: ranges ascend, are disjoint and do not touch ("1-2,3" is kept as 1-3), so there is
 * one way to write a set and idset_parse(idset_format(s)) == s. Every id is 1..IDSET_ID_MAX: what a
 * double, and so every reader of JSON, holds exactly.
 * Deliberately not here: selectors such as "last" or "--me", which need the queue.
 * Cost: has O(log n), add O(n), parse O(n log n) for n ranges, however they are ordered.
 */
#include "common/idset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/utf8.h"

#define IDSET_ID_MAX (UINT64_C(1) << 53)

/* The first range that ends at `id` or behind it; n_ranges when there is none. */
static size_t find(const struct idset *set, uint64_t id)
{
	size_t low = 0, high = set->n_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_range(uint64_t first, uint64_t last)
{
	return first >= 1 && first <= last && last <= IDSET_ID_MAX;
}

static void reserve(struct idset *set, size_t need)
{
	xgrow(&set->ranges, &set->capacity, need, sizeof(*set->ranges));
}

void idset_finish(struct idset *set)
{
	free(set->ranges);
	*set = (struct idset){0};
}

int idset_add(struct idset *set, uint64_t first, uint64_t last)
{
	size_t from, to;

	if (!is_range(first, last))
		return -EINVAL;
	/* [from, to) are the ranges that overlap or touch the new one. */
	from = find(set, first - 1);
	for (to = from; to < set->n_ranges && set->ranges[to].first <= last + 1; to++) {
		first = set->ranges[to].first < first ? set->ranges[to].first : first;
		last = set->ranges[to].last > last ? set->ranges[to].last : last;
	}
	if (from == to && set->n_ranges == IDSET_RANGES_MAX)
		return -E2BIG;
	reserve(set, set->n_ranges + 1);
	memmove(set->ranges + from + 1, set->ranges + to,
		(set->n_ranges - to) * sizeof(*set->ranges));
	set->ranges[from] = (struct idrange){first, last};
	set->n_ranges = set->n_ranges - (to - from) + 1;
	return 0;
}

bool idset_has(const struct idset *set, uint64_t id)
{
	size_t at = find(set, id);

	return at < set->n_ranges && set->ranges[at].first <= id;
}

bool idset_first_part(const struct idset *set, const struct idrange *range,
		      struct idrange *ret_part)
{
	size_t at = find(set, range->first);
	struct idrange part;

	if (at == set->n_ranges || set->ranges[at].first > range->last)
		return false;
	part = set->ranges[at];
	part.first = part.first > range->first ? part.first : range->first;
	part.last = part.last < range->last ? part.last : range->last;
	*ret_part = part;
	return true;
}

bool idset_last_part(const struct idset *set, const struct idrange *range, struct idrange *ret_part)
{
	size_t at = find(set, range->last);
	struct idrange part;

	if (at == set->n_ranges || set->ranges[at].first > range->last) {
		if (at == 0)
			return false;
		at--;
	}
	part = set->ranges[at];
	if (part.last < range->first)
		return false;
	part.first = part.first > range->first ? part.first : range->first;
	part.last = part.last < range->last ? part.last : range->last;
	*ret_part = part;
	return true;
}

uint64_t idset_count(const struct idset *set)
{
	uint64_t count = 0;

	for (size_t i = 0; i < set->n_ranges; i++)
		if (__builtin_add_overflow(count, set->ranges[i].last - set->ranges[i].first + 1,
					   &count))
			return UINT64_MAX;
	return count;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct idrange *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Bring ranges written in any order into the one order that the other functions rely on. */
static void normalise(struct idset *set)
{
	size_t kept = 0;

	qsort(set->ranges, set->n_ranges, sizeof(*set->ranges), compare_ranges);
	for (size_t i = 1; i < set->n_ranges; i++) {
		struct idrange *last = &set->ranges[kept], next = set->ranges[i];

		if (next.first > last->last + 1)
			set->ranges[++kept] = next;
		else if (next.last > last->last)
			last->last = next.last;
	}
	set->n_ranges = kept + 1;
}

/* One id, digits only. Moves *at behind it. */
static bool take_id(const char **at, uint64_t *ret_id)
{
	uint64_t id = 0;
	const char *p = *at;

	for (; *p >= '0' && *p <= '9'; p++) {
		id = id * 10 + (uint64_t)(*p - '0');
		if (id > IDSET_ID_MAX)
			return false;
	}
	if (p == *at || id == 0)
		return false;
	*at = p;
	*ret_id = id;
	return true;
}

static bool take_range(const char **at, struct idrange *ret_range)
{
	if (!take_id(at, &ret_range->first))
		return false;
	ret_range->last = ret_range->first;
	if (**at != '-')
		return true;
	++*at;
	return take_id(at, &ret_range->last);
}

int idset_parse(const char *text, struct idset *ret_set, struct err *err)
{
	_cleanup_(idset_finish) struct idset set = {0};
	char quoted[UTF8_QUOTE_SIZE];
	const char *at = text;

	do {
		struct idrange range;

		if (!take_range(&at, &range) || (*at && *at != ','))
			return err_set(err, -EINVAL,
				       "%s is not a list of job ids; write for example 12 or 1,3-5",
				       utf8_quote(text, quoted));
		if (range.first > range.last)
			return err_set(err, -EINVAL,
				       "%s: the range %" PRIu64 "-%" PRIu64
				       " runs backwards; write %" PRIu64 "-%" PRIu64,
				       utf8_quote(text, quoted), range.first, range.last,
				       range.last, range.first);
		if (set.n_ranges == IDSET_RANGES_MAX)
			return err_set(
				err, -EINVAL,
				"%s names more than %d ranges of job ids; name them in parts",
				utf8_quote(text, quoted), IDSET_RANGES_MAX);
		reserve(&set, set.n_ranges + 1);
		set.ranges[set.n_ranges++] = range;
	} while (*at++ == ',');
	normalise(&set);
	*ret_set = set;
	set = (struct idset){0};
	return 0;
}

void idrange_format(struct buf *buf, const struct idrange *range)
{
	buf_printf(buf, "%" PRIu64, range->first);
	if (range->last > range->first)
		buf_printf(buf, "-%" PRIu64, range->last);
}

char *idset_format(const struct idset *set)
{
	struct buf buf = {0};

	for (size_t i = 0; i < set->n_ranges; i++) {
		if (i > 0)
			buf_putc(&buf, ',');
		idrange_format(&buf, &set->ranges[i]);
	}
	return buf_take(&buf);
}
