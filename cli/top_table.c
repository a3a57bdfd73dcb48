/* SPDX-License-Identifier: MIT */
/*
 * What stands in which column.
 *
 * Invariants: what the daemon does not know is "-" or nothing, never 0; the widths and gaps of the
 * columns that are shown add up to no more than was given, unless even the last column does not
 * fit.
 * Cost: cells are made for the rows on the screen only. Read next: top_view.c.
 */
#include "cli/top_table.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/top_text.h"
#include "common/duration.h"

static int permille_of(int64_t part, int64_t whole)
{
	if (part < 0 || whole <= 0)
		return -1;
	return part >= whole ? 1000 : (int)((double)part * 1000 / (double)whole);
}

/* An integer with its unit. */
static void put_number(struct top_cell *cell, const json_t *object, const char *key, int64_t divide,
		       const char *unit)
{
	int64_t value = field_int(object, key, -1);

	if (value < 0)
		buf_puts(&cell->text, "-");
	else
		buf_printf(&cell->text, "%" PRId64 "%s", (value + divide / 2) / divide, unit);
}

static void put_bytes(struct top_cell *cell, int64_t bytes)
{
	char text[32];

	buf_puts(&cell->text, bytes < 0 ? "-" : bytes_format((uint64_t)bytes, text));
}

static void fill_user(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	buf_puts(&cell->text, row->user[0] ? row->user : "-");
}

static void fill_job(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	const struct idrange jobs = {row->job, row->job + row->n_tasks - 1};

	(void)now_ms;
	if (row->job > 0)
		idrange_format(&cell->text, &jobs);
	else
		buf_puts(&cell->text, "-");
}

static void fill_name(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	const char *name = field_text(row->object, "name");
	size_t maker = strlen("NVIDIA ");

	(void)now_ms;
	format_printable(&cell->text, strncmp(name, "NVIDIA ", maker) == 0 ? name + maker : name);
}

static void fill_index(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	put_number(cell, row->object, "index", 1, "");
}

static void fill_gpu_state(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	const char *state = field_text(row->object, "state");

	(void)now_ms;
	cell->colour = jobview_gpu_colour(state);
	buf_puts(&cell->text, state);
}

static void fill_memory(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	int64_t used = field_int(row->object, "mem_used_bytes", -1);
	int64_t total = field_int(row->object, "mem_total_bytes", -1);

	(void)now_ms;
	cell->permille = permille_of(used, total);
	cell->colour = COLOUR_CYAN;
	put_bytes(cell, used);
	buf_putc(&cell->text, '/');
	put_bytes(cell, total);
}

static void fill_utilisation(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	cell->permille = permille_of(field_int(row->object, "utilization_percent", -1), 100);
	cell->colour = COLOUR_GREEN;
	put_number(cell, row->object, "utilization_percent", 1, "%");
}

static void fill_power(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	put_number(cell, row->object, "power_mw", 1000, "W");
}

static void fill_temperature(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	put_number(cell, row->object, "temperature_c", 1, "C");
}

static void fill_state(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	cell->colour = jobview_colour(row->object);
	buf_puts(&cell->text, jobview_state(row->object));
}

static void fill_gpu_ids(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	jobview_gpu_ids(&cell->text, row->object);
	if (cell->text.len == 0)
		buf_putc(&cell->text, '-');
}

static void fill_elapsed(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	char text[32];

	buf_puts(&cell->text, format_elapsed(jobview_elapsed_ms(row->object, now_ms), text));
}

/* Of the time limit: what is left of it. Red: the last tenth; yellow: the last quarter. */
static void fill_left(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	int64_t limit = field_int(row->object, "time_limit_ms", 0);
	int64_t elapsed = jobview_elapsed_ms(row->object, now_ms), left = limit - elapsed;
	char text[32];

	if (limit <= 0 || elapsed < 0) {
		buf_putc(&cell->text, '-');
		return;
	}
	left = left > 0 ? left : 0;
	cell->permille = permille_of(left, limit);
	cell->colour = cell->permille < 100   ? COLOUR_RED
		       : cell->permille < 250 ? COLOUR_YELLOW
					      : COLOUR_GREEN;
	buf_puts(&cell->text, format_elapsed(left, text));
}

static void fill_priority(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	buf_printf(&cell->text, "%" PRId64, field_int(row->object, "priority", 0));
}

static void fill_num_gpus(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	put_number(cell, row->object, "num_gpus", 1, "");
}

/* The estimated start, as a distance: "in 1h5m". */
static void fill_start(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	int64_t start_ms = field_int(row->object, "start_ms_estimated", 0);
	char text[32];

	if (start_ms <= 0)
		return;
	if (start_ms > now_ms)
		buf_printf(&cell->text, "in %s", format_elapsed(start_ms - now_ms, text));
	else
		buf_puts(&cell->text, "now");
}

static void fill_reason(const struct top_row *row, int64_t now_ms, struct top_cell *cell)
{
	(void)now_ms;
	if (field_true(row->object, "held"))
		cell->colour = COLOUR_YELLOW;
	format_printable(&cell->text, field_text(json_object_get(row->object, "reason"), "text"));
}

/* The title of a list's first column says which list it is. */
static const struct top_column gpu_columns[] = {
	{"GPU", fill_index, 3, 3, 0, .right = true},
	{"NAME", fill_name, 6, 20, 5},
	{"STATE", fill_gpu_state, 9, 9, 0},
	{"JOB", fill_job, 4, 8, 0, .right = true},
	{"USER", fill_user, 4, 12, 3},
	{"MEMORY", fill_memory, 12, 30, 1, .right = true, .bar = true},
	{"UTIL", fill_utilisation, 9, 20, 2, .right = true, .bar = true},
	{"POWER", fill_power, 5, 5, 6, .right = true},
	{"TEMP", fill_temperature, 4, 4, 4, .right = true},
};

static const struct top_column running_columns[] = {
	{"RUNNING", fill_job, 7, 8, 0, .right = true},
	{"NAME", fill_name, 8, 30, 0},
	{"USER", fill_user, 4, 12, 3},
	{"STATE", fill_state, 7, 9, 4},
	{"GPUS", fill_gpu_ids, 4, 20, 1},
	{"TIME", fill_elapsed, 6, 9, 0, .right = true},
	{"LEFT", fill_left, 8, 30, 2, .right = true, .bar = true},
};

static const struct top_column waiting_columns[] = {
	{"WAITING", fill_job, 7, 15, 0, .right = true},
	{"NAME", fill_name, 8, 30, 0},
	{"USER", fill_user, 4, 12, 3},
	{"PRIO", fill_priority, 4, 5, 4, .right = true},
	{"GPUS", fill_num_gpus, 4, 4, 1, .right = true},
	{"START", fill_start, 5, 12, 2, .right = true},
	{"REASON", fill_reason, 12, 400, 0},
};

const struct top_column *top_columns(enum top_pane pane, size_t *ret_n)
{
	static const struct {
		const struct top_column *columns;
		size_t n;
	} panes[TOP_PANES] = {
		[TOP_GPUS] = {gpu_columns, ARRAY_SIZE(gpu_columns)},
		[TOP_RUNNING] = {running_columns, ARRAY_SIZE(running_columns)},
		[TOP_WAITING] = {waiting_columns, ARRAY_SIZE(waiting_columns)},
	};

	_Static_assert(ARRAY_SIZE(gpu_columns) <= TOP_COLUMNS_MAX, "the widest pane");
	*ret_n = panes[pane].n;
	return panes[pane].columns;
}

/* How wide a column would like to be: its bar as wide as can be, its text as wide as it is. */
static size_t wanted(const struct top_table *table, size_t c)
{
	const struct top_column *column = &table->columns[c];
	size_t most = strlen(column->title);

	for (size_t row = 0; row < table->n_rows; row++) {
		const struct top_cell *cell = &table->cells[row * table->n_columns + c];

		if (cell->permille >= 0)
			return column->most;
		if (top_text_width(buf_get(&cell->text)) > most)
			most = top_text_width(buf_get(&cell->text));
	}
	return most < column->most ? most : column->most;
}

static size_t total_width(const struct top_table *table)
{
	size_t total = 0;

	for (size_t c = 0; c < table->n_columns; c++)
		if (table->widths[c] > 0)
			total += table->widths[c] + (total > 0 ? TOP_GAP : 0);
	return total;
}

/* Leave the column out that can best be spared; false when all that are left are needed. */
static bool leave_one_out(struct top_table *table)
{
	size_t victim = table->n_columns;

	for (size_t c = 0; c < table->n_columns; c++)
		if (table->widths[c] > 0 && table->columns[c].spare > 0 &&
		    (victim == table->n_columns ||
		     table->columns[c].spare > table->columns[victim].spare))
			victim = c;
	if (victim == table->n_columns)
		return false;
	table->widths[victim] = 0;
	return true;
}

/* Start from the least widths, then give every column that wants more one after the other. */
static void share_width(struct top_table *table, size_t width)
{
	size_t wants[TOP_COLUMNS_MAX], rest, before;

	for (size_t c = 0; c < table->n_columns; c++) {
		size_t least = table->columns[c].least;

		wants[c] = wanted(table, c);
		table->widths[c] = width == 0 || wants[c] < least ? wants[c] : least;
	}
	if (width == 0)
		return;
	while (total_width(table) > width && leave_one_out(table))
		continue;
	rest = total_width(table) < width ? width - total_width(table) : 0;
	do {
		before = rest;
		for (size_t c = 0; c < table->n_columns && rest > 0; c++)
			if (table->widths[c] > 0 && table->widths[c] < wants[c]) {
				table->widths[c]++;
				rest--;
			}
	} while (rest < before);
}

static void measure_texts(struct top_table *table)
{
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
		size_t width = top_text_width(buf_get(&table->cells[i].text));
		size_t c = i % table->n_columns;

		if (width > table->text_widths[c])
			table->text_widths[c] = width;
	}
}

void top_table_init(struct top_table *table, enum top_pane pane, const struct top_row *rows,
		    size_t n, size_t width, int64_t now_ms)
{
	*table = (struct top_table){.n_rows = n};
	table->columns = top_columns(pane, &table->n_columns);
	table->cells = xcalloc(n * table->n_columns + 1, sizeof(*table->cells));
	for (size_t i = 0; i < n * table->n_columns; i++) {
		table->cells[i].permille = -1;
		table->columns[i % table->n_columns].fill(&rows[i / table->n_columns], now_ms,
							  &table->cells[i]);
	}
	measure_texts(table);
	share_width(table, width);
}

void top_table_finish(struct top_table *table)
{
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++)
		buf_finish(&table->cells[i].text);
	free(table->cells);
	*table = (struct top_table){0};
}
