/* SPDX-License-Identifier: MIT */
/*
 * How well the GPUs of one node are connected. Describes; placement.c chooses.
 *
 * The score of a pair is the sum over its links of the values that NVIDIA's allocator uses: SYS 10,
 * NODE 20, PHB 30, PXB 40, PIX 50, one board 60, and 100 for each NVLink. The score of a set is the
 * sum over its pairs. [NVIDIA/go-gpuallocator besteffort_policy.go]
 */
#pragma once

#include "common/link.h"
#include "common/util.h"

#define TOPOLOGY_GPUS_MAX   64 /* of one node: a set is a uint64_t */
#define TOPOLOGY_GPUS_EXACT 16 /* up to here every set has its score in a table */

struct topology; /* once made, all but its memory of choices is immutable */

/*
 * Describe n GPUs: `links` is n x n, row by row; numa[i] is -1 where unknown. The two directions of
 * a pair that disagree (one end down) count as the weaker. GPUs on one NUMA node whose link class
 * is unknown or SYS count as NODE: some machines report SYS for every pair. Both arrays are copied.
 */
struct topology *topology_create(unsigned n, const struct gpu_link *links, const int *numa);
void topology_destroy(struct topology *topology);

/* The same from ready-made pair scores (n x n): reference data, tests. */
struct topology *topology_create_scores(unsigned n, const int32_t *scores);

unsigned topology_count(const struct topology *topology);
int32_t topology_pair_score(const struct topology *topology, unsigned i, unsigned j);

/* Sum over the pairs of the set. O(1) by table up to TOPOLOGY_GPUS_EXACT GPUs, else O(pairs). */
int32_t topology_set_score(const struct topology *topology, uint64_t set);

/* All those sums at once, indexed by set; NULL beyond TOPOLOGY_GPUS_EXACT GPUs. For who asks for
 * thousands of them. */
const int32_t *topology_set_scores(const struct topology *topology);

/*
 * What was chosen lately: the slot in which `set` of k out of `free` is remembered, if its own
 * `free` and `k` say so. Nothing but a saving: placement.c fills it.
 */
struct topology_choice {
	uint64_t free, set;
	unsigned k;
};
struct topology_choice *topology_choice(const struct topology *topology, uint64_t free, unsigned k);
