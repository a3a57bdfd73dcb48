/* SPDX-License-Identifier: MIT */
/*
 * The command line of tgpud.
 *
 * Invariants: what is not in the table is an error with a sentence, words are too. Read next:
 * main.c, which does what was asked for.
 */
#include "daemon/arguments.h"

#include <errno.h>

#define READY_FD_MIN 3 /* below are the standard streams */
#define READY_FD_MAX (1 << 20)

const struct option_desc arguments_table[] = {
	{"system", 0, OPTION_FLAG, NULL,
	 "serve all users (state in /var/lib/tgpu, socket in /run/tgpu)", NULL},
	{"config", 0, OPTION_VALUE, "FILE",
	 "instead of /etc/tgpu/tgpu.conf or ~/.config/tgpu/tgpu.conf", NULL},
	{"ready-fd", 0, OPTION_VALUE, "N",
	 "write a line to this descriptor once requests are answered", NULL},
	{"trace", 0, OPTION_VALUE, "FILE",
	 "append every decision and its reasons; see \"tgpu-sim verify\"", NULL},
	{"check", 0, OPTION_FLAG, NULL,
	 "print as JSON whether its configuration and store let it start, and exit", NULL},
	{"check-store", 0, OPTION_VALUE, "DIR",
	 "print as JSON what is wrong with DIR/tgpu.db, and exit", NULL},
	{"version", 'V', OPTION_FLAG, NULL, "print the version", NULL},
};

const size_t arguments_count = ARRAY_SIZE(arguments_table);

static void print_help(const struct options *options)
{
	puts("tgpud: the scheduler. A user's own is started by the first tgpu command.\n\n"
	     "Usage: tgpud [OPTIONS]\n\nOptions:");
	options_print(options, stdout, false);
	puts("\nExamples:\n"
	     "  tgpud --system\n"
	     "  TGPU_STATE_DIR=/tmp/try TGPU_GPUS=simulated:8 tgpud\n"
	     "  tgpud --check --config new.conf\n"
	     "  tgpud --check-store ~/.local/state/tgpu\n\n"
	     "The manual: man tgpud, man tgpu.conf.");
}

static int parse_ready_fd(const char *text, int *ret_fd, struct err *err)
{
	int64_t fd;

	if (parse_int64(text, READY_FD_MIN, READY_FD_MAX, &fd) < 0)
		return err_set(err, -EINVAL,
			       "--ready-fd %.40s: write the number of an open descriptor, from %d "
			       "on",
			       text, READY_FD_MIN);
	*ret_fd = (int)fd;
	return 0;
}

int arguments_parse(int argc, char **argv, struct arguments *ret_arguments, struct err *err)
{
	_cleanup_(options_finish) struct options options;
	struct arguments arguments = {.ready_fd = -1};
	const char *fd;
	int r;

	options_init(&options, arguments_table, arguments_count, OPTIONS_JOB_NONE);
	r = options_parse(&options, argc > 0 ? argc - 1 : 0, argv + 1, false, err);
	if (r < 0)
		return r;
	if (options_has(&options, "help")) {
		print_help(&options);
		return ARGUMENTS_ANSWERED;
	}
	if (options_has(&options, "version")) {
		puts("tgpud " TGPU_VERSION);
		return ARGUMENTS_ANSWERED;
	}
	if (options.n_words > 0)
		return err_set(err, -EINVAL,
			       "\"%.60s\" is one word too many; tgpud takes options only, see "
			       "--help",
			       options.words[0]);
	fd = options_get(&options, "ready-fd");
	if (fd && parse_ready_fd(fd, &arguments.ready_fd, err) < 0)
		return -EINVAL;
	arguments.system = options_has(&options, "system");
	arguments.config = options_get(&options, "config");
	arguments.trace = options_get(&options, "trace");
	arguments.check = options_has(&options, "check");
	arguments.check_store = options_get(&options, "check-store");
	*ret_arguments = arguments;
	return ARGUMENTS_GIVEN;
}
