/* SPDX-License-Identifier: MIT */
/*
 * tgpu: the command line. Finds the verb, parses its options, runs it, reports its failure.
 *
 * Invariants: an unknown verb is an error with a suggestion and never a job; every message goes to
 * stderr as one line "tgpu VERB: sentence"; only what was asked for goes to stdout.
 * Cost: start-up is what a person feels, so nothing is loaded or connected before the verb needs
 * it. Read next: command.h, then any cmd_*.c, then client.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/help.h"
#include "common/suggest.h"

static const struct command *const table[] = {
	&command_submit,  &command_run,	   &command_list,   &command_show,   &command_why,
	&command_logs,	  &command_wait,   &command_cancel, &command_hold,   &command_release,
	&command_requeue, &command_update, &command_drain,  &command_resume, &command_gpus,
	&command_stats,	  &command_events, &command_daemon, &command_doctor,
};

const struct command *const *commands(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (STREQ(table[i]->name, name))
			return table[i];
	return NULL;
}

static int unknown_verb(const char *verb)
{
	const char *names[ARRAY_SIZE(table)];
	const char *close;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		names[i] = table[i]->name;
	close = suggest_closest(verb, names, ARRAY_SIZE(names));
	if (close)
		fprintf(stderr, "tgpu: there is no command \"%s\"; did you mean \"%s\"?\n", verb,
			close);
	else
		fprintf(stderr, "tgpu: there is no command \"%s\"; see \"tgpu help\"\n", verb);
	return EXIT_USAGE;
}

/* Say what failed. The daemon's sentences may begin with the verb already. */
static int report(const struct command *command, int error, const struct err *err)
{
	size_t len = strlen(command->name);

	if (strncmp(err->msg, command->name, len) == 0 && err->msg[len] == ':')
		fprintf(stderr, "tgpu %s\n", err->msg);
	else if (err->msg[0])
		fprintf(stderr, "tgpu %s: %s\n", command->name, err->msg);
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
	if (options.n_words > 0 && !command->takes_words) {
		err_set(&err, -EINVAL, "\"%s\" is one word too many; see \"tgpu help %s\"",
			options.words[0], command->name);
		return report(command, -EINVAL, &err);
	}
	r = command->run(&options, &err);
	return r < 0 ? report(command, r, &err) : r;
}

static int run_help(int argc, char **argv)
{
	const struct command *command;
	char help[] = "--help", *words[] = {help};

	if (argc == 0) {
		help_overview(stdout);
		return EXIT_DONE;
	}
	command = command_find(argv[0]);
	return command ? run_command(command, 1, words) : unknown_verb(argv[0]);
}

static int run_verb(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : NULL;
	const struct command *command;

	if (!verb) {
		help_overview(stderr);
		return EXIT_USAGE;
	}
	if (STREQ(verb, "help") || STREQ(verb, "--help") || STREQ(verb, "-h"))
		return run_help(argc - 2, argv + 2);
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
