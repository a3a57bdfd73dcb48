/* SPDX-License-Identifier: MIT */
/* What the pictures share: texts, scales and axes (html_svg.c), and the pictures themselves. */
#pragma once

#include "simulator/html.h"

/* All charts are as wide and have the same margins, so that their times are in line. */
#define HTML_WIDTH   960.0
#define HTML_LEFT    64.0
#define HTML_RIGHT   12.0
#define HTML_PLOT    (HTML_WIDTH - HTML_LEFT - HTML_RIGHT)
#define HTML_COLOURS 10

struct html_span {
	int64_t from_ns, to_ns; /* from < to */
};

extern const char html_svg_css[];

/* Escaped, and whatever XML does not allow replaced by U+FFFD. */
void html_escape(FILE *out, const char *text);

double html_x(const struct html_span *span, int64_t time_ns);

/* From the first submission until the last end; `ends` may be widened by more outcomes. */
struct html_span html_span_of(const struct trace *trace);
void html_span_widen(struct html_span *span, const struct outcome *outcomes, size_t n);

uint64_t html_total_gpus(const struct html_setting *setting);

void html_svg_open(FILE *out, double height, const char *label, bool alone);
void html_svg_close(FILE *out);

/* Vertical lines and labels below them: "6 h", "12 h", or days, ... */
void html_time_axis(FILE *out, const struct html_span *span, double top, double bottom);

/* Draw the Gantt chart; alone: as a file of its own, with this title. */
void html_gantt_draw(FILE *out, const struct html_setting *setting, const struct html_span *span,
		     const struct outcome *outcomes, const char *title, bool alone);

/* The lines of all policies: jobs that have not started, or the GPUs in use. */
enum html_quantity { HTML_WAITING, HTML_IN_USE };
void html_plot_draw(FILE *out, const struct html_report *report, const struct html_span *span,
		    enum html_quantity quantity);
