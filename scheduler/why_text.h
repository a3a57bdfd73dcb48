/* SPDX-License-Identifier: MIT */
/* What scheduler/why.h found out, in words: a few for a list, or all there is to say. */
#pragma once

#include "common/buf.h"
#include "scheduler/depend.h"
#include "scheduler/why.h"

/* A few words for a list: "needs 4 GPUs, 3 free". */
void why_summary(const struct why *why, struct buf *out);

/*
 * All there is to say, one sentence per call: what is needed and what is free, who holds each
 * missing GPU and until when at the latest, who goes first, when it will start, what would help.
 * Times are relative to now_ns. `depend` tells what it depends on; NULL: nothing.
 */
void why_sentences(struct sched *sched, const struct why *why, const struct depend *depend,
		   int64_t now_ns, void (*say)(void *ctx, const char *sentence), void *ctx);
