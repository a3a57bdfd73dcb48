/* SPDX-License-Identifier: MIT */
/*
 * The table of policies.
 *
 * Most are a configuration of the scheduler, run by the very sched_pass() that tgpud runs. An
 * engine of another kind is a function beside by_scheduler(). Read next: replay.c.
 */
#include "simulator/preset.h"

static int by_scheduler(const struct preset *preset, const struct trace *trace,
			const struct machine *machine, const struct progress *progress,
			struct outcome **ret_outcomes, struct err *err)
{
	return replay_run(trace, machine, &preset->config, progress, ret_outcomes, err);
}

static const struct preset policies_table[] = {
	{
		.name = "fifo",
		.summary = "first come, first served; nobody passes",
		.run = by_scheduler,
		.config = {.policy = &policy_fifo, .backfill = BACKFILL_NONE},
	},
	{
		.name = "easy",
		.summary = "first come, first served, with EASY backfill",
		.run = by_scheduler,
		.config = {.policy = &policy_fifo, .backfill = BACKFILL_EASY},
	},
	{
		.name = "priority",
		.summary = "what tgpud does: priority with ageing, and EASY backfill",
		.run = by_scheduler,
		.config = {.policy = &policy_priority,
			   .backfill = BACKFILL_EASY,
			   .point_ns = 3600 * NS_PER_S},
	},
};

const struct preset *presets(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(policies_table);
	return policies_table;
}

const struct preset *preset_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(policies_table); i++)
		if (STREQ(policies_table[i].name, name))
			return &policies_table[i];
	return NULL;
}
