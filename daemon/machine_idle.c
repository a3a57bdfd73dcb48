/* SPDX-License-Identifier: MIT */
/*
 * Running jobs that hold GPUs and do nothing with them: forgotten shells, finished scripts that
 * never exit, workers that wait for a peer that died.
 *
 * A GPU of a job is idle at a look when two facts agree, each of them known: its utilisation is 0,
 * and either no process of the job is on it, or it takes no more power than when it was last seen
 * free (and IDLE_SLACK more). Utilisation alone is never the signal: a job that loads its data for
 * an hour shows 0 as well, and some cards latch at 100. A job is idle when all its GPUs are, at
 * every look for `idle_after`. It is noticed once; a look at which it works makes it begin anew, as
 * does a restart of tgpud. A job that asked for no GPU is never idle, and one that must not be run
 * again (requeue: false) is never ended for it.
 *
 * Read next: docs/monitoring.md, which says the same to people.
 */
#include <inttypes.h>

#include "common/duration.h"
#include "common/log.h"
#include "daemon/machine_internal.h"
#include "daemon/turn.h"

#define IDLE_SLACK_PERCENT 10 /* an idle card's power wavers by a few watts */

static bool takes_idle_power(const struct daemon *daemon, const struct gpu_info *gpu)
{
	int slot = machine_find_gpu(daemon, gpu->uuid);
	int64_t idle_mw = slot < 0 ? GPU_UNKNOWN : daemon->machine->slots[slot].idle_power_mw;

	return idle_mw != GPU_UNKNOWN && gpu->power_mw != GPU_UNKNOWN &&
	       gpu->power_mw <= idle_mw + idle_mw * IDLE_SLACK_PERCENT / 100;
}

static bool is_gpu_idle(const struct daemon *daemon, const struct record *record,
			const struct gpu_info *gpu)
{
	size_t n_own;

	if (!gpu || gpu->utilization_percent != 0)
		return false;
	machine_own_memory(record, gpu, &n_own);
	return (gpu->processes_known && n_own == 0) || takes_idle_power(daemon, gpu);
}

static bool is_idle(const struct daemon *daemon, const struct record *record)
{
	const struct gpu_info *gpus[GPU_REPORT_MAX_GPUS];
	size_t n;

	if (record->job.state != JOB_RUNNING || record->job.request.num_gpus == 0)
		return false;
	n = machine_job_gpus(record, &daemon->machine->report, gpus);
	for (size_t i = 0; i < n; i++)
		if (!is_gpu_idle(daemon, record, gpus[i]))
			return false;
	return n > 0;
}

static void act_on_idle(struct daemon *daemon, struct record *record, int64_t idle_ns)
{
	struct job_event stop = job_event_make(JOB_EVENT_STOP, clock_wall_ns());
	char span[32], detail[96];

	snprintf(detail, sizeof(detail), "its GPUs have done nothing for %s",
		 duration_format(idle_ns / NS_PER_S * 1000, span));
	log_warn("a job leaves its GPUs idle job=%" PRIu64 " uid=%" PRIu32 " idle=%s",
		 record->job.id, record->job.uid, span);
	turn_note(daemon, record, "idle", detail);
	if (daemon->config.idle_action != IDLE_REQUEUE || !record->job.requeue)
		return;
	stop.cause = JOB_CAUSE_REQUEUED;
	turn_apply(daemon, record, &stop, "to begin again: idle_action = requeue");
}

static void look_at(struct daemon *daemon, struct record *record)
{
	int64_t now_ns = daemon->machine->report.time_ns;

	if (!is_idle(daemon, record)) {
		record->idle_since_ns = TIME_UNKNOWN;
		record->idle_told = false;
	} else if (record->idle_since_ns == TIME_UNKNOWN) {
		record->idle_since_ns = now_ns;
	} else if (!record->idle_told &&
		   now_ns - record->idle_since_ns >= daemon->config.idle_after_ms * NS_PER_MS) {
		record->idle_told = true;
		act_on_idle(daemon, record, now_ns - record->idle_since_ns);
	}
}

void machine_fold_idle(struct daemon *daemon)
{
	struct record *record;

	if (daemon->config.idle_after_ms == 0)
		return;
	for (size_t i = 0; (record = record_next_running(daemon, &i));)
		look_at(daemon, record);
}
