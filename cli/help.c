/* SPDX-License-Identifier: MIT */
/*
 * Help from the same tables that the parser works by: neither can know an option the other does
 * not.
 *
 * Read next: common/options.c, main.c.
 */
#include "cli/help.h"

#include "common/wrap.h"

void help_first(FILE *out)
{
	fputs("tgpu gives each job its own GPUs, in a fair order, and loses none.\n\n"
	      "  tgpu submit --gpus 2 -- python train.py    put a job in line\n"
	      "  tgpu run --gpus 1 -- nvidia-smi            the same, and follow its output\n"
	      "  tgpu list                                  what runs and what waits\n"
	      "  tgpu why 12                                why a job waits\n"
	      "  tgpu logs -f 12                            its output, as it grows\n"
	      "  tgpu cancel 12                             end it\n"
	      "  tgpu gpus                                  who holds which GPU\n\n"
	      "Usage: tgpu COMMAND [OPTIONS] ...\n"
	      "All commands: tgpu help. One of them: tgpu help submit. The manual: man tgpu.\n",
	      out);
}

/* A column that the longest of the verbs fits into. */
static int width_of_names(const struct command *const *all, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		width = strlen(all[i]->name) > width ? strlen(all[i]->name) : width;
	return (int)width;
}

void help_overview(FILE *out)
{
	size_t n;
	const struct command *const *all = commands(&n);
	const struct exit_meaning *exits;
	int width = width_of_names(all, n);

	fputs("tgpu gives each job its own GPUs, in a fair order, and loses none.\n\n"
	      "Usage: tgpu COMMAND [OPTIONS] ...\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  %-*s  %s\n", width, all[i]->name, all[i]->summary);
	fputs("\nExamples:\n"
	      "  tgpu submit --gpus 2 -- python train.py\n"
	      "  tgpu list\n"
	      "  tgpu logs -f last\n\n"
	      "Exit codes:\n",
	      out);
	exits = exit_meanings(&n);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  %-*d  %s\n", width, (int)exits[i].code, exits[i].meaning);
	fputc('\n', out);
	wrap_print(out, exit_of_jobs, 0, 0);
}

void help_command(FILE *out, const struct command *command, const struct options *options)
{
	fprintf(out, "tgpu %s: %s\n\nUsage: tgpu %s %s\n", command->name, command->summary,
		command->name, command->usage);
	if (command->details) {
		fputc('\n', out);
		wrap_print(out, command->details, 0, 0);
	}
	if (command->job_options != OPTIONS_JOB_NONE) {
		fputs("\nOptions of the job:\n", out);
		options_print(options, out, true);
	}
	fputs("\nOptions:\n", out);
	options_print(options, out, false);
	fprintf(out, "\nExamples:\n%s", command->examples);
}
