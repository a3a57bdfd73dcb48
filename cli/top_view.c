/* SPDX-License-Identifier: MIT */
/*
 * Drawing.
 *
 *     box: 4 GPUs (simulated), 2 idle; 1 running, 1 waiting        14:05:31
 *     GPU NAME  STATE ...          one heading per pane, underlined
 *     >12 ...                      the selected row of the pane in focus
 *     q quit  ? help ...           or a question, an answer, what went wrong: the last lines
 *
 * Invariants: what is said by colour is said by a word or a sign too; every row is as wide as the
 * window, whatever it holds. Deliberately not: deciding anything (top_model.c, top_table.c).
 * Cost: the rows on the screen; curses sends what changed.
 */
#include "cli/top_view.h"

#include <langinfo.h>
#include <stdlib.h>
#include <time.h>

#include "cli/top_table.h"
#include "cli/top_text.h"
#include "common/clock.h"

#define MARK	   1 /* column for the sign of the selected row */
#define BAR_LEAST  3 /* a shorter bar says nothing */
#define NAME_LEAST 4 /* columns; less of a job's name says nothing */
#define FOOT_SHARE 3 /* of the screen's lines, at most this part for what is said */

/* What the colours of format.h are in curses. */
static const struct {
	short colour;
	attr_t attribute; /* without colours as well */
} looks[] = {
	[COLOUR_NONE] = {-1, A_NORMAL},
	[COLOUR_BOLD] = {-1, A_BOLD},
	[COLOUR_DIM] = {-1, A_DIM},
	[COLOUR_RED] = {COLOR_RED, A_BOLD},
	[COLOUR_GREEN] = {COLOR_GREEN, 0},
	[COLOUR_YELLOW] = {COLOR_YELLOW, 0},
	[COLOUR_CYAN] = {COLOR_CYAN, A_NORMAL},
};

void top_view_init(void)
{
	if (!format_wants_colour() || !has_colors())
		return;
	start_color();
	use_default_colors();
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
		if (looks[i].colour >= 0)
			init_pair((short)i, looks[i].colour, -1);
}

static attr_t look(enum format_colour colour)
{
	bool coloured = format_wants_colour() && has_colors() && looks[colour].colour >= 0;

	return looks[colour].attribute | (coloured ? (attr_t)COLOR_PAIR((int)colour) : 0);
}

/* A line of text, as wide as the window. */
static void draw_line(WINDOW *window, int y, const char *text, attr_t attribute)
{
	_cleanup_(buf_finish) struct buf line = {0};

	top_text_fit(&line, text, (size_t)getmaxx(window), false);
	wattrset(window, (int)attribute);
	mvwaddstr(window, y, 0, buf_get(&line));
	wattrset(window, A_NORMAL);
}

static void draw_head(WINDOW *window, const struct top *top, int64_t now_ms)
{
	_cleanup_(buf_finish) struct buf text = {0};
	time_t now = (time_t)(now_ms / 1000);
	struct tm local;
	char clock[16];

	top_model_headline(&top->model, &text);
	draw_line(window, 0, buf_get(&text), A_BOLD);
	strftime(clock, sizeof(clock), " %T", localtime_r(&now, &local));
	if ((int)(top_text_width(buf_get(&text)) + strlen(clock)) <= getmaxx(window))
		mvwaddstr(window, 0, getmaxx(window) - (int)strlen(clock), clock);
}

static size_t count_lines(const char *text, size_t width)
{
	size_t n = 0;

	for (; *text; n++)
		top_text_wrap(&text, width);
	return n;
}

/* "cancel job 12 (train)? y/n": a name gives way, so that what is asked stays on one line. */
static void put_question(const struct top *top, size_t width, struct buf *text)
{
	static const char opens[] = " (", closes[] = ")", asks[] = "? y/n";
	size_t around, name = top_text_width(top->asked_name);

	buf_printf(text, "cancel job%s ", top->asked.last > top->asked.first ? "s" : "");
	idrange_format(text, &top->asked);
	around = text->len + strlen(opens) + strlen(closes) + strlen(asks);
	if (around + NAME_LEAST <= width && name > 0) {
		buf_puts(text, opens);
		top_text_fit(text, top->asked_name, name < width - around ? name : width - around,
			     false);
		buf_puts(text, closes);
	}
	buf_puts(text, asks);
}

/* What the last lines say, in one look. */
static attr_t put_foot(const struct top *top, size_t width, struct buf *text)
{
	if (top->mode == TOP_CONFIRM)
		put_question(top, width, text);
	else if (top->mode == TOP_FILTER)
		buf_printf(text, "filter: %s_", top->model.filter);
	else if (top->said[0])
		buf_puts(text, top->said);
	else if (top->lost[0]) {
		buf_printf(text, "%s; trying again", top->lost);
		return look(COLOUR_RED);
	} else if (top->mode == TOP_TEXT) {
		buf_puts(text, "arrows scroll, any other key goes back");
		return look(COLOUR_DIM);
	} else {
		if (top->model.filter[0])
			buf_printf(text, "filter: %s  Esc all", top->model.filter);
		top_key_hints(text, width);
		return top->model.filter[0] ? A_BOLD : look(COLOUR_DIM);
	}
	return A_BOLD;
}

/* As many lines as the text needs, so that a message keeps the command that it ends with. How many
 * were taken. */
static size_t draw_foot(WINDOW *window, const struct top *top)
{
	_cleanup_(buf_finish) struct buf text = {0};
	size_t width = (size_t)getmaxx(window), height = (size_t)getmaxy(window);
	attr_t attribute = put_foot(top, width, &text);
	size_t most = height > FOOT_SHARE ? height / FOOT_SHARE : 1;
	size_t wanted = count_lines(buf_get(&text), width), n = wanted < most ? wanted : most;
	const char *at = buf_get(&text);

	for (size_t i = 0; i < n; i++) {
		const char *start = at;
		size_t len = top_text_wrap(&at, width);
		_cleanup_(free_ptr) char *line = i + 1 < n ? xstrndup(start, len) : xstrdup(start);

		draw_line(window, (int)(height - n + i), line, attribute);
	}
	return n;
}

static void append_cell(struct buf *line, const struct top_table *table, size_t c,
			const struct top_cell *cell)
{
	bool utf8 = STREQ(nl_langinfo(CODESET), "UTF-8");
	size_t width = table->widths[c], text = table->text_widths[c] + 1;
	size_t bar = table->columns[c].bar && width > text ? width - text : 0;

	if (bar >= BAR_LEAST && cell->permille >= 0) {
		top_text_bar(line, (unsigned)cell->permille, bar, utf8);
		width -= bar;
	}
	top_text_fit(line, buf_get(&cell->text), width, table->columns[c].right);
}

/* Cell after cell, each in its colour; the selected row in one look as a whole. */
static void draw_row(WINDOW *window, int y, const struct top_table *table, size_t row,
		     bool selected)
{
	int x = MARK;

	draw_line(window, y, selected ? ">" : "", selected ? A_REVERSE : A_NORMAL);
	for (size_t c = 0; c < table->n_columns; c++) {
		const struct top_cell *cell = &table->cells[row * table->n_columns + c];
		_cleanup_(buf_finish) struct buf text = {0};

		if (table->widths[c] == 0)
			continue;
		append_cell(&text, table, c, cell);
		wattrset(window, (int)(selected ? A_REVERSE : look(cell->colour)));
		mvwaddstr(window, y, x, buf_get(&text));
		x += (int)table->widths[c] + TOP_GAP;
	}
	wattrset(window, A_NORMAL);
}

/* The titles, and at the right end how many rows have no place. */
static void draw_heading(WINDOW *window, int y, const struct top_table *table, bool focused,
			 size_t hidden)
{
	_cleanup_(buf_finish) struct buf text = {0}, more = {0};
	attr_t attribute = A_UNDERLINE | (focused ? A_BOLD : A_NORMAL);

	buf_putc(&text, focused && table->n_rows == 0 ? '>' : ' ');
	for (size_t c = 0; c < table->n_columns; c++) {
		if (table->widths[c] == 0)
			continue;
		if (text.len > MARK)
			buf_putc(&text, ' ');
		top_text_fit(&text, table->columns[c].title, table->widths[c],
			     table->columns[c].right && !table->columns[c].bar);
	}
	draw_line(window, y, buf_get(&text), attribute);
	if (hidden == 0)
		return;
	buf_printf(&more, " +%zu more", hidden);
	if (more.len < (size_t)getmaxx(window)) {
		wattrset(window, (int)attribute);
		mvwaddstr(window, y, getmaxx(window) - (int)more.len, buf_get(&more));
		wattrset(window, A_NORMAL);
	}
}

static void draw_pane(WINDOW *window, struct top *top, enum top_pane pane, int y, size_t lines,
		      int64_t now_ms)
{
	_cleanup_(top_table_finish) struct top_table table = {0};
	struct top_list *list = &top->model.lists[pane];
	bool focused = pane == top->model.focus && top->mode != TOP_TEXT;
	size_t n;

	if (lines < 2)
		return;
	top_list_scroll(list, lines - 1);
	n = list->n - list->first < lines - 1 ? list->n - list->first : lines - 1;
	top_table_init(&table, pane, list->rows + list->first, n, (size_t)getmaxx(window) - MARK,
		       now_ms);
	draw_heading(window, y, &table, focused, list->n - n);
	for (size_t i = 0; i < n; i++)
		draw_row(window, y + 1 + (int)i, &table, i, focused && list->first + i == list->at);
	if (focused)
		top->page = lines - 1;
}

/* "tgpu show 12 (lines 1-12 of 20)" */
static void draw_title(WINDOW *window, int y, const struct top *top, size_t n_lines)
{
	_cleanup_(buf_finish) struct buf title = {0};

	buf_puts(&title, top->title);
	if (top->last > 0)
		buf_printf(&title, " (lines %zu-%zu of %zu)", top->first + 1,
			   top->first + top->page, n_lines);
	draw_line(window, y, buf_get(&title), A_BOLD | A_UNDERLINE);
}

/* The text in `lines` lines, the title among them. */
static void draw_text(WINDOW *window, struct top *top, int y, size_t lines)
{
	const char *text = buf_get(&top->text);
	size_t width = (size_t)getmaxx(window), n = count_lines(text, width);

	top->page = lines - 1;
	top->last = n > top->page ? n - top->page : 0;
	if (top->first > top->last)
		top->first = top->last;
	draw_title(window, y, top, n);
	for (size_t i = 0; i < top->first + top->page && *text; i++) {
		const char *start = text;
		_cleanup_(free_ptr) char *line = xstrndup(start, top_text_wrap(&text, width));

		if (i >= top->first)
			draw_line(window, y + 1 + (int)(i - top->first), line, A_NORMAL);
	}
}

/* The panes from top to bottom; a text takes the place of the jobs, and where that is too little of
 * the GPUs as well. */
static void draw_body(WINDOW *window, struct top *top, size_t lines, int64_t now_ms)
{
	bool text = top->mode == TOP_TEXT;
	size_t title = 1,
	       needed = count_lines(buf_get(&top->text), (size_t)getmaxx(window)) + title;
	size_t shares[TOP_PANES];
	size_t y = 0;

	top_model_share(&top->model, lines, shares);
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++) {
		if (text && (pane != TOP_GPUS || shares[pane] + needed > lines))
			break;
		draw_pane(window, top, pane, 1 + (int)y, shares[pane], now_ms);
		y += shares[pane];
	}
	if (text)
		draw_text(window, top, 1 + (int)y, lines - y);
}

void top_view_draw(WINDOW *window, struct top *top, int64_t now_ms)
{
	size_t height = (size_t)getmaxy(window), foot = 0;

	werase(window);
	draw_head(window, top, now_ms);
	if (height > 1)
		foot = draw_foot(window, top);
	if (height > foot + 2)
		draw_body(window, top, height - foot - 1, now_ms);
	wnoutrefresh(window);
	doupdate();
}
