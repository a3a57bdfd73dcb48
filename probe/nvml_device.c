/* SPDX-License-Identifier: MIT */
/*
 * One GPU through NVML: identity, memory, load, place in the machine, health.
 *
 * Every answer is optional but the handle; what the library does not tell stays unknown. A call
 * that says "lost" marks this GPU and ends the questions to it; the other GPUs are asked as ever.
 * Unhealthy means a fault that stays until the GPU is reset or replaced: memory rows that could not
 * be replaced, a repair that waits for a reset, uncorrectable errors since the driver was loaded.
 *
 * Deliberately not asked: GetNumaNodeId, which numbers the GPU's own memory where that is a NUMA
 * node (Grace Hopper) and not the node of its CPUs.
 * Cost: about fifteen calls a GPU, tens of microseconds each on a sound one.
 */
#include "common/buf.h"
#include "probe/nvml.h"

#define SCOPE_NODE	0u
#define ECC_UNCORRECTED 1
#define ECC_VOLATILE	0 /* since the driver was loaded */
#define SENSOR_GPU	0
#define CPU_LONGS	64 /* 4096 CPUs */
#define BITS_PER_LONG	(8 * sizeof(unsigned long))
#define NUMA_LONGS	16

bool nvml_can_ask(const struct nvml_gpu *gpu)
{
	return gpu->handle && gpu->info->health != GPU_HEALTH_LOST;
}

void nvml_mark(struct nvml_gpu *gpu, enum gpu_health health, const char *fmt, ...)
{
	struct gpu_info *info = gpu->info;
	va_list ap;

	if (health <= info->health)
		return;
	info->health = health;
	va_start(ap, fmt);
	vsnprintf(info->health_reason, sizeof(info->health_reason), fmt, ap);
	va_end(ap);
}

int nvml_note(struct nvml_gpu *gpu, int code)
{
	switch (code) {
	case NVML_GPU_IS_LOST:
		nvml_mark(gpu, GPU_HEALTH_LOST, "it has fallen off the bus (%s)",
			  nvml_code_text(&gpu->nvml->lib, code));
		break;
	case NVML_RESET_REQUIRED:
		nvml_mark(gpu, GPU_HEALTH_UNHEALTHY, "the driver asks for a reset of this GPU");
		break;
	case NVML_UNINITIALIZED: gpu->nvml->stale = true; break;
	default: break;
	}
	return code;
}

static void read_identity(struct nvml_gpu *gpu)
{
	struct gpu_info *info = gpu->info;
	struct nvml_pci pci = {0};
	unsigned minor;

	if (!NVML_ASK(gpu, DeviceGetUUID, info->uuid, sizeof(info->uuid)))
		info->uuid[0] = '\0';
	if (!NVML_ASK(gpu, DeviceGetName, info->name, sizeof(info->name)))
		info->name[0] = '\0';
	if (info->parent[0])
		return; /* an instance has its GPU's place */
	if (NVML_ASK(gpu, DeviceGetPciInfo_v3, &pci)) {
		pci.bus_id[sizeof(pci.bus_id) - 1] = '\0';
		(void)pci_id_parse(pci.bus_id, info->bus_id);
	}
	if (NVML_ASK(gpu, DeviceGetMinorNumber, &minor))
		info->minor = (int)minor;
}

/* Parts with unified memory answer NOT_SUPPORTED or a total of 0: unknown. */
static void read_memory(struct nvml_gpu *gpu)
{
	struct nvml_memory_v2 now = {.version = NVML_MEMORY_V2};
	struct nvml_memory old = {0};
	uint64_t total = 0, used = 0;

	if (NVML_ASK(gpu, DeviceGetMemoryInfo_v2, &now)) {
		total = now.total;
		used = now.used;
	} else if (NVML_ASK(gpu, DeviceGetMemoryInfo, &old)) {
		total = old.total;
		used = old.used;
	}
	if (total == 0 || total > INT64_MAX || used > total)
		return;
	gpu->info->mem_total_bytes = (int64_t)total;
	gpu->info->mem_used_bytes = (int64_t)used;
}

static void read_load(struct nvml_gpu *gpu)
{
	struct gpu_info *info = gpu->info;
	struct nvml_utilization utilization;
	unsigned long long energy;
	unsigned value;

	if (NVML_ASK(gpu, DeviceGetUtilizationRates, &utilization))
		info->utilization_percent = utilization.gpu;
	if (NVML_ASK(gpu, DeviceGetPowerUsage, &value))
		info->power_mw = value;
	if (NVML_ASK(gpu, DeviceGetTemperature, SENSOR_GPU, &value))
		info->temperature_c = value;
	if (NVML_ASK(gpu, DeviceGetTotalEnergyConsumption, &energy) && energy <= INT64_MAX)
		info->energy_mj = (int64_t)energy;
}

static bool bit_is_set(const unsigned long *set, size_t bit)
{
	return set[bit / BITS_PER_LONG] >> bit % BITS_PER_LONG & 1;
}

/* "0-11,24-35" */
static void format_cpus(const unsigned long *set, struct gpu_info *info)
{
	_cleanup_(buf_finish) struct buf text = {0};
	size_t n = CPU_LONGS * BITS_PER_LONG;

	for (size_t first = 0; first < n; first++) {
		size_t last = first;

		if (!bit_is_set(set, first))
			continue;
		while (last + 1 < n && bit_is_set(set, last + 1))
			last++;
		buf_printf(&text, text.len ? ",%zu" : "%zu", first);
		if (last > first)
			buf_printf(&text, "-%zu", last);
		first = last;
	}
	if (text.len < sizeof(info->cpus))
		memcpy(info->cpus, buf_get(&text), text.len + 1);
}

static void read_affinity(struct nvml_gpu *gpu)
{
	unsigned long cpus[CPU_LONGS] = {0}, nodes[NUMA_LONGS] = {0};
	int node = -1, n_nodes = 0;

	if (NVML_ASK(gpu, DeviceGetCpuAffinityWithinScope, CPU_LONGS, cpus, SCOPE_NODE) ||
	    NVML_ASK(gpu, DeviceGetCpuAffinity, CPU_LONGS, cpus))
		format_cpus(cpus, gpu->info);
	if (NVML_ASK(gpu, DeviceGetMemoryAffinity, NUMA_LONGS, nodes, SCOPE_NODE)) {
		for (size_t bit = 0; bit < NUMA_LONGS * BITS_PER_LONG; bit++) {
			if (bit_is_set(nodes, bit)) {
				node = (int)bit;
				n_nodes++;
			}
		}
	}
	if (n_nodes == 1) /* near several nodes is near none in particular */
		gpu->info->numa = node;
	pci_describe(gpu->nvml->root, gpu->info);
}

static void read_health(struct nvml_gpu *gpu)
{
	unsigned corrected, uncorrected, pending, failure;
	unsigned long long errors;
	int waiting;

	if (NVML_ASK(gpu, DeviceGetRemappedRows, &corrected, &uncorrected, &pending, &failure)) {
		if (failure)
			nvml_mark(gpu, GPU_HEALTH_UNHEALTHY,
				  "a faulty memory row could not be replaced; replace the GPU");
		else if (pending)
			nvml_mark(gpu, GPU_HEALTH_UNHEALTHY,
				  "a memory row is to be replaced; reset the GPU");
	}
	if (NVML_ASK(gpu, DeviceGetRetiredPagesPendingStatus, &waiting) && waiting)
		nvml_mark(gpu, GPU_HEALTH_UNHEALTHY,
			  "a memory page is to be retired; reset the GPU");
	if (!NVML_ASK(gpu, DeviceGetTotalEccErrors, ECC_UNCORRECTED, ECC_VOLATILE, &errors))
		return;
	gpu->info->ecc_uncorrected = errors < INT64_MAX ? (int64_t)errors : INT64_MAX;
	if (errors > 0)
		nvml_mark(gpu, GPU_HEALTH_UNHEALTHY,
			  "%llu uncorrectable memory errors since the driver was loaded; reset the "
			  "GPU",
			  errors);
}

void nvml_read_device(struct nvml_gpu *gpu)
{
	unsigned mig_now, mig_pending;

	snprintf(gpu->info->vendor, sizeof(gpu->info->vendor), "nvidia");
	read_identity(gpu);
	read_memory(gpu);
	read_load(gpu);
	if (gpu->info->parent[0])
		return;
	read_affinity(gpu);
	read_health(gpu);
	if (NVML_ASK(gpu, DeviceGetMigMode, &mig_now, &mig_pending))
		gpu->info->mig_enabled = mig_now == 1;
}
