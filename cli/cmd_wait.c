/* SPDX-License-Identifier: MIT */
/* tgpu wait: return when jobs are over, with the code of the first that did not succeed. */
#include <errno.h>
#include <inttypes.h>

#include "cli/command.h"
#include "cli/follow.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "common/clock.h"
#include "common/duration.h"

static const struct option_desc options[] = {
	{"timeout", 0, OPTION_VALUE, "TIME", "give up after this long, with exit code 124", NULL},
	SELECTOR_OPTIONS,
};

struct waiting {
	int64_t deadline_ns; /* 0: none */
	int code;	     /* of the first job that did not succeed */
};

static int wait_for(struct client *client, uint64_t id, void *ctx, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	struct waiting *waiting = ctx;
	struct follow follow = {.client = client, .id = id, .deadline_ns = waiting->deadline_ns};
	int r = follow_job(&follow, &job, err);

	if (r == 0 && waiting->code == EXIT_DONE)
		waiting->code = jobview_exit_code(job);
	return r;
}

static int run(const struct options *opts, struct err *err)
{
	const char *timeout = options_get(opts, "timeout");
	struct waiting waiting = {0};
	int64_t timeout_ms;
	int r = 0;

	if (timeout) {
		r = duration_parse(timeout, &timeout_ms, err);
		if (r < 0)
			return err_wrap(err, "--timeout");
		waiting.deadline_ns = time_add(clock_mono_ns(), timeout_ms * NS_PER_MS);
	}
	r = selector_for_each(opts, wait_for, &waiting, err);
	if (r == -ENOENT && opts->n_words == 0)
		return EXIT_DONE; /* none of those is left */
	return r != 0 ? r : waiting.code;
}

const struct command command_wait = {
	.name = "wait",
	.usage = "[OPTIONS] ID...",
	.summary = "wait until jobs are over, return their exit code",
	.details = "With several jobs: 0 when all succeeded, else the code of the first (by id) "
		   "that did not. With --me, --user or --state: 0 when there is none.",
	.examples = "  tgpu wait 12\n"
		    "  tgpu wait --timeout 1h 12-20 && tgpu submit evaluate.sh\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "active",
	.also = " join ",
	.run = run,
};
