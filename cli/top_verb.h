/* SPDX-License-Identifier: MIT */
/* Other verbs of tgpu, run on one job, or on tasks of an array, from within `tgpu top`: `tgpu why
 * 12` and its kin. */
#pragma once

#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/idset.h"

struct top_verb {
	pid_t pid;	 /* 0: none runs */
	int fd;		 /* what it prints, when it runs */
	struct buf text; /* what it has printed on stdout and stderr */
};

#define TOP_VERB_OVER 1

/* Run `tgpu VERB IDS`; none may run already. 0, or -errno with a sentence. */
int top_verb_start(struct top_verb *verb, const char *tgpu, const char *name,
		   const struct idrange *jobs, struct err *err);

/* Read once fd is readable. 0: there is more to come; TOP_VERB_OVER: ->text is complete. */
int top_verb_read(struct top_verb *verb);

/* Let go of it, killed if it still runs. Accepts a zeroed one. */
void top_verb_finish(struct top_verb *verb);

/*
 * Run `tgpu logs -f ID` on the terminal until it ends and a key is pressed, q is, or a signal
 * arrives at `signals` (a non-blocking signalfd). The terminal must not be in curses' hands.
 * *ret_signal is that signal, 0 for none. 0, or -errno with a sentence. Blocks.
 */
int top_verb_follow(const char *tgpu, uint64_t id, int signals, int *ret_signal, struct err *err);
