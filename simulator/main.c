/* SPDX-License-Identifier: MIT */
/*
 * tgpu-sim: what would this policy have made of that log?
 *
 * Replays traces through the scheduler of tgpud on a virtual clock; starts no process and touches
 * no GPU. Exit codes: 0, 1 failed, 2 called wrongly. Read next: cmd_replay.c.
 */
#include <errno.h>

#include "common/wrap.h"
#include "simulator/command.h"

#define EXIT_USAGE 2 /* the command line is wrong */

static void overview(FILE *out)
{
	const struct sim_command *const *all;
	size_t n, width = strlen("help");

	all = sim_commands(&n);
	fputs("tgpu-sim replays logs of jobs through tgpu's scheduler, on a virtual clock.\n\n"
	      "Usage: tgpu-sim COMMAND [OPTIONS] ...\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < n; i++)
		width = strlen(all[i]->name) > width ? strlen(all[i]->name) : width;
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  %-*s  %s\n", (int)width, all[i]->name, all[i]->summary);
	fprintf(out, "  %-*s  %s\n", (int)width, "help",
		"show the help of a command: tgpu-sim help replay");
	fprintf(out, "\nExamples:\n%s\nThe manual: man tgpu-sim.\n", command_replay.examples);
}

static void help(const struct sim_command *command, const struct options *options)
{
	printf("tgpu-sim %s: %s\n\nUsage: tgpu-sim %s%s%s\n", command->name, command->summary,
	       command->name, command->usage[0] ? " " : "", command->usage);
	if (command->details) {
		putchar('\n');
		wrap_print(stdout, command->details, 0, 0);
	}
	printf("\nOptions:\n");
	options_print(options, stdout, false);
	printf("\nExamples:\n%s", command->examples);
}

static int run_command(const struct sim_command *command, int argc, char **argv)
{
	_cleanup_(options_finish) struct options options;
	struct err err = {0};
	int r;

	options_init(&options, command->options, command->n_options, OPTIONS_JOB_NONE);
	r = options_parse(&options, argc, argv, false, &err);
	if (r == 0 && options_has(&options, "help")) {
		help(command, &options);
		return 0;
	}
	if (r == 0 && options.n_words > 0 && !command->takes_words)
		r = err_set(&err, -EINVAL, "\"%.60s\" is one word too many; see --help",
			    options.words[0]);
	if (r == 0)
		r = command->run(&options, &err);
	if (r == 0)
		return 0;
	fprintf(stderr, "tgpu-sim %s: %s\n", command->name, err.msg);
	return r == -EINVAL ? EXIT_USAGE : 1;
}

static int unknown_verb(const char *verb)
{
	const struct sim_command *close = sim_command_suggest(verb);

	if (close)
		fprintf(stderr, "tgpu-sim: there is no command \"%s\"; did you mean \"%s\"?\n",
			verb, close->name);
	else
		fprintf(stderr, "tgpu-sim: there is no command \"%s\"; see \"tgpu-sim --help\"\n",
			verb);
	return EXIT_USAGE;
}

static bool is_help(const char *word)
{
	return STREQ(word, "help") || STREQ(word, "--help") || STREQ(word, "-h");
}

/* The words behind "help": of one command, else of all of them. */
static int run_help(int argc, char **argv)
{
	const struct sim_command *command;
	char option[] = "--help", *words[] = {option};

	if (argc == 0 || is_help(argv[0])) {
		overview(stdout);
		return 0;
	}
	command = sim_command_find(argv[0]);
	return command ? run_command(command, 1, words) : unknown_verb(argv[0]);
}

static int run_verb(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : NULL;
	const struct sim_command *command;

	if (!verb) {
		overview(stderr);
		return EXIT_USAGE;
	}
	if (is_help(verb))
		return run_help(argc - 2, argv + 2);
	if (STREQ(verb, "--version") || STREQ(verb, "-V")) {
		puts("tgpu-sim " TGPU_VERSION);
		return 0;
	}
	command = sim_command_find(verb);
	return command ? run_command(command, argc - 2, argv + 2) : unknown_verb(verb);
}

int main(int argc, char **argv)
{
	int code = run_verb(argc, argv);

	if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
		fprintf(stderr, "tgpu-sim: cannot write the output: %s\n", strerror(errno));
		return 1;
	}
	return code;
}
