/* SPDX-License-Identifier: MIT */
/* The state of `tgpu top` that keys change, and the one table of keys. Knows no window. */
#pragma once

#include "cli/top_model.h"
#include "cli/top_verb.h"
#include "common/jobspec.h"

enum top_mode {
	TOP_LISTS,   /* keys act on the selected job */
	TOP_TEXT,    /* a text lies over the lists of jobs: the output of a verb, or the help */
	TOP_FILTER,  /* letters go into the filter */
	TOP_CONFIRM, /* y cancels the job asked about, everything else does not */
};

struct top {
	struct top_model model;
	enum top_mode mode;
	const char *tgpu; /* borrowed: the program whose verbs are run */
	int signals;	  /* borrowed: a signalfd */
	size_t page;	  /* rows of the pane in focus, or of the text */

	struct top_verb verb;
	bool verb_fills_text; /* else its first line is said */
	char title[64];	      /* of the text */
	struct buf text;
	size_t first, last; /* line of the text on top of the screen; the last that may be */

	struct idrange asked;		       /* the jobs that y cancels */
	char asked_name[JOBSPEC_NAME_MAX + 1]; /* of the first of them; "": unknown */
	char said[256];			       /* in the last line, until the next key */
	char lost[256];			       /* why there are no news; "": connected */

	bool following; /* the main loop is to hand the terminal to the log of the first of `asked`
			 */
	bool quit;
};

/* A function key of curses, told from characters by its sign. */
#define TOP_FUNCTION(key) (-(key))

/* Act on a key: a character, or TOP_FUNCTION(KEY_...). */
void top_key(struct top *top, int key);

/* The verb that a key started has ended: show what it printed. */
void top_take_verb(struct top *top);

/* Append "q quit  ? help" of the most important keys, as many as fit into `width` columns with what
 * is there; " ..." says that some do not. */
void top_key_hints(struct buf *buf, size_t width);
