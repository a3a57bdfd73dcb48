/* SPDX-License-Identifier: MIT */
/*
 * From results to the texts and outcomes that html.c draws.
 *
 * Deliberately not here: drawing (html.c), and numbers beyond those of the table (report.c). Read
 * next: html.h.
 */
#include "simulator/report_html.h"

#include "common/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "simulator/html.h"

/* The columns of the table, once more as texts. */
static const char *const labels[] = {"mean wait", "median wait", "95% wait", "longest wait",
				     "mean JCT",  "slowdown",	 "used",     "makespan"};

struct texts {
	char text[ARRAY_SIZE(labels)][32];
	const char *values[ARRAY_SIZE(labels)];
};

static void fill_texts(const struct result *result, struct texts *texts)
{
	const struct summary *s = &result->summary;

	report_duration(s->avg_wait_s * NS_PER_S, texts->text[0]);
	report_duration((double)s->p50_wait_ns, texts->text[1]);
	report_duration((double)s->p95_wait_ns, texts->text[2]);
	report_duration((double)s->max_wait_ns, texts->text[3]);
	report_duration(s->avg_jct_s * NS_PER_S, texts->text[4]);
	snprintf(texts->text[5], sizeof(texts->text[5]), "%.2f", s->avg_bsld);
	if (s->utilisation >= 0)
		snprintf(texts->text[6], sizeof(texts->text[6]), "%.1f%%", 100 * s->utilisation);
	else
		snprintf(texts->text[6], sizeof(texts->text[6]), "-");
	report_duration((double)s->makespan_ns, texts->text[7]);
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		texts->values[i] = texts->text[i];
}

static uint32_t *gpus_of_nodes(const struct machine *machine)
{
	uint32_t *gpus = xcalloc(machine->n_nodes, sizeof(*gpus));

	for (size_t i = 0; i < machine->n_nodes; i++)
		gpus[i] = machine->nodes[i].gpus;
	return gpus;
}

static struct html_setting setting_of(const struct result *result, const uint32_t *gpus)
{
	return (struct html_setting){
		.trace = result->trace,
		.gpus_of_node = gpus,
		.n_nodes = result->machine->n_nodes,
	};
}

static int close_written(FILE *out, int r, const char *path, struct err *err)
{
	if (r == 0 && (fflush(out) != 0 || ferror(out)))
		r = -EIO;
	if (r < 0)
		err_set(err, r, "%s: cannot write it: %s", path_tail(path), strerror(-r));
	return r;
}

static FILE *open_for_writing(const char *path, struct err *err)
{
	FILE *out = fopen(path, "we");

	if (!out)
		err_set(err, -errno, "%s: cannot write it: %s", path_tail(path), strerror(errno));
	return out;
}

int report_html(const struct result *results, size_t n, const char *path, struct err *err)
{
	_cleanup_(close_file) FILE *out = open_for_writing(path, err);
	_cleanup_(free_ptr) uint32_t *gpus = gpus_of_nodes(results[0].machine);
	_cleanup_(free_ptr) struct html_policy *drawn = xcalloc(n, sizeof(*drawn));
	_cleanup_(free_ptr) struct texts *texts = xcalloc(n, sizeof(*texts));
	_cleanup_(free_ptr) char *subtitle =
		xasprintf("%zu job%s on %zu node%s with %" PRIu64 " GPU%s; estimates: %s",
			  results[0].trace->n_jobs, plural(results[0].trace->n_jobs),
			  results[0].machine->n_nodes, plural(results[0].machine->n_nodes),
			  machine_gpus(results[0].machine),
			  plural(machine_gpus(results[0].machine)), results[0].estimates);
	struct html_report report = {
		.title = results[0].name,
		.subtitle = subtitle,
		.setting = setting_of(&results[0], gpus),
		.labels = labels,
		.n_labels = ARRAY_SIZE(labels),
		.policies = drawn,
		.n_policies = n,
	};

	if (!out)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		fill_texts(&results[i], &texts[i]);
		drawn[i] = (struct html_policy){
			.name = results[i].preset->name,
			.values = texts[i].values,
			.outcomes = results[i].outcomes,
			.no_chart = results[i].preset->ideal
					    ? "Jobs lost their places on the way and found others, "
					      "so there is no chart of who was where."
					    : NULL,
		};
	}
	return close_written(out, html_write(out, &report), path, err);
}

int report_gantt(const struct result *result, const char *path, struct err *err)
{
	_cleanup_(close_file) FILE *out = open_for_writing(path, err);
	_cleanup_(free_ptr) uint32_t *gpus = gpus_of_nodes(result->machine);
	struct html_setting setting = setting_of(result, gpus);
	_cleanup_(free_ptr) char *title = xasprintf("%s: %s", result->name, result->preset->name);

	if (!out)
		return err->code;
	return close_written(out, html_gantt_svg(out, &setting, result->outcomes, title), path,
			     err);
}
