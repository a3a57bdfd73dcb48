/* SPDX-License-Identifier: MIT */
/*
 * Which jobs wait for the end of others.
 *
 * A job that depends on others is not in the queue until all its dependencies hold. One that can
 * never hold (it wanted a success and there was a failure) is remembered as such, so that somebody
 * can be told. A parent that begins again has not ended, so nothing is decided by an attempt that
 * is repeated.
 */
#pragma once

#include "scheduler/job.h"

enum depend_kind {
	DEPEND_OK,     /* afterok: all of them finished with exit code 0 */
	DEPEND_ANY,    /* afterany: all of them are over, however */
	DEPEND_NOT_OK, /* afternotok: all of them failed or were cancelled */
};

/* On the jobs first .. last. */
struct depend_edge {
	enum depend_kind kind;
	uint64_t first, last;
	uint64_t open; /* how many of these have not ended yet */
};

enum depend_state {
	DEPEND_MET,   /* nothing is waited for (any more) */
	DEPEND_WAITS, /* for the end of others */
	DEPEND_NEVER, /* one dependency can never hold */
};

struct depend;

struct depend *depend_create(void);
void depend_destroy(struct depend *depend);

/* Does an end hold what this kind of dependency wants? */
bool depend_holds(enum depend_kind kind, bool ok);

/*
 * A job depends on others. The edges are copied; their `open` counts those parents that have not
 * ended, and `culprit` is one that has ended otherwise than was wanted (0: none). Returns the
 * state; a job whose dependencies are met is not remembered.
 */
enum depend_state depend_add(struct depend *depend, uint64_t job, const struct depend_edge *edges,
			     size_t n, uint64_t culprit);

enum depend_state depend_state(const struct depend *depend, uint64_t job);

/* What a job depends on; NULL when it is not remembered. Borrowed. */
const struct depend_edge *depend_edges(const struct depend *depend, uint64_t job, size_t *ret_n);

/* The parent because of which it can never start; 0: there is none. */
uint64_t depend_culprit(const struct depend *depend, uint64_t job);

/* How many jobs are remembered. */
size_t depend_count(const struct depend *depend);

/* It is gone (cancelled). Harmless when it is not there. */
void depend_remove(struct depend *depend, uint64_t job);

/*
 * The jobs first .. last have ended for good, all with exit code 0 or none of them. `changed` is
 * called for each job whose state is another now: DEPEND_MET (and it is forgotten) or DEPEND_NEVER.
 * It may not call back into here. O(dependent jobs).
 */
void depend_end(struct depend *depend, uint64_t first, uint64_t last, bool ok,
		void (*changed)(void *ctx, uint64_t job, enum depend_state state), void *ctx);
