/* SPDX-License-Identifier: MIT */
/* tgpu list: the queue, one line per job, in the order in which jobs run. */
#include <errno.h>
#include <inttypes.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "common/clock.h"

static const struct option_desc options[] = {
	{"all", 'a', OPTION_FLAG, NULL, "ended jobs as well, newest first", NULL},
	SELECTOR_OPTIONS,
	{"limit", 'n', OPTION_VALUE, "N", "at most this many jobs (default 1000)", NULL},
	{"start", 0, OPTION_FLAG, NULL, "when waiting jobs will start, as far as can be told",
	 NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

#define TIME_COLUMN 6

/* Cut as far as they may be, all columns fit into 80: the last keeps room for eight GPUs. On less,
 * those that say least go. */
static const struct table_column columns[] = {
	{"JOBID", true, 0, 0},
	{"NAME", false, 8, 0},
	{"USER", false, 6, 3},
	{"ST", false, 0, 0},
	{"PRIO", true, 0, 5},
	{"GPUS", true, 0, 2},
	[TIME_COLUMN] = {"TIME", true, 0, 1},
	{"LIMIT", true, 0, 4},
	{"GPU_IDS(REASON)", false, 16, 0},
};

/* When it started, or will. */
static void add_start(struct table *table, const json_t *job, int64_t now_ms)
{
	const char *key = jobview_is_waiting(job) ? "start_ms_estimated" : "start_ms";
	int64_t start_ms = field_int(job, key, 0);
	char text[32];

	table_add(table, COLOUR_NONE, start_ms ? format_time(start_ms, now_ms, text) : "-");
}

static void add_row(struct table *table, const json_t *job, int64_t now_ms, bool with_start)
{
	_cleanup_(buf_finish) struct buf where = {0}, ids = {0};
	struct idrange jobs = jobview_range(job);
	int64_t limit = field_int(job, "time_limit_ms", 0);
	char text[32];

	jobview_where(&where, job);
	idrange_format(&ids, &jobs);
	table_add(table, COLOUR_NONE, buf_get(&ids));
	table_add(table, COLOUR_NONE, field_text(job, "name"));
	table_add(table, COLOUR_NONE, format_user((uid_t)field_int(job, "uid", 0)));
	table_add(table, jobview_colour(job), jobview_state(job));
	table_addf(table, COLOUR_NONE, "%" PRId64, field_int(job, "priority", 0));
	table_addf(table, COLOUR_NONE, "%" PRId64, field_int(job, "num_gpus", 0));
	if (with_start)
		add_start(table, job, now_ms);
	else
		table_add(table, COLOUR_NONE,
			  format_elapsed(jobview_elapsed_ms(job, now_ms), text));
	table_add(table, COLOUR_NONE, limit > 0 ? format_duration(limit, text) : "-");
	table_add(table, COLOUR_NONE, buf_get(&where));
}

static void print_list(const json_t *answer, bool with_start)
{
	_cleanup_(table_finish) struct table table = {0};
	const json_t *jobs = json_object_get(answer, "jobs");
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;
	struct table_column shown[ARRAY_SIZE(columns)];
	const json_t *job;
	size_t i;

	memcpy(shown, columns, sizeof(columns));
	if (with_start)
		shown[TIME_COLUMN].title = "START";
	table_init(&table, shown, ARRAY_SIZE(shown));
	json_array_foreach (jobs, i, job)
		add_row(&table, job, now_ms, with_start);
	table_print(&table, stdout, format_width(), format_wants_colour());
	if (field_true(answer, "more"))
		fprintf(stderr, "tgpu list: there are more jobs than these %zu; see --limit\n",
			json_array_size(jobs));
}

static int make_query(const struct options *opts, struct selector *selector, struct buf *query,
		      struct err *err)
{
	const char *limit = options_get(opts, "limit");
	int64_t n = 1000;

	if (limit && parse_int64(limit, 1, 10000, &n) < 0)
		return err_set(err, -EINVAL, "--limit %.32s: write a number from 1 to 10000",
			       limit);
	if (options_has(opts, "all") && !selector->states)
		selector->states = "all";
	buf_printf(query, "/v1/jobs?limit=%" PRId64 "&", n);
	selector_query(selector, query);
	if (!options_has(opts, "json"))
		buf_puts(query, "&fields=" JOBVIEW_FIELDS ",name,uid,priority,num_gpus,"
				"time_limit_ms,start_ms_estimated");
	return 0;
}

/* An id named alone must exist, as for every verb, unless filters may leave it out. */
static int check_ids(struct selector *selector, struct client *client, struct err *err)
{
	bool filtered = selector->uid >= 0 || selector->states;

	return filtered ? selector_find_last(selector, client, err)
			: selector_check(selector, client, true, err);
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(selector_finish) struct selector selector = {0};
	_cleanup_(client_json_unref) json_t *answer = NULL;
	_cleanup_(buf_finish) struct buf target = {0};
	int r = selector_parse(&selector, opts, err);

	if (r == 0)
		r = client_open(&client, CLIENT_START, err);
	if (r == 0)
		r = check_ids(&selector, &client, err);
	if (r == 0)
		r = make_query(opts, &selector, &target, err);
	if (r == 0)
		r = client_get(&client, &answer, err, "%s", buf_get(&target));
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else
		print_list(answer, options_has(opts, "start"));
	return EXIT_DONE;
}

const struct command command_list = {
	.name = "list",
	.usage = "[OPTIONS] [ID...]",
	.summary = "show running and waiting jobs",
	.details =
		"States: queued waits for its turn, held waits for \"tgpu release\", starting has "
		"its GPUs, running, stopping was told to end; finished (exit code 0), failed, "
		"cancelled. The last column holds the indices of a job's GPUs, or why it waits. On "
		"a "
		"narrow terminal columns are cut, then left out.",
	.examples = "  tgpu list\n"
		    "  tgpu list --all --me -n 20\n"
		    "  tgpu list --state failed\n"
		    "  tgpu list 12,20-30\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "all",
	.also = " ls ps q queue jobs status squeue sacct qstat bjobs ",
	.run = run,
};
