/* SPDX-License-Identifier: MIT */
/*
 * Tables and text for people.
 *
 * Invariants: what comes from jobs reaches the terminal without control characters; without a
 * terminal there are no colours and nothing is cut, so scripts see whole values; one that is very
 * long stands out of its column instead of widening it for all rows.
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

#define GAP	  2  /* blanks between columns */
#define WIDE_MOST 40 /* columns that one value may make all others of its column wide, uncut */

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

void format_printable(struct buf *buf, const char *text)
{
	while (*text) {
		size_t control = utf8_control_length(text);

		buf_putc(buf, control ? '?' : *text);
		text += control ? control : 1;
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

/* The largest unit of which there is one, after rounding to the tenth that is shown. */
const char *format_energy(double mj, char buf[32])
{
	static const struct {
		const char *name;
		double mj;
	} units[] = {{"MWh", 3.6e12}, {"kWh", 3.6e9}, {"Wh", 3.6e6}, {"J", 1e3}};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && mj < units[i].mj * 0.99999)
		i++;
	snprintf(buf, 32, "%.1f %s", mj / units[i].mj, units[i].name);
	return buf;
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

/* How a table is printed. */
struct layout {
	size_t *widths; /* borrowed; 0: the column is left out */
	size_t last;	/* of the columns that are shown: nothing is padded behind it */
	bool cuts;	/* else what is wider than its column pushes the rest of its row */
	bool colours;
};

/* The widths that the contents want. */
static void set_widths(const struct table *table, struct layout *layout)
{
	for (size_t c = 0; c < table->n_columns; c++) {
		size_t *width = &layout->widths[c];

		*width = format_columns(table->columns[c].title);
		for (size_t i = c; i < table->n_cells; i += table->n_columns) {
			size_t columns = format_columns(table->cells[i].text);

			if (columns > WIDE_MOST && !layout->cuts)
				columns = WIDE_MOST;
			*width = columns > *width ? columns : *width;
		}
	}
}

/* Of a whole line; with `cut`, once every column has been cut as far as it may be. */
static size_t line_width(const struct table *table, const struct layout *layout, bool cut)
{
	size_t total = 0;

	for (size_t c = 0; c < table->n_columns; c++) {
		size_t width = layout->widths[c], least = table->columns[c].least;

		if (width > 0)
			total += (cut && least > 0 && least < width ? least : width) +
				 (total > 0 ? GAP : 0);
	}
	return total;
}

/* Leave the column out that can best be spared; false when all that are left are needed. */
static bool leave_one_out(const struct table *table, struct layout *layout)
{
	size_t victim = table->n_columns;

	for (size_t c = 0; c < table->n_columns; c++)
		if (layout->widths[c] > 0 && table->columns[c].spare > 0 &&
		    (victim == table->n_columns ||
		     table->columns[c].spare > table->columns[victim].spare))
			victim = c;
	if (victim == table->n_columns)
		return false;
	layout->widths[victim] = 0;
	return true;
}

static void shrink_widths(const struct table *table, struct layout *layout, size_t excess)
{
	for (size_t c = 0; c < table->n_columns && excess > 0; c++) {
		size_t least = table->columns[c].least;
		size_t spare = layout->widths[c] > least ? layout->widths[c] - least : 0;
		size_t cut = spare < excess ? spare : excess;

		if (least == 0)
			continue;
		layout->widths[c] -= cut;
		excess -= cut;
	}
}

static void fit_widths(const struct table *table, struct layout *layout, size_t width)
{
	size_t total;

	while (line_width(table, layout, true) > width && leave_one_out(table, layout))
		continue;
	total = line_width(table, layout, false);
	if (total > width)
		shrink_widths(table, layout, total - width);
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

static void append_cell(struct buf *line, const struct table *table, const struct layout *layout,
			size_t c, const char *text)
{
	_cleanup_(buf_finish) struct buf cell = {0};
	size_t width = layout->widths[c];
	size_t columns = append_cut(&cell, text, layout->cuts ? width : SIZE_MAX);
	int pad = columns < width ? (int)(width - columns) : 0;

	if (table->columns[c].right)
		buf_printf(line, "%*s", pad, "");
	buf_puts(line, buf_get(&cell));
	if (!table->columns[c].right && c < layout->last)
		buf_printf(line, "%*s", pad, "");
}

static void print_row(const struct table *table, const struct table_cell *row,
		      const struct layout *layout, FILE *out)
{
	_cleanup_(buf_finish) struct buf line = {0};

	for (size_t c = 0; c < table->n_columns; c++) {
		enum format_colour colour = row ? row[c].colour : COLOUR_BOLD;
		const char *text = row ? row[c].text : table->columns[c].title;
		bool coloured = layout->colours && colour != COLOUR_NONE;

		if (layout->widths[c] == 0)
			continue;
		if (line.len > 0)
			buf_printf(&line, "%*s", GAP, "");
		if (coloured)
			buf_puts(&line, colour_codes[colour]);
		append_cell(&line, table, layout, c, text);
		if (coloured)
			buf_puts(&line, "\033[0m");
	}
	fprintf(out, "%s\n", buf_get(&line));
}

void table_print(const struct table *table, FILE *out, size_t width, bool colours)
{
	_cleanup_(free_ptr) size_t *widths = xcalloc(table->n_columns, sizeof(*widths));
	struct layout layout = {.widths = widths, .cuts = width > 0, .colours = colours};

	set_widths(table, &layout);
	if (width > 0)
		fit_widths(table, &layout, width);
	for (size_t c = 0; c < table->n_columns; c++)
		layout.last = widths[c] > 0 ? c : layout.last;
	print_row(table, NULL, &layout, out);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, &table->cells[i], &layout, out);
}
