/* SPDX-License-Identifier: MIT */
/*
 * What the pictures share: escaped texts, the time scale, its ticks, colours.
 *
 * Invariant: whatever text comes in, what goes out is well-formed XML. The colours are chosen to
 * be told apart on white and on black; the theme is the reader's (prefers-color-scheme).
 * Cost: linear in what is written. Read next: html_gantt.c, html_plot.c.
 */
#include "simulator/html_internal.h"

#include <inttypes.h>

#include "common/utf8.h"

const char html_svg_css[] =
	":root,svg{--bg:#fff;--fg:#1f2328;--muted:#656d76;--grid:#e4e7eb;--occ:#4f7ca8}\n"
	"@media(prefers-color-scheme:dark){:root,svg{--bg:#0f1419;--fg:#dde3ea;--muted:#8b96a3;"
	"--grid:#252c35;--occ:#7fa6cc}}\n"
	"svg text{font:11px system-ui,sans-serif;fill:var(--muted)}\n"
	"svg .name{font-size:14px;font-weight:600;fill:var(--fg)}\n"
	".end{text-anchor:end}.mid{text-anchor:middle}\n"
	".grid{stroke:var(--grid);fill:none}.axis{stroke:var(--muted);stroke-opacity:.5;fill:none}"
	"\n"
	".occ{stroke:var(--occ);fill:none}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}\n"
	"svg .in{font-size:10px;fill:#fff;text-anchor:middle;pointer-events:none}\n"
	".job:hover rect{stroke:var(--fg);stroke-width:1}\n"
	".c0{fill:#4f7ca8}.c1{fill:#c9793a}.c2{fill:#5d9466}.c3{fill:#b35d64}.c4{fill:#8570ad}\n"
	".c5{fill:#3f9a99}.c6{fill:#b5668f}.c7{fill:#8c7f3f}.c8{fill:#6c7a89}.c9{fill:#9c6b4e}\n"
	".l0{stroke:#4f7ca8}.l1{stroke:#d9803a}.l2{stroke:#5d9e68}.l3{stroke:#c2606a}\n"
	".l4{stroke:#8f78bd}.l5{stroke:#3fa6a4}.l6{stroke:#c2709b}.l7{stroke:#9c8e45}\n"
	".l8{stroke:#7c8a99}.l9{stroke:#ac795a}\n";

/* Does XML 1.0 allow this well-formed sequence? Not the controls, not U+FFFE and U+FFFF. */
static bool is_xml_char(const unsigned char *at, size_t n)
{
	if (n == 1)
		return at[0] >= 0x20 || at[0] == '\t' || at[0] == '\n' || at[0] == '\r';
	return !(n == 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe);
}

static const char *entity(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

void html_escape(FILE *out, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = utf8_sequence(text, left);

		if (n == 0 || !is_xml_char((const unsigned char *)text, n))
			fputs("\xef\xbf\xbd", out);
		else if (n == 1 && entity(*text))
			fputs(entity(*text), out);
		else
			fwrite(text, 1, n, out);
		text += n > 0 ? n : 1;
		left -= n > 0 ? n : 1;
	}
}

double html_x(const struct html_span *span, int64_t time_ns)
{
	/* The difference of times may not fit into an int64_t; a double's error is no pixel. */
	double share = ((double)time_ns - (double)span->from_ns) /
		       ((double)span->to_ns - (double)span->from_ns);

	return HTML_LEFT + HTML_PLOT * (share < 0 ? 0 : share > 1 ? 1 : share);
}

struct html_span html_span_of(const struct trace *trace)
{
	struct html_span span = {0, NS_PER_S};

	if (trace->n_jobs > 0) {
		span.from_ns = trace->jobs[0].submit_ns;
		span.to_ns = time_add(trace->jobs[trace->n_jobs - 1].submit_ns, NS_PER_S);
	}
	return span;
}

void html_span_widen(struct html_span *span, const struct outcome *outcomes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (outcomes[i].end_ns < TIME_NEVER && outcomes[i].end_ns > span->to_ns)
			span->to_ns = outcomes[i].end_ns;
}

uint64_t html_total_gpus(const struct html_setting *setting)
{
	uint64_t total = 0;

	for (size_t i = 0; i < setting->n_nodes; i++)
		total += setting->gpus_of_node[i];
	return total;
}

void html_svg_open(FILE *out, double height, const char *label, bool alone)
{
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\"",
		HTML_WIDTH, height);
	if (alone)
		fprintf(out, " width=\"%.0f\" height=\"%.0f\"", HTML_WIDTH, height);
	fputs(" role=\"img\" aria-label=\"", out);
	html_escape(out, label);
	fputs("\">\n", out);
	if (!alone)
		return;
	fprintf(out, "<style>\n%s</style>\n", html_svg_css);
	fputs("<rect width=\"100%\" height=\"100%\" style=\"fill:var(--bg)\"/>\n", out);
}

void html_svg_close(FILE *out)
{
	fputs("</svg>\n", out);
}

/* Steps that people count time in; the unit is what a label is a multiple of. */
static const struct {
	int64_t ms, unit_ms;
	const char *unit;
} steps[] = {
#define STEP(n, unit_ms, unit)                          \
	{                                               \
		(int64_t)(n) * (unit_ms), unit_ms, unit \
	}
#define MS(n)  STEP(n, 1, "ms")
#define S(n)   STEP(n, 1000, "s")
#define MIN(n) STEP(n, 60000, "min")
#define H(n)   STEP(n, 3600000, "h")
#define D(n)   STEP(n, 86400000, "d")
	MS(1), MS(10), MS(100), S(1),	S(2),	 S(5),	  S(10),   S(20),
	S(30), MIN(1), MIN(2),	MIN(5), MIN(10), MIN(20), MIN(30), H(1),
	H(2),  H(3),   H(6),	H(12),	D(1),	 D(2),	  D(5),	   D(10),
	D(20), D(50),  D(100),	D(200), D(500),	 D(1000), D(5000), D(20000),
};

#define TICKS_MAX 10

void html_time_axis(FILE *out, const struct html_span *span, double top, double bottom)
{
	double length_ms = ((double)span->to_ns - (double)span->from_ns) / NS_PER_MS;
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(steps) && length_ms > (double)steps[i].ms * TICKS_MAX)
		i++;
	for (int64_t ms = 0; (double)ms <= length_ms; ms += steps[i].ms) {
		double x = HTML_LEFT + HTML_PLOT * (double)ms / length_ms;

		fprintf(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>", x, top, bottom + 4);
		fprintf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">", x, bottom + 16);
		if (ms == 0)
			fputs("0</text>\n", out);
		else
			fprintf(out, "%" PRId64 " %s</text>\n", ms / steps[i].unit_ms,
				steps[i].unit);
	}
	fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", HTML_LEFT, bottom,
		HTML_WIDTH - HTML_RIGHT);
}
