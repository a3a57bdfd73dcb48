/* SPDX-License-Identifier: MIT */
/*
 * tgpu-sim: what would this policy have made of that log?
 *
 * Replays traces through the scheduler of tgpud on a virtual clock; starts no process and touches
 * no GPU. Exit codes: 0, 1 failed, 2 called wrongly. Read next: cmd_replay.c.
 */
#include <errno.h>

#include "common/suggest.h"
#include "simulator/command.h"

static const struct sim_command *const table[] = {
	&command_replay,
	&command_verify,
	&command_policies,
	&command_formats,
};

static void overview(FILE *out)
{
	fputs("tgpu-sim replays logs of jobs through tgpu's scheduler, on a virtual clock.\n\n"
	      "Usage: tgpu-sim COMMAND [OPTIONS] ...\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		fprintf(out, "  %-10s %s\n", table[i]->name, table[i]->summary);
	fprintf(out, "\nExamples:\n%s\nSee \"tgpu-sim replay --help\" for its options.\n",
		command_replay.examples);
}

static void help(const struct sim_command *command, const struct options *options)
{
	printf("tgpu-sim %s: %s\n\nUsage: tgpu-sim %s %s\n", command->name, command->summary,
	       command->name, command->usage);
	if (command->details)
		printf("\n%s", command->details);
	printf("\nOptions:\n");
	options_print(options, stdout, false);
	printf("\nExamples:\n%s", command->examples);
}

static int run_command(const struct sim_command *command, int argc, char **argv)
{
	_cleanup_(options_finish) struct options options;
	struct err err = {0};
	int r;

	options_init(&options, command->options, command->n_options, false);
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
	const char *names[ARRAY_SIZE(table)], *close;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		names[i] = table[i]->name;
	close = suggest_closest(verb, names, ARRAY_SIZE(names));
	if (close)
		fprintf(stderr, "tgpu-sim: there is no command \"%s\"; did you mean \"%s\"?\n",
			verb, close);
	else
		fprintf(stderr, "tgpu-sim: there is no command \"%s\"; see \"tgpu-sim --help\"\n",
			verb);
	return EXIT_USAGE;
}

static int run_verb(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : NULL;

	if (!verb) {
		overview(stderr);
		return EXIT_USAGE;
	}
	if (STREQ(verb, "help") || STREQ(verb, "--help") || STREQ(verb, "-h")) {
		overview(stdout);
		return 0;
	}
	if (STREQ(verb, "--version") || STREQ(verb, "-V")) {
		puts("tgpu-sim " TGPU_VERSION);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (STREQ(verb, table[i]->name))
			return run_command(table[i], argc - 2, argv + 2);
	return unknown_verb(verb);
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
