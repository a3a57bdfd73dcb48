/* SPDX-License-Identifier: MIT */
/*
 * The NVML backend: which GPUs there are, in which order, and when to start over.
 *
 * NVML stays initialised between reports, for initialising takes a second or more where no daemon
 * keeps the driver's state loaded. It fixes the set of GPUs, so it is initialised again when
 * the PCI bus or the number of GPUs has changed, when a call says UNINITIALIZED, and, while a GPU
 * is lost, once a minute (a reset may have brought it back; more often would be a tight loop on a
 * sick card). Handles are fetched anew for each report: those of MIG instances go stale.
 *
 * A GPU that gives no handle, or answers "lost", stays in the report, as the one that had its index
 * before; where that is not known, as many GPUs of the PCI bus as NVML cannot place are taken to be
 * those, in order, and keep their identity by what the kernel module still tells. One bad index
 * never ends the loop over the others.
 *
 * Deliberately not here: settings of any kind: tgpu never changes a GPU through NVML. Read next:
 * nvml_device.c, nvml_event.c, nvml_process.c, nvml_link.c; nvml_library.c for the loading.
 */
#include "probe/nvml.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "probe/nvidia_proc.h"
#include "probe/probe.h"

#define LOST_RETRY_NS	  (60 * NS_PER_S)
#define NO_PERMISSION	  4
#define NOT_FOUND	  6
#define DRIVER_NOT_LOADED 9
#define OPERATING_SYSTEM  17 /* a device cgroup denies it */
#define GPU_NOT_FOUND	  28 /* R545 and later: no GPU that it supports */

/* All GPUs and instances while their number and order are still open. */
struct findings {
	struct nvml_gpu gpus[GPU_REPORT_MAX_GPUS];
	size_t n;
	struct gpu_report scratch; /* owns the infos and the warnings meanwhile */
};

static int nvml_open(const struct probe_setup *setup, void **ret_state, struct err *err)
{
	struct nvml_library lib;
	struct nvml *nvml;
	int r = nvml_library_open(setup->nvml_lib, &lib, err);

	if (r != 0)
		return r;
	nvml = xcalloc(1, sizeof(*nvml));
	nvml->lib = lib;
	nvml->root = setup->root;
	*ret_state = nvml;
	return 0;
}

static void nvml_leave(struct nvml *nvml)
{
	if (nvml->ready) {
		nvml_events_close(nvml);
		nvml->lib.Shutdown();
	}
	nvml->ready = false;
}

static void nvml_close(void *state)
{
	struct nvml *nvml = state;

	nvml_leave(nvml);
	nvml_library_close(&nvml->lib);
	free(nvml);
}

static int nvml_enter(struct nvml *nvml, struct err *err)
{
	int code = nvml->lib.Init_v2();

	if (code == DRIVER_NOT_LOADED || code == GPU_NOT_FOUND)
		return PROBE_ABSENT;
	if (code != NVML_SUCCESS)
		return err_set(err, -EIO, "nvml: cannot be initialised: %s",
			       nvml_code_text(&nvml->lib, code));
	nvml->ready = true;
	nvml->stale = false;
	nvml->lost = false;
	nvml->init_ns = clock_mono_ns();
	nvml->n_bus_ids =
		pci_list_gpus(nvml->root, PCI_VENDOR_NVIDIA, GPU_REPORT_MAX_GPUS, nvml->bus_ids);
	memset(nvml->known, 0, sizeof(nvml->known));
	nvml_events_open(nvml);
	return 0;
}

static bool bus_changed(const struct nvml *nvml)
{
	char now[GPU_REPORT_MAX_GPUS][PCI_ID_SIZE];
	size_t n = pci_list_gpus(nvml->root, PCI_VENDOR_NVIDIA, GPU_REPORT_MAX_GPUS, now);

	if (n != nvml->n_bus_ids)
		return true;
	for (size_t i = 0; i < n; i++)
		if (!STREQ(now[i], nvml->bus_ids[i]))
			return true;
	return false;
}

/* Have NVML initialised, again if need be, and ask how many GPUs there are. */
static int nvml_refresh(struct nvml *nvml, unsigned *ret_n, struct err *err)
{
	if (nvml->stale || (nvml->lost && clock_mono_ns() - nvml->init_ns > LOST_RETRY_NS) ||
	    (nvml->ready && bus_changed(nvml)))
		nvml_leave(nvml);
	for (;;) {
		bool fresh = !nvml->ready;
		int code, r = fresh ? nvml_enter(nvml, err) : 0;

		if (r != 0)
			return r;
		code = nvml->lib.DeviceGetCount_v2(ret_n);
		if (code == NVML_SUCCESS && (fresh || *ret_n == nvml->n_devices))
			break;
		if (fresh)
			return err_set(err, -EIO, "nvml: cannot count the GPUs: %s",
				       nvml_code_text(&nvml->lib, code));
		nvml_leave(nvml); /* another number than last time, or no answer: once more */
	}
	nvml->n_devices = *ret_n;
	return 0;
}

static struct nvml_gpu *finding_add(struct findings *findings, struct nvml *nvml)
{
	struct nvml_gpu *gpu;

	if (findings->n == GPU_REPORT_MAX_GPUS) {
		gpu_report_warn(&findings->scratch,
				"nvml: more than %d GPUs and instances; the "
				"rest is left out",
				GPU_REPORT_MAX_GPUS);
		return NULL;
	}
	gpu = &findings->gpus[findings->n];
	*gpu = (struct nvml_gpu){.nvml = nvml, .info = &findings->scratch.gpus[findings->n]};
	findings->n++;
	return gpu;
}

/* The MIG instances of a GPU. Their numbers have holes. */
static void find_instances(struct findings *findings, struct nvml_gpu *whole)
{
	unsigned n = 0;

	if (!whole->info->uuid[0] || !NVML_ASK(whole, DeviceGetMaxMigDeviceCount, &n))
		return; /* without its UUID they could not say what they are part of */
	for (unsigned i = 0; i < n; i++) {
		nvml_device handle;
		struct nvml_gpu *gpu;

		if (!NVML_ASK(whole, DeviceGetMigDeviceHandleByIndex, i, &handle))
			continue;
		gpu = finding_add(findings, whole->nvml);
		if (!gpu)
			return;
		gpu->handle = handle;
		gpu->info->minor = whole->info->minor;
		gpu->info->numa = whole->info->numa;
		gpu->info->health = whole->info->health;
		memcpy(gpu->info->health_reason, whole->info->health_reason,
		       sizeof(gpu->info->health_reason));
		memcpy(gpu->info->bus_id, whole->info->bus_id, sizeof(gpu->info->bus_id));
		memcpy(gpu->info->cpus, whole->info->cpus, sizeof(gpu->info->cpus));
		memcpy(gpu->info->parent, whole->info->uuid, sizeof(gpu->info->parent));
		nvml_read_device(gpu);
	}
}

/* Keep who a GPU is while it tells, for when it no longer does. */
static void remember(struct nvml_gpu *gpu, struct nvml_known *known)
{
	struct gpu_info *info = gpu->info;

	if (info->uuid[0] && info->bus_id[0]) {
		known->handle = gpu->handle;
		memcpy(known->uuid, info->uuid, sizeof(known->uuid));
		memcpy(known->bus_id, info->bus_id, sizeof(known->bus_id));
	} else if (info->health == GPU_HEALTH_LOST && known->uuid[0]) {
		memcpy(info->uuid, known->uuid, sizeof(known->uuid));
		memcpy(info->bus_id, known->bus_id, sizeof(known->bus_id));
		nvidia_proc_describe(gpu->nvml->root, info);
		pci_describe(gpu->nvml->root, info);
	}
}

static void find_gpu(struct findings *findings, struct nvml *nvml, unsigned index)
{
	nvml_device handle = NULL;
	int code = nvml->lib.DeviceGetHandleByIndex_v2(index, &handle);
	struct nvml_gpu *gpu;

	if (code == NO_PERMISSION || code == OPERATING_SYSTEM) {
		gpu_report_warn(&findings->scratch, "nvml: GPU %u is not ours to open: %s", index,
				nvml_code_text(&nvml->lib, code));
		return;
	}
	gpu = finding_add(findings, nvml);
	if (!gpu)
		return;
	if (nvml_note(gpu, code) != NVML_SUCCESS)
		nvml_mark(gpu, GPU_HEALTH_LOST, "the driver gives no access to it (%s)",
			  nvml_code_text(&nvml->lib, code));
	else
		gpu->handle = handle;
	nvml_read_device(gpu);
	if (index < ARRAY_SIZE(nvml->known))
		remember(gpu, &nvml->known[index]);
	if (gpu->info->mig_enabled)
		find_instances(findings, gpu);
}

static bool is_placed(const struct findings *findings, const char *bus_id)
{
	for (size_t i = 0; i < findings->n; i++)
		if (STREQ(findings->gpus[i].info->bus_id, bus_id))
			return true;
	return false;
}

/*
 * Match the GPUs that NVML could not place with those of the PCI bus that it does not show. Equal
 * numbers are the same GPUs, in the same order; otherwise nothing can be said but a warning.
 */
static void place_lost(struct findings *findings, const struct nvml *nvml)
{
	const char *missing[GPU_REPORT_MAX_GPUS];
	struct gpu_info *lost[GPU_REPORT_MAX_GPUS];
	size_t n_missing = 0, n_lost = 0;

	for (size_t i = 0; i < nvml->n_bus_ids; i++)
		if (!is_placed(findings, nvml->bus_ids[i]))
			missing[n_missing++] = nvml->bus_ids[i];
	for (size_t i = 0; i < findings->n; i++)
		if (!findings->gpus[i].info->bus_id[0])
			lost[n_lost++] = findings->gpus[i].info;
	if (n_lost != n_missing) {
		for (size_t i = 0; i < n_missing; i++)
			gpu_report_warn(&findings->scratch,
					"nvml: the GPU at %s is on the PCI bus but the driver does "
					"not show it; see the kernel's log for NVRM",
					missing[i]);
		return;
	}
	for (size_t i = 0; i < n_missing; i++) {
		snprintf(lost[i]->bus_id, sizeof(lost[i]->bus_id), "%s", missing[i]);
		nvidia_proc_describe(nvml->root, lost[i]);
		pci_describe(nvml->root, lost[i]);
	}
}

/* By bus id; what shares one is a GPU, first, and its instances in the order they were found. */
static int finding_compare(const void *left, const void *right)
{
	const struct gpu_info *a = ((const struct nvml_gpu *)left)->info;
	const struct gpu_info *b = ((const struct nvml_gpu *)right)->info;
	int by_bus = pci_compare(a, b);

	return by_bus ? by_bus : a < b ? -1 : a > b;
}

/* Move the findings, in order, into the report. */
static void report_build(struct findings *findings, struct gpu_report *report)
{
	qsort(findings->gpus, findings->n, sizeof(findings->gpus[0]), finding_compare);
	gpu_report_init(report, findings->n);
	for (size_t i = 0; i < findings->n; i++) {
		report->gpus[i] = *findings->gpus[i].info;
		findings->gpus[i].info = &report->gpus[i];
	}
	for (size_t i = 0; i < findings->scratch.n_warnings; i++)
		gpu_report_warn(report, "%s", findings->scratch.warnings[i]);
	pci_number(report);
}

static int nvml_read(void *state, struct gpu_report *report, struct err *err)
{
	struct nvml *nvml = state;
	struct findings findings = {0};
	unsigned n;
	int r = nvml_refresh(nvml, &n, err);

	if (r != 0)
		return r;
	if (n == 0)
		return PROBE_ABSENT;
	gpu_report_init(&findings.scratch, GPU_REPORT_MAX_GPUS);
	for (unsigned i = 0; i < n && findings.n < GPU_REPORT_MAX_GPUS; i++)
		find_gpu(&findings, nvml, i);
	place_lost(&findings, nvml);
	report_build(&findings, report);
	gpu_report_finish(&findings.scratch);
	if (NVML_CALL(nvml, SystemGetDriverVersion, report->driver, sizeof(report->driver)))
		report->driver[0] = '\0';
	nvml_events_read(nvml);
	for (size_t i = 0; i < report->n_gpus; i++)
		nvml_events_fill(&findings.gpus[i]);
	for (size_t i = 0; i < report->n_gpus; i++)
		nvml_read_processes(&findings.gpus[i], report);
	if (report->n_gpus > 0)
		nvml_read_links(findings.gpus, report);
	nvml->lost = false;
	for (size_t i = 0; i < report->n_gpus; i++)
		nvml->lost |= report->gpus[i].health == GPU_HEALTH_LOST;
	return 0;
}

const struct probe_ops probe_nvml = {
	.name = "nvml",
	.open = nvml_open,
	.read = nvml_read,
	.close = nvml_close,
};
