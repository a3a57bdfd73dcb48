/* SPDX-License-Identifier: MIT */
/* tgpu gpus: the machine's GPUs, who holds them, how they are linked. */
#include <inttypes.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "common/clock.h"
#include "common/duration.h"

static const struct option_desc options[] = {
	{"topology", 't', OPTION_FLAG, NULL, "only the links between the GPUs", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static const struct table_column columns[] = {
	{"GPU", true, 0},    {"NAME", false, 8}, {"MEMORY", true, 0},	  {"UTIL", true, 0},
	{"STATE", false, 9}, {"JOB", true, 0},	 {"PROCESSES", false, 9},
};

static const char legend[] =
	"\nX = the GPU itself   NV# = # NVLinks   INT = one board   PIX = one PCIe switch\n"
	"PXB = several switches   PHB = one host bridge   NODE = one NUMA node\n"
	"SYS = across sockets   ? = not known\n";

/* "812 python (anna)", those of a job without its user, who is known. */
static void add_processes(struct table *table, const json_t *gpu)
{
	_cleanup_(buf_finish) struct buf text = {0};
	const json_t *process;
	size_t i;

	json_array_foreach (json_object_get(gpu, "processes"), i, process) {
		int64_t uid = field_int(process, "uid", -1);

		buf_printf(&text, "%s%" PRId64 " %s", i > 0 ? ", " : "",
			   field_int(process, "pid", 0), field_text(process, "name"));
		if (uid >= 0)
			buf_printf(&text, " (%s)", format_user((uid_t)uid));
	}
	table_add(table, COLOUR_NONE, text.len > 0 ? buf_get(&text) : "-");
}

static void add_memory(struct table *table, const json_t *gpu)
{
	int64_t used = field_int(gpu, "mem_used_bytes", -1);
	int64_t total = field_int(gpu, "mem_total_bytes", -1);
	char a[32] = "?", b[32] = "?";

	if (used >= 0)
		bytes_format((uint64_t)used, a);
	if (total >= 0)
		bytes_format((uint64_t)total, b);
	table_addf(table, COLOUR_NONE, "%s/%s", a, b);
}

/* An integer that may be unknown. */
static void add_number(struct table *table, const json_t *gpu, const char *key, const char *unit)
{
	int64_t value = field_int(gpu, key, -1);

	if (value < 0)
		table_add(table, COLOUR_NONE, "-");
	else
		table_addf(table, COLOUR_NONE, "%" PRId64 "%s", value, unit);
}

/* ", reserved for anna until 16:00", or from when on. */
static void describe_window(struct buf *text, const json_t *window)
{
	int64_t now_ms = clock_wall_ns() / NS_PER_MS, start_ms = field_int(window, "start_ms", 0);
	bool begun = start_ms <= now_ms;
	char time[32];

	buf_printf(text, ", reserved for %s %s %s", format_user((uid_t)field_int(window, "uid", 0)),
		   begun ? "until" : "from",
		   format_time(begun ? field_int(window, "end_ms", 0) : start_ms, now_ms, time));
}

static void add_state(struct table *table, const json_t *gpu)
{
	const json_t *window = json_object_get(gpu, "reservation");
	_cleanup_(buf_finish) struct buf text = {0};
	const char *state = field_text(gpu, "state");
	const char *reason = field_text(gpu, "reason");

	buf_puts(&text, state);
	if (reason[0]) {
		buf_puts(&text, " (");
		format_sentence(&text, reason);
		buf_puts(&text, ")");
	}
	if (json_is_object(window))
		describe_window(&text, window);
	table_add(table, jobview_gpu_colour(state), buf_get(&text));
}

static void print_table(const json_t *gpus)
{
	_cleanup_(table_finish) struct table table = {0};
	const json_t *gpu;
	size_t i;

	table_init(&table, columns, ARRAY_SIZE(columns));
	json_array_foreach (gpus, i, gpu) {
		add_number(&table, gpu, "index", "");
		table_add(&table, COLOUR_NONE, field_text(gpu, "name"));
		add_memory(&table, gpu);
		add_number(&table, gpu, "utilization_percent", "%");
		add_state(&table, gpu);
		add_number(&table, gpu, "job", "");
		add_processes(&table, gpu);
	}
	table_print(&table, stdout, format_width(), format_wants_colour());
}

/* The head of the matrix: "GPU0 GPU1 ..."; the titles are owned by the caller. */
static struct table_column *matrix_columns(const json_t *gpus)
{
	size_t n = json_array_size(gpus);
	struct table_column *matrix = xcalloc(n + 3, sizeof(*matrix));

	matrix[0].title = xstrdup("");
	for (size_t i = 0; i < n; i++)
		matrix[i + 1].title = xasprintf(
			"GPU%" PRId64, field_int(json_array_get(gpus, i), "index", (int64_t)i));
	matrix[n + 1].title = xstrdup("CPUs");
	matrix[n + 2].title = xstrdup("NUMA");
	return matrix;
}

static void add_near(struct table *table, const json_t *gpu)
{
	const char *cpus = field_text(gpu, "cpus");

	table_add(table, COLOUR_NONE, cpus[0] ? cpus : "-");
	add_number(table, gpu, "numa", "");
}

static void print_matrix(const json_t *gpus, const json_t *links)
{
	_cleanup_(table_finish) struct table table = {0};
	size_t n = json_array_size(gpus);
	struct table_column *matrix = matrix_columns(gpus);

	table_init(&table, matrix, n + 3);
	for (size_t i = 0; i < n; i++) {
		table_add(&table, COLOUR_BOLD, matrix[i + 1].title);
		for (size_t j = 0; j < n; j++) {
			const char *link =
				json_string_value(json_array_get(json_array_get(links, i), j));

			table_add(&table, COLOUR_NONE, link ? link : "?");
		}
		add_near(&table, json_array_get(gpus, i));
	}
	table_print(&table, stdout, 0, format_wants_colour());
	fputs(legend, stdout);
	for (size_t i = 0; i < n + 3; i++)
		free_ptr(&matrix[i].title);
	free_ptr(&matrix);
}

static void print_warnings(const json_t *answer)
{
	const json_t *warning;
	size_t i;

	json_array_foreach (json_object_get(answer, "warnings"), i, warning) {
		_cleanup_(buf_finish) struct buf text = {0};

		format_printable(&text, json_string_value(warning));
		fprintf(stderr, "tgpu gpus: warning: %s\n", buf_get(&text));
	}
}

static void print_gpus(const json_t *answer, bool only_links)
{
	const json_t *gpus = json_object_get(answer, "gpus");
	size_t n = json_array_size(gpus);

	if (field_true(answer, "simulated"))
		format_line(COLOUR_YELLOW, "These GPUs are simulated: they do not exist.");
	if (n == 0)
		puts("This machine has no GPU that tgpu can see; jobs without GPUs run all the "
		     "same. "
		     "See \"tgpu doctor\".");
	else if (!only_links)
		print_table(gpus);
	if (n > 1 && !only_links)
		putchar('\n');
	if (n > 1 || (n == 1 && only_links))
		print_matrix(gpus, json_object_get(answer, "links"));
	print_warnings(answer);
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *answer = NULL;
	int r = client_open(&client, CLIENT_START, err);

	if (r == 0)
		r = client_get(&client, &answer, err, "/v1/gpus");
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else
		print_gpus(answer, options_has(opts, "topology"));
	return EXIT_DONE;
}

const struct command command_gpus = {
	.name = "gpus",
	.usage = "[OPTIONS]",
	.summary = "show the GPUs, who holds them and their links",
	.details = "States: idle, allocated (to a job), cleaning (its job ended, its memory is not "
		   "free yet), foreign (used by a process that tgpu did not start), drained (out "
		   "of service, see tgpu resume), unhealthy, lost, mig (split).",
	.examples = "  tgpu gpus\n"
		    "  tgpu gpus --topology\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.also = " gpu nodes topo nvidia-smi gpustat sinfo ",
	.run = run,
};
