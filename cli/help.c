/* SPDX-License-Identifier: MIT */
/*
 * Help from the same tables that the parser works by: neither can know an option the other does
 * not.
 *
 * Read next: options.c, main.c.
 */
#include "cli/help.h"

#define NAME_WIDTH 26 /* of the column that the explanations start after */

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

static void print_option(FILE *out, const struct option_desc *desc)
{
	char left[128];
	char letter[8] = "    ";
	int len;

	if (desc->letter)
		snprintf(letter, sizeof(letter), "-%c, ", desc->letter);
	if (desc->kind == OPTION_VALUE)
		len = snprintf(left, sizeof(left), "%s--%s %s", letter, desc->name,
			       desc->metavar ? desc->metavar : "VALUE");
	else
		len = snprintf(left, sizeof(left), "%s--%s%s", letter,
			       desc->kind == OPTION_SWITCH ? "[no-]" : "", desc->name);
	if (len > NAME_WIDTH)
		fprintf(out, "  %s\n  %-*s %s\n", left, NAME_WIDTH, "", desc->help);
	else
		fprintf(out, "  %-*s %s\n", NAME_WIDTH, left, desc->help);
}

static void print_options(FILE *out, const struct options *options, bool job)
{
	for (size_t i = 0; i < options->n_table; i++)
		if ((options->table[i].field != NULL) == job)
			print_option(out, &options->table[i]);
}

void help_command(FILE *out, const struct command *command, const struct options *options)
{
	fprintf(out, "tgpu %s: %s\n\nUsage: tgpu %s %s\n", command->name, command->summary,
		command->name, command->usage);
	if (command->details)
		fprintf(out, "\n%s", command->details);
	if (command->job_options) {
		fputs("\nOptions of the job:\n", out);
		print_options(out, options, true);
	}
	fputs("\nOptions:\n", out);
	print_options(out, options, false);
	fprintf(out, "\nExamples:\n%s", command->examples);
}
