/* SPDX-License-Identifier: MIT */
/*
 * tgpu cancel, requeue, hold, release: one request about many jobs, one line for each.
 *
 * Exit: 0 when it was done for every job; else the code of the first that failed.
 */
#include <errno.h>
#include <inttypes.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/field.h"
#include "cli/format.h"
#include "cli/jobview.h"
#include "cli/selector.h"

static const struct option_desc cancel_options[] = {
	{"now", 0, OPTION_FLAG, NULL, "kill at once, without the time to end in peace", NULL},
	SELECTOR_OPTIONS,
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static const struct option_desc options[] = {
	SELECTOR_OPTIONS,
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static int exit_code_of(const json_t *result)
{
	return exit_code_of_error(client_errno_of_status((int)field_int(result, "status", 0)));
}

static void print_done(const json_t *result)
{
	_cleanup_(buf_finish) struct buf ids = {0};
	struct idrange jobs = jobview_range(result);

	idrange_format(&ids, &jobs);
	printf("job%s %s %s\n", jobs.last > jobs.first ? "s" : "", buf_get(&ids),
	       jobview_state(result));
}

/* Print one line per job; the exit code. */
static int print_results(const char *verb, const json_t *answer)
{
	const json_t *results = json_object_get(answer, "results");
	const json_t *result;
	int code = EXIT_DONE;
	size_t i;

	json_array_foreach (results, i, result) {
		_cleanup_(buf_finish) struct buf line = {0}, ids = {0};
		struct idrange jobs = jobview_range(result);

		if (field_true(result, "ok")) {
			print_done(result);
			continue;
		}
		format_printable(&line, field_text(result, "error"));
		idrange_format(&ids, &jobs);
		fprintf(stderr, "tgpu %s: job%s %s: %s\n", verb, jobs.last > jobs.first ? "s" : "",
			buf_get(&ids), buf_get(&line));
		if (code == EXIT_DONE)
			code = exit_code_of(result);
	}
	return code;
}

/* The code of the answer without printing a line for people. */
static int json_results(const json_t *answer)
{
	const json_t *result;
	size_t i;

	field_print_json(answer);
	json_array_foreach (json_object_get(answer, "results"), i, result)
		if (!field_true(result, "ok"))
			return exit_code_of(result);
	return EXIT_DONE;
}

int control(const char *verb, const struct options *opts, json_t *body, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(idset_finish) struct idset ids = {0};
	_cleanup_(client_json_unref) json_t *answer = NULL;
	_cleanup_(free_ptr) char *target = xasprintf("/v1/jobs/%s", verb), *text = NULL;
	int r = selector_select(opts, &client, &ids, err);

	if (r < 0)
		return r;
	text = idset_format(&ids);
	json_object_set_new(body, "ids", json_string(text));
	r = client_call(&client, "POST", target, NULL, body, &answer, err);
	if (r < 0)
		return r;
	client_warn(answer);
	return options_has(opts, "json") ? json_results(answer) : print_results(verb, answer);
}

/* The same for the verbs that may be told to hurry and nothing else. */
static int run_verb(const char *verb, const struct options *opts, struct err *err)
{
	_cleanup_(client_json_unref) json_t *body = json_object();

	if (options_has(opts, "now"))
		json_object_set_new(body, "now", json_true());
	return control(verb, opts, body, err);
}

static int run_cancel(const struct options *opts, struct err *err)
{
	return run_verb("cancel", opts, err);
}

static int run_requeue(const struct options *opts, struct err *err)
{
	return run_verb("requeue", opts, err);
}

static int run_hold(const struct options *opts, struct err *err)
{
	return run_verb("hold", opts, err);
}

static int run_release(const struct options *opts, struct err *err)
{
	return run_verb("release", opts, err);
}

const struct command command_cancel = {
	.name = "cancel",
	.usage = "[OPTIONS] ID...",
	.summary = "end jobs, waiting or running",
	.details = "A running job gets its signal (SIGTERM unless it asked for another) and its "
		   "time of grace; then what is left of it is killed.",
	.examples = "  tgpu cancel 12\n"
		    "  tgpu cancel 12,20-30\n"
		    "  tgpu cancel --me --state queued\n",
	.options = cancel_options,
	.n_options = ARRAY_SIZE(cancel_options),
	.words = "ID",
	.states = "active",
	.also = " kill rm delete del remove stop end abort terminate scancel qdel bkill ",
	.run = run_cancel,
};

const struct command command_requeue = {
	.name = "requeue",
	.usage = "[OPTIONS] ID...",
	.summary = "end running jobs and let them begin again",
	.details =
		"They keep their ids and their places in the queue; TGPU_RESTART_COUNT tells them.",
	.examples = "  tgpu requeue 12\n"
		    "  tgpu requeue --now 12\n",
	.options = cancel_options,
	.n_options = ARRAY_SIZE(cancel_options),
	.words = "ID",
	.states = "starting,running",
	.also = " restart rerun ",
	.run = run_requeue,
};

const struct command command_hold = {
	.name = "hold",
	.usage = "[OPTIONS] ID...",
	.summary = "keep waiting jobs from starting",
	.examples = "  tgpu hold 12\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "queued",
	.also = " pause suspend qhold ",
	.run = run_hold,
};

const struct command command_release = {
	.name = "release",
	.usage = "[OPTIONS] ID...",
	.summary = "let held jobs start when their turn comes",
	.examples = "  tgpu release 12\n"
		    "  tgpu release --me\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "held",
	.also = " unhold unpause qrls ",
	.run = run_release,
};
