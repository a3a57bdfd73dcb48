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
#include "common/clock.h"

static const struct option_desc options[] = {
	{"quiet", 'q', OPTION_FLAG, NULL, "print nothing but the id", NULL},
	{"parsable", 0, OPTION_FLAG, NULL, "the same, by Slurm's name", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the job as JSON", NULL},
};

/* "1st", "2nd", "3rd", "11th". */
static const char *ordinal_end(int64_t n)
{
	static const char *const ends[] = {"th", "st", "nd", "rd"};

	return n % 10 > 3 || n % 100 / 10 == 1 ? ends[0] : ends[n % 10];
}

/* ", 3rd in line, estimated start 14:05"; the reason where there is no estimate. */
static void add_place(struct buf *line, const json_t *job)
{
	int64_t place = field_int(job, "ahead", 0) + 1, now_ms = clock_wall_ns() / NS_PER_MS;
	int64_t start_ms = field_int(job, "start_ms_estimated", 0);
	int64_t begin_ms = field_int(job, "begin_ms", 0);
	const char *reason = field_text(json_object_get(job, "reason"), "text");
	char time[32];

	if (STREQ(field_text(json_object_get(job, "reason"), "code"), "never")) {
		buf_printf(line, ", but it will never start: %s", reason);
		return;
	}
	if (begin_ms > now_ms) {
		buf_printf(line, ", not before %s", format_time(begin_ms, now_ms, time));
		return;
	}
	if (json_object_get(job, "ahead"))
		buf_printf(line, ", %" PRId64 "%s in line", place, ordinal_end(place));
	if (start_ms > 0)
		buf_printf(line, ", estimated start %s", format_time(start_ms, now_ms, time));
	else if (reason[0])
		buf_printf(line, " (%s)", reason);
}

/* "job 12 starts now on gpu0,gpu1", "jobs 12-111; job 12 queued, ..."; one submitted twice by its
 * key may be further. */
static void print_submitted(const json_t *job)
{
	_cleanup_(buf_finish) struct buf line = {0}, gpus = {0};
	const char *state = jobview_state(job);
	uint64_t n_jobs = (uint64_t)field_int(job, "n_jobs", 1);

	if (submission_found(job, &line)) {
		format_line(COLOUR_NONE, buf_get(&line));
		return;
	}
	jobview_gpu_names(&gpus, job);
	if (n_jobs > 1)
		buf_printf(&line, "jobs %" PRIu64 "-%" PRIu64 "; ", jobview_id(job),
			   jobview_id(job) + n_jobs - 1);
	buf_printf(&line, "job %" PRIu64 " ", jobview_id(job));
	buf_puts(&line, STREQ(state, "starting") ? "starts now" : state);
	if (STREQ(state, "held"))
		buf_printf(&line, " until \"tgpu release %" PRIu64 "\"", jobview_id(job));
	else if (jobview_is_waiting(job))
		add_place(&line, job);
	else if (jobview_is_final(job) && field_text(job, "message")[0])
		buf_printf(&line, ": %s", field_text(job, "message"));
	else if (gpus.len > 0)
		buf_printf(&line, " on %s", buf_get(&gpus));
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
	.details = SUBMISSION_DETAILS,
	.examples = "  tgpu submit --gpus 2 -- python train.py\n"
		    "  tgpu submit --gpus 2 --priority 5 -- cmd=\"python train.py > out.txt\"\n"
		    "  tgpu submit --time 4h train.sh --epochs 3\n"
		    "  tgpu submit job.yaml\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.job_options = OPTIONS_JOB_ALL,
	.stop_at_word = true,
	.words = "FILE",
	.also = " add new create start enqueue launch sbatch qsub bsub ",
	.run = run,
};
