/* SPDX-License-Identifier: MIT */
/* tgpu-sim policies, tgpu-sim formats: what there is to choose from, out of the tables. */
#include "simulator/command.h"
#include "simulator/preset.h"
#include "simulator/source.h"

static int run_policies(const struct options *options, struct err *err)
{
	size_t n;
	const struct preset *all = presets(&n);

	(void)options;
	(void)err;
	for (size_t i = 0; i < n; i++)
		printf("%-12s %s\n", all[i].name, all[i].summary);
	return 0;
}

static int run_formats(const struct options *options, struct err *err)
{
	(void)options;
	(void)err;
	for (size_t i = 0; trace_formats[i]; i++)
		printf("%-12s %s\n", trace_formats[i]->name, trace_formats[i]->summary);
	return 0;
}

const struct sim_command command_policies = {
	.name = "policies",
	.usage = "",
	.summary = "list the policies",
	.examples = "  tgpu-sim policies\n",
	.run = run_policies,
};

const struct sim_command command_formats = {
	.name = "formats",
	.usage = "",
	.summary = "list the formats of traces",
	.examples = "  tgpu-sim formats\n",
	.run = run_formats,
};
