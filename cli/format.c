/* SPDX-License-Identifier: MIT */
/*
 * Tables and text for people.
 *
 * Invariants: what comes from jobs reaches the terminal without control characters; without a
 * terminal there are no colours and nothing is cut, so scripts see whole values.
 * Cost: a table is kept in memory until it is printed; a user's name is looked up once.
 */
#include "cli/format.h"

#include <inttypes.h>
#include <locale.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "common/duration.h"
#include "common/utf8.h"

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

/*
 * Columns that the character at `at` takes: 2 for most East Asian ones and emoji, 0 for what
 * combines with the one before. Its bytes go to *ret_len. By the C library's table, which it opens
 * only where there is more than ASCII; a byte that is no UTF-8 counts as one column.
 */
static size_t columns_of(const char *at, size_t *ret_len)
{
	static locale_t utf8;
	mbstate_t state = {0};
	wchar_t wide;
	size_t len;
	int width;

	*ret_len = 1;
	if ((unsigned char)*at < 0x80)
		return 1;
	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!utf8 || !uselocale(utf8))
		return utf8_sequence(at, strnlen(at, 4)) > 0;
	len = mbrtowc(&wide, at, strlen(at), &state);
	if (len == 0 || len > 4)
		return 1;
	*ret_len = len;
	width = wcwidth(wide);
	return width < 0 ? 1 : (size_t)width;
}

/* The bytes of `text` that fit into `width` columns; what combines stays with its base. */
static size_t fitting_bytes(const char *text, size_t width, size_t *ret_columns)
{
	size_t columns = 0, bytes = 0, len;

	while (text[bytes]) {
		size_t more = columns_of(text + bytes, &len);

		if (columns + more > width)
			break;
		columns += more;
		bytes += len;
	}
	*ret_columns = columns;
	return bytes;
}

size_t format_columns(const char *text)
{
	size_t columns;

	fitting_bytes(text, SIZE_MAX / 2, &columns);
	return columns;
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

/* The number behind "uid " at `at`, where a word begins; NULL: there is none. */
static const char *find_uid(const char *sentence, const char *at, uid_t *ret_uid)
{
	static const char mark[] = "uid ";
	size_t len = strlen(mark);
	char *end;

	if (strncmp(at, mark, len) != 0 || at[len] < '0' || at[len] > '9')
		return NULL;
	if (at > sentence && at[-1] != ' ' && at[-1] != '(')
		return NULL;
	*ret_uid = (uid_t)strtoul(at + len, &end, 10);
	return end;
}

void format_sentence(struct buf *buf, const char *sentence)
{
	_cleanup_(buf_finish) struct buf named = {0};

	for (const char *at = sentence; *at;) {
		uid_t uid;
		const char *end = find_uid(sentence, at, &uid);

		if (end)
			buf_puts(&named, format_user(uid));
		else
			buf_putc(&named, *at);
		at = end ? end : at + 1;
	}
	format_printable(buf, buf_get(&named));
}

const char *format_duration(int64_t ms, char buf[32])
{
	return duration_show(ms, buf);
}

const char *format_elapsed(int64_t ms, char buf[32])
{
	return ms < 0 ? "-" : format_duration(ms / 1000 * 1000, buf);
}

static const char *format_local(int64_t ms, int64_t now_ms, bool seconds, char buf[32])
{
	time_t moment = (time_t)(ms / 1000), now = (time_t)(now_ms / 1000);
	struct tm tm, today;
	size_t len = 0;

	if (!localtime_r(&moment, &tm) || !localtime_r(&now, &today))
		return "-";
	if (tm.tm_year != today.tm_year || tm.tm_yday != today.tm_yday)
		len = strftime(buf, 32, "%Y-%m-%d ", &tm);
	strftime(buf + len, 32 - len, seconds ? "%H:%M:%S" : "%H:%M", &tm);
	return buf;
}

const char *format_time(int64_t ms, int64_t now_ms, char buf[32])
{
	return format_local(ms, now_ms, false, buf);
}

const char *format_moment(int64_t ms, int64_t now_ms, char buf[32])
{
	return format_local(ms, now_ms, true, buf);
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
static size_t append_cut(struct buf *line, const char *text, size_t width)
{
	size_t columns = format_columns(text);

	if (columns <= width) {
		buf_puts(line, text);
		return columns;
	}
	buf_append(line, text, fitting_bytes(text, width - 1, &columns));
	buf_putc(line, '+');
	return columns + 1;
}

static void append_cell(struct buf *line, const struct table_column *column, const char *text,
			size_t width, bool last)
{
	_cleanup_(buf_finish) struct buf cell = {0};
	int pad = (int)(width - append_cut(&cell, text, width));

	if (column->right)
		buf_printf(line, "%*s", pad, "");
	buf_puts(line, buf_get(&cell));
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
