/* SPDX-License-Identifier: MIT */
/*
 * GPUs that break, and GPUs out of service.
 *
 * What a report says anew about a GPU decides: an Xid that means the GPU is bad, or an
 * uncorrectable memory error, drains that GPU, and only that one, until a person says `tgpu
 * resume`; its job is ended with cause gpu-error and queued again where it allows that. An Xid that
 * means only the job's data are bad ends the job. An Xid of the program's own making is a line in
 * the job's history. A GPU that is lost ends its job likewise.
 *
 * Invariants: one event is acted on once, although each report repeats it; what drains a GPU is
 * committed with the turn that ends its job. Read next: common/xid.h for which Xid means what.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xid.h"
#include "daemon/machine_internal.h"
#include "daemon/turn.h"

/* The job that holds this slot; NULL: none. */
static struct record *holder_of(const struct daemon *daemon, unsigned slot)
{
	struct record *record;

	for (size_t at = 0; (record = record_next_running(daemon, &at));) {
		const struct allocation *alloc = &record->job.alloc;

		for (size_t i = 0; i < alloc->n_parts; i++)
			if (alloc->parts[i].gpus & (UINT64_C(1) << slot))
				return record;
	}
	return NULL;
}

static void set_drain(struct daemon *daemon, unsigned slot, int64_t uid, const char *reason)
{
	struct slot *at = &daemon->machine->slots[slot];
	struct store_drain drain = {
		.uuid = at->uuid,
		.drained = reason != NULL,
		.time_ns = clock_wall_ns(),
		.uid = uid,
		.reason = reason ? reason : "",
	};

	turn_drain(daemon, &drain);
	free(at->drain_reason);
	at->drain_reason = reason ? xstrdup(reason) : NULL;
}

/* The job on a GPU that broke must end: what it computes now is worth nothing. */
static void end_job(struct daemon *daemon, unsigned slot, const char *what)
{
	struct record *record = holder_of(daemon, slot);
	struct job_event stop = job_event_make(JOB_EVENT_STOP, clock_wall_ns());
	_cleanup_(free_ptr) char *text =
		xasprintf("gpu%d: %s", daemon->machine->slots[slot].index, what);

	if (!record || record->job.state == JOB_STOPPING)
		return;
	stop.cause = JOB_CAUSE_GPU_ERROR;
	replace_string(&record->message, text);
	turn_apply(daemon, record, &stop, text);
}

/* Whose an error is. A program that dies of its own is gone before the driver's word of it comes.
 */
static uint64_t job_to_blame(const struct slot *slot, const struct record *holder)
{
	return holder ? holder->job.id : slot->cleaning ? slot->last_job : 0;
}

static void fold_xid(struct daemon *daemon, unsigned slot, int xid)
{
	_cleanup_(free_ptr) char *text = xasprintf("Xid %d: %s", xid, xid_text(xid));
	const struct record *holder = holder_of(daemon, slot);
	uint64_t job = job_to_blame(&daemon->machine->slots[slot], holder);
	enum xid_kind kind = xid_kind(xid);

	log_warn("a GPU reports an error gpu=gpu%d xid=%d text=\"%s\" job=%" PRIu64,
		 daemon->machine->slots[slot].index, xid, xid_text(xid), job);
	if (job && (kind == XID_APPLICATION || !holder))
		turn_note_late(daemon, job, "gpu-error", text);
	if (kind == XID_GPU)
		set_drain(daemon, slot, -1, text);
	if (kind != XID_APPLICATION)
		end_job(daemon, slot, text);
}

static void fold_ecc(struct daemon *daemon, unsigned slot, int64_t errors)
{
	_cleanup_(free_ptr) char *text =
		xasprintf("%" PRId64 " uncorrectable memory error%s since the driver was loaded",
			  errors, plural((uint64_t)errors));

	log_warn("a GPU's memory is damaged gpu=gpu%d errors=%" PRId64,
		 daemon->machine->slots[slot].index, errors);
	set_drain(daemon, slot, -1, text);
	end_job(daemon, slot, text);
}

void machine_fold_faults(struct daemon *daemon)
{
	struct machine *machine = daemon->machine;

	for (unsigned i = 0; i < machine->n_slots; i++) {
		struct slot *slot = &machine->slots[i];
		const struct gpu_info *gpu = machine_gpu(daemon, i);

		if (!gpu)
			continue;
		if (gpu->xid_count != GPU_UNKNOWN && gpu->xid_count > slot->xids_seen)
			fold_xid(daemon, i, gpu->xid);
		slot->xids_seen = gpu->xid_count != GPU_UNKNOWN ? gpu->xid_count
								: 0; /* a new probe counts from 0 */
		if (gpu->ecc_uncorrected > slot->ecc_seen && slot->ecc_seen != GPU_UNKNOWN)
			fold_ecc(daemon, i, gpu->ecc_uncorrected);
		if (gpu->ecc_uncorrected != GPU_UNKNOWN)
			slot->ecc_seen = gpu->ecc_uncorrected;
		if (gpu->health == GPU_HEALTH_LOST)
			end_job(daemon, i, gpu->health_reason);
	}
}

void machine_drain(struct daemon *daemon, unsigned slot, uint32_t uid, const char *reason)
{
	_cleanup_(free_ptr) char *text =
		xasprintf("by uid %" PRIu32 "%s%s", uid, reason[0] ? ": " : "", reason);

	if (daemon->machine->slots[slot].drain_reason && !reason[0])
		return; /* what is known of it is worth more than that it was said again */
	set_drain(daemon, slot, uid, text);
	machine_update_ledger(daemon);
}

void machine_resume(struct daemon *daemon, unsigned slot, uint32_t uid)
{
	if (!daemon->machine->slots[slot].drain_reason)
		return;
	set_drain(daemon, slot, uid, NULL);
	machine_update_ledger(daemon);
}

static int load_drain(void *ctx, const struct store_drain *drain)
{
	struct daemon *daemon = ctx;
	int slot = machine_slot(daemon->machine, drain->uuid);

	if (slot >= 0)
		replace_string(&daemon->machine->slots[slot].drain_reason, drain->reason);
	return 0;
}

int machine_load_drains(struct daemon *daemon, struct err *err)
{
	return store_walk_drains(daemon->store, load_drain, daemon, err);
}
