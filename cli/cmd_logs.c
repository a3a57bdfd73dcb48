/* SPDX-License-Identifier: MIT */
/* tgpu logs: what a job printed, read from its log file as the user. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/follow.h"
#include "cli/jobview.h"
#include "cli/selector.h"

static const struct option_desc options[] = {
	{"follow", 'f', OPTION_FLAG, NULL, "go on as the log grows, until the job is over", NULL},
	{"err", 'e', OPTION_FLAG, NULL, "the log of stderr, where the job keeps it apart", NULL},
	SELECTOR_OPTIONS,
};

static int copy_file(const char *path, bool must_be, struct err *err)
{
	_cleanup_(tail_finish) struct tail tail;
	int r;

	tail_init(&tail, STDOUT_FILENO, -1);
	r = tail_set_path(&tail, path, err);
	if (r == 0)
		r = tail_copy(&tail, err);
	if (r == 0 && tail.from < 0 && must_be)
		return err_set(err, -ENOENT, "the log %s does not exist", path);
	return r;
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

/* What earlier attempts printed is there for a job that has not begun again. */
static int print_log(const json_t *job, bool errors, struct err *err)
{
	const char *path = field_text(job, errors ? "error" : "output");
	bool is_explained = explain(job);

	if (path[0])
		return copy_file(path, !is_explained, err);
	if (!is_explained)
		fprintf(stderr,
			"tgpu logs: job %" PRIu64
			" writes stderr to the same log; leave out --err\n",
			jobview_id(job));
	return 0;
}

static int logs(struct client *client, uint64_t id, void *ctx, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	const struct options *opts = ctx;
	bool errors = options_has(opts, "err");
	struct follow follow = {.client = client,
				.id = id,
				.copy_output = !errors,
				.copy_error = errors,
				.announce = true};
	int r;

	if (options_has(opts, "follow")) {
		r = follow_job(&follow, &job, err);
		if (r == 0)
			explain(job);
		return r;
	}
	r = client_get(client, &job, err, "/v1/jobs/%" PRIu64, id);
	return r < 0 ? r : print_log(job, errors, err);
}

static int run(const struct options *opts, struct err *err)
{
	int r = selector_for_each(opts, logs, (void *)opts, err);

	return r == -EPIPE ? EXIT_DONE : r; /* `tgpu logs 12 | head` has seen enough */
}

const struct command command_logs = {
	.name = "logs",
	.usage = "[OPTIONS] ID...",
	.summary = "print what a job printed",
	.details = "With --follow, a job that waits is waited for.",
	.examples = "  tgpu logs 12\n"
		    "  tgpu logs -f last\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "all",
	.also = " log tail output cat attach ",
	.run = run,
};
