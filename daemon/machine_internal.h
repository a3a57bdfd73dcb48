/* SPDX-License-Identifier: MIT */
/* What machine.c and machine_json.c share, and nobody else. */
#pragma once

#include "daemon/machine.h"

/* One GPU's place in the ledger's masks. */
struct slot {
	char uuid[96];
	int index;	     /* last known */
	int report_index;    /* in the last report; -1: not in it */
	int64_t released_ns; /* wall clock: when its last job was seen to be over */
};

struct machine {
	struct gpu_report report;
	bool known;	    /* there has been a report */
	bool silent;	    /* the probe does not answer at the moment */
	uint32_t real_cpus; /* of this machine */
	struct slot slots[TOPOLOGY_GPUS_MAX];
	unsigned n_slots;
};

/* This machine's node in the ledger. */
struct node *machine_node(const struct daemon *daemon);

/* The job that a process on a GPU belongs to; 0: none. */
uint64_t machine_job_of(const struct daemon *daemon, const struct gpu_process *process);
