/* SPDX-License-Identifier: MIT */
/*
 * Pictures of replays: one HTML file, or one SVG file, that needs nothing else.
 *
 * No script, no network, no fonts: inline SVG and CSS, light or dark as the reader's system is. The
 * size is bounded whatever the trace holds: what is too small to be seen is drawn together.
 * Well-formed XML; any text may be given, it is escaped.
 */
#pragma once

#include "simulator/trace.h"

/* The trace and the machine that all policies had. All borrowed. */
struct html_setting {
	const struct trace *trace;
	const uint32_t *gpus_of_node; /* n_nodes of them */
	size_t n_nodes;
};

/* What one policy made of it. All borrowed. */
struct html_policy {
	const char *name;
	const char *const *values;	/* a text for each label of the report */
	const struct outcome *outcomes; /* one per job */
	/* Why outcomes do not tell where jobs were in between (a sentence): they lost their places
	 * on the way, or moved. It stands instead of the chart. NULL: they do. */
	const char *no_chart;
};

struct html_report {
	const char *title;
	const char *subtitle; /* trace, machine, command */
	struct html_setting setting;
	const char *const *labels; /* of the metrics: n_labels of them */
	size_t n_labels;
	const struct html_policy *policies;
	size_t n_policies;
};

/*
 * Write the report: the metrics of all policies, how many jobs wait and how many GPUs work over
 * time, and a Gantt chart for each policy. 0 or -errno of writing. May block.
 */
int html_write(FILE *out, const struct html_report *report);

/* Write a Gantt chart as an SVG file of its own, title above it. 0 or -errno. May block. */
int html_gantt_svg(FILE *out, const struct html_setting *setting, const struct outcome *outcomes,
		   const char *title);
