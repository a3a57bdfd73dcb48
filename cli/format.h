/* SPDX-License-Identifier: MIT */
/* Text for a terminal: aligned tables, colours, names of users, text that cannot harm. */
#pragma once

#include <stdio.h>
#include <sys/types.h>

#include "common/buf.h"

enum format_colour {
	COLOUR_NONE,
	COLOUR_BOLD,
	COLOUR_DIM,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
	COLOUR_CYAN,
};

/* Whether stdout wants colours: a terminal, no NO_COLOR in the environment, TERM not "dumb". */
bool format_wants_colour(void);

/* Columns of the terminal on stdout; 0 when it is none. */
size_t format_width(void);

/* Append text with control characters, and those that turn the direction of writing, shown as '?':
 * a job's name can neither drive a terminal nor be read as another. */
void format_printable(struct buf *buf, const char *text);

/* The same for a sentence of the daemon's, which knows users by their numbers: "held by pid 812
 * (uid 1000, python)" becomes "held by pid 812 (anna, python)". */
void format_sentence(struct buf *buf, const char *sentence);

/* Columns that UTF-8 text takes; a wide character counts as one. */
size_t format_columns(const char *text);

/* Name of a user, its number when it has none. Borrowed until the program ends; looked up once. */
const char *format_user(uid_t uid);

/* Two units at most, the smaller cut off: "45s", "5m07s", "1h05m", "2d03h", "120ms". "-" below 0.
 */
const char *format_duration(int64_t ms, char buf[32]);

/* The same of a time that runs: whole seconds, "0s" at its beginning. */
const char *format_elapsed(int64_t ms, char buf[32]);

/* Energy given in millijoules, to a tenth: "60.0 J", "5.2 Wh", "1.3 kWh", "2.0 MWh". */
const char *format_energy(double mj, char buf[32]);

/* A moment in local time: "14:05" on the day of `now_ms`, else "2026-01-31 14:05". */
const char *format_time(int64_t ms, int64_t now_ms, char buf[32]);

/* The same to the second. */
const char *format_moment(int64_t ms, int64_t now_ms, char buf[32]);

/* Print one line on stdout in a colour (when wanted), made printable. */
void format_line(enum format_colour colour, const char *text);

struct table_column {
	const char *title;
	bool right;	/* align to the right: numbers */
	size_t least;	/* cut to no less when the terminal is narrow; 0: never cut */
	unsigned spare; /* where that is not enough, the highest is left out first; 0: never */
};

struct table_cell {
	char *text; /* owned, printable */
	enum format_colour colour;
};

struct table {
	const struct table_column *columns; /* borrowed */
	size_t n_columns;
	struct table_cell *cells; /* owned, row by row */
	size_t n_cells, capacity;
};

void table_init(struct table *table, const struct table_column *columns, size_t n_columns);
void table_finish(struct table *table);

/* Append one cell; rows fill from left to right. */
void table_add(struct table *table, enum format_colour colour, const char *text);
void table_addf(struct table *table, enum format_colour colour, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/*
 * Print the header and all rows, aligned, cut to `width` columns where that can be. 0: nothing is
 * cut; a value above 40 columns pushes the rest of its row to the right.
 */
void table_print(const struct table *table, FILE *out, size_t width, bool colours);
