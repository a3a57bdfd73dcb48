/* SPDX-License-Identifier: MIT */
/* The columns of each pane of `tgpu top`, and a stretch of rows as cells with widths. Pure. */
#pragma once

#include "cli/format.h"
#include "cli/top_model.h"

#define TOP_COLUMNS_MAX 9
#define TOP_GAP		1 /* blanks between columns */

struct top_cell {
	struct buf text; /* owned */
	int permille;	 /* of the bar in front of the text; -1: unknown, no bar */
	enum format_colour colour;
};

struct top_column {
	const char *title;
	void (*fill)(const struct top_row *row, int64_t now_ms, struct top_cell *cell);
	size_t least, most; /* columns of a narrow and of a wide screen */
	unsigned spare;	    /* the column with the highest number is left out first; 0: never */
	bool right;	    /* aligned to the right */
	bool bar;	    /* a bar before the text, as wide as there is room */
};

/* The columns of a pane; *ret_n of them. */
const struct top_column *top_columns(enum top_pane pane, size_t *ret_n);

struct top_table {
	const struct top_column *columns;
	size_t n_columns, n_rows;
	struct top_cell *cells;		     /* owned, row by row */
	size_t widths[TOP_COLUMNS_MAX];	     /* 0: left out */
	size_t text_widths[TOP_COLUMNS_MAX]; /* of the widest text: where bars end */
};

/* Fill in `n` rows and share `width` columns of the screen (0: as wide as the contents). */
void top_table_init(struct top_table *table, enum top_pane pane, const struct top_row *rows,
		    size_t n, size_t width, int64_t now_ms);
void top_table_finish(struct top_table *table);
