/* SPDX-License-Identifier: MIT */
/*
 * The Gantt chart: a row for each GPU, a rectangle for each job on each run of neighbouring GPUs.
 *
 * Invariants: at most RECTS_MAX rectangles. Jobs that are shorter than half a pixel, or than what
 * that bound allows, and all jobs where a GPU's row is too thin, are not drawn one by one but add
 * to a raster, whose cells are shaded by how much of them is in use; nothing is left out.
 * Deliberately not here: where a job was before it lost a place (outcomes do not tell).
 * Cost: O(jobs x GPUs) time, the raster in memory; at most about 1 MB is written. Read next:
 * html_plot.c.
 */
#include "simulator/html_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/duration.h"

#define RECTS_MAX   3000
#define HEIGHT_MAX  432.0 /* of all rows */
#define ROW_MAX	    24.0
#define RASTER_ROWS 72
#define RASTER_COLS 442 /* cells of two pixels */
#define SHADES	    8
#define CELL_WIDTH  (HTML_PLOT / RASTER_COLS)

struct gantt {
	FILE *out;
	const struct html_setting *setting;
	const struct html_span *span;
	const struct outcome *outcomes;
	uint64_t *first_gpu; /* owned: of each node, among all of the cluster */
	uint64_t n_gpus;
	double top, row; /* row: height of a GPU's */
	double least;	 /* pixels that a job must last to be drawn by itself */
	unsigned n_rows; /* of the raster */
	double *raster;	 /* owned: GPU-pixels in use, [row][column] */
};

static bool has_run(const struct outcome *outcome)
{
	return outcome->start_ns < TIME_NEVER && outcome->alloc.n_parts > 0;
}

static double x_of_end(const struct gantt *gantt, const struct outcome *outcome)
{
	return html_x(gantt->span, outcome->end_ns);
}

static double width_of(const struct gantt *gantt, const struct outcome *outcome)
{
	return x_of_end(gantt, outcome) - html_x(gantt->span, outcome->start_ns);
}

/* Take the lowest run of neighbouring bits out of *gpus. */
static unsigned take_run(uint64_t *gpus, unsigned *ret_first)
{
	unsigned first = (unsigned)__builtin_ctzll(*gpus);
	uint64_t shifted = *gpus >> first;
	unsigned n = ~shifted ? (unsigned)__builtin_ctzll(~shifted) : 64;

	*gpus = n + first < 64 ? (shifted >> n) << n << first : 0;
	*ret_first = first;
	return n;
}

static size_t count_rects(const struct allocation *alloc)
{
	size_t n = 0;

	for (size_t i = 0; i < alloc->n_parts; i++) {
		uint64_t gpus = alloc->parts[i].gpus;

		n += (size_t)__builtin_popcountll(gpus & ~(gpus << 1));
	}
	return n;
}

/* The least width at which there are few enough rectangles. */
static double choose_least(const struct gantt *gantt)
{
	if (gantt->row < 0.5)
		return INFINITY;
	for (double least = 0.5;; least *= 1.5) {
		size_t n = 0;

		for (size_t i = 0; i < gantt->setting->trace->n_jobs; i++)
			if (has_run(&gantt->outcomes[i]) &&
			    width_of(gantt, &gantt->outcomes[i]) >= least)
				n += count_rects(&gantt->outcomes[i].alloc);
		if (n <= RECTS_MAX)
			return least;
	}
}

/* Add one GPU's use to the cells that it touches. */
static void shade_gpu(struct gantt *gantt, uint64_t gpu, double from, double to)
{
	double *row;

	assert(gpu < gantt->n_gpus);
	row = gantt->raster + gpu * gantt->n_rows / gantt->n_gpus * RASTER_COLS;
	for (unsigned col = (unsigned)(from / CELL_WIDTH); col < RASTER_COLS; col++) {
		double left = fmax(from, col * CELL_WIDTH);
		double right = fmin(to, (col + 1) * CELL_WIDTH);

		if (right <= left)
			return;
		row[col] += right - left;
	}
}

static void shade_job(struct gantt *gantt, const struct outcome *outcome)
{
	double from = html_x(gantt->span, outcome->start_ns) - HTML_LEFT;
	double to = x_of_end(gantt, outcome) - HTML_LEFT;

	for (size_t i = 0; i < outcome->alloc.n_parts; i++) {
		const struct allocation_part *part = &outcome->alloc.parts[i];

		for (uint64_t gpus = part->gpus; gpus; gpus &= gpus - 1)
			shade_gpu(gantt, gantt->first_gpu[part->node] + __builtin_ctzll(gpus), from,
				  to);
	}
}

/* 0 (nothing) to SHADES (all in use); what is used at all is seen. */
static unsigned shade_of(const struct gantt *gantt, unsigned row, unsigned col)
{
	/* The GPUs g with g * n_rows / n_gpus == row. */
	uint64_t first = (row * gantt->n_gpus + gantt->n_rows - 1) / gantt->n_rows;
	uint64_t end = ((row + 1) * gantt->n_gpus + gantt->n_rows - 1) / gantt->n_rows;
	double used = gantt->raster[row * RASTER_COLS + col];
	double shade = ceil(used / ((double)(end - first) * CELL_WIDTH) * SHADES - 1e-6);

	return used <= 0 ? 0 : shade < 1 ? 1 : shade > SHADES ? SHADES : (unsigned)shade;
}

/* The cells of one shade, neighbours of a row as one; strokes, which take fewer bytes than areas.
 */
static void draw_shade(const struct gantt *gantt, unsigned shade)
{
	double height = (double)gantt->n_gpus * gantt->row / gantt->n_rows;

	fprintf(gantt->out,
		"<path class=\"occ\" stroke-width=\"%.5g\" stroke-opacity=\"%.2f\" d=\"", height,
		0.9 * shade / SHADES);
	for (unsigned row = 0; row < gantt->n_rows; row++) {
		for (unsigned col = 0; col < RASTER_COLS; col++) {
			unsigned first = col;

			while (col < RASTER_COLS && shade_of(gantt, row, col) == shade)
				col++;
			if (col > first)
				fprintf(gantt->out, "M%.5g %.5gh%.5g",
					HTML_LEFT + first * CELL_WIDTH,
					gantt->top + (row + 0.5) * height,
					(col - first) * CELL_WIDTH);
		}
	}
	fputs("\"/>\n", gantt->out);
}

static void draw_raster(struct gantt *gantt)
{
	const struct trace *trace = gantt->setting->trace;
	bool any = false;

	for (size_t i = 0; i < trace->n_jobs; i++) {
		const struct outcome *outcome = &gantt->outcomes[i];

		if (!has_run(outcome) || width_of(gantt, outcome) >= gantt->least)
			continue;
		shade_job(gantt, outcome);
		any = true;
	}
	for (unsigned shade = 1; any && shade <= SHADES; shade++)
		draw_shade(gantt, shade);
}

/* A gap between rectangles where there is room for one. */
static void draw_rect(const struct gantt *gantt, double x, double width, double y, double height,
		      uint64_t id)
{
	double gap_x = width > 3 ? 0.6 : 0, gap_y = gantt->row >= 4 ? 0.8 : 0;

	fprintf(gantt->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"%s/>", x, y,
		width - gap_x, height - gap_y, width > 8 && height > 8 ? " rx=\"2\"" : "");
	if (height >= 12 && width >= 34)
		fprintf(gantt->out, "<text class=\"in\" x=\"%.1f\" y=\"%.1f\">%" PRIu64 "</text>",
			x + width / 2, y + height / 2 + 3.5, id);
}

static void draw_job(const struct gantt *gantt, const struct trace_job *job,
		     const struct outcome *outcome)
{
	double x = html_x(gantt->span, outcome->start_ns), width = width_of(gantt, outcome);
	char wait[32] = "?", run[32] = "no end";

	duration_format((outcome->start_ns - job->submit_ns) / NS_PER_MS, wait);
	if (outcome->end_ns < TIME_NEVER)
		duration_format((outcome->end_ns - outcome->start_ns) / NS_PER_MS, run);
	fprintf(gantt->out,
		"<g class=\"job c%" PRIu64 "\"><title>job %" PRIu64
		": %u GPU%s, waited %s, ran %s</title>",
		job->id % HTML_COLOURS, job->id, job->request.num_gpus,
		job->request.num_gpus == 1 ? "" : "s", wait, run);
	for (size_t i = 0; i < outcome->alloc.n_parts; i++) {
		const struct allocation_part *part = &outcome->alloc.parts[i];
		uint64_t gpus = part->gpus;

		while (gpus) {
			unsigned first, n = take_run(&gpus, &first);
			double gpu = (double)(gantt->first_gpu[part->node] + first);

			draw_rect(gantt, x, width, gantt->top + gpu * gantt->row, n * gantt->row,
				  job->id);
		}
	}
	fputs("</g>\n", gantt->out);
}

static void draw_label(const struct gantt *gantt, double y, const char *what, size_t number)
{
	fprintf(gantt->out, "<text class=\"end\" x=\"%.1f\" y=\"%.1f\">%s %zu</text>\n",
		HTML_LEFT - 8, y + 3.5, what, number);
}

/* Names of the rows: of GPUs when there is one node, else of nodes, as many as there is room for.
 */
static void draw_rows(const struct gantt *gantt)
{
	double last = -INFINITY;

	for (size_t i = 0; i < gantt->setting->n_nodes; i++) {
		double height = gantt->setting->gpus_of_node[i] * gantt->row;
		double y = gantt->top + (double)gantt->first_gpu[i] * gantt->row;

		if (height >= 6 && i > 0)
			fprintf(gantt->out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n",
				HTML_LEFT, y - 0.4, HTML_WIDTH - HTML_RIGHT);
		if (height > 0 && y + height / 2 - last >= 13 && gantt->setting->n_nodes > 1) {
			last = y + height / 2;
			draw_label(gantt, last, "node", i);
		}
	}
	for (size_t i = 0; gantt->setting->n_nodes == 1 && i < gantt->n_gpus; i++) {
		double y = gantt->top + ((double)i + 0.5) * gantt->row;

		if (y - last < 13)
			continue;
		last = y;
		draw_label(gantt, y, "GPU", i);
	}
}

static void draw_chart(struct gantt *gantt)
{
	const struct trace *trace = gantt->setting->trace;
	double bottom = gantt->top + (double)gantt->n_gpus * gantt->row;

	html_time_axis(gantt->out, gantt->span, gantt->top, bottom);
	draw_rows(gantt);
	draw_raster(gantt);
	for (size_t i = 0; i < trace->n_jobs; i++)
		if (has_run(&gantt->outcomes[i]) &&
		    width_of(gantt, &gantt->outcomes[i]) >= gantt->least)
			draw_job(gantt, &trace->jobs[i], &gantt->outcomes[i]);
}

void html_gantt_draw(FILE *out, const struct html_setting *setting, const struct html_span *span,
		     const struct outcome *outcomes, const char *title, bool alone)
{
	uint64_t n_gpus = html_total_gpus(setting);
	struct gantt gantt = {
		.out = out,
		.setting = setting,
		.span = span,
		.outcomes = outcomes,
		.n_gpus = n_gpus,
		.top = alone ? 36 : 6,
		.row = n_gpus > 0 ? fmin(HEIGHT_MAX / (double)n_gpus, ROW_MAX) : 0,
		.n_rows = n_gpus < RASTER_ROWS ? (unsigned)n_gpus : RASTER_ROWS,
	};
	uint64_t first = 0;

	gantt.first_gpu = xcalloc(setting->n_nodes, sizeof(*gantt.first_gpu));
	gantt.raster = xcalloc((size_t)RASTER_ROWS * RASTER_COLS, sizeof(*gantt.raster));
	for (size_t i = 0; i < setting->n_nodes; i++) {
		gantt.first_gpu[i] = first;
		first += setting->gpus_of_node[i];
	}
	gantt.least = choose_least(&gantt);
	html_svg_open(out, gantt.top + (double)n_gpus * gantt.row + 24, title, alone);
	if (alone) {
		fprintf(out, "<text class=\"name\" x=\"%.0f\" y=\"22\">", HTML_LEFT);
		html_escape(out, title);
		fputs("</text>\n", out);
	}
	draw_chart(&gantt);
	html_svg_close(out);
	free(gantt.first_gpu);
	free(gantt.raster);
}
