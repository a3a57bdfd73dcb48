/* SPDX-License-Identifier: MIT */
/*
 * The part of NVML's binary interface that tgpu uses, and the state of the NVML backend.
 *
 * Written down here and not taken from NVIDIA's header, so that tgpu builds anywhere. Names after
 * the prefix `nvml` are the library's own. Layouts are those of x86-64 and aarch64 Linux; the
 * assertions below hold the compiler to them.
 */
#pragma once

#include "common/gpureport.h"
#include "probe/pci.h"

enum nvml_code {
	NVML_SUCCESS = 0,
	NVML_UNINITIALIZED = 1,
	NVML_INVALID_ARGUMENT = 2,
	NVML_NOT_SUPPORTED = 3,
	NVML_INSUFFICIENT_SIZE = 7,
	NVML_FUNCTION_NOT_FOUND = 13,
	NVML_GPU_IS_LOST = 15,
	NVML_RESET_REQUIRED = 16,
};

typedef struct nvml_device *nvml_device; /* the library's handles, opaque */
typedef struct nvml_event_set *nvml_event_set;

struct nvml_pci {
	char bus_id_legacy[16];
	uint32_t domain, bus, device, device_id, subsystem_id;
	char bus_id[32];
};

struct nvml_memory { /* used includes what the driver reserves */
	uint64_t total, free, used;
};

struct nvml_memory_v2 { /* used does not */
	uint32_t version;
	uint64_t total, reserved, free, used;
};

#define NVML_MEMORY_V2 (sizeof(struct nvml_memory_v2) | 2u << 24)

struct nvml_utilization {
	uint32_t gpu, memory;
};

struct nvml_event {
	nvml_device device;
	unsigned long long type, data;
	uint32_t gpu_instance, compute_instance;
};

#define NVML_NO_INSTANCE UINT32_MAX /* the whole GPU */

_Static_assert(sizeof(struct nvml_event) == 32, "");
_Static_assert(sizeof(struct nvml_pci) == 68 && offsetof(struct nvml_pci, bus_id) == 36, "");
_Static_assert(sizeof(struct nvml_memory) == 24, "");
_Static_assert(sizeof(struct nvml_memory_v2) == 40 && NVML_MEMORY_V2 == 0x02000028, "");
_Static_assert(offsetof(struct nvml_memory_v2, used) == 32, "");
_Static_assert(sizeof(struct nvml_utilization) == 8, "");

/*
 * Every function: name after "nvml", whether the backend can do without it, parameters. Versioned
 * names only: the plain ones are the first generation with other structs (the process lists' plain
 * names are that generation on purpose, for drivers before 455).
 */
#define NVML_FUNCTIONS(X)                                                                        \
	X(Init_v2, REQUIRED, (void))                                                             \
	X(Shutdown, REQUIRED, (void))                                                            \
	X(DeviceGetCount_v2, REQUIRED, (unsigned *))                                             \
	X(DeviceGetHandleByIndex_v2, REQUIRED, (unsigned, nvml_device *))                        \
	X(DeviceGetUUID, REQUIRED, (nvml_device, char *, unsigned))                              \
	X(DeviceGetName, REQUIRED, (nvml_device, char *, unsigned))                              \
	X(DeviceGetPciInfo_v3, REQUIRED, (nvml_device, struct nvml_pci *))                       \
	X(DeviceGetMinorNumber, REQUIRED, (nvml_device, unsigned *))                             \
	X(DeviceGetMemoryInfo, REQUIRED, (nvml_device, struct nvml_memory *))                    \
	X(DeviceGetMemoryInfo_v2, OPTIONAL, (nvml_device, struct nvml_memory_v2 *))              \
	X(SystemGetDriverVersion, OPTIONAL, (char *, unsigned))                                  \
	X(SystemGetProcessName, OPTIONAL, (unsigned, char *, unsigned))                          \
	X(DeviceGetUtilizationRates, OPTIONAL, (nvml_device, struct nvml_utilization *))         \
	X(DeviceGetPowerUsage, OPTIONAL, (nvml_device, unsigned *))                              \
	X(DeviceGetTemperature, OPTIONAL, (nvml_device, int, unsigned *))                        \
	X(DeviceGetTotalEnergyConsumption, OPTIONAL, (nvml_device, unsigned long long *))        \
	X(DeviceGetCpuAffinityWithinScope, OPTIONAL,                                             \
	  (nvml_device, unsigned, unsigned long *, unsigned))                                    \
	X(DeviceGetCpuAffinity, OPTIONAL, (nvml_device, unsigned, unsigned long *))              \
	X(DeviceGetMemoryAffinity, OPTIONAL, (nvml_device, unsigned, unsigned long *, unsigned)) \
	X(DeviceGetRemappedRows, OPTIONAL,                                                       \
	  (nvml_device, unsigned *, unsigned *, unsigned *, unsigned *))                         \
	X(DeviceGetRetiredPagesPendingStatus, OPTIONAL, (nvml_device, int *))                    \
	X(DeviceGetTotalEccErrors, OPTIONAL, (nvml_device, int, int, unsigned long long *))      \
	X(DeviceGetSupportedEventTypes, OPTIONAL, (nvml_device, unsigned long long *))           \
	X(DeviceRegisterEvents, OPTIONAL, (nvml_device, unsigned long long, nvml_event_set))     \
	X(EventSetCreate, OPTIONAL, (nvml_event_set *))                                          \
	X(EventSetFree, OPTIONAL, (nvml_event_set))                                              \
	X(EventSetWait_v2, OPTIONAL, (nvml_event_set, struct nvml_event *, unsigned))            \
	X(EventSetWait, OPTIONAL, (nvml_event_set, struct nvml_event *, unsigned))               \
	X(DeviceGetGpuInstanceId, OPTIONAL, (nvml_device, unsigned *))                           \
	X(DeviceGetMigMode, OPTIONAL, (nvml_device, unsigned *, unsigned *))                     \
	X(DeviceGetMaxMigDeviceCount, OPTIONAL, (nvml_device, unsigned *))                       \
	X(DeviceGetMigDeviceHandleByIndex, OPTIONAL, (nvml_device, unsigned, nvml_device *))     \
	X(DeviceGetTopologyCommonAncestor, OPTIONAL, (nvml_device, nvml_device, int *))          \
	X(DeviceGetNvLinkState, OPTIONAL, (nvml_device, unsigned, int *))                        \
	X(DeviceGetNvLinkRemotePciInfo_v2, OPTIONAL, (nvml_device, unsigned, struct nvml_pci *)) \
	X(DeviceGetNvLinkRemoteDeviceType, OPTIONAL, (nvml_device, unsigned, int *))             \
	X(DeviceGetComputeRunningProcesses_v3, OPTIONAL, (nvml_device, unsigned *, void *))      \
	X(DeviceGetComputeRunningProcesses_v2, OPTIONAL, (nvml_device, unsigned *, void *))      \
	X(DeviceGetComputeRunningProcesses, OPTIONAL, (nvml_device, unsigned *, void *))         \
	X(DeviceGetGraphicsRunningProcesses_v3, OPTIONAL, (nvml_device, unsigned *, void *))     \
	X(DeviceGetGraphicsRunningProcesses_v2, OPTIONAL, (nvml_device, unsigned *, void *))     \
	X(DeviceGetGraphicsRunningProcesses, OPTIONAL, (nvml_device, unsigned *, void *))        \
	X(DeviceGetMPSComputeRunningProcesses_v3, OPTIONAL, (nvml_device, unsigned *, void *))   \
	X(DeviceGetMPSComputeRunningProcesses_v2, OPTIONAL, (nvml_device, unsigned *, void *))   \
	X(DeviceGetMPSComputeRunningProcesses, OPTIONAL, (nvml_device, unsigned *, void *))

#define NVML_MEMBER(name, need, parameters) int(*name) parameters;

/* The library as loaded. A missing optional function is NULL. */
struct nvml_library {
	void *handle;
	const char *(*ErrorString)(int code);
	NVML_FUNCTIONS(NVML_MEMBER)
};

/* The Xids of one GPU, or of one MIG instance of it, since this process began. */
struct nvml_xids {
	char uuid[sizeof(((struct gpu_info *)NULL)->uuid)];
	unsigned instance; /* as the event names it, or NVML_NO_INSTANCE */
	int last;
	int64_t count, order; /* how many; the last one's place among all events */
};

/* Who the GPU at an index is, as long as NVML is not initialised again. */
struct nvml_known {
	nvml_device handle;
	char uuid[sizeof(((struct gpu_info *)NULL)->uuid)];
	char bus_id[PCI_ID_SIZE];
};

struct nvml {
	struct nvml_library lib;
	const char *root;      /* borrowed: of /sys and /proc */
	bool ready;	       /* between Init and Shutdown */
	bool stale;	       /* the library said that it must be initialised again */
	bool lost;	       /* the last report had a lost GPU */
	int64_t init_ns;       /* monotonic: when it was initialised */
	unsigned n_devices;    /* of the last report */
	nvml_event_set events; /* between Init and Shutdown; NULL: this library has none */
	struct nvml_known known[GPU_REPORT_MAX_GPUS];
	struct nvml_xids xids[GPU_REPORT_MAX_GPUS];
	size_t n_xids;
	int64_t n_events;
	size_t n_bus_ids; /* the PCI bus at initialisation */
	char bus_ids[GPU_REPORT_MAX_GPUS][PCI_ID_SIZE];
};

/* One GPU while it is being read. */
struct nvml_gpu {
	struct nvml *nvml;     /* borrowed */
	nvml_device handle;    /* NULL when the library would not give one */
	struct gpu_info *info; /* borrowed: what is being filled in */
};

/* Call by name; a function that the library lacks answers as the library itself would. */
#define NVML_CALL(nvml, name, ...) \
	((nvml)->lib.name ? (nvml)->lib.name(__VA_ARGS__) : NVML_FUNCTION_NOT_FOUND)

/* Ask about a GPU; true when it answered. A lost one is not asked again: each call may hang. */
#define NVML_ASK(gpu, name, ...) \
	(nvml_can_ask(gpu) &&    \
	 nvml_note(gpu, NVML_CALL((gpu)->nvml, name, (gpu)->handle, __VA_ARGS__)) == NVML_SUCCESS)

/* Load `name`. 0; PROBE_ABSENT when there is no such library; -errno with a sentence. */
int nvml_library_open(const char *name, struct nvml_library *ret_lib, struct err *err);
void nvml_library_close(struct nvml_library *lib);
const char *nvml_code_text(const struct nvml_library *lib, int code);

bool nvml_can_ask(const struct nvml_gpu *gpu);

/* Draw the conclusions about the GPU's health from a call's result, and return it unchanged. */
int nvml_note(struct nvml_gpu *gpu, int code);

/* Mark the GPU, unless something worse is known of it already. */
void nvml_mark(struct nvml_gpu *gpu, enum gpu_health health, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Everything about one GPU or instance but its place in the report, its links and processes. */
void nvml_read_device(struct nvml_gpu *gpu);

/* Listen to errors after Init, and let go before Shutdown. */
void nvml_events_open(struct nvml *nvml);
void nvml_events_close(struct nvml *nvml);

/* Count what has happened since the last time. Never waits. */
void nvml_events_read(struct nvml *nvml);

/* Put a GPU's counts into its report. */
void nvml_events_fill(struct nvml_gpu *gpu);

/* Who uses it: compute, graphics and MPS clients merged by pid. */
void nvml_read_processes(struct nvml_gpu *gpu, struct gpu_report *report);

/* The links among all GPUs of the report; gpus[i] belongs to report->gpus[i]. */
void nvml_read_links(struct nvml_gpu *gpus, struct gpu_report *report);
