/* SPDX-License-Identifier: MIT */
/*
 * A report (or, with "svg", one chart) of made-up jobs on stdout: what test_html.py looks at.
 *
 *     html_sample html|svg JOBS NODES GPUS_PER_NODE SECONDS_BETWEEN_ARRIVALS
 *
 * Texts hold what HTML must not hold. Replayed by ideal.c, without nodes for simplicity.
 */
#include <stdlib.h>

#include "simulator/html.h"
#include "simulator/ideal.h"

#define HOSTILE "<script>alert(\"1\" & '2')</script> \x01\xff\xef\xbf\xbf caf\xc3\xa9"

static uint64_t state = 1;

/* Numerical Recipes' generator: the same everywhere. */
static unsigned roll(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % n;
}

/* A minute to a few days, most of them short; 1, 2, 4 or 8 GPUs, sometimes 3 or 16. */
static void fill(struct trace *trace, size_t n, unsigned between_s)
{
	static const uint32_t sizes[] = {1, 1, 1, 1, 2, 2, 3, 4, 4, 8, 8, 16};
	int64_t now_s = 0;

	trace->jobs = xcalloc(n, sizeof(*trace->jobs));
	trace->n_jobs = n;
	for (size_t i = 0; i < n; i++) {
		now_s += roll(2 * between_s + 1);
		trace->jobs[i] = (struct trace_job){
			.id = i + 1,
			.submit_ns = now_s * NS_PER_S,
			.run_ns = (60 + roll(600)) * (INT64_C(1) << roll(9)) * NS_PER_S,
			.request.num_gpus = sizes[roll(ARRAY_SIZE(sizes))],
		};
	}
}

static const char *const labels[] = {"mean wait", "mean JCT", HOSTILE};
static const char *const values[] = {"1h12m", "3h5m", HOSTILE};

static int write_report(const struct html_setting *setting, const struct ideal_config *base)
{
	struct html_policy policies[] = {
		{.name = "fifo", .values = values},
		{.name = "fjf " HOSTILE, .values = values},
		{.name = "srtf", .values = values, .no_chart = "Jobs move; " HOSTILE},
	};
	const struct html_report report = {
		.title = "Sample " HOSTILE,
		.subtitle = HOSTILE,
		.setting = *setting,
		.labels = labels,
		.n_labels = ARRAY_SIZE(labels),
		.policies = policies,
		.n_policies = ARRAY_SIZE(policies),
	};
	struct outcome *outcomes[IDEAL_POLICY_COUNT];
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++) {
		struct ideal_config config = *base;

		config.policy = (enum ideal_policy)i;
		if (ideal_replay(setting->trace, &config, &outcomes[i]) < 0)
			return 1;
		policies[i].outcomes = outcomes[i];
	}
	r = html_write(stdout, &report);
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		outcomes_destroy(outcomes[i], setting->trace->n_jobs);
	return r < 0;
}

static int write_svg(const struct html_setting *setting, const struct ideal_config *config)
{
	struct outcome *outcomes;
	int r;

	if (ideal_replay(setting->trace, config, &outcomes) < 0)
		return 1;
	r = html_gantt_svg(stdout, setting, outcomes, "Sample " HOSTILE);
	outcomes_destroy(outcomes, setting->trace->n_jobs);
	return r < 0;
}

int main(int argc, char **argv)
{
	struct ideal_config config = {.policy = IDEAL_FJF, .placement = IDEAL_POOL};
	_cleanup_(trace_finish) struct trace trace = {0};
	struct html_setting setting = {.trace = &trace};
	_cleanup_(free_ptr) uint32_t *gpus = NULL;

	if (argc != 6)
		return 2;
	config.n_nodes = (uint32_t)strtoul(argv[3], NULL, 10);
	config.gpus_per_node = (uint32_t)strtoul(argv[4], NULL, 10);
	fill(&trace, strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10));
	gpus = xcalloc(config.n_nodes, sizeof(*gpus));
	for (uint32_t i = 0; i < config.n_nodes; i++)
		gpus[i] = config.gpus_per_node;
	setting.gpus_of_node = gpus;
	setting.n_nodes = config.n_nodes;
	return STREQ(argv[1], "svg") ? write_svg(&setting, &config)
				     : write_report(&setting, &config);
}
