/* SPDX-License-Identifier: MIT */
/*
 * The reader of all formats with a header line.
 *
 * Invariants: a row has as many fields as the header; what a known column holds is a number (a
 * date, where times are dates), or the row is a sentence; an empty field is "not known". Where a
 * trace numbers no jobs, a job's number is its position in order of submit, from 0.
 * Deliberately not here: quotes, which no trace needs. Cost: one pass over the text.
 */
#include "simulator/csv.h"

#include "common/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define COLUMNS_MAX 64

/* Bounds after scaling: times, counts. */
#define TIME_MAX  (INT64_C(4000000000) * NS_PER_S)
#define COUNT_MAX (INT64_C(1) << 30)

struct header {
	const struct csv_column *columns[COLUMNS_MAX]; /* NULL: passed over */
	size_t n;
	unsigned fields; /* CSV_BIT()s of what is there */
};

/* One row, as numbers. */
struct row {
	int64_t values[CSV_FIELD_COUNT];
	unsigned fields; /* CSV_BIT()s of what is not empty */
	const char *cluster;
};

static const struct csv_column *find_column(const struct csv_layout *layout, const char *name)
{
	for (size_t i = 0; i < layout->n_columns; i++)
		if (STREQ(layout->columns[i].name, name))
			return &layout->columns[i];
	return NULL;
}

/* Two columns that say the same: the one that stands first in the layout counts. */
static void take_column(struct header *header, const struct csv_column *column)
{
	for (size_t i = 0; column && i < header->n; i++) {
		if (!header->columns[i] || header->columns[i]->field != column->field)
			continue;
		if (header->columns[i] <= column)
			column = NULL;
		else
			header->columns[i] = NULL;
	}
	if (column)
		header->fields |= CSV_BIT(column->field);
	header->columns[header->n++] = column;
}

/* Writes NULs into `line`. False with too many columns. */
static bool read_header(const struct csv_layout *layout, char *line, struct header *ret_header)
{
	struct header header = {0};
	char *name;

	while ((name = strsep(&line, ","))) {
		if (header.n == COLUMNS_MAX)
			return false;
		take_column(&header, find_column(layout, name));
	}
	*ret_header = header;
	return true;
}

bool csv_matches(const struct csv_layout *layout, const char *line)
{
	_cleanup_(free_ptr) char *copy = xstrdup(line);
	struct header header;

	return read_header(layout, copy, &header) &&
	       (header.fields & layout->required) == layout->required;
}

/* Name a column that is missing. */
static int missing(const struct source *source, const struct csv_layout *layout, unsigned fields,
		   struct err *err)
{
	for (size_t i = 0; i < layout->n_columns; i++)
		if (layout->required & ~fields & CSV_BIT(layout->columns[i].field))
			return err_set(err, -EBADMSG,
				       "%s:%u: no column is called %s; is it another format "
				       "than %s? See \"tgpu-sim formats\"",
				       path_tail(source->path), source->line,
				       layout->columns[i].name, source->format->name);
	return -EBADMSG;
}

/* "2020-04-01 00:12:34", UTC, as nanoseconds since 1970. */
static bool parse_date(const char *text, int64_t *ret_ns)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);

	if (!end || *end != '\0' || tm.tm_year < 70 || tm.tm_year > 190)
		return false;
	*ret_ns = (int64_t)timegm(&tm) * NS_PER_S;
	return true;
}

static bool is_time(enum csv_field field)
{
	return field == CSV_SUBMIT || field == CSV_START || field == CSV_END;
}

static bool is_unknown(const char *text)
{
	return text[0] == '\0' || STREQ(text, "None") || STREQ(text, "NULL") || STREQ(text, "nan");
}

static int64_t bound_of(const struct csv_column *column)
{
	switch (column->field) {
	case CSV_ID:
	case CSV_MEM:
	case CSV_ITERATION: return INT64_MAX / 2;
	case CSV_GPUS:
	case CSV_CPUS:
	case CSV_PRIORITY:
	case CSV_ITERATIONS: return COUNT_MAX;
	default: return TIME_MAX;
	}
}

static int read_field(struct source *source, const struct csv_column *column, const char *text,
		      struct row *row, struct err *err)
{
	int64_t *value = &row->values[column->field];
	int r = 0;

	if (is_unknown(text))
		return 0;
	row->fields |= CSV_BIT(column->field);
	if (column->field == CSV_USER) {
		*value = source_user(source, text);
	} else if (column->field == CSV_CLUSTER) {
		row->cluster = text;
	} else if (is_time(column->field) && parse_date(text, value)) {
		source->dated = true;
	} else {
		r = source_number(source, column->name, text, column->unit, bound_of(column), value,
				  err);
		if (r == 0 && *value < 0 && column->field != CSV_PRIORITY)
			r = source_bad(source, column->name, text, "is negative", err);
	}
	return r;
}

static int read_row(struct source *source, const struct header *header, char *line, struct row *row,
		    struct err *err)
{
	size_t n = 0;
	char *text;
	int r = 0;

	while (r == 0 && (text = strsep(&line, ","))) {
		if (n < header->n && header->columns[n])
			r = read_field(source, header->columns[n], text, row, err);
		n++;
	}
	if (r == 0 && n != header->n)
		return err_set(err, -EBADMSG, "%s:%u: the row has %zu fields, the header %zu",
			       path_tail(source->path), source->line, n, header->n);
	return r;
}

static int find_run(const struct source *source, const struct row *row, int64_t *ret_ns,
		    struct err *err)
{
	int64_t run = row->values[CSV_RUN];

	if (row->fields & CSV_BIT(CSV_ITERATIONS)) {
		if (__builtin_mul_overflow(row->values[CSV_ITERATIONS], row->values[CSV_ITERATION],
					   &run) ||
		    run > TIME_MAX)
			return source_bad(source, "iterations", "their time",
					  "together is out of range", err);
	} else if (!(row->fields & CSV_BIT(CSV_RUN)) && (row->fields & CSV_BIT(CSV_START)) &&
		   (row->fields & CSV_BIT(CSV_END))) {
		run = row->values[CSV_END] - row->values[CSV_START];
	}
	*ret_ns = run;
	return 0;
}

static int add_row(struct source *source, const struct csv_layout *layout, const struct row *row,
		   struct err *err)
{
	int64_t estimate =
		row->fields & CSV_BIT(CSV_ESTIMATE) ? row->values[CSV_ESTIMATE] : TIME_NEVER;
	int64_t run = 0;
	int r = find_run(source, row, &run, err);

	if (r < 0)
		return r;
	if (!(row->fields & CSV_BIT(CSV_SUBMIT)) ||
	    (layout->gpus_only && row->values[CSV_GPUS] == 0)) {
		source->n_left_out++;
		return 0;
	}
	source_add(source, &(struct trace_job){
				   .id = (uint64_t)row->values[CSV_ID],
				   .submit_ns = row->values[CSV_SUBMIT],
				   .run_ns = run < estimate ? run : estimate,
				   .estimate_ns = estimate,
				   .user = (uint32_t)row->values[CSV_USER],
				   .priority = (int32_t)row->values[CSV_PRIORITY],
				   .request = {.num_gpus = (uint32_t)row->values[CSV_GPUS],
					       .cpus = (uint32_t)row->values[CSV_CPUS],
					       .mem_bytes = (uint64_t)row->values[CSV_MEM]},
			   });
	return 0;
}

static int check_header(const struct source *source, const struct csv_layout *layout,
			const struct header *header, struct err *err)
{
	if ((header->fields & layout->required) != layout->required)
		return missing(source, layout, header->fields, err);
	if (layout->one_cluster && !source->cluster)
		return err_set(err, -EINVAL,
			       "%s: holds several clusters, each with jobs of its own; name one "
			       "with --cluster",
			       path_tail(source->path));
	if (source->cluster && !(header->fields & CSV_BIT(CSV_CLUSTER)))
		return err_set(err, -EINVAL,
			       "%s: --cluster %.40s: no column tells clusters; leave it out",
			       path_tail(source->path), source->cluster);
	return 0;
}

int csv_read(struct source *source, const struct csv_layout *layout, struct err *err)
{
	struct header header;
	char *line = source_line(source);
	int r;

	if (!line || !read_header(layout, line, &header))
		return err_set(err, -EBADMSG,
			       "%s: its first line is no header of at most %d columns",
			       path_tail(source->path), COLUMNS_MAX);
	r = check_header(source, layout, &header, err);
	source->unnumbered = !(header.fields & CSV_BIT(CSV_ID));
	while (r == 0 && (line = source_line(source))) {
		struct row row = {0};

		if (line[0] == '\0')
			continue;
		r = read_row(source, &header, line, &row, err);
		if (r == 0 &&
		    (!source->cluster || (row.cluster && STREQ(row.cluster, source->cluster))))
			r = add_row(source, layout, &row, err);
	}
	return r;
}
