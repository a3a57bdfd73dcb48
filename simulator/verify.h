/* SPDX-License-Identifier: MIT */
/* A decision log of tgpud against the scheduler: told the same, does it decide the same? */
#pragma once

#include "common/buf.h"
#include "common/err.h"

struct verify_counts {
	size_t lines, sections, passes, decisions;
	size_t torn; /* lines that a daemon did not live to finish */
};

#define VERIFY_DIFFERS 1 /* the scheduler says something else */

/*
 * Feed the lines of `in`, whose name is `name`, to schedulers, one for each section. 0;
 * VERIFY_DIFFERS with a sentence, and both texts in *ret_difference; -EBADMSG with a sentence that
 * names file and line when it is no decision log; -EIO. Blocks on the disk.
 */
int verify_run(FILE *in, const char *name, struct verify_counts *ret_counts,
	       struct buf *ret_difference, struct err *err);
