/* SPDX-License-Identifier: MIT */
/* Small machines and jobs for the scheduler's tests. Seconds are seconds here: S(3) is 3 s in ns.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scheduler/core.h"

#define S(seconds) ((int64_t)(seconds)*NS_PER_S)

/* The pairs of a DGX-1V: NVLinks in a hybrid cube mesh, PCIe switches in pairs, two sockets. */
static const uint8_t dgx1v_nvlinks[8][8] = {
	{0, 1, 1, 2, 2, 0, 0, 0}, {1, 0, 2, 1, 0, 2, 0, 0}, {1, 2, 0, 2, 0, 0, 1, 0},
	{2, 1, 2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 1, 1, 2}, {0, 2, 0, 0, 1, 0, 2, 1},
	{0, 0, 1, 0, 1, 2, 0, 2}, {0, 0, 0, 1, 2, 1, 2, 0},
};

static inline struct topology *cluster_dgx1v(void)
{
	struct gpu_link links[64] = {0};
	int numa[8];

	for (unsigned i = 0; i < 8; i++) {
		numa[i] = i < 4 ? 0 : 1;
		for (unsigned j = 0; j < 8; j++) {
			links[i * 8 + j].nvlinks = dgx1v_nvlinks[i][j];
			links[i * 8 + j].pci = i / 4 != j / 4	? PCI_LINK_SYS
					       : i / 2 != j / 2 ? PCI_LINK_PHB
								: PCI_LINK_PIX;
		}
	}
	return topology_create(8, links, numa);
}

static inline struct topology *cluster_flat(unsigned n)
{
	static const int32_t scores[TOPOLOGY_GPUS_MAX * TOPOLOGY_GPUS_MAX];

	return topology_create_scores(n, scores);
}

/* Add a node of n ready GPUs of one type. topology is taken over; NULL: all pairs alike. */
static inline uint32_t cluster_add(struct ledger *ledger, unsigned n, uint32_t cpus, uint64_t mem,
				   struct topology *topology)
{
	struct node_gpu *gpus = xcalloc(n, sizeof(*gpus));
	char name[16];
	uint32_t node;

	snprintf(name, sizeof(name), "node%zu", ledger->n_nodes);
	node = ledger_add_node(ledger, name, cpus, mem);
	for (unsigned i = 0; i < n; i++) {
		snprintf(gpus[i].label, sizeof(gpus[i].label), "gpu%u", i);
		snprintf(gpus[i].type, sizeof(gpus[i].type), "Tesla V100-SXM2-16GB");
		gpus[i].mem_bytes = UINT64_C(16) << 30;
	}
	ledger_set_gpus(ledger, node, gpus, n, topology ? topology : cluster_flat(n));
	return node;
}

/* Give one GPU another condition, the way a probe's report does. */
static inline void cluster_condition(struct ledger *ledger, uint32_t node, unsigned slot,
				     enum gpu_condition condition, const char *reason)
{
	unsigned n = ledger->nodes[node].n_gpus;
	struct node_gpu *gpus = xcalloc(n, sizeof(*gpus));
	int32_t scores[TOPOLOGY_GPUS_MAX * TOPOLOGY_GPUS_MAX];

	memcpy(gpus, ledger->nodes[node].gpus, n * sizeof(*gpus));
	gpus[slot].condition = condition;
	snprintf(gpus[slot].reason, sizeof(gpus[slot].reason), "%s", reason);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++)
			scores[i * n + j] = topology_pair_score(ledger->nodes[node].topology, i, j);
	ledger_set_gpus(ledger, node, gpus, n, topology_create_scores(n, scores));
}

/* A waiting job of that many GPUs; limit 0: none. */
static inline struct job cluster_job(uint64_t id, uint32_t gpus, int64_t submit_ns,
				     int64_t limit_ns)
{
	struct job job;

	job_init(&job);
	job.id = id;
	job.request.num_gpus = gpus;
	job.submit_ns = submit_ns;
	job.limit_ns = limit_ns;
	return job;
}

/* A policy's score by which it is told how often anybody was compared. */
static inline unsigned *cluster_n_scores(void)
{
	static unsigned n;

	return &n;
}

static inline double cluster_counting_score(const struct policy_view *view,
					    const struct shape *shape, const struct queue_key *key)
{
	(void)view;
	(void)key;
	++*cluster_n_scores();
	return shape->user;
}
