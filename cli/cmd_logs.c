/* SPDX-License-Identifier: MIT */
/*
 * tgpu logs: what a job printed, read from its log file as the user.
 *
 * Invariants: a job that has no log, for whatever reason, ends in EXIT_NOT_FOUND with a sentence
 * that says why, and does not keep the logs of others from being printed.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/follow.h"
#include "cli/jobview.h"
#include "cli/selector.h"

static const struct option_desc options[] = {
	{"follow", 'f', OPTION_FLAG, NULL, "go on as the log grows, until the job is over", NULL},
	{"err", 'e', OPTION_FLAG, NULL, "the log of stderr, where the job keeps it apart", NULL},
	{"tail", 'n', OPTION_VALUE, "N", "only the last N lines; with --follow, and what comes",
	 NULL},
	SELECTOR_OPTIONS,
};

struct logs {
	bool follow, errors;
	uint64_t last_lines; /* 0: all */
	int code;	     /* of the first job that has no log */
};

static int copy_file(const struct logs *logs, const char *path, struct err *err)
{
	_cleanup_(tail_finish) struct tail tail;
	int r;

	tail_init(&tail, STDOUT_FILENO, -1);
	tail.last_lines = logs->last_lines;
	r = tail_set_path(&tail, path, err);
	return r < 0 ? r : tail_copy(&tail, err);
}

/* Say why there is no output, or none of late; false when there is nothing to say. */
static bool explain(const json_t *job)
{
	_cleanup_(buf_finish) struct buf ending = {0}, why = {0};
	const char *message = field_text(job, "message"), *what;
	bool cancelled = STREQ(field_text(job, "state"), "cancelled");

	if (jobview_never_started(job))
		what = cancelled && field_int(job, "attempt", 0) > 0 ? "did not start"
								     : "never started";
	else if (jobview_is_waiting(job))
		what = jobview_waits_again(job) ? "waits to begin again" : "has not started";
	else if (STREQ(field_text(job, "state"), "starting"))
		what = "is being started";
	else
		return false;
	jobview_ending(&ending, job);
	if (jobview_is_waiting(job))
		message = field_text(json_object_get(job, "reason"), "text");
	else if (!message[0])
		message = buf_get(&ending);
	format_printable(&why, message);
	fprintf(stderr, "tgpu logs: job %" PRIu64 " %s%s%s\n", jobview_id(job), what,
		why.len > 0 ? ": " : "", buf_get(&why));
	return true;
}

static void note_missing(struct logs *logs)
{
	if (logs->code == EXIT_DONE)
		logs->code = EXIT_NOT_FOUND;
}

/* Who waits to begin again, or ended before that, may still have what earlier attempts printed. */
static void check_log(struct logs *logs, const char *path, bool is_explained)
{
	_cleanup_(buf_finish) struct buf shown = {0};
	struct stat status;
	bool exists = stat(path, &status) == 0;

	if (is_explained ? exists && status.st_size > 0 : exists)
		return;
	note_missing(logs);
	format_printable(&shown, path);
	if (!is_explained)
		fprintf(stderr, "tgpu logs: the log %s does not exist\n", buf_get(&shown));
}

static int print_log(struct logs *logs, const json_t *job, const char *path, struct err *err)
{
	bool is_explained = explain(job);
	int r = copy_file(logs, path, err);

	/* A log that could not be opened is why it did not start. */
	if (r < 0 && (r == -EPIPE || !is_explained))
		return r;
	check_log(logs, path, is_explained);
	return 0;
}

static int follow_log(struct logs *logs, struct client *client, uint64_t id, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	struct follow follow = {.client = client,
				.id = id,
				.copy_output = !logs->errors,
				.copy_error = logs->errors,
				.last_lines = logs->last_lines,
				.announce = true};
	int r = follow_job(&follow, &job, err);

	if (r == 0)
		check_log(logs, field_text(job, logs->errors ? "error" : "output"), explain(job));
	return r;
}

static int logs_of(struct client *client, uint64_t id, void *ctx, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	struct logs *logs = ctx;
	int r = client_get(client, &job, err, "/v1/jobs/%" PRIu64, id);
	const char *path = field_text(job, logs->errors ? "error" : "output");

	if (r < 0)
		return r;
	if (path[0])
		return logs->follow ? follow_log(logs, client, id, err)
				    : print_log(logs, job, path, err);
	note_missing(logs);
	if ((logs->follow && !jobview_is_final(job)) || !explain(job))
		fprintf(stderr,
			"tgpu logs: job %" PRIu64
			" writes stderr to the same log; leave out --err\n",
			id);
	return 0;
}

static int run(const struct options *opts, struct err *err)
{
	struct logs logs = {.follow = options_has(opts, "follow"),
			    .errors = options_has(opts, "err")};
	const char *lines = options_get(opts, "tail");
	int64_t n = 0;
	int r;

	if (lines && parse_int64(lines, 1, INT64_MAX, &n) < 0)
		return err_set(err, -EINVAL,
			       "--tail %.32s: write how many lines, such as --tail 10", lines);
	logs.last_lines = (uint64_t)n;
	r = selector_for_each(opts, logs_of, &logs, err);
	if (r == -EPIPE)
		return EXIT_DONE; /* `tgpu logs 12 | head` has seen enough */
	return r != 0 ? r : logs.code;
}

const struct command command_logs = {
	.name = "logs",
	.usage = "[OPTIONS] ID...",
	.summary = "print what a job printed",
	.details =
		"With --follow, a job that waits is waited for. The exit code is 4 where a job has "
		"no log: it has not started, never did, or does not keep stderr apart; those of "
		"the others are printed.",
	.examples = "  tgpu logs 12\n"
		    "  tgpu logs -n 20 12\n"
		    "  tgpu logs -f last\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "all",
	.also = " log tail output cat attach ",
	.run = run,
};
