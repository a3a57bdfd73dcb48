/* SPDX-License-Identifier: MIT */
/*
 * What a probe saw of this machine's GPUs: one report, one line of JSON.
 *
 * tgpu-probe prints reports, tgpud reads them. What a backend cannot tell stays unknown (the key is
 * absent in JSON); nothing is ever made up. Identity is the UUID: index, minor and bus id are
 * attributes read anew at each probe. One GPU that cannot be read is reported with its health and
 * costs the others nothing.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"
#include "common/link.h"

#define GPU_REPORT_MAX_GPUS	 64
#define GPU_REPORT_MAX_PROCESSES 1024 /* of one GPU; more are counted, not listed */
#define GPU_REPORT_MAX_ANCESTORS 64

#define GPU_UNKNOWN INT64_C(-1)

enum gpu_health {
	GPU_HEALTH_OK,
	GPU_HEALTH_UNHEALTHY, /* it answers, but must not be used: health_reason says why */
	GPU_HEALTH_LOST,      /* it no longer answers */
};

struct gpu_process {
	pid_t pid;
	int64_t mem_bytes; /* on this GPU; GPU_UNKNOWN */
	int64_t uid;	   /* GPU_UNKNOWN */
	char kind; /* 'C' compute, 'G' graphics, 'M' MPS, '?' unknown, as nvidia-smi prints them */
	char name[64];	  /* comm, "" when unknown */
	char *cgroup;	  /* path in the cgroup2 hierarchy ("/user.slice/..."), NULL when unknown */
	pid_t *ancestors; /* parent, grandparent, ... as far as known, without pid 1 */
	size_t n_ancestors;
};

struct gpu_info {
	char uuid[96];	 /* "GPU-...", "MIG-...", "SIM-..." */
	char name[96];	 /* "Tesla V100-SXM2-16GB" */
	char vendor[16]; /* "nvidia", "amd", "intel", "simulated" */
	char bus_id[32]; /* "0000:07:00.0", lower case, "" when unknown */
	int index; /* the ordinal CUDA_DEVICE_ORDER=PCI_BUS_ID (or ROCR) gives it; -1 unknown */
	int minor; /* /dev/nvidia<minor>; -1 unknown */
	int numa;  /* -1 unknown */
	char cpus[256];	  /* near CPUs as a list "0-11,24-35", "" when unknown */
	char parent[96];  /* MIG instance: UUID of the whole GPU; else "" */
	bool mig_enabled; /* a whole GPU in MIG mode: shown, never given to a job itself */
	enum gpu_health health;
	char health_reason[128]; /* "" while ok */
	int64_t mem_total_bytes; /* these and below: GPU_UNKNOWN when unknown */
	int64_t mem_used_bytes;	 /* by processes, without what the driver reserves where it can tell
				  */
	int64_t utilization_percent;
	int64_t power_mw;
	int64_t temperature_c;
	int64_t energy_mj;	       /* since the driver was loaded, as is the next */
	int64_t ecc_uncorrected;       /* memory errors that could not be corrected */
	int xid;		       /* the last error event of the driver; -1: none */
	int64_t xid_count;	       /* such events since this probe process began */
	bool processes_known;	       /* false: this backend cannot list them */
	struct gpu_process *processes; /* owned */
	size_t n_processes;
};

struct gpu_report {
	char source[32]; /* "nvml", "nvidia-smi", "sysfs", "simulated", "none" */
	char driver[96]; /* driver version, "" when unknown */
	bool simulated;	 /* these GPUs do not exist; everything shown of them says so */
	int64_t time_ns; /* wall clock when the probe BEGAN: holders seen are not older than this */
	int64_t mono_ns; /* the monotonic clock then: what is before or after, whoever sets the time
			  */
	struct gpu_info *gpus; /* owned, in order of bus id (index order) */
	size_t n_gpus;
	struct gpu_link *links; /* owned, n_gpus x n_gpus, row by row, symmetric */
	char **warnings;	/* owned: sentences about what could not be read */
	size_t n_warnings;
};

/* Make an empty report with room for `n_gpus` GPUs, all attributes unknown and all links unknown.
 */
void gpu_report_init(struct gpu_report *report, size_t n_gpus);

/* Release everything. Accepts a zeroed report. For _cleanup_ as well. */
void gpu_report_finish(struct gpu_report *report);

/* Append one warning sentence. */
void gpu_report_warn(struct gpu_report *report, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The link between GPUs i and j. */
struct gpu_link *gpu_report_link(const struct gpu_report *report, size_t i, size_t j);

/* One line of JSON without the newline; heap, owned by the caller. */
char *gpu_report_print(const struct gpu_report *report);

/* Such a line in place of a report, of a probe that cannot look and says why. Owned likewise. */
char *gpu_report_print_error(const char *why);

/* Parse such a line. 0, or -EINVAL with a sentence; every count and length is bounded. -ECANCELED:
 * it is the other kind, and `err` has the probe's sentence. */
int gpu_report_parse(const char *text, struct gpu_report *ret_report, struct err *err);
