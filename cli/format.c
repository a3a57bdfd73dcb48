/* SPDX-License-Identifier: MIT */
/*
 * Tables and text for people.
 *
 * Invariants: what comes from jobs reaches the terminal without control characters; without a
 * terminal there are no colours and nothing is cut, so scripts see whole values.
 * Cost: a table is kept in memory until it is printed; a user's name is looked up once.
 */
#include "cli/format.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/duration.h"

#define GAP 2 /* blanks between columns */

static const char *const colour_codes[] = {
	[COLOUR_NONE] = "",	    [COLOUR_BOLD] = "\033[1m",	 [COLOUR_DIM] = "\033[2m",
	[COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
	[COLOUR_CYAN] = "\033[36m",
};

bool format_wants_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(no && no[0]) && !(term && STREQ(term, "dumb")) && isatty(STDOUT_FILENO);
}

size_t format_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

/* Length of the control character at `at` (C0, DEL, or C1 in UTF-8); 0 when it is none. */
static size_t control_length(const unsigned char *at)
{
	if (at[0] < ' ' || at[0] == 0x7f)
		return 1;
	return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

void format_printable(struct buf *buf, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t control = control_length(at);

		buf_putc(buf, control ? '?' : (char)*at);
		at += control ? control : 1;
	}
}

/* Not the first byte of a character. */
static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t format_columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += !is_continuation(*text);
	return n;
}

const char *format_user(uid_t uid)
{
	static struct known {
		uid_t uid;
		char *name;
	} * known;
	static size_t n, capacity;
	const struct passwd *entry;

	for (size_t i = 0; i < n; i++)
		if (known[i].uid == uid)
			return known[i].name;
	entry = getpwuid(uid);
	xgrow(&known, &capacity, n + 1, sizeof(*known));
	known[n].uid = uid;
	known[n].name = entry ? xstrdup(entry->pw_name) : xasprintf("%u", (unsigned)uid);
	return known[n++].name;
}

const char *format_elapsed(int64_t ms, char buf[32])
{
	return ms < 0 ? "-" : duration_format(ms / 1000 * 1000, buf);
}

void format_line(enum format_colour colour, const char *text)
{
	_cleanup_(buf_finish) struct buf line = {0};
	bool colours = colour != COLOUR_NONE && format_wants_colour();

	format_printable(&line, text);
	printf("%s%s%s\n", colours ? colour_codes[colour] : "", buf_get(&line),
	       colours ? "\033[0m" : "");
}

void table_init(struct table *table, const struct table_column *columns, size_t n_columns)
{
	*table = (struct table){.columns = columns, .n_columns = n_columns};
}

void table_finish(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = (struct table){0};
}

void table_add(struct table *table, enum format_colour colour, const char *text)
{
	_cleanup_(buf_finish) struct buf cell = {0};

	format_printable(&cell, text);
	xgrow(&table->cells, &table->capacity, table->n_cells + 1, sizeof(*table->cells));
	table->cells[table->n_cells++] = (struct table_cell){buf_take(&cell), colour};
}

void table_addf(struct table *table, enum format_colour colour, const char *fmt, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	table_add(table, colour, text);
}

/* The widths that the contents want; returns the length of a whole line. */
static size_t natural_widths(const struct table *table, size_t *widths)
{
	size_t total = 0;

	for (size_t c = 0; c < table->n_columns; c++) {
		widths[c] = format_columns(table->columns[c].title);
		for (size_t i = c; i < table->n_cells; i += table->n_columns) {
			size_t columns = format_columns(table->cells[i].text);

			widths[c] = columns > widths[c] ? columns : widths[c];
		}
		total += widths[c] + (c > 0 ? GAP : 0);
	}
	return total;
}

static void shrink_widths(const struct table *table, size_t *widths, size_t excess)
{
	for (size_t c = 0; c < table->n_columns && excess > 0; c++) {
		size_t least = table->columns[c].least;
		size_t spare = widths[c] > least ? widths[c] - least : 0;
		size_t cut = spare < excess ? spare : excess;

		if (least == 0)
			continue;
		widths[c] -= cut;
		excess -= cut;
	}
}

/* Append at most `width` columns of text; the last one is '+' when something was cut. */
static void append_cut(struct buf *line, const char *text, size_t width)
{
	size_t columns = 0;
	const char *at = text;

	if (format_columns(text) <= width) {
		buf_puts(line, text);
		return;
	}
	while (*at && columns + 1 < width) {
		at++;
		while (is_continuation(*at))
			at++;
		columns++;
	}
	buf_append(line, text, (size_t)(at - text));
	buf_putc(line, '+');
}

static void append_cell(struct buf *line, const struct table_column *column, const char *text,
			size_t width, bool last)
{
	size_t columns = format_columns(text);
	int pad = columns < width ? (int)(width - columns) : 0;

	if (column->right)
		buf_printf(line, "%*s", pad, "");
	append_cut(line, text, width);
	if (!column->right && !last)
		buf_printf(line, "%*s", pad, "");
}

static void print_row(const struct table *table, const struct table_cell *row, const size_t *widths,
		      FILE *out, bool colours)
{
	_cleanup_(buf_finish) struct buf line = {0};

	for (size_t c = 0; c < table->n_columns; c++) {
		enum format_colour colour = row ? row[c].colour : COLOUR_BOLD;
		const char *text = row ? row[c].text : table->columns[c].title;
		bool coloured = colours && colour != COLOUR_NONE;

		if (c > 0)
			buf_printf(&line, "%*s", GAP, "");
		if (coloured)
			buf_puts(&line, colour_codes[colour]);
		append_cell(&line, &table->columns[c], text, widths[c], c == table->n_columns - 1);
		if (coloured)
			buf_puts(&line, "\033[0m");
	}
	fprintf(out, "%s\n", buf_get(&line));
}

void table_print(const struct table *table, FILE *out, size_t width, bool colours)
{
	_cleanup_(free_ptr) size_t *widths = xcalloc(table->n_columns, sizeof(*widths));
	size_t total = natural_widths(table, widths);

	if (width > 0 && total > width)
		shrink_widths(table, widths, total - width);
	print_row(table, NULL, widths, out, colours);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, &table->cells[i], widths, out, colours);
}
