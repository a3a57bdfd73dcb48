/* SPDX-License-Identifier: MIT */
/*
 * From two reports in a row to what each running job made of its GPUs in between.
 *
 * A look counts for a job with the time since the last report if the job ran at both; else only for
 * what is no sum (the peak of memory, which GPUs were in use). A probe that was silent leaves a gap
 * that nobody saw. The sums travel with every write of the job's row, once a minute in any case,
 * and when tgpud stops; so a daemon that is killed loses the last minute of them, never the rest,
 * and the gap is not in `seen_ms`.
 *
 * Invariants: GPUs are matched by UUID and counted in the order of record->alloc, which outlives a
 * restart as slots do not. A simulated GPU without a `load` shows nothing at all. Cost: a few
 * microseconds per running job and report. Read next: common/usage.h, machine_idle.c.
 */
#include <inttypes.h>

#include "daemon/launch.h"
#include "daemon/machine_internal.h"
#include "daemon/turn.h"

#define SAVE_NS	      (60 * NS_PER_S) /* one commit for all jobs together */
#define GAP_INTERVALS 4		      /* so many reports left out are a gap */

static const struct gpu_info *find_gpu(const struct gpu_report *report, const char *uuid)
{
	for (size_t i = 0; i < report->n_gpus; i++)
		if (STREQ(report->gpus[i].uuid, uuid))
			return &report->gpus[i];
	return NULL;
}

int64_t machine_own_memory(const struct record *record, const struct gpu_info *gpu, size_t *ret_n)
{
	int64_t bytes = 0;

	*ret_n = 0;
	for (size_t i = 0; i < gpu->n_processes; i++) {
		if (!record->attempt || !launch_owns_process(record, &gpu->processes[i]))
			continue;
		++*ret_n;
		if (gpu->processes[i].mem_bytes == GPU_UNKNOWN)
			return gpu->mem_used_bytes; /* the GPU is the job's alone */
		bytes += gpu->processes[i].mem_bytes;
	}
	return gpu->processes_known ? bytes : gpu->mem_used_bytes;
}

static int64_t is_in_use(const struct gpu_info *gpu, size_t n_own)
{
	if (n_own > 0 || gpu->utilization_percent > 0)
		return 1;
	return gpu->processes_known && gpu->utilization_percent == 0 ? 0 : GPU_UNKNOWN;
}

static struct usage_look look_at(const struct record *record, const struct gpu_info *before,
				 const struct gpu_info *gpu, int64_t since_ms)
{
	struct usage_look look = {GPU_UNKNOWN, GPU_UNKNOWN, GPU_UNKNOWN, GPU_UNKNOWN, GPU_UNKNOWN};
	size_t n_own;

	if (!gpu || gpu->health == GPU_HEALTH_LOST ||
	    (STREQ(gpu->vendor, "simulated") && gpu->utilization_percent == GPU_UNKNOWN))
		return look;
	look.utilization_percent = gpu->utilization_percent;
	look.power_mw = gpu->power_mw;
	look.mem_bytes = machine_own_memory(record, gpu, &n_own);
	look.in_use = is_in_use(gpu, n_own);
	look.energy_mj = usage_energy_mj(before ? before->energy_mj : GPU_UNKNOWN, gpu->energy_mj,
					 gpu->power_mw, since_ms);
	return look;
}

/* How long the job has been seen since the last report; 0: it was not. */
static int64_t seen_since_ms(const struct daemon *daemon, const struct gpu_report *before,
			     const struct record *record)
{
	int64_t since_ns = daemon->machine->report.time_ns - before->time_ns;

	if (before->time_ns < record->job.start_ns || since_ns < 0 ||
	    since_ns > GAP_INTERVALS * daemon->config.probe_interval_ms * NS_PER_MS)
		return 0;
	return since_ns / NS_PER_MS;
}

size_t machine_job_gpus(const struct record *record, const struct gpu_report *report,
			const struct gpu_info *ret_gpus[GPU_REPORT_MAX_GPUS])
{
	json_t *parts = json_loads(record->alloc, 0, NULL), *part, *gpu;
	size_t i, k, n = 0;

	json_array_foreach (parts, i, part)
		json_array_foreach (json_object_get(part, "gpus"), k, gpu)
			if (n < GPU_REPORT_MAX_GPUS)
				ret_gpus[n++] = find_gpu(
					report, json_string_value(json_object_get(gpu, "uuid")));
	json_decref(parts);
	return n;
}

static void fold_job(struct daemon *daemon, struct record *record, const struct gpu_report *before)
{
	const struct gpu_report *report = &daemon->machine->report;
	const struct gpu_info *then[GPU_REPORT_MAX_GPUS], *now[GPU_REPORT_MAX_GPUS];
	struct usage_look looks[GPU_REPORT_MAX_GPUS];
	int64_t since_ms = seen_since_ms(daemon, before, record);
	size_t n = machine_job_gpus(record, report, now);

	machine_job_gpus(record, before, then);
	for (size_t i = 0; i < n; i++)
		looks[i] = look_at(record, then[i], now[i], since_ms);
	usage_add(&record->usage, looks, n, since_ms);
}

static bool has_gpus_running(const struct record *record)
{
	return record->job.state == JOB_RUNNING && record->job.request.num_gpus > 0;
}

void machine_save_usage(struct daemon *daemon)
{
	struct record *record;

	for (size_t i = 0; (record = record_next_running(daemon, &i));)
		if (has_gpus_running(record) && record->usage.looks > 0)
			turn_touch(daemon, record);
}

void machine_fold_usage(struct daemon *daemon, const struct gpu_report *before)
{
	struct record *record;

	for (size_t i = 0; (record = record_next_running(daemon, &i));)
		if (has_gpus_running(record) &&
		    record->job.start_ns <= daemon->machine->report.time_ns)
			fold_job(daemon, record, before);
	if (daemon->machine->report.time_ns / SAVE_NS != before->time_ns / SAVE_NS)
		machine_save_usage(daemon);
}

void machine_describe_unused(const struct daemon *daemon, const struct record *record,
			     struct buf *out)
{
	unsigned n = record->job.request.num_gpus;
	uint64_t unused = usage_unused(&record->usage, n, daemon->config.unused_after_ms);

	if (unused)
		buf_printf(out, "%sit asked for %u GPU%s and used %u", out->len ? "; " : "", n,
			   n == 1 ? "" : "s", n - (unsigned)__builtin_popcountll(unused));
}
