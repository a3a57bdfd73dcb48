/* SPDX-License-Identifier: MIT */
/* tgpu reserve, reservations, unreserve: GPUs that are one user's for a time. */
#include <errno.h>
#include <inttypes.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/gpunames.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "common/clock.h"
#include "common/duration.h"
#include "common/idset.h"
#include "common/timetext.h"
#include "common/utf8.h"

#define EVERY_ID "1-9007199254740991" /* what JSON can hold */

static const struct option_desc reserve_options[] = {
	{"gpus", 'G', OPTION_VALUE, "GPUS", "how many, or which: gpu0,gpu3, 0-3 or all", NULL},
	{"begin", 0, OPTION_VALUE, "WHEN", "from when: 14:00, tomorrow 9:00, +2h; default now",
	 NULL},
	{"for", 0, OPTION_VALUE, "TIME", "for how long: 90m, 2d", NULL},
	{"user", 'u', OPTION_VALUE, "USER", "for whom; default yourself", NULL},
	{"reason", 0, OPTION_VALUE, "TEXT", "why, for whoever looks", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static const struct option_desc list_options[] = {
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static const struct table_column columns[] = {
	{"ID", true, 0},   {"USER", false, 8}, {"BEGIN", false, 0},
	{"END", false, 0}, {"GPUS", false, 8}, {"REASON", false, 8},
};

/* "2" is a number of GPUs; "gpu2", "0,1", "0-3" and "all" are names. */
static int add_gpus(json_t *body, const char *text, struct err *err)
{
	json_t *names;
	int64_t n;

	if (parse_int64(text, INT64_MIN, INT64_MAX, &n) == 0) {
		json_object_set_new(body, "gpus", json_integer(n));
		return 0;
	}
	names = json_array();
	json_object_set_new(body, "gpus", names);
	return gpunames_add(names, text, err) < 0 ? err_wrap(err, "--gpus") : 0;
}

static int add_times(json_t *body, const struct options *opts, struct err *err)
{
	const char *begin = options_get(opts, "begin"), *length = options_get(opts, "for");
	int64_t start_ns = clock_wall_ns(), length_ms;

	if (begin && time_parse(begin, start_ns, &start_ns, err) < 0)
		return err_wrap(err, "--begin");
	if (!length)
		return err_set(err, -EINVAL, "say for how long: --for 90m");
	if (duration_parse(length, &length_ms, err) < 0)
		return err_wrap(err, "--for");
	if (time_add(start_ns / NS_PER_MS, length_ms) <= clock_wall_ns() / NS_PER_MS)
		return err_set(err, -EINVAL,
			       "--begin: %s from %s on is over already; reserve for a time to come",
			       length, begin ? begin : "now");
	json_object_set_new(body, "start_ms", json_integer(start_ns / NS_PER_MS));
	json_object_set_new(body, "end_ms",
			    json_integer(time_add(start_ns / NS_PER_MS, length_ms)));
	return 0;
}

static int make_body(json_t *body, const struct options *opts, struct err *err)
{
	const char *gpus = options_get(opts, "gpus"), *user = options_get(opts, "user");
	const char *reason = options_get(opts, "reason");
	int64_t uid;

	if (!gpus)
		return err_set(err, -EINVAL,
			       "say how many GPUs, or which: --gpus 2, --gpus gpu0,gpu3");
	if (user && selector_parse_user(user, &uid, err) < 0)
		return -EINVAL;
	if (add_gpus(body, gpus, err) < 0)
		return -EINVAL;
	if (user)
		json_object_set_new(body, "uid", json_integer(uid));
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	return add_times(body, opts, err);
}

static int call(const char *method, const char *target, json_t *body, json_t **ret_answer,
		struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	int r = client_open(&client, CLIENT_START, err);

	return r < 0 ? r : client_call(&client, method, target, NULL, body, ret_answer, err);
}

/* "reservation 3: gpu0,gpu1 for anna from 14:00 to 16:00". */
static void print_window(const json_t *window)
{
	_cleanup_(buf_finish) struct buf line = {0};
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;
	char start[32], end[32];

	buf_printf(&line, "reservation %" PRId64 ": ", field_int(window, "id", 0));
	jobview_gpu_names(&line, window);
	buf_printf(&line, " for %s from %s to %s", format_user((uid_t)field_int(window, "uid", 0)),
		   format_time(field_int(window, "start_ms", 0), now_ms, start),
		   format_time(field_int(window, "end_ms", 0), now_ms, end));
	format_line(COLOUR_NONE, buf_get(&line));
}

static int run_reserve(const struct options *opts, struct err *err)
{
	_cleanup_(client_json_unref) json_t *body = json_object(), *answer = NULL;
	int r = make_body(body, opts, err);

	if (r == 0)
		r = call("POST", "/v1/reservations", body, &answer, err);
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else
		print_window(answer);
	return EXIT_DONE;
}

static void print_table(const json_t *windows)
{
	_cleanup_(table_finish) struct table table = {0};
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;
	const json_t *window;
	char time[32];
	size_t i;

	table_init(&table, columns, ARRAY_SIZE(columns));
	json_array_foreach (windows, i, window) {
		_cleanup_(buf_finish) struct buf gpus = {0};
		int64_t start_ms = field_int(window, "start_ms", 0);

		jobview_gpus(&gpus, window);
		table_addf(&table, COLOUR_NONE, "%" PRId64, field_int(window, "id", 0));
		table_add(&table, COLOUR_NONE, format_user((uid_t)field_int(window, "uid", 0)));
		table_add(&table, start_ms <= now_ms ? COLOUR_CYAN : COLOUR_NONE,
			  format_time(start_ms, now_ms, time));
		table_add(&table, COLOUR_NONE,
			  format_time(field_int(window, "end_ms", 0), now_ms, time));
		table_add(&table, COLOUR_NONE, buf_get(&gpus));
		table_add(&table, COLOUR_NONE, field_text(window, "reason"));
	}
	table_print(&table, stdout, format_width(), format_wants_colour());
}

static int run_list(const struct options *opts, struct err *err)
{
	_cleanup_(client_json_unref) json_t *answer = NULL;
	int r = call("GET", "/v1/reservations", NULL, &answer, err);

	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else
		print_table(json_object_get(answer, "reservations"));
	return EXIT_DONE;
}

/* Ids and ranges, or all: as the API takes them. */
static int parse_ids(const struct options *opts, struct buf *ids, struct err *err)
{
	for (size_t i = 0; i < opts->n_words; i++) {
		_cleanup_(idset_finish) struct idset set = {0};
		char quoted[UTF8_QUOTE_SIZE];
		const char *word = STREQ(opts->words[i], "all") ? EVERY_ID : opts->words[i];

		if (idset_parse(word, &set, NULL) < 0)
			return err_set(err, -EINVAL,
				       "%s names no reservation; write for example 2, 1,3-5 or all",
				       utf8_quote(word, quoted));
		buf_printf(ids, "%s%s", i > 0 ? "," : "", word);
	}
	return 0;
}

static void print_taken_back(const json_t *windows)
{
	const json_t *window;
	size_t i;

	json_array_foreach (windows, i, window)
		printf("reservation %" PRId64 " is taken back\n", field_int(window, "id", 0));
	if (i == 0)
		puts("there is no reservation");
}

static int run_unreserve(const struct options *opts, struct err *err)
{
	_cleanup_(client_json_unref) json_t *body = json_object(), *answer = NULL;
	_cleanup_(buf_finish) struct buf ids = {0};
	int r;

	if (opts->n_words == 0)
		return err_set(err, -EINVAL,
			       "say which: 2, or 1,3-5, or all; see \"tgpu reservations\"");
	r = parse_ids(opts, &ids, err);
	if (r < 0)
		return r;
	json_object_set_new(body, "ids", json_string(buf_get(&ids)));
	r = call("POST", "/v1/reservations/cancel", body, &answer, err);
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else
		print_taken_back(json_object_get(answer, "results"));
	return EXIT_DONE;
}

const struct command command_reserve = {
	.name = "reserve",
	.usage = "[OPTIONS]",
	.summary = "keep GPUs for one user for a time",
	.details = "From begin to end the GPUs are for jobs of this user. A job of anybody else "
		   "starts there only if by its time limit it is over before. Jobs that are there "
		   "already go on. Of a number of GPUs, those that are linked best are taken.",
	.examples = "  tgpu reserve --gpus 4 --begin \"tomorrow 9:00\" --for 8h --user anna\n"
		    "  tgpu reserve --gpus gpu0,gpu1 --for 2h --reason \"measuring\"\n",
	.options = reserve_options,
	.n_options = ARRAY_SIZE(reserve_options),
	.also = " reservation book salloc ",
	.run = run_reserve,
};

const struct command command_reservations = {
	.name = "reservations",
	.usage = "[OPTIONS]",
	.summary = "list the GPUs that are kept for a time",
	.examples = "  tgpu reservations\n",
	.options = list_options,
	.n_options = ARRAY_SIZE(list_options),
	.also = " showres ",
	.run = run_list,
};

const struct command command_unreserve = {
	.name = "unreserve",
	.usage = "[OPTIONS] ID...",
	.summary = "take reservations back",
	.examples = "  tgpu unreserve 1,3-5\n"
		    "  tgpu unreserve all\n",
	.options = list_options,
	.n_options = ARRAY_SIZE(list_options),
	.words = "RESERVATION",
	.also = " unbook ",
	.run = run_unreserve,
};
