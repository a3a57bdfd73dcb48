/* SPDX-License-Identifier: MIT */
/*
 * Turns what a file said of a simulated machine into the report that its probe gives.
 *
 * What `absent` names was described like any other GPU and is left out here, so that the identities
 * of the others do not depend on it; their indices do, as CUDA's would. Invariants: instances stand
 * behind their GPU; links are symmetric. Cost: n^2 for n GPUs.
 */
#include "probe/simulated.h"

/* The weaker of two classes, where unknown is weaker than none. */
static uint8_t weaker(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static struct gpu_link link_make(const struct simulated_machine *machine, size_t i, size_t j)
{
	const struct gpu_info *a = &machine->all.gpus[i], *b = &machine->all.gpus[j];
	const struct gpu_link *there = &machine->links.cells[i][j];
	const struct gpu_link *back = &machine->links.cells[j][i];
	struct gpu_link link = {
		.pci = weaker(there->pci, back->pci),
		.nvlinks = weaker(there->nvlinks, back->nvlinks),
	};

	if (a->parent[0] || b->parent[0])
		return (struct gpu_link){0}; /* instances reach each other by no link at all */
	if (machine->pcie.n_rows > 0)
		link.pci = weaker(machine->pcie.cells[i][j].pci, machine->pcie.cells[j][i].pci);
	if (link.pci == PCI_LINK_UNKNOWN && a->numa >= 0 && b->numa >= 0)
		link.pci = a->numa == b->numa ? PCI_LINK_NODE : PCI_LINK_SYS;
	return link;
}

static void gpu_settle(struct gpu_info *gpu, bool used_given, int *next_index)
{
	int64_t used = 0;

	if (!gpu->parent[0])
		gpu->index = (*next_index)++;
	for (size_t k = 0; k < gpu->n_processes; k++)
		used += gpu->processes[k].mem_bytes > 0 ? gpu->processes[k].mem_bytes : 0;
	if (gpu->health == GPU_HEALTH_LOST)
		gpu->mem_used_bytes = GPU_UNKNOWN;
	else if (!used_given)
		gpu->mem_used_bytes = used;
}

/* Which of the file's GPUs are there, instances behind the GPU they are part of. */
static size_t order_make(const struct simulated_machine *machine,
			 size_t ret_from[GPU_REPORT_MAX_GPUS])
{
	const struct gpu_info *gpus = machine->all.gpus;
	size_t n = 0;

	for (size_t i = 0; i < machine->all.n_gpus; i++) {
		if (gpus[i].parent[0] || machine->absent[i])
			continue;
		ret_from[n++] = i;
		for (size_t k = i + 1; k < machine->all.n_gpus; k++)
			if (STREQ(gpus[k].parent, gpus[i].uuid) && !machine->absent[k])
				ret_from[n++] = k;
	}
	return n;
}

void simulated_build(struct simulated_machine *machine, struct gpu_report *report)
{
	size_t from[GPU_REPORT_MAX_GPUS], n = order_make(machine, from);
	int next_index = 0;

	gpu_report_init(report, n);
	report->simulated = true;
	memcpy(report->driver, machine->all.driver, sizeof(report->driver));
	for (size_t i = 0; i < n; i++) {
		struct gpu_info *gpu = &machine->all.gpus[from[i]];

		gpu_settle(gpu, machine->used_given[from[i]], &next_index);
		report->gpus[i] = *gpu;
		gpu->processes = NULL;
		gpu->n_processes = 0;
		for (size_t j = 0; j < n; j++)
			if (i != j)
				*gpu_report_link(report, i, j) =
					link_make(machine, from[i], from[j]);
	}
}
