/* SPDX-License-Identifier: MIT */
/*
 * tgpu-sim replay: every trace under every policy, then one report.
 *
 * Invariants: all policies see the same trace; nothing is printed to stdout before the last replay
 * is over. Cost: outcomes are kept for the report, about 100 bytes a job and policy.
 * Read next: replay.c, report.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/suggest.h"
#include "simulator/adjust.h"

#include "common/paths.h"
#include "simulator/command.h"
#include "simulator/report_html.h"
#include "simulator/source.h"

#define RUNS_MAX 64 /* policies, and traces */

static const struct option_desc options[] = {
	{"format", 'f', OPTION_VALUE, "FORMAT",
	 "of the traces, see \"tgpu-sim formats\" (default: guess)", NULL},
	{"nodes", 'N', OPTION_VALUE, "NODES",
	 "the machine: 20x8[,cpus=N,mem=SIZE][+2x4...] (nodes x GPUs)", NULL},
	{"policy", 'p', OPTION_VALUE, "POLICIES", "see \"tgpu-sim policies\" (default: fifo,easy)",
	 NULL},
	{"cluster", 'c', OPTION_VALUE, "NAME", "only this cluster of the trace", NULL},
	{"estimates", 'e', OPTION_VALUE, "trace|exact|ladder",
	 "what the scheduler is told of run times (default: trace)", NULL},
	{"after", 0, OPTION_VALUE, "TIME", "only jobs submitted from then on (130d)", NULL},
	{"cap", 0, OPTION_VALUE, "TIME", "cut run times to this (2d)", NULL},
	{"at-once", 0, OPTION_FLAG, NULL, "all jobs are submitted at the beginning", NULL},
	{"from-db", 0, OPTION_VALUE, "FILE", "a database of tgpu as one more trace", NULL},
	{"starts", 0, OPTION_VALUE, "FILE", "write every job's times and nodes as CSV", NULL},
	{"html", 0, OPTION_VALUE, "FILE", "draw it: one page with tables, plots and Gantt charts",
	 NULL},
	{"gantt", 0, OPTION_VALUE, "FILE", "draw the Gantt chart of one policy as SVG", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the numbers as JSON", NULL},
	{"csv", 0, OPTION_FLAG, NULL, "print the numbers as CSV", NULL},
};

/* What was asked for, and everything that is made for it. */
struct comparison {
	const struct options *options;
	enum estimates estimates;
	int64_t after_ns, cap_ns; /* 0: not given */
	const struct preset *presets[RUNS_MAX];
	size_t n_presets;
	struct source *sources; /* owned, n_sources of each */
	struct machine *machines;
	size_t n_sources;
	struct result *results; /* owned */
	size_t n_results;
};

static void finish(struct comparison *all)
{
	for (size_t i = 0; i < all->n_results; i++)
		result_finish(&all->results[i]);
	for (size_t i = 0; i < all->n_sources; i++) {
		source_finish(&all->sources[i]);
		machine_finish(&all->machines[i]);
	}
	free(all->results);
	free(all->sources);
	free(all->machines);
}

static int unknown_policy(const char *name, struct err *err)
{
	const char *names[RUNS_MAX], *close;
	size_t n;
	const struct preset *all = presets(&n);

	for (size_t i = 0; i < n; i++)
		names[i] = all[i].name;
	close = suggest_closest(name, names, n);
	if (close)
		return err_set(err, -EINVAL, "--policy: there is no policy %.40s; did you mean %s?",
			       name, close);
	return err_set(err, -EINVAL,
		       "--policy: there is no policy %.40s; see \"tgpu-sim policies\"", name);
}

static int parse_policies(struct comparison *all, struct err *err)
{
	const char *text = options_get(all->options, "policy");
	_cleanup_(free_ptr) char *copy = xstrdup(text ? text : "fifo,easy");
	char *rest = copy, *name;

	while ((name = strsep(&rest, ","))) {
		const struct preset *preset = preset_by_name(name);

		if (!preset)
			return unknown_policy(name, err);
		if (all->n_presets == RUNS_MAX)
			return err_set(err, -EINVAL, "--policy: at most %d policies at a time",
				       RUNS_MAX);
		all->presets[all->n_presets++] = preset;
	}
	return 0;
}

static int parse_estimates(struct comparison *all, struct err *err)
{
	static const char *const names[] = {
		[ESTIMATES_TRACE] = "trace",
		[ESTIMATES_EXACT] = "exact",
		[ESTIMATES_LADDER] = "ladder",
	};
	const char *text = options_get(all->options, "estimates");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!text || STREQ(text, names[i])) {
			all->estimates = (enum estimates)i;
			return 0;
		}
	return err_set(err, -EINVAL, "--estimates %.40s: write trace, exact or ladder", text);
}

static int parse_time(const struct options *opts, const char *name, int64_t *ret_ns,
		      struct err *err)
{
	const char *text = options_get(opts, name);
	int64_t ms;

	if (!text)
		return 0;
	if (duration_parse(text, &ms, err) < 0)
		return err_wrap(err, "--%s", name);
	if (ms <= 0 || ms > INT64_MAX / NS_PER_MS)
		return err_set(err, -EINVAL, "--%s %.40s: write a time such as 2d", name, text);
	*ret_ns = ms * NS_PER_MS;
	return 0;
}

static int make_machine(const struct source *source, const char *nodes, struct machine *ret_machine,
			struct err *err)
{
	char procs[40];

	if (!nodes && source->procs == 0)
		return err_set(err, -EINVAL,
			       "%s does not tell its machine; write --nodes 20x8 for twenty "
			       "nodes of eight GPUs",
			       path_tail(source->path));
	snprintf(procs, sizeof(procs), "1x0,cpus=%u", source->procs);
	return machine_parse(nodes ? nodes : procs, source->format->cpu_unit, ret_machine, err);
}

/* Say what a replay leaves out. */
static int drop_impossible(struct source *source, const struct machine *machine, struct err *err)
{
	struct err first = {0};
	size_t n_jobs = source->trace.n_jobs;
	size_t n = replay_drop_impossible(&source->trace, machine, &first);

	first.msg[strcspn(first.msg, ";")] = '\0';
	if (n == n_jobs)
		return err_set(err, -EINVAL, "%s: none of its jobs fits on these nodes; %.150s",
			       path_tail(source->path), first.msg);
	if (source->n_left_out > 0)
		fprintf(stderr,
			"tgpu-sim: %s: without %zu row%s that %s (nothing ran, or on nothing)\n",
			source->path, source->n_left_out, plural(source->n_left_out),
			source->n_left_out == 1 ? "is no job" : "are no jobs");
	if (n > 0)
		fprintf(stderr,
			"tgpu-sim: %s: %zu of %zu jobs can never run on these nodes, and %s left "
			"out; the first, %s%s\n",
			source->path, n, n_jobs, n == 1 ? "is" : "are", first.msg,
			source->format->cpu_unit == 1000 && strstr(first.msg, " cpus: ")
				? " (in thousandths)"
				: "");
	return 0;
}

static int load(struct comparison *all, const char *path, const struct trace_format *format,
		struct err *err)
{
	struct source *source = &all->sources[all->n_sources];
	struct machine *machine = &all->machines[all->n_sources];
	int r = source_load(path, format, options_get(all->options, "cluster"), source, err);

	if (r < 0)
		return r;
	all->n_sources++;
	r = make_machine(source, options_get(all->options, "nodes"), machine, err);
	if (r < 0)
		return r;
	if (all->after_ns > 0)
		trace_begin_after(&source->trace, all->after_ns);
	if (options_has(all->options, "at-once"))
		trace_submit_at_once(&source->trace);
	if (all->cap_ns > 0)
		trace_cap(&source->trace, all->cap_ns);
	if (source->trace.n_jobs == 0)
		return err_set(err, -EINVAL, "%s: no job was submitted after --after %s",
			       path_tail(path), options_get(all->options, "after"));
	return drop_impossible(source, machine, err);
}

static int load_all(struct comparison *all, struct err *err)
{
	const char *name = options_get(all->options, "format");
	const char *db = options_get(all->options, "from-db");
	const struct trace_format *format = name ? trace_format_by_name(name) : NULL;
	size_t n = all->options->n_words + (db != NULL);
	int r = 0;

	if (name && !format)
		return err_set(err, -EINVAL,
			       "--format %.40s: there is no such format; see \"tgpu-sim formats\"",
			       name);
	if (n == 0 || n > RUNS_MAX)
		return err_set(err, -EINVAL, "name from 1 to %d traces; see --help", RUNS_MAX);
	all->sources = xcalloc(n, sizeof(*all->sources));
	all->machines = xcalloc(n, sizeof(*all->machines));
	for (size_t i = 0; i < all->options->n_words && r == 0; i++)
		r = load(all, all->options->words[i], format, err);
	if (db && r == 0)
		r = load(all, db, &format_tgpu, err);
	return r;
}

/* Where a replay stands, on a terminal: at most ten times a second. */
static void tell(void *ctx, size_t done, size_t total)
{
	static int64_t last_ns;
	int64_t now_ns = clock_mono_ns();

	if (now_ns - last_ns < NS_PER_S / 10)
		return;
	last_ns = now_ns;
	fprintf(stderr, "\r%s: %zu%% \033[K", (const char *)ctx, 100 * done / total);
}

static int run_one(struct comparison *all, size_t at, const struct preset *preset,
		   const char *estimates, struct err *err)
{
	const struct source *source = &all->sources[at];
	const char *slash = strrchr(source->path, '/');
	struct progress progress = {isatty(STDERR_FILENO) ? tell : NULL, (void *)preset->name};
	struct result *result = &all->results[all->n_results];
	size_t len;
	int r;

	*result = (struct result){
		.name = xstrdup(slash ? slash + 1 : source->path),
		.estimates = estimates,
		.trace = &source->trace,
		.machine = &all->machines[at],
		.cpu_unit = source->format->cpu_unit,
		.preset = preset,
	};
	all->n_results++;
	len = strlen(result->name);
	if (len > 3 && STREQ(result->name + len - 3, ".gz"))
		result->name[len - 3] = '\0';
	r = preset->run(preset, result->trace, result->machine, &progress, &result->outcomes, err);
	if (progress.tell)
		fputs("\r\033[K", stderr);
	if (r < 0) {
		err_wrap(err, "%s: %s", path_tail(source->path), preset->name);
		return r;
	}
	summary_make(result->trace, result->machine, result->outcomes, &result->summary);
	return 0;
}

static int run_all(struct comparison *all, struct err *err)
{
	int r = 0;

	all->results = xcalloc(all->n_sources * all->n_presets, sizeof(*all->results));
	for (size_t i = 0; i < all->n_sources; i++) {
		const char *estimates = trace_estimate(&all->sources[i].trace, all->estimates);

		for (size_t k = 0; k < all->n_presets && r == 0; k++)
			r = run_one(all, i, all->presets[k], estimates, err);
	}
	return r;
}

static int report(const struct comparison *all, struct err *err)
{
	const char *starts = options_get(all->options, "starts");
	const char *html = options_get(all->options, "html");
	const char *gantt = options_get(all->options, "gantt");
	int r = 0;

	if (options_has(all->options, "json"))
		report_json(all->results, all->n_results, stdout);
	else if (options_has(all->options, "csv"))
		report_csv(all->results, all->n_results, stdout);
	else
		report_table(all->results, all->n_results, stdout);
	if (starts)
		r = report_starts(&all->results[0], starts, err);
	if (html && r == 0)
		r = report_html(all->results, all->n_results, html, err);
	if (gantt && r == 0)
		r = report_gantt(&all->results[0], gantt, err);
	return r;
}

/* Some outputs have room for one trace, or for one trace under one policy. */
static int check_outputs(const struct comparison *all, struct err *err)
{
	static const char *const single[] = {"starts", "gantt"};

	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		if (options_has(all->options, single[i]) && all->n_sources * all->n_presets > 1)
			return err_set(err, -EINVAL, "--%s takes one trace and one --policy",
				       single[i]);
	if (options_has(all->options, "html") && all->n_sources > 1)
		return err_set(err, -EINVAL, "--html takes one trace");
	return 0;
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(finish) struct comparison all = {.options = opts};
	int r = parse_policies(&all, err);

	if (r == 0)
		r = parse_estimates(&all, err);
	if (r == 0)
		r = parse_time(opts, "after", &all.after_ns, err);
	if (r == 0)
		r = parse_time(opts, "cap", &all.cap_ns, err);
	if (r == 0)
		r = load_all(&all, err);
	if (r == 0)
		r = check_outputs(&all, err);
	if (r == 0)
		r = run_all(&all, err);
	return r < 0 ? r : report(&all, err);
}

const struct sim_command command_replay = {
	.name = "replay",
	.usage = "[OPTIONS] TRACE...",
	.summary = "run traces under policies and compare",
	.details =
		"Times are durations. WAIT, JCT and SLOWDOWN are means; SLOWDOWN is (wait + run) "
		"/ run, with at least ten seconds for run; USED is the share of GPU time (of CPU "
		"time without GPUs).",
	.examples =
		"  tgpu-sim replay --nodes 20x8 --cluster 3 itp2021.csv.gz\n"
		"  tgpu-sim replay --policy fifo,easy,priority KTH-SP2-1996-2.1-cln.swf.gz\n"
		"  tgpu-sim replay --nodes 1x8 --from-db ~/.local/state/tgpu/tgpu.db\n"
		"  tgpu-sim replay -N 1x8,cpus=96,mem=384G+2x2 --after 130d --cap 2d openb.csv\n"
		"  tgpu-sim replay -N 8x8 -p easy -e ladder --starts starts.csv trace.csv\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.takes_words = true,
	.run = run,
};
