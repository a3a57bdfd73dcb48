/* SPDX-License-Identifier: MIT */
/* The machine that the fake libnvidia-ml pretends to be; its file's grammar heads fake_machine.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FAKE_GPUS   32
#define FAKE_SLOTS  8 /* MIG instances of one GPU */
#define FAKE_PROCS  4096
#define FAKE_FAULTS 32
#define FAKE_XIDS   64

struct fake_device {
	bool present;
	bool lost;	 /* gives no handle, and every call answers 15 */
	bool falling;	 /* gives a handle, and every call answers 15 */
	int handle_code; /* what asking for its handle answers */
	int parent;	 /* MIG instance: the GPU it is part of; -1 */
	int number;	 /* of the GPU, or of the instance on its GPU */
	char uuid[96], name[96], cpus[256];
	unsigned domain, bus, device;
	int minor, node;
	unsigned long long mem_mib, used_mib;
	bool mig_mode, remap_pending, remap_failure;
	unsigned long long ecc;
	unsigned util_percent, power_mw;
	unsigned long long energy_mj;
	unsigned switch_links;
	unsigned nvlinks[FAKE_GPUS]; /* from here to there */
	int level[FAKE_GPUS];	     /* nvmlGpuTopologyLevel_t */
};

struct fake_proc {
	int gpu, slot; /* slot -1: the whole GPU */
	unsigned pid;
	unsigned long long mem_mib;
	char kind; /* C, G, M */
};

struct fake_fault {
	char symbol[64];
	int code;     /* answered instead of doing anything; 0: none */
	int delay_ms; /* slept first */
};

struct fake_xid {
	int gpu, code;
};

struct fake_machine {
	char driver[80];
	unsigned stride;     /* of what the _v3 process calls write */
	unsigned generation; /* every call answers UNINITIALIZED once it has changed */
	unsigned link_base;  /* the lowest link number that exists */
	unsigned n_gpus;
	struct fake_device gpus[FAKE_GPUS];
	struct fake_device instances[FAKE_GPUS][FAKE_SLOTS];
	unsigned n_procs;
	struct fake_proc procs[FAKE_PROCS];
	unsigned n_xids;
	struct fake_xid xids[FAKE_XIDS]; /* in the order in which they happen */
	unsigned n_faults;
	struct fake_fault faults[FAKE_FAULTS];
};

/* The machine as its file describes it now; re-read when the file changed. NULL without a file. */
struct fake_machine *fake_machine_get(void);
