/* SPDX-License-Identifier: MIT */
/*
 * Placement: choose k of n GPUs in a node, and the node.
 *
 * Invariants: the result depends on the ledger and the request alone, never on history or memory
 * layout; it is all or nothing; it books nothing.
 * Cost: the sets of one size are walked half by half, two table look-ups each: 12,870 sets at most
 * for n <= 16; each topology remembers what was chosen lately. Choosing a node is
 * O(nodes). Deliberately not here: order among jobs
 * (core.c). Read next: queue.c.
 */
#include "scheduler/placement.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

/* Where the bits of a packed set go: bit i of an index to the i-th set bit of the free mask. */
struct spread {
	uint64_t low[256], high[256]; /* of the lower and the upper eight bits */
};

/* The table for n bits. */
static void spread_byte(uint64_t table[256], const uint64_t bits[8], unsigned n)
{
	table[0] = 0;
	for (unsigned packed = 1; packed < 1u << n; packed++)
		table[packed] = table[packed & (packed - 1)] | bits[__builtin_ctz(packed)];
}

static void spread_init(struct spread *spread, uint64_t mask, unsigned n_low, unsigned n_high)
{
	uint64_t bits[16] = {0};

	for (unsigned n = 0; mask; mask &= mask - 1)
		bits[n++] = mask & -mask;
	spread_byte(spread->low, bits, n_low);
	spread_byte(spread->high, bits + 8, n_high);
}

/* Is {a} before {b} when both are written as ascending lists of ids? The set with the lowest id
 * that the other lacks is. */
static bool has_lower_ids(uint64_t a, uint64_t b)
{
	uint64_t differ = a ^ b;

	return a & (differ & -differ);
}

/* The best set so far, in a search that meets sets in any order. */
struct best {
	uint64_t set;
	int32_t score, rest;
};

/* What is left over is only looked at among equals. */
static inline void consider(struct best *best, const int32_t *scores, uint64_t free, uint64_t set)
{
	int32_t score = scores[set], rest;

	if (score < best->score)
		return;
	rest = scores[free & ~set];
	if (score == best->score &&
	    (rest < best->rest || (rest == best->rest && !has_lower_ids(set, best->set))))
		return;
	*best = (struct best){set, score, rest};
}

/* The bytes of n bits, those with few set first; where those with so many begin. */
struct bytes_by_bits {
	uint8_t bytes[256];
	uint16_t first[10];
};

/* A counting sort. */
static void sort_bytes(struct bytes_by_bits *sorted, unsigned n)
{
	uint8_t n_bits[256] = {0};
	uint16_t next[10];

	memset(sorted->first, 0, sizeof(sorted->first));
	for (unsigned byte = 0; byte < 1u << n; byte++) {
		n_bits[byte] = (uint8_t)(n_bits[byte / 2] + byte % 2);
		sorted->first[n_bits[byte] + 1]++;
	}
	for (unsigned bits = 1; bits < ARRAY_SIZE(sorted->first); bits++)
		sorted->first[bits] = (uint16_t)(sorted->first[bits] + sorted->first[bits - 1]);
	memcpy(next, sorted->first, sizeof(next));
	for (unsigned byte = 0; byte < 1u << n; byte++)
		sorted->bytes[next[n_bits[byte]]++] = (uint8_t)byte;
}

/* All sets of k: each upper half with all lower halves that make up the number. */
static uint64_t choose_exact(const struct topology *topology, uint64_t free, unsigned k)
{
	const int32_t *scores = topology_set_scores(topology);
	unsigned n = (unsigned)__builtin_popcountll(free), n_low = n < 8 ? n : 8;
	struct best best = {0, INT32_MIN, INT32_MIN};
	struct bytes_by_bits sorted;
	struct spread spread;

	spread_init(&spread, free, n_low, n - n_low);
	sort_bytes(&sorted, n_low);
	for (unsigned high = 0; high < 1u << (n - n_low); high++) {
		unsigned bits = (unsigned)__builtin_popcount(high);

		if (bits > k || k - bits > 8)
			continue;
		for (unsigned i = sorted.first[k - bits]; i < sorted.first[k - bits + 1]; i++)
			consider(&best, scores, free,
				 spread.low[sorted.bytes[i]] | spread.high[high]);
	}
	return best.set;
}

/* What GPU i adds to the score of `set`. */
static int32_t gain(const struct topology *topology, uint64_t set, unsigned i)
{
	int32_t sum = 0;

	for (; set; set &= set - 1)
		sum += topology_pair_score(topology, i, (unsigned)__builtin_ctzll(set));
	return sum;
}

/* Grow `set` to k GPUs, each time by the one that adds most; lowest id among equals. */
static uint64_t grow_greedily(const struct topology *topology, uint64_t free, uint64_t set,
			      unsigned k)
{
	while ((unsigned)__builtin_popcountll(set) < k) {
		int32_t best_gain = INT32_MIN;
		unsigned best = 0;

		for (uint64_t rest = free & ~set; rest; rest &= rest - 1) {
			unsigned i = (unsigned)__builtin_ctzll(rest);
			int32_t added = gain(topology, set, i);

			if (added > best_gain) {
				best_gain = added;
				best = i;
			}
		}
		set |= UINT64_C(1) << best;
	}
	return set;
}

/* Beyond the table: the best of the greedy sets, one grown from each free GPU. O(n^2 k^2). */
static uint64_t choose_greedily(const struct topology *topology, uint64_t free, unsigned k)
{
	int32_t best_score = INT32_MIN;
	uint64_t best = 0;

	for (uint64_t rest = free; rest; rest &= rest - 1) {
		uint64_t set = grow_greedily(topology, free, rest & -rest, k);
		int32_t score = topology_set_score(topology, set);

		if (score > best_score) {
			best_score = score;
			best = set;
		}
	}
	return best;
}

uint64_t placement_choose_gpus(const struct topology *topology, uint64_t free, unsigned k)
{
	unsigned n = (unsigned)__builtin_popcountll(free);
	struct topology_choice *choice;

	assert(k <= n);
	if (k == 0)
		return 0;
	if (k == n)
		return free;
	choice = topology_choice(topology, free, k);
	if (choice->k == k && choice->free == free)
		return choice->set;
	*choice = (struct topology_choice){.free = free, .k = k};
	choice->set = topology_count(topology) <= TOPOLOGY_GPUS_EXACT
			      ? choose_exact(topology, free, k)
			      : choose_greedily(topology, free, k);
	return choice->set;
}

/* Free GPUs of a node that suit the request. */
static inline uint64_t usable_gpus(const struct ledger *ledger, uint32_t node,
				   const struct request *request)
{
	uint64_t free = node_free_gpus(&ledger->nodes[node]);

	return free ? free & ledger_matching_gpus(ledger, node, request) : 0;
}

static inline bool node_has_room(const struct ledger *ledger, uint32_t index,
				 const struct request *request)
{
	const struct node *node = &ledger->nodes[index];

	if (node_free_cpus(node) < request->cpus || node_free_mem(node) < request->mem_bytes)
		return false;
	return request->num_gpus == 0 ||
	       (unsigned)__builtin_popcountll(usable_gpus(ledger, index, request)) >=
		       request->num_gpus;
}

/* Rule P, one node: the one with fewest free GPUs that has room; n_nodes when there is none. */
static uint32_t best_fit(const struct ledger *ledger, const struct request *request,
			 const bool *excluded)
{
	uint32_t best = (uint32_t)ledger->n_nodes;
	int best_free = INT32_MAX;

	if (ledger->n_nodes == 1 && !excluded)
		return node_has_room(ledger, 0, request) ? 0 : 1;
	for (uint32_t i = 0; i < ledger->n_nodes; i++) {
		int free = __builtin_popcountll(node_free_gpus(&ledger->nodes[i]));

		if (free >= best_free || (excluded && excluded[i]) ||
		    !node_has_room(ledger, i, request))
			continue;
		best = i;
		best_free = free;
	}
	return best;
}

static void add_part(const struct ledger *ledger, uint32_t node, const struct request *request,
		     struct allocation *alloc)
{
	uint64_t usable = usable_gpus(ledger, node, request);
	struct allocation_part part = {
		.node = node,
		.gpus = placement_choose_gpus(ledger->nodes[node].topology, usable,
					      request->num_gpus),
		.cpus = request->cpus,
		.mem_bytes = request->mem_bytes,
	};

	alloc->parts = xreallocarray(alloc->parts, alloc->n_parts + 1, sizeof(*alloc->parts));
	alloc->parts[alloc->n_parts++] = part;
}

/* The share of a gang's CPUs and memory that goes with `gpus` of its GPUs: whole units per GPU. */
static struct request share_of(const struct request *whole, unsigned gpus)
{
	struct request share = *whole;

	share.num_gpus = gpus;
	share.cpus = whole->cpus / whole->num_gpus * gpus;
	share.mem_bytes = whole->mem_bytes / whole->num_gpus * gpus;
	return share;
}

/* Rule P, several nodes: wholly idle nodes of full size by lowest index, the remainder by best fit.
 */
static int find_gang(const struct ledger *ledger, const struct request *request, unsigned per_node,
		     struct allocation *ret_alloc)
{
	struct request full = share_of(request, per_node);
	struct request rest = share_of(request, request->num_gpus % per_node);
	size_t wanted = request->num_gpus / per_node;
	_cleanup_(free_ptr) bool *used = xcalloc(ledger->n_nodes, sizeof(*used));
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	uint32_t last;

	for (uint32_t i = 0; i < ledger->n_nodes && alloc.n_parts < wanted; i++) {
		if (ledger->nodes[i].taken || !node_has_room(ledger, i, &full))
			continue;
		add_part(ledger, i, &full, &alloc);
		used[i] = true;
	}
	if (alloc.n_parts < wanted)
		return PLACE_NO_FIT;
	if (rest.num_gpus > 0) {
		last = best_fit(ledger, &rest, used);
		if (last == ledger->n_nodes)
			return PLACE_NO_FIT;
		add_part(ledger, last, &rest, &alloc);
	}
	*ret_alloc = alloc;
	alloc = (struct allocation){0};
	return 0;
}

int placement_find(const struct ledger *ledger, const struct request *request,
		   struct allocation *ret_alloc)
{
	unsigned per_node = ledger->largest_node;
	struct allocation alloc = {0};
	uint32_t node;

	if (per_node > 0 && request->num_gpus > per_node)
		return find_gang(ledger, request, per_node, ret_alloc);
	node = best_fit(ledger, request, NULL);
	if (node == ledger->n_nodes)
		return PLACE_NO_FIT;
	add_part(ledger, node, request, &alloc);
	*ret_alloc = alloc;
	return 0;
}

static bool gang_fits(const struct ledger *ledger, const struct request *request, unsigned per_node)
{
	_cleanup_(allocation_finish) struct allocation alloc = {0};

	return find_gang(ledger, request, per_node, &alloc) == 0;
}

bool placement_fits(const struct ledger *ledger, const struct request *request)
{
	unsigned per_node = ledger->largest_node;

	if (per_node > 0 && request->num_gpus > per_node)
		return gang_fits(ledger, request, per_node);
	for (uint32_t i = 0; i < ledger->n_nodes; i++)
		if (node_has_room(ledger, i, request))
			return true;
	return false;
}

bool placement_fits_after(const struct ledger *ledger, const struct request *request,
			  const struct allocation *freed)
{
	unsigned per_node = ledger->largest_node;

	if (per_node > 0 && request->num_gpus > per_node)
		return placement_fits(ledger, request);
	for (size_t i = 0; i < freed->n_parts; i++)
		if (node_has_room(ledger, freed->parts[i].node, request))
			return true;
	return false;
}
