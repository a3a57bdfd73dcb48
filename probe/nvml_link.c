/* SPDX-License-Identifier: MIT */
/*
 * How the GPUs are connected, through NVML.
 *
 * NVLinks are counted one by one: a link leads to another GPU, or into an NVSwitch, behind which
 * every GPU that has links into switches can be reached. So between i and j
 *
 *     nvlinks(i, j) = direct(i, j) + min(switched(i), switched(j))
 *
 * which yields the NV12 of a DGX A100 and the NV18 of an HGX H100. Where the far end cannot be seen
 * at all (a virtual machine), it is taken to be a switch, as NCCL does [nccl xml.cc]. A link of
 * which one end is down counts on neither side: the smaller of both directions.
 *
 * The way over PCIe comes from TopologyCommonAncestor, else from /sys.
 * Cost: n GPUs x at most 36 links x 3 calls, and n^2/2 calls for the pairs.
 */
#include <stdlib.h>

#include "probe/nvml.h"

#define LINKS_MAX     36     /* of one GPU; 18 before CUDA 13.3 */
#define CLASS_BRIDGE  0x0680 /* what an NVSwitch says it is on the PCI bus */
#define REMOTE_GPU    0
#define REMOTE_SWITCH 2

struct wiring {
	unsigned direct[GPU_REPORT_MAX_GPUS];
	unsigned switched;
};

static const struct {
	int level;
	enum pci_link class;
} levels[] = {
	{0, PCI_LINK_BOARD}, {10, PCI_LINK_PIX},  {20, PCI_LINK_PXB},
	{30, PCI_LINK_PHB},  {40, PCI_LINK_NODE}, {50, PCI_LINK_SYS},
};

static int find_gpu(const struct gpu_report *report, const char *bus_id)
{
	for (size_t i = 0; i < report->n_gpus; i++)
		if (!report->gpus[i].parent[0] && STREQ(report->gpus[i].bus_id, bus_id))
			return (int)i;
	return -1;
}

static void wire_follow(struct nvml_gpu *gpu, unsigned link, const struct gpu_report *report,
			struct wiring *wiring)
{
	struct nvml_pci remote = {0};
	char bus_id[PCI_ID_SIZE] = "";
	int type = -1, to = -1;
	int64_t class = -1;

	(void)NVML_ASK(gpu, DeviceGetNvLinkRemoteDeviceType, link, &type);
	if (NVML_ASK(gpu, DeviceGetNvLinkRemotePciInfo_v2, link, &remote)) {
		remote.bus_id[sizeof(remote.bus_id) - 1] = '\0';
		if (pci_id_parse(remote.bus_id, bus_id) == 0)
			to = find_gpu(report, bus_id);
	}
	if (to >= 0) {
		wiring->direct[to]++;
		return;
	}
	if (bus_id[0])
		class = pci_class(gpu->nvml->root, bus_id);
	/* A far end of known kind that is no switch is a CPU, or a GPU that is not ours to see. */
	if (type == REMOTE_SWITCH ||
	    (type != REMOTE_GPU && type != 1 && (class < 0 || class >> 8 == CLASS_BRIDGE)))
		wiring->switched++;
}

static void wiring_read(struct nvml_gpu *gpu, const struct gpu_report *report,
			struct wiring *wiring)
{
	for (unsigned link = 0; link < LINKS_MAX && nvml_can_ask(gpu); link++) {
		int active = 0;
		int code = nvml_note(gpu, NVML_CALL(gpu->nvml, DeviceGetNvLinkState, gpu->handle,
						    link, &active));

		if (code == NVML_NOT_SUPPORTED || code == NVML_FUNCTION_NOT_FOUND)
			return;
		/* INVALID_ARGUMENT: there is no link of this number; one above it may exist. */
		if (code == NVML_SUCCESS && active == 1)
			wire_follow(gpu, link, report, wiring);
	}
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static enum pci_link class_read(const struct nvml_gpu *a, const struct nvml_gpu *b)
{
	int level;

	/* Not NVML_ASK: "lost" would not say which of the two. */
	if (!nvml_can_ask(a) || !nvml_can_ask(b) ||
	    NVML_CALL(a->nvml, DeviceGetTopologyCommonAncestor, a->handle, b->handle, &level) !=
		    NVML_SUCCESS)
		return PCI_LINK_UNKNOWN;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].level == level)
			return levels[i].class;
	return PCI_LINK_UNKNOWN;
}

void nvml_read_links(struct nvml_gpu *gpus, struct gpu_report *report)
{
	struct wiring *wiring = xcalloc(report->n_gpus, sizeof(*wiring));

	for (size_t i = 0; i < report->n_gpus; i++)
		if (!report->gpus[i].parent[0])
			wiring_read(&gpus[i], report, &wiring[i]);
	for (size_t i = 0; i < report->n_gpus; i++) {
		for (size_t j = i + 1; j < report->n_gpus; j++) {
			unsigned nvlinks = smaller(wiring[i].direct[j], wiring[j].direct[i]) +
					   smaller(wiring[i].switched, wiring[j].switched);
			struct gpu_link link = {.nvlinks = (uint8_t)smaller(nvlinks, UINT8_MAX)};

			if (report->gpus[i].parent[0] || report->gpus[j].parent[0])
				continue; /* instances reach each other by no link at all */
			link.pci = (uint8_t)class_read(&gpus[i], &gpus[j]);
			*gpu_report_link(report, i, j) = link;
			*gpu_report_link(report, j, i) = link;
		}
	}
	free(wiring);
	pci_describe_links(gpus[0].nvml->root, report);
}
