/* SPDX-License-Identifier: MIT */
/*
 * tgpu: the command line. Finds the verb, parses its options, runs it, reports its failure.
 *
 * Invariants: an unknown verb is an error with a suggestion and never a job; every message goes to
 * stderr as one line "tgpu VERB: sentence"; only what was asked for goes to stdout.
 * Cost: start-up is what a person feels, so nothing is loaded or connected before the verb needs
 * it. Read next: commands.c, then any cmd_*.c, then client.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/complete.h"
#include "cli/format.h"
#include "cli/help.h"

static int unknown_verb(const char *verb)
{
	struct err err;

	command_refuse(verb, &err);
	fprintf(stderr, "tgpu: %s\n", err.msg);
	return EXIT_USAGE;
}

/* Say what failed. The daemon's sentences may begin with the verb already. */
static int report(const struct command *command, int error, const struct err *err)
{
	size_t len = strlen(command->name);
	_cleanup_(buf_finish) struct buf sentence = {0};

	format_sentence(&sentence, err->msg);
	if (strncmp(err->msg, command->name, len) == 0 && err->msg[len] == ':')
		fprintf(stderr, "tgpu %s\n", buf_get(&sentence));
	else if (err->msg[0])
		fprintf(stderr, "tgpu %s: %s\n", command->name, buf_get(&sentence));
	else
		fprintf(stderr, "tgpu %s: %s\n", command->name, strerror(-error));
	return exit_code_of_error(error);
}

static int run_command(const struct command *command, int argc, char **argv)
{
	_cleanup_(options_finish) struct options options;
	struct err err = {0};
	int r;

	options_init(&options, command->options, command->n_options, command->job_options);
	r = options_parse(&options, argc, argv, command->stop_at_word, &err);
	if (r < 0)
		return report(command, r, &err);
	if (options_has(&options, "help")) {
		help_command(stdout, command, &options);
		return EXIT_DONE;
	}
	if (options.n_words > 0 && !command->words) {
		err_set(&err, -EINVAL, "\"%s\" is one word too many; see \"tgpu help %s\"",
			options.words[0], command->name);
		return report(command, -EINVAL, &err);
	}
	r = command->run(&options, &err);
	return r < 0 ? report(command, r, &err) : r;
}

static int run_verb(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : NULL;
	const struct command *command;

	if (!verb) {
		help_first(stderr);
		return EXIT_USAGE;
	}
	if (STREQ(verb, "complete"))
		return complete(argc - 2, argv + 2);
	if (STREQ(verb, "--help") || STREQ(verb, "-h"))
		return run_command(&command_help, argc - 2, argv + 2);
	if (STREQ(verb, "--version") || STREQ(verb, "-V")) {
		puts("tgpu " TGPU_VERSION);
		return EXIT_DONE;
	}
	command = command_find(verb);
	return command ? run_command(command, argc - 2, argv + 2) : unknown_verb(verb);
}

int main(int argc, char **argv)
{
	int code;

	/* A reader that went away is an error of a write, told by its return value. */
	signal(SIGPIPE, SIG_IGN);
	code = run_verb(argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
		fprintf(stderr, "tgpu: cannot write the output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return code;
}
