/* SPDX-License-Identifier: MIT */
/*
 * The report as one HTML page.
 *
 * Invariants: well-formed XML, so that any tool can read it; every text from outside goes through
 * html_escape(). Deliberately not here: scripts (hovering shows a job by <title> and CSS alone),
 * numbers (the caller has them), reading anything. Cost: what html_gantt.c and html_plot.c say, per
 * policy. Read next: html_gantt.c.
 */
#include "simulator/html_internal.h"

#include <errno.h>

static const char page_css[] =
	"body{margin:0 auto;max-width:1040px;padding:24px 20px 48px;background:var(--bg);"
	"color:var(--fg);font:15px/1.5 system-ui,sans-serif}\n"
	"h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:36px 0 8px}\n"
	"p{margin:0 0 8px;color:var(--muted)}.scroll{overflow-x:auto}\n"
	"table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
	"th,td{padding:5px 0 5px 24px;text-align:right;white-space:nowrap;"
	"border-bottom:1px solid var(--grid)}\n"
	"thead th{color:var(--muted);font-weight:500;font-size:13px;vertical-align:bottom}\n"
	"th:first-child{position:sticky;left:0;padding-left:0;text-align:left;"
	"background:var(--bg);font-weight:600}\n"
	".scroll>svg{display:block;width:100%;min-width:640px;height:auto}\n"
	"h1,h2,p{overflow-wrap:anywhere}.key{display:inline-block;margin-right:18px}\n"
	".key svg{width:10px;height:10px;margin-right:6px}table .key{margin:0}\n";

static void write_element(FILE *out, const char *name, const char *text)
{
	fprintf(out, "<%s>", name);
	html_escape(out, text);
	fprintf(out, "</%s>\n", name);
}

/* A policy's name with its colour. */
static void write_key(FILE *out, const struct html_report *report, size_t policy)
{
	fprintf(out,
		"<span class=\"key\"><svg viewBox=\"0 0 10 10\"><circle class=\"c%zu\" cx=\"5\" "
		"cy=\"5\" r=\"5\"/></svg>",
		policy % HTML_COLOURS);
	html_escape(out, report->policies[policy].name);
	fputs("</span>", out);
}

static void write_table(FILE *out, const struct html_report *report)
{
	fputs("<div class=\"scroll\"><table>\n<thead><tr><th>policy</th>", out);
	for (size_t i = 0; i < report->n_labels; i++)
		write_element(out, "th", report->labels[i]);
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t p = 0; p < report->n_policies; p++) {
		fputs("<tr><th>", out);
		write_key(out, report, p);
		fputs("</th>", out);
		for (size_t i = 0; i < report->n_labels; i++)
			write_element(out, "td", report->policies[p].values[i]);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void write_plot(FILE *out, const struct html_report *report, const struct html_span *span,
		       enum html_quantity quantity)
{
	fputs("<p>", out);
	for (size_t i = 0; i < report->n_policies; i++)
		if (quantity == HTML_WAITING || !report->policies[i].no_chart)
			write_key(out, report, i);
	fputs("</p>\n<div class=\"scroll\">", out);
	html_plot_draw(out, report, span, quantity);
	fputs("</div>\n", out);
}

static void write_gantt(FILE *out, const struct html_report *report, const struct html_span *span,
			const struct html_policy *policy)
{
	write_element(out, "h2", policy->name);
	if (policy->no_chart) {
		write_element(out, "p", policy->no_chart);
		return;
	}
	fputs("<div class=\"scroll\">", out);
	html_gantt_draw(out, &report->setting, span, policy->outcomes, policy->name, false);
	fputs("</div>\n", out);
}

static void write_charts(FILE *out, const struct html_report *report)
{
	struct html_span span = html_span_of(report->setting.trace);
	bool has_gpus = html_total_gpus(&report->setting) > 0;

	for (size_t i = 0; i < report->n_policies; i++)
		html_span_widen(&span, report->policies[i].outcomes, report->setting.trace->n_jobs);
	fputs("<h2>Jobs that have not started yet</h2>\n<p>Where a line has a band around it, it "
	      "is the mean and the band reaches from least to greatest.</p>\n",
	      out);
	write_plot(out, report, &span, HTML_WAITING);
	if (!has_gpus)
		return;
	fputs("<h2>GPUs in use</h2>\n", out);
	write_plot(out, report, &span, HTML_IN_USE);
	fputs("<h2>Who runs where</h2>\n<p>A row is a GPU, a colour a job; point at one to see "
	      "which. Where jobs are too short to be seen one by one, the shade tells how much is "
	      "in use. Time counts from the first submission.</p>\n",
	      out);
	for (size_t i = 0; i < report->n_policies; i++)
		write_gantt(out, report, &span, &report->policies[i]);
}

static int finish(FILE *out)
{
	if (fflush(out) != 0)
		return errno > 0 ? -errno : -EIO;
	return ferror(out) ? -EIO : 0;
}

int html_write(FILE *out, const struct html_report *report)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n",
	      out);
	write_element(out, "title", report->title);
	fprintf(out, "<style>\n%s%s</style></head><body>\n", html_svg_css, page_css);
	write_element(out, "h1", report->title);
	write_element(out, "p", report->subtitle);
	write_table(out, report);
	write_charts(out, report);
	fputs("</body></html>\n", out);
	return finish(out);
}

int html_gantt_svg(FILE *out, const struct html_setting *setting, const struct outcome *outcomes,
		   const char *title)
{
	struct html_span span = html_span_of(setting->trace);

	html_span_widen(&span, outcomes, setting->trace->n_jobs);
	html_gantt_draw(out, setting, &span, outcomes, title, true);
	return finish(out);
}
