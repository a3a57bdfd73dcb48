/* SPDX-License-Identifier: MIT */
/* Fuzzes id sets: sorted, disjoint, and read back from print as the same set. */
#include <stdlib.h>

#include "common/idset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free_ptr) char *text = xstrndup((const char *)data, size);
	_cleanup_(idset_finish) struct idset set = {0}, again = {0}, added = {0};
	_cleanup_(free_ptr) char *printed = NULL;
	struct err err = {0};

	if (idset_parse(text, &set, &err) < 0) {
		check(err.msg[0] != '\0' && !strchr(err.msg, '\n'));
		return 0;
	}
	check(set.n_ranges > 0 && idset_count(&set) > 0);
	for (size_t i = 0; i < set.n_ranges; i++) {
		check(set.ranges[i].first <= set.ranges[i].last);
		check(i == 0 || set.ranges[i].first > set.ranges[i - 1].last + 1);
		check(idset_has(&set, set.ranges[i].last));
		check(!idset_has(&set, set.ranges[i].last + 1));
	}
	/* From the back, so that adding has to make room and merge. */
	for (size_t i = set.n_ranges; i-- > 0;)
		check(idset_add(&added, set.ranges[i].first, set.ranges[i].last) == 0);
	printed = idset_format(&set);
	check(idset_parse(printed, &again, &err) == 0);
	check(again.n_ranges == set.n_ranges && added.n_ranges == set.n_ranges);
	check(memcmp(again.ranges, set.ranges, set.n_ranges * sizeof(*set.ranges)) == 0);
	check(memcmp(added.ranges, set.ranges, set.n_ranges * sizeof(*set.ranges)) == 0);
	return 0;
}
