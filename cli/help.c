/* SPDX-License-Identifier: MIT */
/*
 * Help from the same tables that the parser works by: neither can know an option the other does
 * not.
 *
 * Read next: common/options.c, main.c.
 */
#include "cli/help.h"

void help_overview(FILE *out)
{
	size_t n;
	const struct command *const *all = commands(&n);
	const struct exit_meaning *exits;

	fputs("tgpu gives each job its own GPUs, in a fair order, and loses none.\n\n"
	      "Usage: tgpu COMMAND [OPTIONS] ...\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  %-10s %s\n", all[i]->name, all[i]->summary);
	fputs("  help       show the help of a command: tgpu help submit\n\n"
	      "Examples:\n"
	      "  tgpu submit --gpus 2 -- python train.py\n"
	      "  tgpu list\n"
	      "  tgpu logs -f last\n\n"
	      "Exit codes:\n",
	      out);
	exits = exit_meanings(&n);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  %-10d %s\n", (int)exits[i].code, exits[i].meaning);
	fputs("\nrun and wait return the job's own: its exit code, or 128 + the signal it died "
	      "of.\n",
	      out);
}

void help_command(FILE *out, const struct command *command, const struct options *options)
{
	fprintf(out, "tgpu %s: %s\n\nUsage: tgpu %s %s\n", command->name, command->summary,
		command->name, command->usage);
	if (command->details)
		fprintf(out, "\n%s", command->details);
	if (command->job_options) {
		fputs("\nOptions of the job:\n", out);
		options_print(options, out, true);
	}
	fputs("\nOptions:\n", out);
	options_print(options, out, false);
	fprintf(out, "\nExamples:\n%s", command->examples);
}
