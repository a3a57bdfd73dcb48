/* SPDX-License-Identifier: MIT */
/*
 * Pair and set scores of one node's GPUs.
 *
 * Invariants: the matrix is symmetric with a zero diagonal; nothing changes after creation but the
 * memory of choices.
 * Cost: creation fills 2^n scores for n <= 16 (65,536 additions of one row at n = 16, 256 KiB),
 * each from the set without its lowest GPU; a set's score is then one load. Read next: placement.c,
 * which asks for these scores some thousand times per choice.
 */
#include "scheduler/topology.h"

#include <assert.h>
#include <stdlib.h>

struct topology {
	unsigned n;
	int32_t *pair;			 /* owned, n x n */
	int32_t *set;			 /* owned, 2^n; NULL for n > TOPOLOGY_GPUS_EXACT */
	struct topology_choice *choices; /* owned, CHOICES */
};

#define CHOICES 256 /* a power of two: a node of 8 has 255 masks, few of which come up */

static const int32_t pci_scores[] = {
	[PCI_LINK_UNKNOWN] = 0, [PCI_LINK_SYS] = 10, [PCI_LINK_NODE] = 20,  [PCI_LINK_PHB] = 30,
	[PCI_LINK_PXB] = 40,	[PCI_LINK_PIX] = 50, [PCI_LINK_BOARD] = 60,
};

#define NVLINK_SCORE 100

static int32_t link_score(struct gpu_link link, bool same_numa)
{
	size_t pci = link.pci < ARRAY_SIZE(pci_scores) ? link.pci : PCI_LINK_UNKNOWN;

	if (same_numa && pci < PCI_LINK_NODE)
		pci = PCI_LINK_NODE;
	return pci_scores[pci] + NVLINK_SCORE * (int32_t)link.nvlinks;
}

/* Sum over the pairs of `set` that contain GPU i. */
static int32_t row_sum(const struct topology *topology, unsigned i, uint64_t set)
{
	int32_t sum = 0;

	for (; set; set &= set - 1)
		sum += topology->pair[i * topology->n + (unsigned)__builtin_ctzll(set)];
	return sum;
}

static void fill_set_scores(struct topology *topology)
{
	if (topology->n > TOPOLOGY_GPUS_EXACT)
		return;
	topology->set = xcalloc((size_t)1 << topology->n, sizeof(*topology->set));
	for (uint64_t set = 1; set < (uint64_t)1 << topology->n; set++) {
		uint64_t rest = set & (set - 1);

		topology->set[set] = topology->set[rest] +
				     row_sum(topology, (unsigned)__builtin_ctzll(set), rest);
	}
}

static struct topology *create_empty(unsigned n)
{
	struct topology *topology = xcalloc(1, sizeof(*topology));

	assert(n <= TOPOLOGY_GPUS_MAX);
	topology->n = n;
	topology->pair = xcalloc((size_t)n * n, sizeof(*topology->pair));
	topology->choices = xcalloc(CHOICES, sizeof(*topology->choices));
	return topology;
}

struct topology *topology_create(unsigned n, const struct gpu_link *links, const int *numa)
{
	struct topology *topology = create_empty(n);

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++) {
			bool same_numa = numa[i] >= 0 && numa[i] == numa[j];
			int32_t there = link_score(links[i * n + j], same_numa);
			int32_t back = link_score(links[j * n + i], same_numa);

			if (i != j)
				topology->pair[i * n + j] = there < back ? there : back;
		}
	fill_set_scores(topology);
	return topology;
}

struct topology *topology_create_scores(unsigned n, const int32_t *scores)
{
	struct topology *topology = create_empty(n);

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++)
			if (i != j)
				topology->pair[i * n + j] = scores[i * n + j];
	fill_set_scores(topology);
	return topology;
}

void topology_destroy(struct topology *topology)
{
	if (!topology)
		return;
	free(topology->pair);
	free(topology->set);
	free(topology->choices);
	free(topology);
}

unsigned topology_count(const struct topology *topology)
{
	return topology->n;
}

int32_t topology_pair_score(const struct topology *topology, unsigned i, unsigned j)
{
	return topology->pair[i * topology->n + j];
}

int32_t topology_set_score(const struct topology *topology, uint64_t set)
{
	int32_t sum = 0;

	if (topology->set)
		return topology->set[set];
	for (uint64_t rest = set; rest; rest &= rest - 1)
		sum += row_sum(topology, (unsigned)__builtin_ctzll(rest), rest & (rest - 1));
	return sum;
}

const int32_t *topology_set_scores(const struct topology *topology)
{
	return topology->set;
}

struct topology_choice *topology_choice(const struct topology *topology, uint64_t free, unsigned k)
{
	uint64_t mixed = (free ^ (uint64_t)k << 56) * UINT64_C(0x9e3779b97f4a7c15);

	return &topology->choices[mixed >> 56];
}
