/* SPDX-License-Identifier: MIT */
/*
 * tgpu submit: put a job in line and return.
 *
 * The id is printed only after the job is on the daemon's disk. Read next: submission.c.
 */
#include <inttypes.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/submission.h"

static const struct option_desc options[] = {
	{"quiet", 'q', OPTION_FLAG, NULL, "print nothing but the id", NULL},
	{"parsable", 0, OPTION_FLAG, NULL, "the same, by Slurm's name", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the job as JSON", NULL},
};

/* "job 12 submitted: train, 2 GPUs, after 3 others". */
static void print_submitted(const json_t *job)
{
	_cleanup_(buf_finish) struct buf line = {0}, held = {0};
	int64_t gpus = field_int(job, "num_gpus", 0);
	int64_t ahead = field_int(job, "ahead", 0);

	jobview_gpus(&held, job);
	buf_printf(&line, "job %" PRIu64 " submitted: %s, ", jobview_id(job),
		   field_text(job, "name"));
	if (gpus == 0)
		buf_puts(&line, "no GPU");
	else
		buf_printf(&line, "%" PRId64 " GPU%s", gpus, gpus == 1 ? "" : "s");
	if (field_true(job, "held"))
		buf_printf(&line, ", held until \"tgpu release %" PRIu64 "\"", jobview_id(job));
	else if (!jobview_is_waiting(job))
		buf_printf(&line, ", %s%s%s", jobview_state(job), held.len > 0 ? " on GPU " : "",
			   buf_get(&held));
	else if (ahead == 0)
		buf_puts(&line, ", first in line");
	else
		buf_printf(&line, ", %" PRId64 " ahead of it", ahead);
	format_line(COLOUR_NONE, buf_get(&line));
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *job = NULL;
	int r = submission_send(&client, opts, &job, err);

	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(job);
	else if (options_has(opts, "quiet") || options_has(opts, "parsable"))
		printf("%" PRIu64 "\n", jobview_id(job));
	else
		print_submitted(job);
	return EXIT_DONE;
}

const struct command command_submit = {
	.name = "submit",
	.usage = "[OPTIONS] -- COMMAND...\n       tgpu submit [OPTIONS] FILE [ARGUMENT...]",
	.summary = "put a job in line",
	.details = submission_details,
	.examples = "  tgpu submit --gpus 2 -- python train.py\n"
		    "  tgpu submit --gpus 2 --priority 5 -- cmd=\"python train.py > out.txt\"\n"
		    "  tgpu submit --time 4h train.sh --epochs 3\n"
		    "  tgpu submit job.yaml\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.job_options = true,
	.stop_at_word = true,
	.takes_words = true,
	.run = run,
};
