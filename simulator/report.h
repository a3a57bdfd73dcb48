/* SPDX-License-Identifier: MIT */
/* What replays gave, for people and for programs. */
#pragma once

#include "simulator/preset.h"
#include "simulator/summary.h"

/* One trace under one policy. */
struct result {
	char *name; /* owned; of the trace: its file without directory and ".gz" */
	const char *estimates;
	const struct trace *trace;
	const struct machine *machine;
	uint32_t cpu_unit; /* what one CPU is in trace and machine */
	const struct preset *preset;
	struct outcome *outcomes; /* owned */
	struct summary summary;
};

/* Release what it owns; the rest is borrowed. */
void result_finish(struct result *result);

/* A table for each trace, a line for each policy. */
void report_table(const struct result *results, size_t n, FILE *out);

/* The same numbers under the same names: an array of objects; a header and lines. */
void report_json(const struct result *results, size_t n, FILE *out);
void report_csv(const struct result *results, size_t n, FILE *out);

/* A duration in words, rounded so that two units are enough. */
const char *report_duration(double ns, char buf[32]);

/* Every job of one replay: "id,submit_s,start_s,end_s,nodes". 0 or -errno with a sentence. */
int report_starts(const struct result *result, const char *path, struct err *err);
