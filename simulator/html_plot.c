/* SPDX-License-Identifier: MIT */
/*
 * Lines over time: how many jobs wait, how many GPUs work, one line for each policy.
 *
 * Invariants: at most 3 x BUCKETS points for each. Of one with more steps the mean of each bucket
 * of time is the line, and a pale band around it reaches from the least to the greatest, so that
 * peaks stay. Cost: O(jobs log jobs) per line. Read next: html.c.
 */
#include "simulator/html_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define BUCKETS	    320
#define PLOT_TOP    8.0
#define PLOT_HEIGHT 170.0

/* The value changes at this time. */
struct step {
	int64_t time_ns;
	int64_t value; /* the change, then the value from then on */
};

struct line {
	struct step *steps; /* owned; at ascending times */
	size_t n;
	int64_t greatest;
};

static int compare_steps(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static void add_step(struct line *line, int64_t time_ns, int64_t change)
{
	if (time_ns < TIME_NEVER && change != 0)
		line->steps[line->n++] = (struct step){time_ns, change};
}

/* From changes in any order to values. */
static void sum_up(struct line *line)
{
	size_t n = 0;
	int64_t value = 0;

	if (line->n > 0)
		qsort(line->steps, line->n, sizeof(*line->steps), compare_steps);
	for (size_t i = 0; i < line->n; i++) {
		value += line->steps[i].value;
		if (i + 1 < line->n && line->steps[i + 1].time_ns == line->steps[i].time_ns)
			continue;
		line->steps[n++] = (struct step){line->steps[i].time_ns, value};
		line->greatest = value > line->greatest ? value : line->greatest;
	}
	line->n = n;
}

static struct line make_line(const struct trace *trace, const struct outcome *outcomes,
			     enum html_quantity quantity)
{
	struct line line = {.steps = xcalloc(trace->n_jobs, 2 * sizeof(struct step))};

	for (size_t i = 0; i < trace->n_jobs; i++) {
		if (quantity == HTML_WAITING) {
			add_step(&line, trace->jobs[i].submit_ns, 1);
			add_step(&line, outcomes[i].start_ns, -1);
		} else if (outcomes[i].start_ns < TIME_NEVER) {
			add_step(&line, outcomes[i].start_ns, trace->jobs[i].request.num_gpus);
			add_step(&line, outcomes[i].end_ns,
				 -(int64_t)trace->jobs[i].request.num_gpus);
		}
	}
	sum_up(&line);
	return line;
}

struct axis {
	const struct html_span *span;
	int64_t step, top; /* between ticks, and at the upper edge */
};

static double y_of(const struct axis *axis, double value)
{
	return PLOT_TOP + PLOT_HEIGHT * (1 - value / (double)axis->top);
}

static void draw_steps(FILE *out, const struct axis *axis, const struct line *line, size_t colour)
{
	fprintf(out, "<path class=\"line l%zu\" d=\"M%.1f %.1f", colour, HTML_LEFT, y_of(axis, 0));
	for (size_t i = 0; i < line->n; i++)
		fprintf(out, "H%.1fV%.1f", html_x(axis->span, line->steps[i].time_ns),
			y_of(axis, (double)line->steps[i].value));
	fputs("\"/>\n", out);
}

struct bucket {
	double least, greatest, mean;
};

static void fill_buckets(const struct axis *axis, const struct line *line,
			 struct bucket buckets[BUCKETS])
{
	double from = (double)axis->span->from_ns;
	double width = ((double)axis->span->to_ns - from) / BUCKETS, value = 0;
	size_t i = 0;

	for (unsigned k = 0; k < BUCKETS; k++) {
		struct bucket *bucket = &buckets[k];
		double at = from + width * k, end = k + 1 < BUCKETS ? at + width : INFINITY,
		       sum = 0;

		*bucket = (struct bucket){value, value, 0};
		for (; i < line->n && (double)line->steps[i].time_ns < end; i++) {
			sum += value * ((double)line->steps[i].time_ns - at);
			at = (double)line->steps[i].time_ns;
			value = (double)line->steps[i].value;
			bucket->least = fmin(bucket->least, value);
			bucket->greatest = fmax(bucket->greatest, value);
		}
		sum += value * (from + width * (k + 1) - at);
		bucket->mean = sum / width;
	}
}

static void draw_buckets(FILE *out, const struct axis *axis, const struct line *line, size_t colour)
{
	const double width = HTML_PLOT / BUCKETS;
	struct bucket buckets[BUCKETS];

	fill_buckets(axis, line, buckets);
	fprintf(out, "<path class=\"c%zu\" fill-opacity=\"0.2\" d=\"M%.1f %.1f", colour, HTML_LEFT,
		y_of(axis, 0));
	for (unsigned k = 0; k < BUCKETS; k++)
		fprintf(out, "L%.1f %.1f", HTML_LEFT + width * (k + 0.5),
			y_of(axis, buckets[k].greatest));
	for (unsigned k = BUCKETS; k-- > 0;)
		fprintf(out, "L%.1f %.1f", HTML_LEFT + width * (k + 0.5),
			y_of(axis, buckets[k].least));
	fprintf(out, "z\"/>\n<path class=\"line l%zu\" d=\"M%.1f %.1f", colour, HTML_LEFT,
		y_of(axis, 0));
	for (unsigned k = 0; k < BUCKETS; k++)
		fprintf(out, "L%.1f %.1f", HTML_LEFT + width * (k + 0.5),
			y_of(axis, buckets[k].mean));
	fputs("\"/>\n", out);
}

static void draw_line(FILE *out, const struct axis *axis, const struct line *line, size_t colour)
{
	if (line->n <= BUCKETS)
		draw_steps(out, axis, line, colour % HTML_COLOURS);
	else
		draw_buckets(out, axis, line, colour % HTML_COLOURS);
}

/* 1, 2 or 5 times a power of ten: the least with which `top` is at most four steps away. */
static int64_t nice_step(int64_t top)
{
	static const int factors[] = {1, 2, 5};
	int64_t power = 1;

	for (unsigned i = 0;; i++) {
		if (i == ARRAY_SIZE(factors)) {
			i = 0;
			power *= 10;
		}
		if (factors[i] * power >= top / 4.0)
			return factors[i] * power;
	}
}

/* Horizontal lines: numbers of jobs, or percent of the GPUs. */
static void draw_value_axis(FILE *out, const struct axis *axis, enum html_quantity quantity)
{
	int64_t step = axis->step, ticks = quantity == HTML_WAITING ? axis->top / step : 4;

	for (int64_t i = 0; i <= ticks; i++) {
		double y = quantity == HTML_WAITING ? y_of(axis, (double)(i * step))
						    : PLOT_TOP + PLOT_HEIGHT * (1 - i / 4.0);

		fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", HTML_LEFT, y,
			HTML_WIDTH - HTML_RIGHT);
		fprintf(out, "<text class=\"end\" x=\"%.1f\" y=\"%.1f\">", HTML_LEFT - 8, y + 3.5);
		if (quantity == HTML_WAITING)
			fprintf(out, "%" PRId64 "</text>\n", i * step);
		else
			fprintf(out, "%" PRId64 " %%</text>\n", i * 25);
	}
}

void html_plot_draw(FILE *out, const struct html_report *report, const struct html_span *span,
		    enum html_quantity quantity)
{
	struct line *lines = xcalloc(report->n_policies, sizeof(*lines));
	struct axis axis = {.span = span, .top = 1};

	for (size_t i = 0; i < report->n_policies; i++) {
		if (quantity == HTML_IN_USE && report->policies[i].no_chart)
			continue;
		lines[i] = make_line(report->setting.trace, report->policies[i].outcomes, quantity);
		if (quantity == HTML_WAITING && lines[i].greatest > axis.top)
			axis.top = lines[i].greatest;
	}
	axis.step = nice_step(axis.top);
	axis.top = (axis.top + axis.step - 1) / axis.step * axis.step;
	if (quantity == HTML_IN_USE)
		axis.top = (int64_t)html_total_gpus(&report->setting);
	assert(axis.top > 0);
	html_svg_open(out, PLOT_TOP + PLOT_HEIGHT + 24,
		      quantity == HTML_WAITING ? "waiting jobs over time" : "GPUs in use over time",
		      false);
	html_time_axis(out, span, PLOT_TOP, PLOT_TOP + PLOT_HEIGHT);
	draw_value_axis(out, &axis, quantity);
	for (size_t i = report->n_policies; i-- > 0;) {
		if (lines[i].n > 0)
			draw_line(out, &axis, &lines[i], i);
		free(lines[i].steps);
	}
	html_svg_close(out);
	free(lines);
}
