/* SPDX-License-Identifier: MIT */
/*
 * The backends that can see GPUs, and the choice among them.
 *
 * Everything here may block or hang in a driver: it runs in tgpu-probe only, a process that tgpud
 * kills and starts again when it stays silent.
 */
#pragma once

#include "common/gpureport.h"

/* What the environment asks for; strings borrowed. */
struct probe_setup {
	const char *gpus;     /* TGPU_GPUS: "simulated:8", "simulated:FILE", "none"; NULL: look */
	const char *root;     /* in front of /sys and /proc; "" outside tests */
	const char *nvml_lib; /* the NVML library to load */
};

#define PROBE_ABSENT 1 /* nothing of this backend's kind on this machine */

struct probe_ops {
	const char *name; /* as in gpu_report.source */

	/* Get ready. 0; PROBE_ABSENT; -errno with a sentence. */
	int (*open)(const struct probe_setup *setup, void **ret_state, struct err *err);

	/*
	 * Look at every GPU now and fill in a zeroed report; source and time_ns are the caller's.
	 * 0; PROBE_ABSENT; -errno with a sentence, and the state will only be closed.
	 */
	int (*read)(void *state, struct gpu_report *report, struct err *err);

	void (*close)(void *state);
};

extern const struct probe_ops probe_simulated, probe_nvml, probe_smi, probe_sysfs, probe_none;

struct probe;

/* Prepare; cannot fail, for what is wrong shows at the first read. */
struct probe *probe_create(const struct probe_setup *setup);
void probe_destroy(struct probe **probe);

/*
 * One report, from the first backend that sees GPUs; why others failed is in its warnings.
 * 0, or -errno with a sentence when TGPU_GPUS is set and cannot be honoured.
 */
int probe_read(struct probe *probe, struct gpu_report *ret_report, struct err *err);
