/* SPDX-License-Identifier: MIT */
/* tgpu update: change what waiting jobs ask for, by the options they were submitted with. */
#include <errno.h>
#include <inttypes.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/selector.h"
#include "cli/submission.h"
#include "common/clock.h"
#include "common/jobspec.h"

static const struct option_desc options[] = {
	SELECTOR_OPTIONS,
	{"json", 0, OPTION_FLAG, NULL, "print the daemon's answer as JSON", NULL},
};

/* The given options' fields, as JSON, by the parser that submit uses. */
static int changes(const struct options *opts, json_t *set, struct err *err)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(client_json_unref) json_t *all = NULL;
	int64_t now_ns = clock_wall_ns();

	jobspec_init(&spec);
	for (size_t i = 0; i < opts->n_values; i++) {
		const struct option_value *value = &opts->values[i];
		int r = value->desc->field ? jobspec_set_option(&spec, value->desc->field,
								value->text, now_ns, err)
					   : 0;

		if (r < 0)
			return r;
	}
	all = jobspec_to_json(&spec);
	for (size_t i = 0; i < opts->n_values; i++) {
		const struct jobspec_field *field = opts->values[i].desc->field;

		if (field)
			json_object_set(set, field->key, json_object_get(all, field->key));
	}
	if (json_object_size(set) == 0)
		return err_set(err, -EINVAL, "say what to change, such as --priority 5");
	submission_warn(&spec);
	return 0;
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_json_unref) json_t *body = json_object();
	json_t *set = json_object();
	int r;

	json_object_set_new(body, "set", set);
	r = changes(opts, set, err);
	return r < 0 ? r : control("update", opts, body, err);
}

const struct command command_update = {
	.name = "update",
	.usage = "[OPTIONS] ID...",
	.summary = "change what waiting jobs ask for",
	.details = "A waiting job keeps its place by its time of submission. A job that has "
		   "started is not changed.",
	.examples = "  tgpu update 12 --priority 5\n"
		    "  tgpu update --me --state queued --time 2h\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.job_options = OPTIONS_JOB_CHANGE,
	.words = "ID",
	.states = "queued,held",
	.also = " set edit modify change alter priority renice qalter ",
	.run = run,
};
