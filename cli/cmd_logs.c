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

static int copy_file(const char *path, struct err *err)
{
	_cleanup_(tail_finish) struct tail tail;
	int r;

	tail_init(&tail, STDOUT_FILENO, -1);
	r = tail_set_path(&tail, path, err);
	if (r == 0)
		r = tail_copy(&tail, err);
	if (r == 0 && tail.from < 0)
		return err_set(err, -ENOENT, "the log %s does not exist", path);
	return r;
}

static int print_log(const json_t *job, bool errors, struct err *err)
{
	const char *path = field_text(job, errors ? "error" : "output");

	if (jobview_is_waiting(job) || !path[0]) {
		fprintf(stderr, "tgpu logs: job %" PRIu64 " %s%s\n", jobview_id(job),
			jobview_is_waiting(job) ? "has not started: " : "",
			jobview_is_waiting(job) ? field_text(json_object_get(job, "reason"), "text")
						: "writes stderr to the same log; leave out --err");
		return 0;
	}
	return copy_file(path, err);
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

	if (options_has(opts, "follow"))
		return follow_job(&follow, &job, err);
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
