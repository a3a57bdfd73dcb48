/* SPDX-License-Identifier: MIT */
/*
 * Why does this job wait? A reason, with numbers (in words: why_text.h).
 *
 * Everything is derived from the scheduler as it stands after its last pass; nothing is kept for
 * it.
 */
#pragma once

#include "scheduler/depend.h"
#include "scheduler/forecast.h"

enum why_code {
	WHY_NOT_WAITING, /* it runs or has ended */
	WHY_HELD,	 /* until a person releases it */
	WHY_DEPENDENCY,	 /* until other jobs have ended */
	WHY_NEVER,	 /* for what can never be: a job that it wanted to succeed has failed */
	WHY_BEGIN,	 /* until its begin time */
	WHY_LIMIT,	 /* its user has as much running as one user may */
	WHY_ARRAY,	 /* as many tasks of its array run as may */
	WHY_RESOURCES,	 /* too little is free */
	WHY_ORDER,	 /* it would fit, but must not delay the job that goes first */
	WHY_WINDOW,	 /* it would fit, but on GPUs that are reserved for others in its time */
	WHY_UNAVAILABLE, /* not enough even if every job were gone: GPUs are lost or held by others
			  */
	WHY_STARTING,	 /* nothing stands in its way: the next pass starts it */
	WHY_CODE_COUNT,
};

/* "held", "dependency", "never", "begin", "limit", "array", "resources", "order", "reserved",
 * "unavailable", "starting"; "none" for WHY_NOT_WAITING. */
const char *why_code_name(enum why_code code);

struct why {
	enum why_code code;
	uint64_t job;
	struct request request;
	uint32_t uid;
	int64_t end_ns;		/* when it would be over, if it started now; TIME_NEVER */
	enum sched_bound bound; /* WHY_LIMIT, WHY_ARRAY */
	uint32_t node;		/* where it comes closest; its numbers follow */
	unsigned gpus_suiting;	/* GPUs there that match the request */
	unsigned gpus_free;	/* of those, free */
	uint64_t gpus_missing;	/* slots there that match but are not free */
	uint32_t cpus_free;
	uint64_t mem_free;
	size_t ahead;	  /* by sched_advise(): waiting jobs that go first */
	uint64_t head;	  /* the job that holds the reservation; 0: none */
	int64_t begin_ns; /* WHY_BEGIN */
	int64_t now_ns;	  /* when it was asked */
	int32_t priority;
	struct depend_edge parents; /* WHY_DEPENDENCY: the first that it waits for; first 0: not
				       asked for */
	uint64_t culprit;	    /* WHY_NEVER: because of whom; 0: not asked for */
	int64_t start_ns;	    /* estimated start; TIME_UNKNOWN */
	bool not_estimated;  /* for the caller to set: it stands too far back for an estimate */
	uint32_t preempted;  /* how often it has made room for others */
	uint32_t fewer_gpus; /* the same: with so many it would start now; 0: no number helps */
	int64_t shorter_ns;  /* with a time limit of so much it would start now; 0: none helps */
};

/* Explain one job in a few words: enough for why_summary() (why_text.h), and cheap enough for each
 * of a list. O(running + nodes x GPUs). */
void sched_why(struct sched *sched, const struct job *job, int64_t now_ns, struct why *ret_why);

/* Find out besides for whom it waits, or because of whom in vain. O(log n). */
void sched_why_depends(const struct depend *depend, struct why *why);

/* The same as sched_why() of the first `max` entries of the queue, in order (of several jobs that
 * are alike, the first stands for all). Returns how many there are. */
size_t sched_why_first(struct sched *sched, int64_t now_ns, size_t max, struct why *ret_whys);

/* Find out besides how many go first, and what would help: fewer GPUs, a shorter limit. With that
 * there is enough for why_sentences() there. O(shapes x log n), and O(GPUs) placements more. */
void sched_advise(struct sched *sched, const struct job *job, int64_t now_ns, struct why *why);
