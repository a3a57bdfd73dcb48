/* SPDX-License-Identifier: MIT */
/*
 * Where a trace comes from: a file in one of several formats.
 *
 * formats.c has the table of formats; each has a reader of its own, read_NAME.c, that fills
 * source->trace through the calls below. Formats with a header line and commas share csv.c.
 */
#pragma once

#include "simulator/trace.h"

#define SOURCE_TEXT_MAX (UINT32_C(1) << 30) /* bytes of one trace, decompressed */

struct trace_format;
struct csv_layout;

struct source {
	const char *path;    /* borrowed; for sentences */
	const char *cluster; /* borrowed: only this part of the trace; NULL: all of it */
	const struct trace_format *format;
	struct trace trace; /* owned */
	size_t capacity;
	size_t n_left_out; /* rows without a run time, without processors, of failed starts */
	uint32_t procs;	   /* of the machine, where the trace tells; 0 */
	bool dated;	   /* times are dates; counted from the first submit in the end */
	bool unnumbered;   /* it numbers no jobs: by order of submit in the end, from 0 */
	struct name *users;
	uint32_t n_users;
	char *rest; /* of the text */
	unsigned line;
};

struct trace_format {
	const char *name;
	const char *summary;   /* one line */
	uint32_t cpu_unit;     /* what request.cpus counts one CPU as: 1, or 1000 (milli-CPUs) */
	const char *extension; /* names that end so are of this format; NULL: look at the header */
	const struct csv_layout *layout; /* of a format with a header line: csv.c reads it */
	/* Else: fill source->trace. */
	int (*read)(struct source *source, struct err *err);
	bool opens_itself; /* no text is read for it: the reader opens source->path */
};

extern const struct trace_format format_swf, format_itp, format_philly, format_openb,
	format_tiresias, format_muri, format_tgpu, format_csv;

/* All of them, NULL-terminated, special ones before general ones. */
extern const struct trace_format *const trace_formats[];
const struct trace_format *trace_format_by_name(const char *name);

/*
 * Read a trace; `format` NULL: guess by the name and the header. 0; -EBADMSG with a sentence that
 * names file, line, column and value; -EINVAL when it was asked for wrongly (no such cluster, no
 * format); or another -errno with a sentence. Blocks on the disk.
 */
int source_load(const char *path, const struct trace_format *format, const char *cluster,
		struct source *ret_source, struct err *err);

/* The same from text in memory (made unreadable). `format` must not be one that opens files. */
int source_parse(const char *path, char *text, size_t len, const struct trace_format *format,
		 const char *cluster, struct source *ret_source, struct err *err);

void source_finish(struct source *source);

/* For readers. */

/* The next line without its end, NULL after the last. Borrowed, writable. */
char *source_line(struct source *source);

/* "FILE:LINE: column: 'value' remedy"; returns -EBADMSG. */
int source_bad(const struct source *source, const char *column, const char *value,
	       const char *remedy, struct err *err);

/*
 * A decimal number, fraction allowed, in units of `unit` (NS_PER_S for seconds), within
 * [-max, max] after scaling. A sentence names the column otherwise.
 */
int source_number(const struct source *source, const char *column, const char *text, int64_t unit,
		  int64_t max, int64_t *ret_value, struct err *err);

/* The number of a user by name, from 1 on. */
uint32_t source_user(struct source *source, const char *name);

/* Append a job; one without a run time is counted as left out instead. */
void source_add(struct source *source, const struct trace_job *job);
