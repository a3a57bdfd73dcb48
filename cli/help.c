/* SPDX-License-Identifier: MIT */
/*
 * Help from the same tables that the parser works by: neither can know an option the other does
 * not.
 *
 * Read next: options.c, main.c.
 */
#include "cli/help.h"

#define NAME_WIDTH 26 /* of the column that the explanations start after */
#define WIDTH	   80 /* of the narrowest terminal that people use */

/* Print `text`, which starts at column `at`, in lines of at most WIDTH, indented by `indent`. */
static void print_wrapped(FILE *out, const char *text, size_t at, size_t indent)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (at > indent && at + 1 + len > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, len, out);
		at += len;
		text += len + strspn(text + len, " ");
	}
	fputc('\n', out);
}

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
	fputc('\n', out);
	print_wrapped(out, exit_of_jobs, 0, 0);
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
	fprintf(out, "  %-*s ", NAME_WIDTH, left);
	if (len > NAME_WIDTH)
		fprintf(out, "\n%*s", NAME_WIDTH + 3, "");
	print_wrapped(out, desc->help, NAME_WIDTH + 3, NAME_WIDTH + 3);
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
	if (command->details) {
		fputc('\n', out);
		print_wrapped(out, command->details, 0, 0);
	}
	if (command->job_options) {
		fputs("\nOptions of the job:\n", out);
		print_options(out, options, true);
	}
	fputs("\nOptions:\n", out);
	print_options(out, options, false);
	fprintf(out, "\nExamples:\n%s", command->examples);
}
