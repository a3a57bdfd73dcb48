/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus as /sys/bus/pci/devices shows it.
 *
 * A device's real path spells out its way to the CPU: pciDDDD:BB is a host bridge, each component
 * below is a port, the last is the device:
 *
 *     pci0000:00 / 0000:00:01.0 (root port) / 0000:01:00.0 (switch, up) / 0000:02:00.0 (down) / GPU
 *
 * Two GPUs below one host bridge share the first components. What comes after the shared part tells
 * the class: one port each, so a single switch joins them (PIX); more, so several do (PXB); nothing
 * shared but the bridge (PHB). Other bridges of one NUMA node: NODE; else SYS. These are the
 * definitions printed under `nvidia-smi topo -m`; NCCL derives them in the same way (topo.cc).
 *
 * Invariants: never a class for a pair of which one path is unknown. Cost: one realpath per GPU.
 */
#include "probe/pci.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "probe/system.h"

#define DEVICES "/sys/bus/pci/devices"

int pci_id_parse(const char *text, char ret_id[PCI_ID_SIZE])
{
	unsigned domain, bus, device, function;
	int end = -1;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4 ||
	    end < 0 || text[end] != '\0')
		return -EINVAL;
	snprintf(ret_id, PCI_ID_SIZE, "%04x:%02x:%02x.%x", domain, bus, device, function);
	return 0;
}

static int64_t hex_read(const char *root, const char *id, const char *name)
{
	_cleanup_(free_ptr) char *text = system_text(root, DEVICES "/%s/%s", id, name);
	unsigned value;

	return text && sscanf(text, "0x%x", &value) == 1 ? (int64_t)value : -1;
}

int64_t pci_class(const char *root, const char *id)
{
	return hex_read(root, id, "class");
}

/* 0x0300xx is a display controller, 0x0302xx a 3D controller: a GPU without outputs. */
static bool is_gpu_class(int64_t class)
{
	return class >> 8 == 0x0300 || class >> 8 == 0x0302 || class >> 8 == 0x0380;
}

size_t pci_list_gpus(const char *root, unsigned vendor, size_t max, char (*ret_ids)[PCI_ID_SIZE])
{
	char **names;
	size_t n = system_list(root, DEVICES, SIZE_MAX, &names), kept = 0;

	for (size_t i = 0; i < n && kept < max; i++)
		if (hex_read(root, names[i], "vendor") == vendor &&
		    is_gpu_class(pci_class(root, names[i])) &&
		    pci_id_parse(names[i], ret_ids[kept]) == 0)
			kept++;
	system_list_free(names, n);
	return kept;
}

int pci_compare(const void *left, const void *right)
{
	const struct gpu_info *a = left, *b = right;
	size_t len_a = strlen(a->bus_id), len_b = strlen(b->bus_id);

	if ((len_a == 0) != (len_b == 0))
		return len_a == 0 ? 1 : -1;
	if (len_a != len_b) /* a domain of more than four digits */
		return len_a < len_b ? -1 : 1;
	return strcmp(a->bus_id, b->bus_id);
}

void pci_number(struct gpu_report *report)
{
	int next = 0;

	for (size_t i = 0; i < report->n_gpus; i++)
		if (!report->gpus[i].parent[0] && report->gpus[i].bus_id[0])
			report->gpus[i].index = next++;
}

void pci_describe(const char *root, struct gpu_info *gpu)
{
	_cleanup_(free_ptr) char *cpus = NULL;

	if (!gpu->bus_id[0])
		return;
	if (gpu->numa < 0)
		gpu->numa = (int)system_number(0, -1, root, DEVICES "/%s/numa_node", gpu->bus_id);
	cpus = system_text(root, DEVICES "/%s/local_cpulist", gpu->bus_id);
	if (cpus && !gpu->cpus[0] && strlen(cpus) < sizeof(gpu->cpus))
		snprintf(gpu->cpus, sizeof(gpu->cpus), "%s", cpus);
}

/* The path of a device from its host bridge on, heap; NULL when there is none. */
static char *way_read(const char *root, const char *id)
{
	_cleanup_(free_ptr) char *link = xasprintf("%s" DEVICES "/%s", root, id);
	_cleanup_(free_ptr) char *path = id[0] ? realpath(link, NULL) : NULL;
	const char *at = path;

	while (at && (at = strstr(at, "/pci")) && !(isxdigit((unsigned char)at[4]) && at[8] == ':'))
		at += 4;
	return at ? xstrdup(at + 1) : NULL;
}

static unsigned count_components(const char *path)
{
	unsigned n = *path != '\0';

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static enum pci_link ways_compare(const char *a, const char *b, bool same_node)
{
	size_t shared = 0; /* length of the shared part, up to and with its last '/' */
	unsigned below_a, below_b;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			shared = i + 1;
	if (shared == 0)
		return same_node ? PCI_LINK_NODE : PCI_LINK_SYS;
	if (memchr(a, '/', shared - 1) == NULL)
		return PCI_LINK_PHB;
	below_a = count_components(a + shared);
	below_b = count_components(b + shared);
	return below_a <= 2 && below_b <= 2 ? PCI_LINK_PIX : PCI_LINK_PXB;
}

static void pair_describe(struct gpu_report *report, char *const *ways, size_t i, size_t j)
{
	const struct gpu_info *a = &report->gpus[i], *b = &report->gpus[j];
	struct gpu_link *link = gpu_report_link(report, i, j);

	if (link->pci != PCI_LINK_UNKNOWN || !ways[i] || !ways[j] || a->parent[0] || b->parent[0])
		return;
	link->pci = (uint8_t)ways_compare(ways[i], ways[j], a->numa >= 0 && a->numa == b->numa);
	gpu_report_link(report, j, i)->pci = link->pci;
}

void pci_describe_links(const char *root, struct gpu_report *report)
{
	char **ways = xcalloc(report->n_gpus, sizeof(*ways));

	for (size_t i = 0; i < report->n_gpus; i++)
		ways[i] = way_read(root, report->gpus[i].bus_id);
	for (size_t i = 0; i < report->n_gpus; i++)
		for (size_t j = i + 1; j < report->n_gpus; j++)
			pair_describe(report, ways, i, j);
	system_list_free(ways, report->n_gpus);
}
