/* SPDX-License-Identifier: MIT */
/*
 * GPUs without any vendor library: what the kernel shows in /proc and /sys.
 *
 * Three makers, one after the other into one report; a machine may hold several of them:
 *     NVIDIA  /proc/driver/nvidia/gpus: identity and place. No memory, no users.
 *     AMD     /sys/class/kfd and /sys/class/drm: everything, xGMI links included (sysfs_amd.c)
 *     Intel   /sys/class/drm: identity and place of discrete cards
 *
 * Order and index: by bus id within a maker (AMD: in the order of its nodes, which is how ROCR
 * counts). Intel's cards have no UUID: the bus id stands in for it, which is stable as long as they
 * stay put.
 *
 * Invariants: a GPU without an identity is shown as unhealthy; whatever else is missing is unknown.
 * Cost: a few dozen small files a GPU. Read next: sysfs_amd.c.
 */
#include <stdlib.h>

#include "probe/nvidia_proc.h"
#include "probe/pci.h"
#include "probe/probe.h"
#include "probe/sysfs_amd.h"
#include "probe/system.h"

#define PCI_VENDOR_INTEL 0x8086

struct sysfs {
	const char *root; /* borrowed */
};

static int sysfs_open(const struct probe_setup *setup, void **ret_state, struct err *err)
{
	struct sysfs *sysfs = xcalloc(1, sizeof(*sysfs));

	(void)err;
	sysfs->root = setup->root;
	*ret_state = sysfs;
	return 0;
}

static void sysfs_close(void *state)
{
	free(state);
}

/* Append to a scratch report with room for GPU_REPORT_MAX_GPUS; NULL when it is full. */
static struct gpu_info *gpu_add(struct gpu_report *scratch, const char *vendor, const char *bus_id)
{
	struct gpu_info *gpu;

	if (scratch->n_gpus == GPU_REPORT_MAX_GPUS)
		return NULL;
	gpu = &scratch->gpus[scratch->n_gpus++];
	snprintf(gpu->vendor, sizeof(gpu->vendor), "%s", vendor);
	snprintf(gpu->bus_id, sizeof(gpu->bus_id), "%s", bus_id);
	return gpu;
}

static void read_nvidia(const char *root, struct gpu_report *scratch)
{
	char **names;
	size_t n = system_list(root, "/proc/driver/nvidia/gpus", GPU_REPORT_MAX_GPUS, &names);
	int next = 0;

	for (size_t i = 0; i < n; i++) {
		char bus_id[PCI_ID_SIZE];
		struct gpu_info *gpu;

		if (pci_id_parse(names[i], bus_id) < 0)
			continue;
		gpu = gpu_add(scratch, "nvidia", bus_id);
		if (!gpu)
			break;
		gpu->index = next++;
		nvidia_proc_describe(root, gpu);
		if (gpu->uuid[0])
			continue;
		gpu->health = GPU_HEALTH_UNHEALTHY;
		snprintf(gpu->health_reason, sizeof(gpu->health_reason),
			 "it has no UUID yet; run nvidia-smi once as root");
	}
	if (n > 0)
		nvidia_proc_version(root, scratch->driver, sizeof(scratch->driver));
	system_list_free(names, n);
}

/* Discrete cards only: an integrated GPU is part of the CPU, on bus 0. */
static void read_intel(const char *root, struct gpu_report *scratch)
{
	char ids[GPU_REPORT_MAX_GPUS][PCI_ID_SIZE];
	size_t n = pci_list_gpus(root, PCI_VENDOR_INTEL, GPU_REPORT_MAX_GPUS, ids);
	int next = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_(free_ptr) char *model =
			system_text(root, "/sys/bus/pci/devices/%s/device", ids[i]);
		struct gpu_info *gpu;

		if (strncmp(ids[i], "0000:00:", strlen("0000:00:")) == 0)
			continue;
		gpu = gpu_add(scratch, "intel", ids[i]);
		if (!gpu)
			return;
		gpu->index = next++;
		snprintf(gpu->uuid, sizeof(gpu->uuid), "INTEL-%s", ids[i]);
		snprintf(gpu->name, sizeof(gpu->name), "Intel GPU %.16s", model ? model : "");
	}
}

static void read_amd(const char *root, struct gpu_report *scratch)
{
	struct amd_gpu gpus[GPU_REPORT_MAX_GPUS];
	size_t n = sysfs_amd_list(root, gpus);

	for (size_t i = 0; i < n; i++) {
		struct gpu_info *gpu = gpu_add(scratch, "amd", gpus[i].bus_id);

		if (!gpu)
			return;
		gpu->index = (int)i;
		sysfs_amd_describe(root, &gpus[i], gpu);
	}
}

static int sysfs_read(void *state, struct gpu_report *report, struct err *err)
{
	const struct sysfs *sysfs = state;
	struct gpu_report scratch;
	size_t n;

	(void)err;
	gpu_report_init(&scratch, GPU_REPORT_MAX_GPUS);
	scratch.n_gpus = 0;
	read_nvidia(sysfs->root, &scratch);
	read_amd(sysfs->root, &scratch);
	read_intel(sysfs->root, &scratch);
	n = scratch.n_gpus;
	gpu_report_init(report, n);
	memcpy(report->gpus, scratch.gpus, n * sizeof(*report->gpus));
	memcpy(report->driver, scratch.driver, sizeof(report->driver));
	scratch.n_gpus = 0; /* what its GPUs own is the report's now */
	gpu_report_finish(&scratch);
	for (size_t i = 0; i < n; i++)
		pci_describe(sysfs->root, &report->gpus[i]);
	sysfs_amd_links(sysfs->root, report);
	pci_describe_links(sysfs->root, report);
	return n > 0 ? 0 : PROBE_ABSENT;
}

const struct probe_ops probe_sysfs = {
	.name = "sysfs",
	.open = sysfs_open,
	.read = sysfs_read,
	.close = sysfs_close,
};
