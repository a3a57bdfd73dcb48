/* SPDX-License-Identifier: MIT */
/*
 * The Standard Workload Format of the Parallel Workloads Archive: eighteen numbers a line.
 *
 * Canonical rules, so that results can be compared: processors are field 5, or field 8 where that
 * is unknown; the estimate is field 9, or else the run time; a job runs at most for its estimate;
 * rows without a run time, without processors or submitted before the log begins are left out. A
 * job's processors are CPUs of one node: the logs do not tell nodes.
 * [Feitelson, Tsafrir, Krakov, JPDC 2014; www.cs.huji.ac.il/labs/parallel/workload/swf.html]
 */
#include <errno.h>
#include <stdlib.h>

#include "simulator/source.h"

#define FIELDS	  18
#define TIME_MAX  (INT64_C(4000000000) * NS_PER_S)
#define PROCS_MAX 1000000

/* By position, counted from 0. */
enum {
	SWF_ID = 0,
	SWF_SUBMIT = 1,
	SWF_RUN = 3,
	SWF_PROCS = 4,
	SWF_WANTED = 7,
	SWF_ESTIMATE = 8,
	SWF_USER = 11
};

static const struct {
	const char *name; /* NULL: not read */
	int64_t unit, max;
} fields[FIELDS] = {
	[SWF_ID] = {"job number", 1, INT64_MAX},
	[SWF_SUBMIT] = {"submit time", NS_PER_S, TIME_MAX},
	[SWF_RUN] = {"run time", NS_PER_S, TIME_MAX},
	[SWF_PROCS] = {"allocated processors", 1, PROCS_MAX},
	[SWF_WANTED] = {"requested processors", 1, PROCS_MAX},
	[SWF_ESTIMATE] = {"requested time", NS_PER_S, TIME_MAX},
	[SWF_USER] = {"user", 1, UINT32_MAX},
};

static int read_fields(const struct source *source, char *line, int64_t *values, struct err *err)
{
	char *save = NULL, *text = strtok_r(line, " \t", &save);
	char count[16];
	int n = 0, r = 0;

	for (; text && n < FIELDS && r == 0; text = strtok_r(NULL, " \t", &save), n++)
		if (fields[n].name)
			r = source_number(source, fields[n].name, text, fields[n].unit,
					  fields[n].max, &values[n], err);
	if (r == 0 && (n < FIELDS || text)) {
		snprintf(count, sizeof(count), "%d%s", n, text ? " and more" : "");
		r = source_bad(source, "fields", count, "were found; a row has 18", err);
	}
	return r;
}

static void add_row(struct source *source, const int64_t *values)
{
	int64_t procs = values[SWF_PROCS] > 0 ? values[SWF_PROCS] : values[SWF_WANTED];
	int64_t run = values[SWF_RUN];
	int64_t estimate = values[SWF_ESTIMATE] > 0 ? values[SWF_ESTIMATE] : run;

	if (procs <= 0 || values[SWF_SUBMIT] < 0 || values[SWF_ID] < 0) {
		source->n_left_out++;
		return;
	}
	source_add(source, &(struct trace_job){
				   .id = (uint64_t)values[SWF_ID],
				   .submit_ns = values[SWF_SUBMIT],
				   .run_ns = run < estimate ? run : estimate,
				   .estimate_ns = estimate,
				   .user = values[SWF_USER] > 0 ? (uint32_t)values[SWF_USER] : 0,
				   .request = {.cpus = (uint32_t)procs},
			   });
}

/* "; MaxProcs: 100": the size of the machine. */
static void read_comment(struct source *source, const char *line)
{
	static const char key[] = "MaxProcs:";
	const char *at = line + 1 + strspn(line + 1, " \t");
	long procs;

	if (strncmp(at, key, strlen(key)) != 0)
		return;
	procs = strtol(at + strlen(key), NULL, 10);
	if (procs > 0 && procs <= PROCS_MAX)
		source->procs = (uint32_t)procs;
}

static int swf_read(struct source *source, struct err *err)
{
	char *line;
	int r = 0;

	while (r == 0 && (line = source_line(source))) {
		int64_t values[FIELDS] = {0};

		if (line[0] == ';') {
			read_comment(source, line);
			continue;
		}
		if (line[strspn(line, " \t")] == '\0')
			continue;
		r = read_fields(source, line, values, err);
		if (r == 0)
			add_row(source, values);
	}
	return r;
}

const struct trace_format format_swf = {
	.name = "swf",
	.summary = "Standard Workload Format (Parallel Workloads Archive)",
	.cpu_unit = 1,
	.extension = ".swf",
	.read = swf_read,
};
