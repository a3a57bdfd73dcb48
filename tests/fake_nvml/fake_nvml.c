/* SPDX-License-Identifier: MIT */
/*
 * A libnvidia-ml.so.1 without a GPU: the functions that tgpu calls, with their true binary
 * interface, about a machine that a text file describes (fake_machine.c).
 *
 * Written from the documented interface, on purpose without any header of tgpu's probe: two
 * descriptions that were made apart must agree for the tests to pass. Built once for each driver
 * branch, of which an older one truly lacks the newer symbols:
 *
 *     FAKE_NVML_BRANCH 550  everything below
 *                      470  no _v3 process calls, no MemoryInfo_v2
 *                      418  besides no _v2 process calls, no MIG, no affinity scopes, no remapped
 * rows, no RemoteDeviceType
 *
 * Invariants: a handle is valid as long as the file describes its device; what is lost stays lost
 * until the file says otherwise. Deliberately not here: every setter.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_machine.h"

#define API __attribute__((visibility("default")))

enum {
	SUCCESS = 0,
	UNINITIALIZED = 1,
	INVALID_ARGUMENT = 2,
	NOT_SUPPORTED = 3,
	NOT_FOUND = 6,
	INSUFFICIENT_SIZE = 7,
	DRIVER_NOT_LOADED = 9,
	TIMEOUT = 10,
	GPU_IS_LOST = 15,
	ARGUMENT_VERSION_MISMATCH = 25,
};

typedef struct fake_device *nvmlDevice_t;

typedef struct {
	char busIdLegacy[16];
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pciDeviceId;
	unsigned int pciSubSystemId;
	char busId[32];
} nvmlPciInfo_t;

typedef struct {
	unsigned long long total;
	unsigned long long free;
	unsigned long long used;
} nvmlMemory_t;

typedef struct {
	unsigned int version;
	unsigned long long total;
	unsigned long long reserved;
	unsigned long long free;
	unsigned long long used;
} nvmlMemory_v2_t;

typedef struct {
	unsigned int gpu;
	unsigned int memory;
} nvmlUtilization_t;

typedef struct {
	unsigned int pid;
	unsigned long long usedGpuMemory;
} nvmlProcessInfo_v1_t;

typedef struct {
	unsigned int pid;
	unsigned long long usedGpuMemory;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
} nvmlProcessInfo_v2_t;

typedef struct { /* what the _v3 calls of R535.43 to before R535.86 write */
	unsigned int pid;
	unsigned long long usedGpuMemory;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
	unsigned long long usedGpuCcProtectedMemory;
} nvmlProcessInfo_r535_t;

typedef struct {
	nvmlDevice_t device;
	unsigned long long eventType;
	unsigned long long eventData;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
} nvmlEventData_t;

typedef struct fake_event_set {
	unsigned n_seen; /* of the machine's Xids, in order */
	unsigned listens_to[FAKE_GPUS];
} * nvmlEventSet_t;

_Static_assert(sizeof(nvmlEventData_t) == 32, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlPciInfo_t) == 68, "as compiled from nvml.h");
_Static_assert(offsetof(nvmlPciInfo_t, domain) == 16, "as compiled from nvml.h");
_Static_assert(offsetof(nvmlPciInfo_t, busId) == 36, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlMemory_t) == 24, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlMemory_v2_t) == 40, "as compiled from nvml.h");
_Static_assert(offsetof(nvmlMemory_v2_t, total) == 8, "as compiled from nvml.h");
_Static_assert(offsetof(nvmlMemory_v2_t, used) == 32, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlUtilization_t) == 8, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlProcessInfo_v1_t) == 16, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlProcessInfo_v2_t) == 24, "as compiled from nvml.h");
_Static_assert(offsetof(nvmlProcessInfo_v2_t, gpuInstanceId) == 16, "as compiled from nvml.h");
_Static_assert(sizeof(nvmlProcessInfo_r535_t) == 32, "as compiled from nvml.h");

#define MIB	 (1024ULL * 1024)
#define RESERVED (300 * MIB) /* what a driver keeps for itself */

static struct fake_machine *machine; /* as of the latest call */
static unsigned n_inits;
static unsigned generation; /* of the machine when it was initialised */

/* What every call does first: look at the file, sleep or fail if it says so. */
static int enter(const char *symbol)
{
	machine = fake_machine_get();
	if (!machine)
		return DRIVER_NOT_LOADED;
	for (unsigned i = 0; i < machine->n_faults; i++) {
		const struct fake_fault *fault = &machine->faults[i];

		if (strcmp(fault->symbol, symbol) != 0)
			continue;
		if (fault->delay_ms > 0)
			usleep((useconds_t)fault->delay_ms * 1000);
		if (fault->code != SUCCESS)
			return fault->code;
	}
	if (strcmp(symbol, "nvmlInit_v2") == 0)
		return SUCCESS;
	return n_inits > 0 && generation == machine->generation ? SUCCESS : UNINITIALIZED;
}

static int enter_device(const char *symbol, const struct fake_device *device)
{
	int code = enter(symbol);

	if (code != SUCCESS)
		return code;
	if (!device || !device->present)
		return INVALID_ARGUMENT;
	return device->lost || device->falling ? GPU_IS_LOST : SUCCESS;
}

#define ENTER()                              \
	do {                                 \
		int code_ = enter(__func__); \
		if (code_ != SUCCESS)        \
			return code_;        \
	} while (0)
#define ENTER_DEVICE(device)                                \
	do {                                                \
		int code_ = enter_device(__func__, device); \
		if (code_ != SUCCESS)                       \
			return code_;                       \
	} while (0)

static int copy_text(const char *from, char *to, unsigned length)
{
	if (strlen(from) >= length)
		return INSUFFICIENT_SIZE;
	memcpy(to, from, strlen(from) + 1);
	return SUCCESS;
}

API int nvmlInit_v2(void);
API int nvmlInit_v2(void)
{
	ENTER();
	n_inits++;
	generation = machine->generation;
	return SUCCESS;
}

API int nvmlShutdown(void);
API int nvmlShutdown(void)
{
	ENTER();
	n_inits--;
	return SUCCESS;
}

API const char *nvmlErrorString(int code);
API const char *nvmlErrorString(int code)
{
	switch (code) {
	case SUCCESS: return "Success";
	case 4: return "Insufficient Permissions";
	case GPU_IS_LOST: return "GPU is lost";
	case 18: return "Driver/library version mismatch";
	default: return "Unknown Error";
	}
}

API int nvmlSystemGetDriverVersion(char *version, unsigned length);
API int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
	ENTER();
	return copy_text(machine->driver, version, length);
}

API int nvmlSystemGetProcessName(unsigned pid, char *name, unsigned length);
API int nvmlSystemGetProcessName(unsigned pid, char *name, unsigned length)
{
	ENTER();
	for (unsigned i = 0; i < machine->n_procs; i++)
		if (machine->procs[i].pid == pid)
			return copy_text("/opt/fake/trainer", name, length);
	return NOT_FOUND;
}

API int nvmlDeviceGetCount_v2(unsigned *count);
API int nvmlDeviceGetCount_v2(unsigned *count)
{
	ENTER();
	*count = machine->n_gpus;
	return SUCCESS;
}

API int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device);
API int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
	ENTER();
	if (index >= machine->n_gpus)
		return INVALID_ARGUMENT;
	if (machine->gpus[index].lost)
		return GPU_IS_LOST;
	if (machine->gpus[index].handle_code != SUCCESS)
		return machine->gpus[index].handle_code;
	*device = &machine->gpus[index];
	return SUCCESS;
}

API int nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length);
API int nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length)
{
	ENTER_DEVICE(device);
	return copy_text(device->uuid, uuid, length);
}

API int nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length);
API int nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length)
{
	ENTER_DEVICE(device);
	return copy_text(device->name, name, length);
}

static void fill_pci(nvmlPciInfo_t *pci, unsigned domain, unsigned bus, unsigned device)
{
	*pci = (nvmlPciInfo_t){.domain = domain, .bus = bus, .device = device};
	pci->pciDeviceId = 0x1DB110DE;
	snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "%04X:%02X:%02X.0", domain & 0xFFFF,
		 bus & 0xFF, device & 0x1F);
	snprintf(pci->busId, sizeof(pci->busId), "%08X:%02X:%02X.0", domain, bus & 0xFF,
		 device & 0x1F);
}

API int nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci);
API int nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	ENTER_DEVICE(device);
	fill_pci(pci, device->domain, device->bus, device->device);
	return SUCCESS;
}

API int nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned *minor);
API int nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned *minor)
{
	ENTER_DEVICE(device);
	*minor = (unsigned)device->minor;
	return SUCCESS;
}

API int nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);
API int nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	ENTER_DEVICE(device);
	if (device->mem_mib == 0)
		return NOT_SUPPORTED;
	memory->total = device->mem_mib * MIB;
	memory->used = device->used_mib * MIB + RESERVED;
	memory->free = memory->total - memory->used;
	return SUCCESS;
}

API int nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization);
API int nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	ENTER_DEVICE(device);
	if (device->parent >= 0 || device->mig_mode)
		return NOT_SUPPORTED;
	*utilization = (nvmlUtilization_t){.gpu = device->util_percent, .memory = 3};
	return SUCCESS;
}

API int nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts);
API int nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts)
{
	ENTER_DEVICE(device);
	*milliwatts = device->power_mw;
	return SUCCESS;
}

API int nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned *celsius);
API int nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned *celsius)
{
	ENTER_DEVICE(device);
	if (sensor != 0)
		return INVALID_ARGUMENT;
	*celsius = 35;
	return SUCCESS;
}

API int nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *millijoules);
API int nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *millijoules)
{
	ENTER_DEVICE(device);
	*millijoules = device->energy_mj;
	return SUCCESS;
}

static int fill_cpus(const struct fake_device *device, unsigned n, unsigned long *set)
{
	unsigned long bits = 8 * sizeof(*set);
	const char *at = device->cpus;

	if (!*at)
		return NOT_SUPPORTED;
	memset(set, 0, n * sizeof(*set));
	while (*at) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < n * bits; first++)
			set[first / bits] |= 1UL << first % bits;
		at = *end == ',' ? end + 1 : "";
	}
	return SUCCESS;
}

API int nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned n, unsigned long *set);
API int nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned n, unsigned long *set)
{
	ENTER_DEVICE(device);
	return fill_cpus(device, n, set);
}

API int nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, int *pending);
API int nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, int *pending)
{
	ENTER_DEVICE(device);
	*pending = 0;
	return SUCCESS;
}

API int nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, int error_type, int counter_type,
				    unsigned long long *count);
API int nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, int error_type, int counter_type,
				    unsigned long long *count)
{
	ENTER_DEVICE(device);
	*count = error_type == 1 && counter_type == 0 ? device->ecc : 0;
	return SUCCESS;
}

#define EVENT_XID 8ULL

API int nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types);
API int nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
	int code = enter_device("nvmlDeviceGetSupportedEventTypes", device);

	if (code == SUCCESS)
		*types = EVENT_XID;
	return code;
}

API int nvmlEventSetCreate(nvmlEventSet_t *set);
API int nvmlEventSetCreate(nvmlEventSet_t *set)
{
	int code = enter("nvmlEventSetCreate");

	if (code != SUCCESS)
		return code;
	*set = calloc(1, sizeof(**set));
	if (!*set)
		abort();
	(*set)->n_seen = machine->n_xids;
	return SUCCESS;
}

API int nvmlEventSetFree(nvmlEventSet_t set);
API int nvmlEventSetFree(nvmlEventSet_t set)
{
	free(set);
	return SUCCESS;
}

API int nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set);
API int nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
	int code = enter_device("nvmlDeviceRegisterEvents", device);

	if (code != SUCCESS)
		return code;
	if (types != EVENT_XID)
		return NOT_SUPPORTED;
	set->listens_to[device->number] = 1;
	return SUCCESS;
}

static int next_event(const char *symbol, nvmlEventSet_t set, nvmlEventData_t *event)
{
	int code = enter(symbol);

	if (code != SUCCESS)
		return code;
	if (set->n_seen > machine->n_xids) /* lines were taken out */
		set->n_seen = machine->n_xids;
	while (set->n_seen < machine->n_xids) {
		const struct fake_xid *xid = &machine->xids[set->n_seen++];

		if (!set->listens_to[xid->gpu])
			continue;
		*event = (nvmlEventData_t){
			.device = &machine->gpus[xid->gpu],
			.eventType = EVENT_XID,
			.eventData = (unsigned long long)xid->code,
			.gpuInstanceId = ~0U,
			.computeInstanceId = ~0U,
		};
		return SUCCESS;
	}
	return TIMEOUT;
}

API int nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *event, unsigned timeout_ms);
API int nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *event, unsigned timeout_ms)
{
	(void)timeout_ms; /* nothing happens while it waits */
	return next_event("nvmlEventSetWait", set, event);
}

API int nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t a, nvmlDevice_t b, int *level);
API int nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t a, nvmlDevice_t b, int *level)
{
	ENTER_DEVICE(a);
	if (!b || b->lost || b->falling)
		return GPU_IS_LOST;
	*level = a->level[b->number];
	return SUCCESS;
}

/* Where link number `link` leads: a GPU's number, -1 a switch, -2 nowhere (no such link). */
static int link_end(const struct fake_device *device, unsigned link)
{
	if (link < machine->link_base)
		return -2;
	link -= machine->link_base;
	for (unsigned i = 0; i < machine->n_gpus; i++) {
		if (link < device->nvlinks[i])
			return (int)i;
		link -= device->nvlinks[i];
	}
	return link < device->switch_links ? -1 : -2;
}

static bool has_links(const struct fake_device *device)
{
	return link_end(device, machine->link_base) != -2;
}

API int nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned link, int *active);
API int nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned link, int *active)
{
	ENTER_DEVICE(device);
	if (!has_links(device) || device->mig_mode)
		return NOT_SUPPORTED;
	if (link_end(device, link) == -2)
		return INVALID_ARGUMENT;
	*active = 1;
	return SUCCESS;
}

API int nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned link, nvmlPciInfo_t *pci);
API int nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned link, nvmlPciInfo_t *pci)
{
	int end;

	ENTER_DEVICE(device);
	end = link_end(device, link);
	if (end == -2)
		return INVALID_ARGUMENT;
	if (end == -1)
		fill_pci(pci, 0, 0xBE, 0);
	else
		fill_pci(pci, machine->gpus[end].domain, machine->gpus[end].bus,
			 machine->gpus[end].device);
	return SUCCESS;
}

/* The three process lists. */

static int list_processes(const struct fake_device *device, char kind, unsigned stride,
			  unsigned *count, void *infos)
{
	int gpu = device->parent >= 0 ? device->parent : device->number;
	int slot = device->parent >= 0 ? device->number : -1;
	unsigned n = 0, room = *count;

	for (unsigned i = 0; i < machine->n_procs; i++) {
		const struct fake_proc *proc = &machine->procs[i];
		nvmlProcessInfo_r535_t info = {
			.pid = proc->pid,
			.usedGpuMemory = proc->mem_mib == ~0ULL ? ~0ULL : proc->mem_mib * MIB,
			.gpuInstanceId = proc->slot < 0 ? 0xFFFFFFFF : (unsigned)proc->slot,
			.computeInstanceId = proc->slot < 0 ? 0xFFFFFFFF : 0,
		};

		if (proc->gpu != gpu || proc->kind != kind || (slot >= 0 && proc->slot != slot))
			continue;
		if (infos && n < room)
			memcpy((char *)infos + (size_t)n * stride, &info, stride);
		n++;
	}
	*count = n;
	return n > room ? INSUFFICIENT_SIZE : SUCCESS;
}

#define PROCESS_CALL(symbol, kind, stride)                                 \
	API int symbol(nvmlDevice_t device, unsigned *count, void *infos); \
	API int symbol(nvmlDevice_t device, unsigned *count, void *infos)  \
	{                                                                  \
		ENTER_DEVICE(device);                                      \
		return list_processes(device, kind, stride, count, infos); \
	}

PROCESS_CALL(nvmlDeviceGetComputeRunningProcesses, 'C', 16)
PROCESS_CALL(nvmlDeviceGetGraphicsRunningProcesses, 'G', 16)
#if FAKE_NVML_BRANCH >= 470
PROCESS_CALL(nvmlDeviceGetMPSComputeRunningProcesses, 'M', 16)
PROCESS_CALL(nvmlDeviceGetComputeRunningProcesses_v2, 'C', 24)
PROCESS_CALL(nvmlDeviceGetGraphicsRunningProcesses_v2, 'G', 24)
PROCESS_CALL(nvmlDeviceGetMPSComputeRunningProcesses_v2, 'M', 24)

API int nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned n, unsigned long *set,
					    unsigned scope);
API int nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned n, unsigned long *set,
					    unsigned scope)
{
	ENTER_DEVICE(device);
	return scope == 0 ? fill_cpus(device, n, set) : INVALID_ARGUMENT;
}

API int nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned n, unsigned long *set,
				    unsigned scope);
API int nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned n, unsigned long *set,
				    unsigned scope)
{
	ENTER_DEVICE(device);
	if (device->node < 0 || scope != 0)
		return NOT_SUPPORTED;
	memset(set, 0, n * sizeof(*set));
	set[0] = 1UL << device->node;
	return SUCCESS;
}

API int nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned *corrected, unsigned *uncorrected,
				  unsigned *pending, unsigned *failure);
API int nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned *corrected, unsigned *uncorrected,
				  unsigned *pending, unsigned *failure)
{
	ENTER_DEVICE(device);
	*corrected = *uncorrected = 0;
	*pending = device->remap_pending;
	*failure = device->remap_failure;
	return SUCCESS;
}

API int nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned link, int *type);
API int nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned link, int *type)
{
	ENTER_DEVICE(device);
	if (link_end(device, link) == -2)
		return INVALID_ARGUMENT;
	*type = link_end(device, link) == -1 ? 2 : 0;
	return SUCCESS;
}

API int nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending);
API int nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending)
{
	ENTER_DEVICE(device);
	*current = *pending = device->mig_mode;
	return SUCCESS;
}

API int nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count);
API int nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count)
{
	ENTER_DEVICE(device);
	*count = FAKE_SLOTS;
	return SUCCESS;
}

API int nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index,
					    nvmlDevice_t *instance);
API int nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index,
					    nvmlDevice_t *instance)
{
	ENTER_DEVICE(device);
	if (index >= FAKE_SLOTS || !machine->instances[device->number][index].present)
		return NOT_FOUND;
	*instance = &machine->instances[device->number][index];
	return SUCCESS;
}
#endif

#if FAKE_NVML_BRANCH >= 550
PROCESS_CALL(nvmlDeviceGetComputeRunningProcesses_v3, 'C', machine->stride)
PROCESS_CALL(nvmlDeviceGetGraphicsRunningProcesses_v3, 'G', machine->stride)
PROCESS_CALL(nvmlDeviceGetMPSComputeRunningProcesses_v3, 'M', machine->stride)

API int nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *event, unsigned timeout_ms);
API int nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *event, unsigned timeout_ms)
{
	(void)timeout_ms;
	return next_event("nvmlEventSetWait_v2", set, event);
}

API int nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory);
API int nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	ENTER_DEVICE(device);
	if (memory->version != (sizeof(*memory) | 2 << 24))
		return ARGUMENT_VERSION_MISMATCH;
	if (device->mem_mib == 0)
		return NOT_SUPPORTED;
	memory->total = device->mem_mib * MIB;
	memory->reserved = RESERVED;
	memory->used = device->used_mib * MIB;
	memory->free = memory->total - memory->used - memory->reserved;
	return SUCCESS;
}
#endif
