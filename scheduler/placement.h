/* SPDX-License-Identifier: MIT */
/*
 * Which GPUs of which node: deterministic, all or nothing.
 *
 * In a node: the k free GPUs with the best set score; among equals the set that leaves the
 * best-scoring GPUs free; among equals the lowest ids. For k = 1 the first rule is void, so a
 * single GPU comes from where it breaks least. Among nodes: best fit (fewest free GPUs that
 * suffice), then lowest index. A job larger than every node takes wholly idle nodes and best-fits
 * the remainder. [scores: NVIDIA/go-gpuallocator; keeping the residual good: MAPA, SC 2021]
 */
#pragma once

#include "scheduler/resources.h"

#define PLACE_NO_FIT 1 /* nothing was placed: not enough free at this moment */

/*
 * Choose k of the GPUs in `free` (k <= their number). Exact by enumeration on nodes of up to
 * TOPOLOGY_GPUS_EXACT GPUs, at most C(16,8) = 12,870 sets; beyond, the best of the sets that
 * grow greedily from each free GPU.
 */
uint64_t placement_choose_gpus(const struct topology *topology, uint64_t free, unsigned k);

/* Find a place for one job in the ledger as it stands; books nothing. 0 with *ret_alloc (owned by
 * the caller), or PLACE_NO_FIT. */
int placement_find(const struct ledger *ledger, const struct request *request,
		   struct allocation *ret_alloc);

/* Would placement_find() succeed? On one node no GPUs are chosen for it: O(nodes). */
bool placement_fits(const struct ledger *ledger, const struct request *request);

/* The same, where it did not fit before `freed` was given back. O(parts) on one node. */
bool placement_fits_after(const struct ledger *ledger, const struct request *request,
			  const struct allocation *freed);
