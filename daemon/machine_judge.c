/* SPDX-License-Identifier: MIT */
/*
 * May a GPU be handed out? The verdict, and the reason as a sentence.
 *
 * Invariants: a GPU is ready only if the last report shows it healthy and, unless a job of ours
 * holds it, without a holder; what a job gave back is not ready until a report that began after its
 * end sees nobody on it and its memory near where it was when it was last seen free. Until then it
 * is cleaning, and after `clean_timeout` unhealthy, with the culprit named; it is ready again as
 * soon as the culprit is gone. Utilisation is never a sign of use (some cards latch at 100 %).
 * Simulated GPUs have no memory to clean, so theirs are ready again at once. Read next:
 * machine_fault.c.
 */
#include <inttypes.h>

#include "common/duration.h"
#include "daemon/launch.h"
#include "daemon/machine_internal.h"

/* What of a freed GPU's memory may be more than before: contexts of the driver come and go. */
#define BASELINE_SLACK_BYTES (INT64_C(256) << 20)

/* Does this process belong to one of our jobs? Its id; 0: it is somebody else's. */
uint64_t machine_job_of(const struct daemon *daemon, const struct gpu_process *process)
{
	struct record *record;

	for (size_t i = 0; (record = record_next_running(daemon, &i));)
		if (record->attempt && launch_owns_process(record, process))
			return record->job.id;
	return 0;
}

/* May a process stay on a GPU that counts as free? A display server with little memory may. */
static bool is_harmless(const struct daemon *daemon, const struct gpu_process *process)
{
	return process->kind == 'G' && process->mem_bytes != GPU_UNKNOWN &&
	       (uint64_t)process->mem_bytes <= daemon->config.display_mem_bytes;
}

/* The first process that is in the way of handing this GPU out. */
static const struct gpu_process *find_holder(const struct daemon *daemon,
					     const struct gpu_info *gpu)
{
	for (size_t i = 0; i < gpu->n_processes; i++)
		if (!is_harmless(daemon, &gpu->processes[i]))
			return &gpu->processes[i];
	return NULL;
}

static void describe_holder(const struct daemon *daemon, const struct gpu_process *process,
			    char *reason, size_t size)
{
	uint64_t job = machine_job_of(daemon, process);

	if (job)
		snprintf(reason, size, "held by pid %d (job %" PRIu64 ", %.40s)", (int)process->pid,
			 job, process->name);
	else if (process->uid != GPU_UNKNOWN)
		snprintf(reason, size, "held by pid %d (uid %" PRId64 ", %.40s)", (int)process->pid,
			 process->uid, process->name[0] ? process->name : "?");
	else
		snprintf(reason, size, "held by pid %d", (int)process->pid);
}

/* Memory in use by nobody visible, beyond what is allowed. */
static bool has_hidden_memory(const struct daemon *daemon, const struct slot *slot,
			      const struct gpu_info *gpu)
{
	int64_t allowed = (int64_t)daemon->config.foreign_mem_bytes;

	if (!gpu->processes_known || gpu->n_processes > 0 || gpu->mem_used_bytes == GPU_UNKNOWN)
		return false;
	if (slot->cleaning && slot->baseline_bytes != GPU_UNKNOWN &&
	    slot->baseline_bytes + BASELINE_SLACK_BYTES < allowed)
		allowed = slot->baseline_bytes + BASELINE_SLACK_BYTES;
	return gpu->mem_used_bytes > allowed;
}

/* Who or what is on this GPU that should not be, as a sentence; false: nothing. */
static bool describe_use(const struct daemon *daemon, const struct slot *slot,
			 const struct gpu_info *gpu, char *reason, size_t size)
{
	const struct gpu_process *holder = find_holder(daemon, gpu);
	char amount[32];

	if (holder) {
		describe_holder(daemon, holder, reason, size);
		return true;
	}
	if (!has_hidden_memory(daemon, slot, gpu))
		return false;
	snprintf(reason, size, "%s of its memory are in use by a process nobody can see",
		 bytes_format((uint64_t)gpu->mem_used_bytes, amount));
	return true;
}

/* Is the one who uses it somebody else than the job that has just left it? */
static bool is_stranger(const struct daemon *daemon, const struct slot *slot,
			const struct gpu_info *gpu)
{
	const struct gpu_process *holder = find_holder(daemon, gpu);

	return holder && holder->uid != GPU_UNKNOWN && holder->uid != slot->last_uid;
}

/* An idle, healthy GPU: is somebody on it all the same? */
static enum gpu_condition judge_use(const struct daemon *daemon, const struct slot *slot,
				    const struct gpu_info *gpu, char *reason, size_t size)
{
	int64_t since_ns = daemon->machine->report.mono_ns - slot->released_ns;
	char use[128];

	if (slot->released_ns >= daemon->machine->report.mono_ns) {
		snprintf(reason, size, "its last job has just ended; waiting for a look at it");
		return GPU_CLEANING;
	}
	if (!describe_use(daemon, slot, gpu, use, sizeof(use)))
		return GPU_READY;
	snprintf(reason, size, "%s", use);
	if (!slot->cleaning || is_stranger(daemon, slot, gpu))
		return GPU_FOREIGN;
	snprintf(reason, size, "%.80s, left by job %" PRIu64, use, slot->last_job);
	return since_ns < daemon->config.clean_timeout_ms * NS_PER_MS ? GPU_CLEANING
								      : GPU_UNHEALTHY;
}

enum gpu_condition machine_judge(const struct daemon *daemon, unsigned index, char *reason,
				 size_t size)
{
	const struct slot *slot = &daemon->machine->slots[index];
	const struct gpu_info *gpu = machine_gpu(daemon, index);
	bool taken = machine_node(daemon)->taken & (UINT64_C(1) << index);

	reason[0] = '\0';
	if (!gpu || gpu->health == GPU_HEALTH_LOST) {
		snprintf(reason, size, "%s",
			 gpu			 ? gpu->health_reason
			 : daemon->machine->seen ? "gone: the last probe did not find it"
						 : "nobody has looked at it yet");
		return GPU_LOST;
	}
	if (slot->drain_reason) {
		snprintf(reason, size, "%s", slot->drain_reason);
		return GPU_DRAINED;
	}
	if (gpu->health != GPU_HEALTH_OK) {
		snprintf(reason, size, "%s", gpu->health_reason);
		return GPU_UNHEALTHY;
	}
	if (gpu->mig_enabled) {
		snprintf(reason, size, "split into MIG instances, which are listed by themselves");
		return GPU_SPLIT;
	}
	if (daemon->machine->silent && !taken) {
		snprintf(reason, size, "the GPU driver does not answer");
		return GPU_UNHEALTHY;
	}
	return taken ? GPU_READY : judge_use(daemon, slot, gpu, reason, size);
}

void machine_learn(struct daemon *daemon)
{
	struct machine *machine = daemon->machine;
	char use[128];

	for (unsigned i = 0; i < machine->n_slots; i++) {
		struct slot *slot = &machine->slots[i];
		const struct gpu_info *gpu = machine_gpu(daemon, i);
		bool taken = machine_node(daemon)->taken & (UINT64_C(1) << i);

		if (!gpu || taken || slot->released_ns >= machine->report.mono_ns ||
		    describe_use(daemon, slot, gpu, use, sizeof(use)))
			continue;
		slot->cleaning = false;
		slot->idle_power_mw = gpu->power_mw;
		if (gpu->n_processes == 0)
			slot->baseline_bytes = gpu->mem_used_bytes;
	}
}
