/* SPDX-License-Identifier: MIT */
/* tgpu run: submit a job, show its output as it grows, end as it ends. */
#include <inttypes.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/follow.h"
#include "cli/jobview.h"
#include "cli/submission.h"

static const struct option_desc options[] = {
	{"quiet", 'q', OPTION_FLAG, NULL, "print nothing but the job's output", NULL},
};

/* "tgpu: job 12 failed: could not start; there is no program ..." */
static void print_ending(const json_t *job)
{
	_cleanup_(buf_finish) struct buf ending = {0}, message = {0};

	jobview_ending(&ending, job);
	format_printable(&message, field_text(job, "message"));
	if (ending.len > 0)
		fprintf(stderr, "tgpu: job %" PRIu64 " %s: %s%s%s\n", jobview_id(job),
			jobview_state(job), buf_get(&ending), message.len > 0 ? "; " : "",
			buf_get(&message));
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *submitted = NULL, *job = NULL;
	bool quiet = options_has(opts, "quiet");
	struct follow follow = {.client = &client,
				.copy_output = true,
				.copy_error = true,
				.announce = !quiet,
				.cancel_on_interrupt = true};
	int r = submission_send(&client, opts, &submitted, err);

	if (r < 0)
		return r;
	follow.id = jobview_id(submitted);
	r = follow_job(&follow, &job, err);
	if (r == FOLLOW_DETACHED) {
		fprintf(stderr,
			"tgpu: job %" PRIu64 " goes on without you; see \"tgpu show %" PRIu64
			"\"\n",
			follow.id, follow.id);
		return EXIT_FAILED;
	}
	if (r < 0)
		return r;
	if (!quiet)
		print_ending(job);
	return jobview_exit_code(job);
}

const struct command command_run = {
	.name = "run",
	.usage = "[OPTIONS] -- COMMAND...\n       tgpu run [OPTIONS] FILE [ARGUMENT...]",
	.summary = "put a job in line, follow its output, return its exit code",
	.details = SUBMISSION_DETAILS " Ctrl-C ends the job; a second Ctrl-C leaves it to itself.",
	.examples = "  tgpu run --gpus 1 -- nvidia-smi\n"
		    "  tgpu run --gpus 2 --time 10m train.sh\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.job_options = true,
	.stop_at_word = true,
	.words = "FILE",
	.also = " srun exec ",
	.run = run,
};
