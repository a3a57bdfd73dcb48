/* SPDX-License-Identifier: MIT */
/* tgpu drain, resume: take GPUs out of service for a while, and put them back. */
#include <errno.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/format.h"
#include "cli/gpunames.h"

static const struct option_desc drain_options[] = {
	{"reason", 0, OPTION_VALUE, "TEXT", "why, for whoever looks at tgpu gpus", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static const struct option_desc resume_options[] = {
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

static void print_states(const json_t *answer, bool drained)
{
	const json_t *gpu;
	size_t i;

	json_array_foreach (json_object_get(answer, "results"), i, gpu) {
		_cleanup_(buf_finish) struct buf line = {0}, reason = {0};
		int64_t job = field_int(gpu, "job", 0);

		format_sentence(&reason, field_text(gpu, "reason"));
		buf_printf(&line, "gpu%lld %s", (long long)field_int(gpu, "index", -1),
			   field_text(gpu, "state"));
		if (reason.len > 0)
			buf_printf(&line, " (%s)", buf_get(&reason));
		if (job && drained)
			buf_printf(&line, "; job %lld goes on there", (long long)job);
		puts(buf_get(&line));
	}
}

static int order(const char *target, bool drain, const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *body = json_object(), *answer = NULL;
	json_t *gpus = json_array();
	const char *reason = options_get(opts, "reason");
	int r;

	json_object_set_new(body, "gpus", gpus);
	for (size_t i = 0; i < opts->n_words; i++)
		if (gpunames_add(gpus, opts->words[i], err) < 0)
			return -EINVAL;
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	if (opts->n_words == 0)
		return err_set(err, -EINVAL, "say which GPUs: 0, gpu3, 0-3, a UUID, or all");
	r = client_open(&client, CLIENT_START, err);
	if (r == 0)
		r = client_call(&client, "POST", target, NULL, body, &answer, err);
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(answer);
	else
		print_states(answer, drain);
	return EXIT_DONE;
}

static int run_drain(const struct options *opts, struct err *err)
{
	return order("/v1/gpus/drain", true, opts, err);
}

static int run_resume(const struct options *opts, struct err *err)
{
	return order("/v1/gpus/resume", false, opts, err);
}

const struct command command_drain = {
	.name = "drain",
	.usage = "[OPTIONS] GPU...",
	.summary = "give no more jobs to GPUs",
	.details = "A GPU is named by its index (3, gpu3, 0-3 or 1,3), by its UUID, or all. Jobs "
		   "that run "
		   "there go on. A GPU stays drained, also across restarts, until "
		   "\"tgpu resume\". tgpud drains a GPU by itself when it breaks.",
	.examples = "  tgpu drain 3 --reason \"fan replaced on Monday\"\n"
		    "  tgpu drain 0-3\n",
	.options = drain_options,
	.n_options = ARRAY_SIZE(drain_options),
	.words = "GPU",
	.also = " disable offline ",
	.run = run_drain,
};

const struct command command_resume = {
	.name = "resume",
	.usage = "[OPTIONS] GPU...",
	.summary = "give jobs to drained GPUs again",
	.examples = "  tgpu resume 3\n"
		    "  tgpu resume all\n",
	.options = resume_options,
	.n_options = ARRAY_SIZE(resume_options),
	.words = "GPU",
	.states = "drained",
	.also = " undrain enable online ",
	.run = run_resume,
};
