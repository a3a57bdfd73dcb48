/* SPDX-License-Identifier: MIT */
/* The daemon's side of dependencies: from a spec's `after` to scheduler/depend.h, and back to jobs
 * that may run now, or never. */
#pragma once

#include "daemon/daemon.h"

/*
 * A job waits from now on for those that record->after names (NULL: none), and for no others. Its
 * place in the queue is the caller's business. 0, or -EINVAL with a sentence without the field's
 * name: malformed, or there is no such job. Reads the store for jobs that have ended: O(jobs
 * named).
 */
int depends_add(struct daemon *daemon, const struct record *record,
		enum job_dependence *ret_dependence, struct err *err);

/* May a job of this id wait for those that `after` names? As depends_add(), but nothing is done. */
int depends_check(struct daemon *daemon, const char *after, uint64_t id, struct err *err);

/* A part of a job that was split waits for the same. */
void depends_share(struct daemon *daemon, const struct record *from, const struct record *to);

/* A record's jobs have ended for good: whoever waited for them is told within the turn. */
void depends_end(struct daemon *daemon, const struct job *job);
