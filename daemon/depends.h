/* SPDX-License-Identifier: MIT */
/* The daemon's side of dependencies: from a spec's `after` to scheduler/depend.h, and back to jobs
 * that may run now, or never. */
#pragma once

#include "daemon/daemon.h"

/* What `after` comes to by now. */
struct depends {
	struct depend_edge *edges; /* owned */
	size_t n;
	uint64_t culprit; /* has ended otherwise than was wanted; 0: none */
};

/*
 * Find out whether a job of this id may wait for those that `after` names (NULL: none), and how far
 * they have come. 0, to be finished by the caller; -EINVAL with a sentence without the field's
 * name: malformed, or there is no such job; another -errno with a sentence: the store cannot be
 * read, and nobody knows. Changes nothing. Reads the store for jobs that have ended: O(jobs named).
 */
int depends_find(struct daemon *daemon, const char *after, uint64_t id, struct depends *ret_depends,
		 struct err *err);
void depends_finish(struct depends *depends);

/* The job waits from now on for those, and for no others. Its place in the queue is the caller's
 * business. To be called in the turn in which they were found. */
enum job_dependence depends_set(struct daemon *daemon, uint64_t id, const struct depends *depends);

/* Both, by record->after. As depends_find(). */
int depends_add(struct daemon *daemon, const struct record *record,
		enum job_dependence *ret_dependence, struct err *err);

/* A part of a job that was split waits for the same. */
void depends_share(struct daemon *daemon, const struct record *from, const struct record *to);

/* A record's jobs have ended for good: whoever waited for them is told within the turn. */
void depends_end(struct daemon *daemon, const struct job *job);
