/* SPDX-License-Identifier: MIT */
/* tgpu show: all that is known of a job, and what happened to it when. */
#include <inttypes.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "cli/specview.h"
#include "common/clock.h"
#include "common/duration.h"

static const struct option_desc options[] = {
	SELECTOR_OPTIONS,
	{"json", 0, OPTION_FLAG, NULL, "print each job as JSON", NULL},
};

/* One line "name: value"; an unknown value leaves no line, and false. */
static bool line(const char *name, const char *value)
{
	_cleanup_(buf_finish) struct buf text = {0};

	if (!value[0])
		return false;
	buf_printf(&text, "%-12s %s", name, value);
	format_line(COLOUR_NONE, buf_get(&text));
	return true;
}

static void line_int(const char *name, const json_t *job, const char *key)
{
	char text[32] = "";

	if (json_is_integer(json_object_get(job, key)))
		snprintf(text, sizeof(text), "%" PRId64, field_int(job, key, 0));
	line(name, text);
}

static int64_t now_ms(void)
{
	return clock_wall_ns() / NS_PER_MS;
}

static void line_time(const char *name, const json_t *job, const char *key)
{
	int64_t ms = field_int(job, key, 0);
	char text[32] = "";

	line(name, ms > 0 ? format_moment(ms, now_ms(), text) : "");
}

static void line_duration(const char *name, int64_t ms)
{
	char text[32] = "";

	line(name, ms > 0 ? format_duration(ms, text) : "");
}

static bool line_bytes(const char *name, const json_t *job, const char *key)
{
	int64_t bytes = field_int(job, key, 0);
	char text[32] = "";

	return line(name, bytes > 0 ? bytes_format((uint64_t)bytes, text) : "");
}

/* Numbers of one look, such as "37%"; nothing where the daemon does not know. */
static bool line_real(const char *name, const json_t *usage, const char *key, double unit,
		      const char *suffix)
{
	const json_t *value = json_object_get(usage, key);
	char text[48] = "";

	if (json_is_number(value))
		snprintf(text, sizeof(text), "%.1f %s", json_number_value(value) / unit, suffix);
	return line(name, text);
}

static bool line_energy(const char *name, const json_t *usage, const char *key)
{
	const json_t *value = json_object_get(usage, key);
	char text[32];

	return line(name,
		    json_is_number(value) ? format_energy(json_number_value(value), text) : "");
}

/* "1 of 4" */
static bool line_gpus_used(const json_t *job, const json_t *usage)
{
	int64_t used = field_int(usage, "gpus_used", -1);
	char text[64] = "";

	if (used >= 0)
		snprintf(text, sizeof(text), "%" PRId64 " of %zu", used,
			 json_array_size(json_object_get(job, "gpus")));
	return line("GPUs used", text);
}

/* What it made of its GPUs. Sums that miss a good part of its life say so. */
static void show_usage(const json_t *job)
{
	const json_t *usage = json_object_get(job, "usage");
	int64_t elapsed_ms = jobview_elapsed_ms(job, clock_wall_ns() / NS_PER_MS);
	int64_t seen_ms = field_int(usage, "seen_ms", 0);
	char text[96], span[32];
	bool known = false;

	if (!json_is_object(usage)) {
		if (field_int(job, "num_gpus", 0) > 0 && elapsed_ms > 0)
			line("GPU use", "unknown");
		return;
	}
	known |= line_real("GPU load", usage, "utilization_percent", 1, "%");
	known |= line_bytes("GPU mem peak", usage, "mem_peak_bytes");
	known |= line_real("GPU power", usage, "power_mw", 1e3, "W");
	known |= line_energy("GPU energy", usage, "energy_mj");
	known |= line_gpus_used(job, usage);
	if (known && seen_ms < elapsed_ms - elapsed_ms / 10) {
		snprintf(text, sizeof(text), "of the GPUs, of the %s for which they were seen",
			 seen_ms > 0 ? duration_format(seen_ms / 1000 * 1000, span) : "moment");
		line("numbers", text);
	}
}

/* Of a job that waits to begin again: when and where it ran before, and why no longer. */
static void show_last_attempt(const json_t *job)
{
	_cleanup_(buf_finish) struct buf text = {0}, gpus = {0}, ending = {0};
	int64_t start_ms = field_int(job, "start_ms", 0), end_ms = field_int(job, "end_ms", 0);
	char time[32];

	jobview_gpus(&gpus, job);
	jobview_attempt_ending(&ending, job);
	buf_printf(&text, "%" PRId64 " on %s%s%s", field_int(job, "attempt", 0),
		   field_text(job, "node"), gpus.len > 0 ? ", GPU " : "", buf_get(&gpus));
	if (start_ms > 0)
		buf_printf(&text, ", from %s", format_moment(start_ms, now_ms(), time));
	if (start_ms > 0 && end_ms > 0)
		buf_printf(&text, " to %s", format_moment(end_ms, now_ms(), time));
	line("last attempt", buf_get(&text));
	line("it ended by", buf_get(&ending));
	line("its message", field_text(job, "message"));
	line_duration("its CPU time", field_int(job, "cpu_ms", 0));
	line_bytes("its peak mem", job, "peak_bytes");
}

static void show_run(const json_t *job)
{
	_cleanup_(buf_finish) struct buf gpus = {0}, ending = {0};
	int64_t elapsed_ms = jobview_elapsed_ms(job, now_ms());
	char text[32];

	jobview_gpus(&gpus, job);
	jobview_ending(&ending, job);
	line_time("started", job, "start_ms");
	line_time("ended", job, "end_ms");
	line("ran for", elapsed_ms < 0 ? "" : format_elapsed(elapsed_ms, text));
	line("node", field_text(job, "node"));
	line("GPUs", buf_get(&gpus));
	line("ended by", buf_get(&ending));
	line("message", field_text(job, "message"));
	if (field_int(job, "attempt", 0) > 0)
		line_int("attempt", job, "attempt");
	line_duration("CPU time", field_int(job, "cpu_ms", 0));
	line_bytes("peak memory", job, "peak_bytes");
	show_usage(job);
}

static void show_history(const json_t *history)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (history, i, entry) {
		_cleanup_(buf_finish) struct buf text = {0};
		char time[32];

		buf_printf(&text, "  %s  ",
			   format_moment(field_int(entry, "time_ms", 0), now_ms(), time));
		jobview_event(&text, entry, now_ms());
		if (i == 0)
			puts("history");
		format_line(COLOUR_NONE, buf_get(&text));
	}
}

static void show(const json_t *job)
{
	_cleanup_(free_ptr) char *head =
		xasprintf("job %" PRIu64 ": %s", jobview_id(job), field_text(job, "name"));

	format_line(COLOUR_BOLD, head);
	line("state", jobview_state(job));
	line("waits for", field_text(json_object_get(job, "reason"), "text"));
	line("user", format_user((uid_t)field_int(job, "uid", 0)));
	line("command", field_text(job, "command"));
	line("directory", field_text(json_object_get(job, "spec"), "cwd"));
	specview_asked(job, now_ms(), line);
	line_time("submitted", job, "submit_ms");
	if (jobview_waits_again(job))
		show_last_attempt(job);
	else
		show_run(job);
	line("output", field_text(job, "output"));
	line("errors", field_text(job, "error"));
	show_history(json_object_get(job, "history"));
}

/* How the jobs are printed, and whether one was already. */
struct style {
	bool json, later;
};

static int show_id(struct client *client, uint64_t id, void *ctx, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	struct style *style = ctx;
	int r = client_get(client, &job, err, "/v1/jobs/%" PRIu64, id);

	if (r < 0)
		return r;
	if (style->later && !style->json)
		putchar('\n');
	style->later = true;
	if (style->json)
		field_print_json(job);
	else
		show(job);
	return 0;
}

static int run(const struct options *opts, struct err *err)
{
	struct style style = {.json = options_has(opts, "json")};

	return selector_for_each(opts, show_id, &style, err);
}

const struct command command_show = {
	.name = "show",
	.usage = "[OPTIONS] ID...",
	.summary = "show all that is known of a job",
	.examples = "  tgpu show 12\n"
		    "  tgpu show last --json\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "all",
	.also = " info job describe inspect scontrol ",
	.run = run,
};
