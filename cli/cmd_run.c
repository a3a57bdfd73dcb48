/* SPDX-License-Identifier: MIT */
/*
 * tgpu run: submit a job, show its output as it grows, end as it ends.
 *
 * The tasks of an array are followed one after the other: mixed, their lines could not be told
 * apart. Read next: follow.c.
 */
#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* Who pipes something in means the job to read it; one that reads a script from there has done so.
 */
static void warn_of_stdin(void)
{
	int n = 0;

	if (!isatty(STDIN_FILENO) && ioctl(STDIN_FILENO, FIONREAD, &n) == 0 && n > 0)
		fputs("tgpu: warning: jobs have no stdin: what is piped into tgpu run is not "
		      "read; name a file in the command, such as cmd=\"program <file\"\n",
		      stderr);
}

/* What has become of the jobs so far. */
struct run {
	uint64_t id; /* the first that is not over */
	int code;    /* of the first that did not succeed */
	bool quiet;
};

/* Of tasks that an interrupt kept from starting there is nothing to tell one by one. */
static void take_end(void *ctx, const json_t *job, bool interrupted)
{
	struct run *run = ctx;

	run->id = jobview_id(job) + 1;
	if (!run->quiet && !(interrupted && jobview_never_started(job)))
		print_ending(job);
	if (run->code == EXIT_DONE)
		run->code = jobview_exit_code(job);
}

/* After a second Ctrl-C: those that are not over are left to themselves. */
static int detach(const struct idrange *jobs)
{
	_cleanup_(buf_finish) struct buf ids = {0};
	bool many = jobs->last > jobs->first;

	idrange_format(&ids, jobs);
	fprintf(stderr, "tgpu: job%s %s go%s on without you; see \"tgpu %s %s\"\n", many ? "s" : "",
		buf_get(&ids), many ? "" : "es", many ? "list" : "show", buf_get(&ids));
	return EXIT_FAILED;
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *submitted = NULL;
	_cleanup_(buf_finish) struct buf found = {0};
	struct run run = {.quiet = options_has(opts, "quiet")};
	struct follow follow = {.client = &client,
				.copy_output = true,
				.copy_error = true,
				.announce = !run.quiet,
				.cancel_on_interrupt = true};
	int r = submission_send(&client, opts, &submitted, err);

	if (r < 0)
		return r;
	if (!run.quiet)
		warn_of_stdin();
	if (submission_found(submitted, &found) && !run.quiet)
		fprintf(stderr, "tgpu: %s\n", buf_get(&found));
	run.id = follow.id = jobview_id(submitted);
	follow.last = follow.id + (uint64_t)field_int(submitted, "n_jobs", 1) - 1;
	r = follow_jobs(&follow, take_end, &run, err);
	if (r == FOLLOW_DETACHED)
		return detach(&(struct idrange){run.id, follow.last});
	return r < 0 ? r : run.code;
}

const struct command command_run = {
	.name = "run",
	.usage = "[OPTIONS] -- COMMAND...\n       tgpu run [OPTIONS] FILE [ARGUMENT...]",
	.summary = "put a job in line, follow its output, return its exit code",
	.details = SUBMISSION_DETAILS
	" The job has no stdin. Ctrl-C ends the job; a second Ctrl-C leaves it to itself. Of an "
	"array all tasks are "
	"followed: they run side by side, their output comes one after the other in the order of "
	"their ids, and the exit code is that of the first (by id) that did not succeed.",
	.examples = "  tgpu run --gpus 1 -- nvidia-smi\n"
		    "  tgpu run --gpus 2 --time 10m train.sh\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.job_options = OPTIONS_JOB_ALL,
	.stop_at_word = true,
	.words = "FILE",
	.also = " srun exec ",
	.run = run,
};
