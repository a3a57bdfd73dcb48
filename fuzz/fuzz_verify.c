/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader of decision logs: whatever the lines say, no assert() of the scheduler fails;
 * what is refused is refused with a sentence of one line, and what differs is shown.
 */
#include <stdlib.h>

#include "simulator/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_finish) struct buf difference = {0};
	_cleanup_(close_file) FILE *in = size ? fmemopen((void *)data, size, "r") : NULL;
	struct verify_counts counts;
	struct err err = {0};
	int r;

	if (!in)
		return 0;
	r = verify_run(in, "fuzz", &counts, &difference, &err);
	if (r == 0)
		check(counts.sections > 0 && difference.len == 0);
	else
		check(err.msg[0] && !strchr(err.msg, '\n'));
	check((r == VERIFY_DIFFERS) == (difference.len > 0));
	return 0;
}
