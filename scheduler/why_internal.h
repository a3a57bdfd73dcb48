/* SPDX-License-Identifier: MIT */
/* What why_text.c and why_gpus.c share, and nobody else. */
#pragma once

#include "common/buf.h"
#include "scheduler/why.h"

struct teller {
	struct sched *sched;
	const struct why *why;
	int64_t now_ns;
	void (*say)(void *ctx, const char *sentence);
	void *ctx;
};

/* Say a sentence. */
void why_tell(const struct teller *teller, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Append "gpu0, gpu1, gpu4-7", with this between them; "is" or "are", as it goes with these slots.
 */
void why_add_labels(struct buf *out, const struct node *node, uint64_t slots, const char *between);
const char *why_verb(uint64_t slots);

/* Who holds the missing GPUs: jobs in the order in which they will end, then what is wrong with the
 * others. */
void why_tell_holders(const struct teller *teller, const struct node *node, uint64_t missing);
