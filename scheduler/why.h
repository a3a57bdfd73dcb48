/* SPDX-License-Identifier: MIT */
/*
 * Why does this job wait? Reasons with numbers and names, then sentences.
 *
 * Everything is derived from the scheduler as it stands after its last pass; nothing is kept for
 * it.
 */
#pragma once

#include "common/buf.h"
#include "scheduler/core.h"

enum why_code {
	WHY_NOT_WAITING, /* it runs or has ended */
	WHY_HELD,	 /* until a person releases it */
	WHY_BEGIN,	 /* until its begin time */
	WHY_RESOURCES,	 /* too little is free */
	WHY_ORDER,	 /* it would fit, but must not delay the job that goes first */
	WHY_UNAVAILABLE, /* not enough even if every job were gone: GPUs are lost or held by others
			  */
	WHY_STARTING,	 /* nothing stands in its way: the next pass starts it */
	WHY_CODE_COUNT,
};

/* "held", "begin", "resources", "order", "unavailable", "starting"; "none" for WHY_NOT_WAITING. */
const char *why_code_name(enum why_code code);

struct why {
	enum why_code code;
	struct request request;
	uint32_t node;	       /* where it comes closest; its numbers follow */
	unsigned gpus_suiting; /* GPUs there that match the request */
	unsigned gpus_free;    /* of those, free */
	uint64_t gpus_missing; /* slots there that match but are not free */
	uint32_t cpus_free;
	uint64_t mem_free;
	size_t ahead;	  /* waiting jobs that go first */
	uint64_t head;	  /* the job that holds the reservation; 0: none */
	int64_t begin_ns; /* WHY_BEGIN */
	int64_t start_ns; /* estimated start; TIME_UNKNOWN */
};

/* Explain one job. O(shapes x log n + nodes x GPUs). */
void sched_why(struct sched *sched, const struct job *job, int64_t now_ns, struct why *ret_why);

/* A few words for a list: "needs 4 GPUs, 3 free". */
void why_summary(const struct why *why, struct buf *out);

/*
 * All there is to say, one sentence per call: what is needed and what is free, who holds each
 * missing GPU and until when at the latest, who goes first. Times are relative to now_ns.
 */
void why_sentences(struct sched *sched, const struct why *why, int64_t now_ns,
		   void (*say)(void *ctx, const char *sentence), void *ctx);
