/* SPDX-License-Identifier: MIT */
/* tgpu-sim verify: would tgpud decide so again? */
#include <errno.h>

#include "simulator/command.h"
#include "simulator/verify.h"

static int run(const struct options *options, struct err *err)
{
	_cleanup_(buf_finish) struct buf difference = {0};
	_cleanup_(close_file) FILE *in = NULL;
	struct verify_counts counts;
	const char *path;
	int r;

	if (options->n_words != 1)
		return err_set(err, -EINVAL, "name one decision log; see --help");
	path = options->words[0];
	in = fopen(path, "re");
	if (!in)
		return err_set(err, -ENOENT, "%.80s: cannot open it: %s", path, strerror(errno));
	r = verify_run(in, path, &counts, &difference, err);
	fputs(buf_get(&difference), stdout);
	if (r != 0)
		return r;
	if (counts.torn > 0)
		fprintf(stderr, "tgpu-sim: %s: %zu line%s cut short where tgpud was killed\n", path,
			counts.torn, plural(counts.torn));
	printf("%zu pass%s, %zu decision%s: the same\n", counts.passes,
	       counts.passes == 1 ? "" : "es", counts.decisions, plural(counts.decisions));
	return 0;
}

const struct sim_command command_verify = {
	.name = "verify",
	.usage = "FILE",
	.summary = "hold a decision log of tgpud against the scheduler",
	.details = "A log is what \"tgpud --trace FILE\" writes. Exit code 1: the scheduler says "
		   "something else somewhere; the first such line is shown.",
	.examples = "  tgpu-sim verify /var/lib/tgpu/trace.jsonl\n",
	.takes_words = true,
	.run = run,
};
