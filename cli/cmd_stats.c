/* SPDX-License-Identifier: MIT */
/* tgpu stats: what became of the jobs of a span of time, how long they waited, what they used. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/format.h"
#include "common/clock.h"
#include "common/timetext.h"

static const struct option_desc options[] = {
	{"since", 0, OPTION_VALUE, "TIME",
	 "jobs that ended after this, such as yesterday, or 7d ago", NULL},
	{"by", 0, OPTION_VALUE, "user|name|day", "in groups", NULL},
	{"csv", 0, OPTION_FLAG, NULL, "print a line of comma-separated values per group", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

/* On a narrow terminal those go first that others tell best: quantiles, then what is derived. */
static const struct table_column columns[] = {
	{"", false, 8, 0},	  {"JOBS", true, 0, 0},	     {"OK", true, 0, 0},
	{"FAILED", true, 0, 0},	  {"CANCELLED", true, 0, 6}, {"WAIT", true, 0, 0},
	{"P50", true, 0, 7},	  {"P95", true, 0, 8},	     {"RUN", true, 0, 1},
	{"SLOWDOWN", true, 0, 5}, {"GPU-HOURS", true, 0, 2}, {"LOAD", true, 0, 3},
	{"ENERGY", true, 0, 4},
};

static int parse_since(const char *text, int64_t *ret_ms, struct err *err)
{
	int64_t at_ns;

	if (time_parse_past(text, clock_wall_ns(), &at_ns, err) < 0)
		return err_wrap(err, "--since");
	*ret_ms = at_ns / NS_PER_MS;
	return 0;
}

/* The label of a group: a user by name. */
static const char *label_of(const json_t *group, const char *by)
{
	const char *key = field_text(group, "key");

	if (!key[0])
		return "all";
	return STREQ(by, "user") && key[0] != '(' ? format_user((uid_t)strtoul(key, NULL, 10))
						  : key;
}

static void add_span(struct table *table, const json_t *spread, const char *key)
{
	const json_t *value = json_object_get(spread, key);
	char text[32];

	table_add(table, COLOUR_NONE,
		  json_is_number(value) ? format_elapsed((int64_t)json_number_value(value), text)
					: "-");
}

static void add_real(struct table *table, const json_t *group, const char *key, const char *suffix)
{
	const json_t *value = json_object_get(group, key);

	if (json_is_number(value))
		table_addf(table, COLOUR_NONE, "%.1f%s", json_number_value(value), suffix);
	else
		table_add(table, COLOUR_NONE, "-");
}

static void add_energy(struct table *table, const json_t *group)
{
	const json_t *value = json_object_get(group, "energy_mj");
	char text[32];

	table_add(table, COLOUR_NONE,
		  json_is_number(value) ? format_energy(json_number_value(value), text) : "-");
}

static void add_group(struct table *table, const json_t *group, const char *by)
{
	static const char *const counts[] = {"jobs", "finished", "failed", "cancelled"};
	const json_t *wait = json_object_get(group, "wait_ms");

	table_add(table, COLOUR_NONE, label_of(group, by));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		table_addf(table, COLOUR_NONE, "%" PRId64, field_int(group, counts[i], 0));
	add_span(table, wait, "mean");
	add_span(table, wait, "p50");
	add_span(table, wait, "p95");
	add_span(table, json_object_get(group, "run_ms"), "mean");
	add_real(table, group, "slowdown", "");
	add_real(table, group, "gpu_hours", "");
	add_real(table, group, "utilization_percent", "%");
	add_energy(table, group);
}

static void print_table(const json_t *answer)
{
	_cleanup_(table_finish) struct table table = {0};
	const json_t *groups = json_object_get(answer, "groups"), *group;
	const json_t *allocated = json_object_get(answer, "allocated_ratio");
	const char *by = field_text(answer, "by");
	int64_t gpus = field_int(answer, "gpus", 0);
	size_t i;

	table_init(&table, columns, ARRAY_SIZE(columns));
	json_array_foreach (groups, i, group)
		add_group(&table, group, by);
	add_group(&table, json_object_get(answer, "total"), by);
	table_print(&table, stdout, format_width(), format_wants_colour());
	if (json_is_number(allocated))
		printf("\n%.1f%% of the time of %" PRId64 " GPU%s was given to jobs\n",
		       100 * json_number_value(allocated), gpus, plural((uint64_t)gpus));
}

/*
 * A name as CSV has it: quoted where it must be. CSV is what spreadsheets read, and to them a cell
 * that begins with one of these is a formula; names are other users' words. So an apostrophe goes
 * before it, as OWASP advises and spreadsheets show as text; --json has every name as it is.
 */
static void put_csv_name(const char *text)
{
	bool formula = text[0] && strchr("=+-@", text[0]);
	bool plain = text[strcspn(text, ",\"\n\r")] == '\0';

	if (!plain)
		putchar('"');
	if (formula)
		putchar('\'');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	if (!plain)
		putchar('"');
}

/* The numbers of a line, each rounded to what it is known by. */
static const struct csv_column {
	const char *name;
	const char *key, *part; /* group[key], or group[key][part] */
	int decimals;
} csv_columns[] = {
	{"jobs", "jobs", NULL, 0},
	{"finished", "finished", NULL, 0},
	{"failed", "failed", NULL, 0},
	{"cancelled", "cancelled", NULL, 0},
	{"wait_mean_ms", "wait_ms", "mean", 0},
	{"wait_p50_ms", "wait_ms", "p50", 0},
	{"wait_p95_ms", "wait_ms", "p95", 0},
	{"wait_max_ms", "wait_ms", "max", 0},
	{"run_mean_ms", "run_ms", "mean", 0},
	{"run_p50_ms", "run_ms", "p50", 0},
	{"run_p95_ms", "run_ms", "p95", 0},
	{"run_max_ms", "run_ms", "max", 0},
	{"slowdown", "slowdown", NULL, 3},
	{"gpu_hours", "gpu_hours", NULL, 4},
	{"utilization_percent", "utilization_percent", NULL, 2},
	{"energy_mj", "energy_mj", NULL, 0},
};

/* Empty where it is not known. */
static void print_csv_group(const json_t *group, const char *by)
{
	put_csv_name(label_of(group, by));
	for (size_t i = 0; i < ARRAY_SIZE(csv_columns); i++) {
		const struct csv_column *column = &csv_columns[i];
		const json_t *value = json_object_get(group, column->key);

		if (column->part)
			value = json_object_get(value, column->part);
		putchar(',');
		if (json_is_number(value))
			printf("%.*f", column->decimals, json_number_value(value));
	}
	putchar('\n');
}

/* The groups; without any, the one line of all. */
static void print_csv(const json_t *answer)
{
	const json_t *groups = json_object_get(answer, "groups"), *group;
	const char *by = field_text(answer, "by");
	size_t i;

	fputs("group", stdout);
	for (i = 0; i < ARRAY_SIZE(csv_columns); i++)
		printf(",%s", csv_columns[i].name);
	putchar('\n');
	json_array_foreach (groups, i, group)
		print_csv_group(group, by);
	if (STREQ(by, "nothing"))
		print_csv_group(json_object_get(answer, "total"), by);
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *answer = NULL;
	const char *since = options_get(opts, "since"), *by = options_get(opts, "by");
	int64_t since_ms = 0;
	int r = since ? parse_since(since, &since_ms, err) : 0;

	if (by && !STREQ(by, "user") && !STREQ(by, "name") && !STREQ(by, "day"))
		r = err_set(err, -EINVAL, "--by %.40s: write user, name or day", by);
	if (options_has(opts, "json") && options_has(opts, "csv"))
		r = err_set(err, -EINVAL, "--csv and --json are two forms; write one of them");
	if (r == 0)
		r = client_open(&client, CLIENT_START, err);
	if (r == 0)
		r = client_get(&client, &answer, err, "/v1/stats?since_ms=%" PRId64 "%s%s",
			       since_ms, by ? "&by=" : "", by ? by : "");
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else if (options_has(opts, "csv"))
		print_csv(answer);
	else
		print_table(answer);
	return EXIT_DONE;
}

const struct command command_stats = {
	.name = "stats",
	.usage = "[OPTIONS]",
	.summary = "show what became of jobs: waits, ends, GPU time, energy",
	.details =
		"WAIT is from submit to start, with its median and 95th percentile; SLOWDOWN how "
		"many times longer a job took than it ran (10 s at least). GPU-HOURS are those "
		"within "
		"that time, also of jobs that still run; all else is of jobs that ended in it. "
		"LOAD and ENERGY are of their GPUs, as far as they are known. In CSV a name that "
		"a spreadsheet would take for a formula has an apostrophe before it. On a narrow "
		"terminal columns are left out.",
	.examples = "  tgpu stats --since 7d --by user\n"
		    "  tgpu stats --since yesterday\n"
		    "  tgpu stats --since 2026-01-01 --by day --csv\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.also = " report sstat sreport seff ",
	.run = run,
};
