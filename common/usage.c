/* SPDX-License-Identifier: MIT */
/*
 * Sums of looks at a job's GPUs.
 *
 * Invariants: each sum has the time it is for, and grows only together with it. No sum can overflow
 * within a job's life: 64 GPUs of 1 kW fill an int64_t of microjoules in 4 years. Deliberately not
 * here: where looks come from, and whose process is whose (daemon/machine_usage.c). Cost: O(GPUs).
 */
#include "common/usage.h"

struct usage usage_none(void)
{
	return (struct usage){.gpu_mem_peak_bytes = USAGE_UNKNOWN};
}

static void add_rate(int64_t *sum, int64_t *of_ms, int64_t rate, int64_t since_ms)
{
	if (rate == USAGE_UNKNOWN)
		return;
	*sum += rate * since_ms;
	*of_ms += since_ms;
}

void usage_add(struct usage *usage, const struct usage_look *looks, size_t n, int64_t since_ms)
{
	usage->looks++;
	usage->seen_ms += since_ms;
	for (size_t i = 0; i < n; i++) {
		const struct usage_look *look = &looks[i];
		uint64_t bit = UINT64_C(1) << i;

		add_rate(&usage->util_percent_ms, &usage->util_of_ms, look->utilization_percent,
			 since_ms);
		add_rate(&usage->power_uj, &usage->power_of_ms, look->power_mw, since_ms);
		if (look->energy_mj != USAGE_UNKNOWN) {
			usage->energy_mj += look->energy_mj;
			usage->energy_of_ms += since_ms;
		}
		if (look->mem_bytes > usage->gpu_mem_peak_bytes)
			usage->gpu_mem_peak_bytes = look->mem_bytes;
		usage->used |= look->in_use == 1 ? bit : 0;
		usage->unsure |= look->in_use == USAGE_UNKNOWN ? bit : 0;
	}
}

int64_t usage_energy_mj(int64_t counter_before_mj, int64_t counter_mj, int64_t power_mw,
			int64_t since_ms)
{
	if (counter_before_mj != USAGE_UNKNOWN && counter_mj >= counter_before_mj)
		return counter_mj - counter_before_mj;
	return power_mw == USAGE_UNKNOWN ? USAGE_UNKNOWN : power_mw * since_ms / 1000;
}

double usage_utilization_percent(const struct usage *usage)
{
	return usage->util_of_ms ? (double)usage->util_percent_ms / (double)usage->util_of_ms : -1;
}

int64_t usage_power_mw(const struct usage *usage)
{
	return usage->power_of_ms ? usage->power_uj / usage->power_of_ms : USAGE_UNKNOWN;
}

int64_t usage_total_energy_mj(const struct usage *usage, size_t n)
{
	bool complete = usage->energy_of_ms == usage->seen_ms * (int64_t)n;

	return usage->seen_ms > 0 && complete ? usage->energy_mj : USAGE_UNKNOWN;
}

uint64_t usage_unused(const struct usage *usage, size_t n, int64_t sure_ms)
{
	uint64_t all = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;

	if (usage->looks < USAGE_SURE_LOOKS || usage->seen_ms < sure_ms)
		return 0;
	return all & ~usage->used & ~usage->unsure;
}
