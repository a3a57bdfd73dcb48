/* SPDX-License-Identifier: MIT */
/*
 * The table of policies.
 *
 * Most are a configuration of the scheduler, run by the very sched_pass() that tgpud runs; some
 * preempt at no cost, which no machine can do (ideal.h). Read next: replay.c.
 */
#include "simulator/preset.h"

#include <errno.h>

#include "simulator/ideal.h"

static int by_scheduler(const struct preset *preset, const struct trace *trace,
			const struct machine *machine, const struct progress *progress,
			struct outcome **ret_outcomes, struct err *err)
{
	return replay_run(trace, machine, &preset->config, progress, ret_outcomes, err);
}

/* Least attained service counts in whole seconds, with the thresholds of the published results. */
static int by_ideal(const struct preset *preset, const struct trace *trace,
		    const struct machine *machine, const struct progress *progress,
		    struct outcome **ret_outcomes, struct err *err)
{
	struct ideal_config config = {
		.placement = IDEAL_FIRST_FIT,
		.n_nodes = (uint32_t)machine->n_nodes,
		.gpus_per_node = machine->nodes[0].gpus,
		.limits_gpu_s = {3250, 7200},
		.n_limits = 2,
		.grain_ns = NS_PER_S,
	};

	(void)progress;
	for (size_t i = 0; i < machine->n_nodes; i++)
		if (machine->nodes[i].gpus != machine->nodes[0].gpus || machine->nodes[i].gpus == 0)
			return err_set(err, -EINVAL, "it wants nodes with equally many GPUs");
	if (ideal_policy_parse(preset->ideal, &config.policy) < 0)
		return err_set(err, -EINVAL, "there is no such policy");
	if (config.policy == IDEAL_LAS)
		config.placement = IDEAL_POOL;
	return ideal_replay(trace, &config, ret_outcomes);
}

/* What tgpud has where tgpu.conf says nothing. */
#define WEEK_NS (7 * 86400 * NS_PER_S)

/* A row for the scheduler: order, and what those behind a job that waits may do. */
#define SCHEDULED(order, mode, ...)                                         \
	.run = by_scheduler, .config = {.policy = &(order),                 \
					.backfill = (mode),                 \
					.half_life_ns = WEEK_NS,            \
					.params.point_ns = 3600 * NS_PER_S, \
					.params.tau_ns = 3600 * NS_PER_S,   \
					__VA_ARGS__}

/* clang-format off */
static const struct preset policies_table[] = {
	{ "fifo", "first come, first served; nobody passes",
	  SCHEDULED(policy_fifo, BACKFILL_NONE) },
	{ "skip", "first come, first served; whatever fits passes, and large jobs starve",
	  SCHEDULED(policy_fifo, BACKFILL_GREEDY) },
	{ "easy", "first come, first served, with EASY backfill",
	  SCHEDULED(policy_fifo, BACKFILL_EASY) },
	{ "easy-sjbf", "the same; of those that may pass, the shortest first",
	  SCHEDULED(policy_fifo, BACKFILL_EASY, .shortest_passes = true) },
	{ "reserve", "first come, first served; the first 8 that must wait hold reservations",
	  SCHEDULED(policy_fifo, BACKFILL_RESERVE, .reservations = 8) },
	{ "conservative", "first come, first served; nobody delays anybody who came before",
	  SCHEDULED(policy_fifo, BACKFILL_CONSERVATIVE) },
	{ "priority", "what tgpud does: priority with ageing, and EASY backfill",
	  SCHEDULED(policy_priority, BACKFILL_EASY) },
	{ "fair", "who has used least first, and EASY backfill",
	  SCHEDULED(policy_fair, BACKFILL_EASY) },
	{ "sjf", "shortest job first; nobody passes",
	  SCHEDULED(policy_sjf, BACKFILL_NONE) },
	{ "easy-sjf", "shortest job first, with EASY backfill",
	  SCHEDULED(policy_sjf, BACKFILL_EASY) },
	{ "srsf", "least time x GPUs first; nobody passes",
	  SCHEDULED(policy_srsf, BACKFILL_NONE) },
	{ "skip-srsf", "least time x GPUs first; whatever fits passes",
	  SCHEDULED(policy_srsf, BACKFILL_GREEDY) },
	{ "easy-srsf", "least time x GPUs first, with EASY backfill",
	  SCHEDULED(policy_srsf, BACKFILL_EASY) },
	{ "aged-srsf", "the same, where waiting makes a job smaller",
	  SCHEDULED(policy_shortest, BACKFILL_EASY, .params.cap_ns = TIME_NEVER) },
	{ "shortest", "the same, and nobody waits longer than a week behind others (as tgpud does)",
	  SCHEDULED(policy_shortest, BACKFILL_EASY, .params.cap_ns = WEEK_NS) },
	{ "srtf", "least remaining time first, preempting and moving at no cost",
	  .run = by_ideal, .ideal = "srtf" },
	{ "srsf-preempt", "least remaining time x GPUs first, preempting and moving at no cost",
	  .run = by_ideal, .ideal = "srsf" },
	{ "las", "least attained service first (times unknown), preempting at no cost",
	  .run = by_ideal, .ideal = "las" },
};
/* clang-format on */

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
