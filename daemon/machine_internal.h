/* SPDX-License-Identifier: MIT */
/* What machine.c and machine_json.c share, and nobody else. */
#pragma once

#include "daemon/machine.h"

/* One GPU's place in the ledger's masks. */
struct slot {
	char uuid[96];
	int index;	     /* last known */
	int report_index;    /* in the last report; -1: not in it */
	int64_t released_ns; /* monotonic: when its last job was seen to be over */
	uint64_t last_job;   /* the one that released it, and its user */
	uint32_t last_uid;
	bool cleaning;		/* released, and not seen free since */
	int64_t baseline_bytes; /* memory in use when it was last seen free; GPU_UNKNOWN */
	int64_t xids_seen;	/* of this probe's count */
	int64_t ecc_seen;	/* GPU_UNKNOWN: not yet */
	int64_t idle_power_mw;	/* when it was last seen free; GPU_UNKNOWN */
	char *drain_reason;	/* owned; NULL: in service */
};

struct machine {
	struct gpu_report report;
	bool seen;	    /* there has been a report */
	bool begun;	    /* machine_begin() was called */
	bool known;	    /* both: a report has been judged */
	bool silent;	    /* the probe does not answer at the moment */
	uint32_t real_cpus; /* of this machine */
	struct slot slots[TOPOLOGY_GPUS_MAX];
	unsigned n_slots;
};

/* This machine's node in the ledger. */
struct node *machine_node(const struct daemon *daemon);

/* The slot of this UUID, a new one if need be; -1 when all slots are used up. */
int machine_slot(struct machine *machine, const char *uuid);

/* Tell the ledger what the GPUs are good for now, if that changed. */
void machine_update_ledger(struct daemon *daemon);

/* May this slot's GPU be handed out, by the last report? The reason, if not, in words. */
enum gpu_condition machine_judge(const struct daemon *daemon, unsigned slot, char *reason,
				 size_t size);

/* Remember what the GPUs that are free look like. */
void machine_learn(struct daemon *daemon);

/* Act on what the last report says anew about broken GPUs. */
void machine_fold_faults(struct daemon *daemon);

/* The job that holds a slot; 0: none. The state of its GPU as the API names it. */
uint64_t machine_job_on(const struct daemon *daemon, unsigned slot);
const char *machine_gpu_state(const struct daemon *daemon, unsigned slot);

/* Add what the running jobs made of their GPUs since the report `before`. */
void machine_fold_usage(struct daemon *daemon, const struct gpu_report *before);

/* The GPUs of a job in this report, in the order of record->alloc, NULL where it lacks one; how
 * many those are. */
size_t machine_job_gpus(const struct record *record, const struct gpu_report *report,
			const struct gpu_info *ret_gpus[GPU_REPORT_MAX_GPUS]);

/* What a job's own processes have on this GPU, *ret_n of them; GPU_UNKNOWN. */
int64_t machine_own_memory(const struct record *record, const struct gpu_info *gpu, size_t *ret_n);

/* Notice running jobs whose GPUs have been idle for too long. */
void machine_fold_idle(struct daemon *daemon);

/* The job that a process on a GPU belongs to; 0: none. */
uint64_t machine_job_of(const struct daemon *daemon, const struct gpu_process *process);
