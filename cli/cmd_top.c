/* SPDX-License-Identifier: MIT */
/*
 * tgpu top: the GPUs and the queue, live.
 *
 * Only the door: the screen is a program of its own (top.c), which takes this one's place.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "common/duration.h"
#include "common/paths.h"

#define DEFAULT_MS 2000

static const struct option_desc options[] = {
	{"interval", 'i', OPTION_VALUE, "TIME",
	 "look at the GPUs this often (default 2s); jobs are shown at once", NULL},
	{"once", 0, OPTION_FLAG, NULL, "print one snapshot as text; so does a pipe", NULL},
};

static int get_interval(const struct options *opts, int64_t *ret_ms, struct err *err)
{
	const char *text = options_get(opts, "interval");
	int64_t ms = DEFAULT_MS;

	if (text && duration_parse(text, &ms, err) < 0)
		return err_wrap(err, "--interval");
	if (ms < 100 || ms > 3600000)
		return err_set(err, -EINVAL, "--interval %.32s: write a time from 100ms to 1h",
			       text);
	*ret_ms = ms;
	return 0;
}

/* Start the user's own daemon, or say why there is none, while there is still tgpu to do it. */
static int wake_daemon(struct err *err)
{
	_cleanup_(client_close) struct client client = {0};

	return client_open(&client, CLIENT_START, err);
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(free_ptr) char *program = paths_program("tgpu-top");
	_cleanup_(free_ptr) char *self = realpath("/proc/self/exe", NULL), *interval = NULL;
	char name[] = "tgpu-top", once[] = "once";
	int64_t interval_ms = DEFAULT_MS;
	int r = get_interval(opts, &interval_ms, err);

	if (r == 0)
		r = wake_daemon(err);
	if (r < 0)
		return r;
	if (!program || !self)
		return err_set(err, -ENOENT,
			       "the program tgpu-top is not installed; set TGPU_LIBEXEC_DIR to its "
			       "directory");
	interval = xasprintf("%" PRId64, interval_ms);
	execv(program,
	      (char *[]){name, self, interval, options_has(opts, "once") ? once : NULL, NULL});
	return err_set(err, -errno, "cannot run %s: %s", program, strerror(errno));
}

const struct command command_top = {
	.name = "top",
	.usage = "[OPTIONS]",
	.summary = "watch GPUs and jobs, live; cancel, hold, read logs",
	.details = "Keys: ? shows them. Where output is no terminal, one snapshot is printed.",
	.examples = "  tgpu top\n"
		    "  tgpu top --interval 10s\n"
		    "  tgpu top --once\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.also = " htop nvtop watch monitor ",
	.run = run,
};
