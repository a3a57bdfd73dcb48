/* SPDX-License-Identifier: MIT */
/*
 * AMD's GPUs without ROCm: KFD's topology and the files of the amdgpu driver.
 *
 *     /sys/class/kfd/kfd/topology/nodes/N/gpu_id         0: a CPU
 *                                        /properties     "name value" lines
 *                                        /io_links/M/properties   type 11: xGMI, to node_to
 *     /sys/class/kfd/kfd/proc/PID/vram_GPUID             bytes held by a process
 *     /sys/bus/pci/devices/BUS-ID/mem_info_vram_*, gpu_busy_percent, hwmon/
 *
 * xGMI is to these GPUs what NVLink is to NVIDIA's and counts as such. [the meaning of the
 * properties: criu plugins/amdgpu/amdgpu_plugin_topology.h] Invariants: a node whose properties
 * cannot be read is passed over; a link counts when both ends list it. Cost: one file a node and a
 * link, a directory a process.
 */
#include "probe/sysfs_amd.h"

#include <stdlib.h>

#include "probe/system.h"

#define KFD	  "/sys/class/kfd/kfd"
#define PCI	  "/sys/bus/pci/devices"
#define NODES_MAX 256
#define LINKS_MAX 256 /* of one node */
#define LINK_XGMI 11

/* The number behind `name` in "name value" lines; `unknown` when there is none. */
static uint64_t property(const char *text, const char *name, uint64_t unknown)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	}
	return unknown;
}

static bool node_read(const char *root, unsigned node, struct amd_gpu *ret_gpu)
{
	_cleanup_(free_ptr) char *text =
		system_text(root, KFD "/topology/nodes/%u/properties", node);
	int64_t gpu_id = system_number(0, 0, root, KFD "/topology/nodes/%u/gpu_id", node);
	uint64_t location = property(text, "location_id", UINT64_MAX);

	if (gpu_id == 0 || location > UINT16_MAX)
		return false;
	*ret_gpu = (struct amd_gpu){
		.node = node,
		.gpu_id = (uint32_t)gpu_id,
		.unique_id = property(text, "unique_id", 0),
	};
	snprintf(ret_gpu->bus_id, sizeof(ret_gpu->bus_id), "%04x:%02x:%02x.%x",
		 (unsigned)property(text, "domain", 0), (unsigned)location >> 8,
		 (unsigned)location >> 3 & 0x1f, (unsigned)location & 7);
	return true;
}

size_t sysfs_amd_list(const char *root, struct amd_gpu *ret_gpus)
{
	char **names;
	size_t n = system_list(root, KFD "/topology/nodes", NODES_MAX, &names), kept = 0;

	for (size_t i = 0; i < n && kept < GPU_REPORT_MAX_GPUS; i++) {
		int64_t node;

		if (parse_int64(names[i], 0, UINT16_MAX, &node) == 0 &&
		    node_read(root, (unsigned)node, &ret_gpus[kept]))
			kept++;
	}
	system_list_free(names, n);
	return kept;
}

static void read_name(const char *root, const struct amd_gpu *amd, struct gpu_info *gpu)
{
	_cleanup_(free_ptr) char *product = system_text(root, PCI "/%s/product_name", amd->bus_id);
	_cleanup_(free_ptr) char *code =
		system_text(root, KFD "/topology/nodes/%u/name", amd->node);

	if (product && product[0])
		snprintf(gpu->name, sizeof(gpu->name), "%s", product);
	else if (code && code[0])
		snprintf(gpu->name, sizeof(gpu->name), "AMD %s", code);
}

static void read_sensors(const char *root, struct gpu_info *gpu)
{
	_cleanup_(free_ptr) char *path = xasprintf(PCI "/%s/hwmon", gpu->bus_id);
	char **names;
	size_t n = system_list(root, path, 1, &names);
	int64_t value;

	if (n > 0) {
		value = system_number(0, -1, root, "%s/%s/temp1_input", path, names[0]);
		gpu->temperature_c = value < 0 ? GPU_UNKNOWN : value / 1000;
		value = system_number(0, -1, root, "%s/%s/power1_average", path, names[0]);
		if (value < 0)
			value = system_number(0, -1, root, "%s/%s/power1_input", path, names[0]);
		gpu->power_mw = value < 0 ? GPU_UNKNOWN : value / 1000;
	}
	system_list_free(names, n);
}

static void process_add(const char *root, struct gpu_info *gpu, pid_t pid, int64_t bytes)
{
	struct gpu_process process = {
		.pid = pid,
		.kind = 'C',
		.mem_bytes = bytes,
		.uid = GPU_UNKNOWN,
	};

	system_describe(root, &process);
	gpu->processes = xreallocarray(gpu->processes, gpu->n_processes + 1, sizeof(process));
	gpu->processes[gpu->n_processes++] = process;
}

/* Every process that has opened the compute device is listed on every GPU: those that hold memory.
 */
static void read_processes(const char *root, const struct amd_gpu *amd, struct gpu_info *gpu)
{
	char **names;
	size_t n = system_list(root, KFD "/proc", SIZE_MAX, &names);

	gpu->processes_known = system_exists(root, KFD "/proc");
	for (size_t i = 0; i < n && gpu->n_processes < GPU_REPORT_MAX_PROCESSES; i++) {
		int64_t pid, bytes = system_number(0, 0, root, KFD "/proc/%s/vram_%u", names[i],
						   amd->gpu_id);

		if (bytes > 0 && parse_int64(names[i], 1, INT32_MAX, &pid) == 0)
			process_add(root, gpu, (pid_t)pid, bytes);
	}
	system_list_free(names, n);
}

void sysfs_amd_describe(const char *root, const struct amd_gpu *amd, struct gpu_info *gpu)
{
	if (amd->unique_id)
		snprintf(gpu->uuid, sizeof(gpu->uuid), "GPU-%016llx",
			 (unsigned long long)amd->unique_id);
	else
		snprintf(gpu->uuid, sizeof(gpu->uuid), "AMD-%s", amd->bus_id);
	read_name(root, amd, gpu);
	gpu->mem_total_bytes =
		system_number(0, GPU_UNKNOWN, root, PCI "/%s/mem_info_vram_total", gpu->bus_id);
	gpu->mem_used_bytes =
		system_number(0, GPU_UNKNOWN, root, PCI "/%s/mem_info_vram_used", gpu->bus_id);
	gpu->utilization_percent =
		system_number(0, GPU_UNKNOWN, root, PCI "/%s/gpu_busy_percent", gpu->bus_id);
	read_sensors(root, gpu);
	read_processes(root, amd, gpu);
}

static int find_gpu(const struct gpu_report *report, const char *bus_id)
{
	for (size_t i = 0; i < report->n_gpus; i++)
		if (STREQ(report->gpus[i].vendor, "amd") && STREQ(report->gpus[i].bus_id, bus_id))
			return (int)i;
	return -1;
}

/* Count one direction of a node's links: into row `from` of the report. */
static void node_links(const char *root, const struct amd_gpu *gpus, size_t n,
		       const struct amd_gpu *from, struct gpu_report *report)
{
	_cleanup_(free_ptr) char *path = xasprintf(KFD "/topology/nodes/%u/io_links", from->node);
	char **names;
	size_t n_links = system_list(root, path, LINKS_MAX, &names);
	int row = find_gpu(report, from->bus_id);

	for (size_t i = 0; row >= 0 && i < n_links; i++) {
		_cleanup_(free_ptr) char *text =
			system_text(root, "%s/%s/properties", path, names[i]);
		uint64_t to = property(text, "node_to", UINT64_MAX);

		if (property(text, "type", 0) != LINK_XGMI)
			continue;
		for (size_t k = 0; k < n; k++) {
			int column = gpus[k].node == to ? find_gpu(report, gpus[k].bus_id) : -1;

			if (column >= 0 && column != row)
				gpu_report_link(report, (size_t)row, (size_t)column)->nvlinks++;
		}
	}
	system_list_free(names, n_links);
}

void sysfs_amd_links(const char *root, struct gpu_report *report)
{
	struct amd_gpu gpus[GPU_REPORT_MAX_GPUS];
	size_t n = sysfs_amd_list(root, gpus);

	for (size_t i = 0; i < n; i++)
		node_links(root, gpus, n, &gpus[i], report);
	for (size_t i = 0; i < report->n_gpus; i++) {
		for (size_t j = i + 1; j < report->n_gpus; j++) {
			struct gpu_link *a = gpu_report_link(report, i, j);
			struct gpu_link *b = gpu_report_link(report, j, i);
			uint8_t both = a->nvlinks < b->nvlinks ? a->nvlinks : b->nvlinks;

			a->nvlinks = both;
			b->nvlinks = both;
		}
	}
}
