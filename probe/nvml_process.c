/* SPDX-License-Identifier: MIT */
/*
 * Who uses a GPU: NVML's three process lists, merged by pid.
 *
 * The entries of these lists have had three sizes: 16 bytes (before R455), 24, and 32 in R535.43 to
 * before R535.86, where a driver changed the struct of a call without changing its name. The
 * version of the driver does not settle it (backports), so the size is measured: the buffer is
 * filled with a pattern before the call, and how far the driver wrote, divided by how many entries
 * it says it wrote, is the size. Every field that ends an entry (0 or ~0 in its top byte) differs
 * from it. [gpustat nvml.py and nvitop libnvml.py tell the story; both go by versions or symbols]
 *
 *     16   u32 pid; u64 bytes                          all three begin alike
 *     24   ... u32 gpu instance; u32 compute instance
 *     32   ... u64 protected bytes
 *
 * Invariants: no entry is read beyond what the driver wrote; a list of an unknown shape makes the
 * processes unknown, never empty. Cost: two calls a list while nobody starts or ends a process.
 */
#include <stdlib.h>

#include "probe/nvml.h"
#include "probe/system.h"

#define ENTRY_MAX   32
#define PATTERN	    0x5a
#define LIST_ROUNDS 8	   /* how often a list may outgrow its buffer before we give up */
#define LIST_MAX    65536u /* entries; a list said to be longer is not believed */
#define MEM_UNKNOWN UINT64_MAX

typedef int (*list_function)(nvml_device device, unsigned *count, void *entries);

struct list {
	char kind;
	list_function versions[3]; /* newest first; NULL where the library lacks it */
};

struct entries {
	unsigned char *data; /* owned */
	unsigned count;
	size_t stride;
};

static void entries_finish(struct entries *entries)
{
	free(entries->data);
}

/* Ask with a growing buffer. The library's code. */
static int list_call(struct nvml_gpu *gpu, list_function function, struct entries *entries)
{
	unsigned count = 0;
	int code = nvml_note(gpu, function(gpu->handle, &count, NULL));

	for (int round = 0; code == NVML_INSUFFICIENT_SIZE && round < LIST_ROUNDS; round++) {
		size_t size;

		if (count > LIST_MAX)
			return code;
		count = 2 * count + 8;
		size = (size_t)count * ENTRY_MAX;
		entries->data = xreallocarray(entries->data, count, ENTRY_MAX);
		memset(entries->data, PATTERN, size);
		code = nvml_note(gpu, function(gpu->handle, &count, entries->data));
		entries->stride = size;
	}
	entries->count = count;
	return code;
}

/* Measure how many bytes the driver wrote for each entry. False: a size we do not know. */
static bool stride_measure(struct entries *entries)
{
	size_t touched = entries->stride; /* the buffer's size so far */

	if (entries->count == 0)
		return true;
	while (touched > 0 && entries->data[touched - 1] == PATTERN)
		touched--;
	entries->stride = (touched / entries->count + 7) / 8 * 8;
	return (entries->stride == 16 || entries->stride == 24 || entries->stride == 32) &&
	       touched <= entries->count * entries->stride;
}

static struct gpu_process *process_find(struct gpu_info *info, pid_t pid)
{
	for (size_t i = 0; i < info->n_processes; i++)
		if (info->processes[i].pid == pid)
			return &info->processes[i];
	return NULL;
}

/* Add an entry, or merge it with the same process from an earlier list. */
static void process_add(struct gpu_info *info, char kind, const unsigned char *entry,
			size_t *n_unlisted)
{
	struct gpu_process *process;
	uint64_t bytes;
	uint32_t pid;

	memcpy(&pid, entry, sizeof(pid));
	memcpy(&bytes, entry + 8, sizeof(bytes));
	if (pid == 0 || pid > INT32_MAX)
		return;
	process = process_find(info, (pid_t)pid);
	if (!process && info->n_processes == GPU_REPORT_MAX_PROCESSES) {
		(*n_unlisted)++;
		return;
	}
	if (!process) {
		info->processes =
			xreallocarray(info->processes, info->n_processes + 1, sizeof(*process));
		process = &info->processes[info->n_processes++];
		*process = (struct gpu_process){
			.pid = (pid_t)pid,
			.kind = kind,
			.mem_bytes = GPU_UNKNOWN,
			.uid = GPU_UNKNOWN,
		};
	}
	if (bytes <= INT64_MAX && (int64_t)bytes > process->mem_bytes)
		process->mem_bytes = (int64_t)bytes;
}

/* One list into the GPU's processes. False when it is unknown who is on it. */
static bool list_read(struct nvml_gpu *gpu, const struct list *list, struct gpu_report *report,
		      size_t *n_unlisted)
{
	int code = NVML_FUNCTION_NOT_FOUND;

	for (size_t v = 0; code == NVML_FUNCTION_NOT_FOUND && v < ARRAY_SIZE(list->versions); v++) {
		_cleanup_(entries_finish) struct entries entries = {0};

		if (!list->versions[v])
			continue;
		code = list_call(gpu, list->versions[v], &entries);
		if (code != NVML_SUCCESS)
			continue;
		if (!stride_measure(&entries)) {
			gpu_report_warn(report,
					"nvml: GPU %s: the driver lists processes in a form that "
					"tgpu does not know (%u in %zu bytes each)",
					gpu->info->uuid, entries.count, entries.stride);
			return false;
		}
		for (unsigned i = 0; i < entries.count; i++)
			process_add(gpu->info, list->kind, entries.data + i * entries.stride,
				    n_unlisted);
	}
	return code == NVML_SUCCESS;
}

static void process_name(struct nvml_gpu *gpu, struct gpu_process *process)
{
	char path[256] = "";
	const char *base;

	if (process->name[0] || NVML_CALL(gpu->nvml, SystemGetProcessName, (unsigned)process->pid,
					  path, sizeof(path)) != NVML_SUCCESS)
		return;
	path[sizeof(path) - 1] = '\0';
	base = strrchr(path, '/');
	snprintf(process->name, sizeof(process->name), "%.63s", base ? base + 1 : path);
}

void nvml_read_processes(struct nvml_gpu *gpu, struct gpu_report *report)
{
	const struct nvml_library *lib = &gpu->nvml->lib;
	const struct list lists[] = {
		{'C',
		 {lib->DeviceGetComputeRunningProcesses_v3,
		  lib->DeviceGetComputeRunningProcesses_v2, lib->DeviceGetComputeRunningProcesses}},
		{'M',
		 {lib->DeviceGetMPSComputeRunningProcesses_v3,
		  lib->DeviceGetMPSComputeRunningProcesses_v2,
		  lib->DeviceGetMPSComputeRunningProcesses}},
		{'G',
		 {lib->DeviceGetGraphicsRunningProcesses_v3,
		  lib->DeviceGetGraphicsRunningProcesses_v2,
		  lib->DeviceGetGraphicsRunningProcesses}},
	};
	size_t n_unlisted = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		bool known = nvml_can_ask(gpu) && list_read(gpu, &lists[i], report, &n_unlisted);

		if (lists[i].kind == 'C') /* the other two may be unsupported without harm */
			gpu->info->processes_known = known;
	}
	if (n_unlisted > 0)
		gpu_report_warn(report, "nvml: GPU %s: %zu more processes than the %d listed",
				gpu->info->uuid, n_unlisted, GPU_REPORT_MAX_PROCESSES);
	for (size_t i = 0; i < gpu->info->n_processes; i++) {
		system_describe(gpu->nvml->root, &gpu->info->processes[i]);
		process_name(gpu, &gpu->info->processes[i]);
	}
}
