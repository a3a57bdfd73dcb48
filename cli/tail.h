/* SPDX-License-Identifier: MIT */
/* A growing file, copied to a descriptor as far as it goes: one of a job's logs. */
#pragma once

#include "common/err.h"

struct tail {
	char *path;	     /* owned; NULL: nothing to read yet */
	int from;	     /* the open file; -1 while it does not exist */
	int to;		     /* borrowed: where the text goes */
	int watch;	     /* inotify watch; -1: none */
	int inotify;	     /* borrowed; -1: do not watch */
	uint64_t last_lines; /* begin with so many lines of what is there at the first look; 0: all
			      */
};

/* Copy to `to`; wake `inotify` when the file grows. */
void tail_init(struct tail *tail, int to, int inotify);
void tail_finish(struct tail *tail);

/* Read from the start of another file, after the rest of the one before. NULL or "" is none. */
int tail_set_path(struct tail *tail, const char *path, struct err *err);

/* Copy what is new. 0; -EPIPE when the reader of `to` is gone; -errno with a sentence. */
int tail_copy(struct tail *tail, struct err *err);
