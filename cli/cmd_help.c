/* SPDX-License-Identifier: MIT */
/* tgpu help: what the tables of all verbs say. Asks no daemon. Read next: help.c. */
#include <errno.h>

#include "cli/help.h"

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(options_finish) struct options options = {0};
	const struct command *command;

	if (opts->n_words == 0) {
		help_overview(stdout);
		return EXIT_DONE;
	}
	if (opts->n_words > 1)
		return err_set(err, -EINVAL,
			       "\"%.60s\" is one word too many; name one command, as in \"tgpu "
			       "help submit\"",
			       opts->words[1]);
	command = command_find(opts->words[0]);
	if (!command)
		return command_refuse(opts->words[0], err);
	options_init(&options, command->options, command->n_options, command->job_options);
	help_command(stdout, command, &options);
	return EXIT_DONE;
}

const struct command command_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.summary = "show all commands, or the help of one: tgpu help submit",
	.details = "Without a command: all of them in a line each, and the exit codes. \"tgpu "
		   "COMMAND --help\" is the same, \"man tgpu\" the manual, and \"tgpu --version\" "
		   "says which tgpu this is.",
	.examples = "  tgpu help\n"
		    "  tgpu help submit\n",
	.words = "COMMAND",
	.also = " man usage commands version ",
	.run = run,
};
