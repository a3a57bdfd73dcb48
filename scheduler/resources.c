/* SPDX-License-Identifier: MIT */
/*
 * The ledger of nodes, GPUs, CPUs and memory.
 *
 * Invariants: a taken slot is taken by exactly one job (ledger_take asserts it): never two jobs on
 * a GPU. Conditions and bookings are independent: a GPU that falls ill under a job stays taken
 * until the job is gone. Deliberately not here: choosing (placement.c), and finding out how a GPU
 * does (the probe). Cost: take and give are bit operations per part; matching is O(GPUs of the
 * node). Read next: topology.c.
 */
#include "scheduler/resources.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

static const char *const condition_names[GPU_CONDITION_COUNT] = {
	[GPU_READY] = "idle",	   [GPU_CLEANING] = "cleaning",	  [GPU_FOREIGN] = "foreign",
	[GPU_DRAINED] = "drained", [GPU_UNHEALTHY] = "unhealthy", [GPU_LOST] = "lost",
	[GPU_SPLIT] = "mig",
};

const char *gpu_condition_name(enum gpu_condition condition)
{
	return (size_t)condition < GPU_CONDITION_COUNT ? condition_names[condition] : "?";
}

void ledger_init(struct ledger *ledger)
{
	*ledger = (struct ledger){.types = xcalloc(1, sizeof(*ledger->types))};
}

void ledger_finish(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->n_nodes; i++) {
		free(ledger->nodes[i].name);
		free(ledger->nodes[i].gpus);
		topology_destroy(ledger->nodes[i].topology);
	}
	for (size_t i = 0; ledger->types && i < ledger->types->n; i++)
		free(ledger->types->names[i]);
	if (ledger->types)
		free(ledger->types->names);
	free(ledger->types);
	free(ledger->nodes);
	*ledger = (struct ledger){0};
}

uint32_t ledger_add_node(struct ledger *ledger, const char *name, uint32_t cpus, uint64_t mem_bytes)
{
	struct node *node;

	assert(ledger->n_nodes < LEDGER_NODES_MAX);
	ledger->nodes = xreallocarray(ledger->nodes, ledger->n_nodes + 1, sizeof(*ledger->nodes));
	node = &ledger->nodes[ledger->n_nodes];
	*node = (struct node){
		.name = xstrdup(name),
		.topology = topology_create(0, NULL, NULL),
		.cpus = cpus,
		.mem_bytes = mem_bytes,
	};
	ledger->generation++;
	return (uint32_t)ledger->n_nodes++;
}

void ledger_set_cpus(struct ledger *ledger, uint32_t node, uint32_t cpus)
{
	if (ledger->nodes[node].cpus == cpus)
		return;
	ledger->nodes[node].cpus = cpus;
	ledger->generation++;
}

void ledger_set_gpus(struct ledger *ledger, uint32_t index, struct node_gpu *gpus, unsigned n,
		     struct topology *topology)
{
	struct node *node = &ledger->nodes[index];

	assert(n <= TOPOLOGY_GPUS_MAX && n >= node->n_gpus && topology_count(topology) == n);
	free(node->gpus);
	topology_destroy(node->topology);
	node->gpus = gpus;
	node->n_gpus = n;
	node->topology = topology;
	node->all = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
	node->ready = 0;
	ledger->generation++;
	if (n > ledger->largest_node) /* nodes never shrink */
		ledger->largest_node = n;
	for (unsigned i = 0; i < n; i++)
		if (gpus[i].condition == GPU_READY)
			node->ready |= UINT64_C(1) << i;
}

uint32_t ledger_intern_type(struct ledger *ledger, const char *type)
{
	struct gpu_types *types = ledger->types;

	if (!type || !*type)
		return 0;
	for (size_t i = 0; i < types->n; i++)
		if (strcasecmp(types->names[i], type) == 0)
			return (uint32_t)i + 1;
	types->names = xreallocarray(types->names, types->n + 1, sizeof(*types->names));
	types->names[types->n++] = xstrdup(type);
	return (uint32_t)types->n;
}

const char *ledger_type_name(const struct ledger *ledger, uint32_t type)
{
	return type ? ledger->types->names[type - 1] : "";
}

uint64_t ledger_compare_gpus(const struct ledger *ledger, uint32_t index,
			     const struct request *request)
{
	const struct node *node = &ledger->nodes[index];
	uint64_t matching = 0;

	for (unsigned i = 0; i < node->n_gpus; i++) {
		const struct node_gpu *gpu = &node->gpus[i];

		if (gpu->mem_bytes < request->gpu_mem_bytes)
			continue;
		if (request->gpu_type &&
		    !strcasestr(gpu->type, ledger_type_name(ledger, request->gpu_type)))
			continue;
		matching |= UINT64_C(1) << i;
	}
	return matching;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* a of b; nothing of nothing. */
static double share_of(double a, double b)
{
	return b > 0 ? a / b : 0;
}

double ledger_share(const struct ledger *ledger, const struct allocation *alloc)
{
	double gpus = 0, cpus = 0, mem = 0, all_gpus = 0, all_cpus = 0, all_mem = 0;

	for (size_t i = 0; i < ledger->n_nodes; i++) {
		all_gpus += ledger->nodes[i].n_gpus;
		all_cpus += ledger->nodes[i].cpus;
		all_mem += (double)ledger->nodes[i].mem_bytes;
	}
	for (size_t i = 0; i < alloc->n_parts; i++) {
		gpus += __builtin_popcountll(alloc->parts[i].gpus);
		cpus += alloc->parts[i].cpus;
		mem += (double)alloc->parts[i].mem_bytes;
	}
	return larger(share_of(gpus, all_gpus),
		      larger(share_of(cpus, all_cpus), share_of(mem, all_mem)));
}

unsigned ledger_free_gpus(const struct ledger *ledger)
{
	unsigned free = 0;

	for (size_t i = 0; i < ledger->n_nodes; i++)
		free += (unsigned)__builtin_popcountll(node_free_gpus(&ledger->nodes[i]));
	return free;
}

bool ledger_is_free(const struct ledger *ledger, const struct allocation *alloc)
{
	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];
		const struct node *node = &ledger->nodes[part->node];

		if (part->gpus & ~node_free_gpus(node) || part->cpus > node_free_cpus(node) ||
		    part->mem_bytes > node_free_mem(node))
			return false;
	}
	return true;
}

void ledger_take(struct ledger *ledger, const struct allocation *alloc)
{
	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];
		struct node *node = &ledger->nodes[part->node];

		assert(!(node->taken & part->gpus));
		node->taken |= part->gpus;
		node->taken_cpus += part->cpus;
		node->taken_mem_bytes += part->mem_bytes;
	}
}

void ledger_give(struct ledger *ledger, const struct allocation *alloc)
{
	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];
		struct node *node = &ledger->nodes[part->node];

		assert((node->taken & part->gpus) == part->gpus);
		assert(node->taken_cpus >= part->cpus && node->taken_mem_bytes >= part->mem_bytes);
		node->taken &= ~part->gpus;
		node->taken_cpus -= part->cpus;
		node->taken_mem_bytes -= part->mem_bytes;
	}
}

void ledger_scratch_copy(struct ledger *scratch, const struct ledger *ledger)
{
	struct node *nodes = scratch->nodes;

	if (!nodes || scratch->n_nodes != ledger->n_nodes)
		nodes = xreallocarray(nodes, ledger->n_nodes + 1, sizeof(*nodes));
	*scratch = *ledger;
	scratch->nodes = nodes;
	if (ledger->n_nodes > 0)
		memcpy(nodes, ledger->nodes, ledger->n_nodes * sizeof(*nodes));
}

void ledger_scratch_init(struct ledger *scratch, const struct ledger *ledger)
{
	*scratch = (struct ledger){0};
	ledger_scratch_copy(scratch, ledger);
}

void ledger_scratch_finish(struct ledger *scratch)
{
	free(scratch->nodes);
	*scratch = (struct ledger){0};
}

void ledger_scratch_clear(struct ledger *scratch)
{
	for (size_t i = 0; i < scratch->n_nodes; i++) {
		struct node *node = &scratch->nodes[i];

		node->taken = 0;
		node->taken_cpus = 0;
		node->taken_mem_bytes = 0;
		node->ready = 0;
		for (unsigned slot = 0; slot < node->n_gpus; slot++)
			if (node->gpus[slot].condition != GPU_SPLIT &&
			    node->gpus[slot].condition != GPU_LOST)
				node->ready |= UINT64_C(1) << slot;
	}
}

bool ledger_scratch_expect_cleaned(struct ledger *scratch)
{
	bool any = false;

	for (size_t n = 0; n < scratch->n_nodes; n++) {
		struct node *node = &scratch->nodes[n];

		for (unsigned slot = 0; node->ready != node->all && slot < node->n_gpus; slot++)
			if (node->gpus[slot].condition == GPU_CLEANING) {
				node->ready |= UINT64_C(1) << slot;
				any = true;
			}
	}
	return any;
}

void ledger_check_invariants(const struct ledger *ledger, const struct allocation *const *allocs,
			     size_t n_allocs)
{
	for (size_t n = 0; n < ledger->n_nodes; n++) {
		const struct node *node = &ledger->nodes[n];
		uint64_t seen = 0;

		for (size_t a = 0; a < n_allocs; a++)
			for (size_t p = 0; p < allocs[a]->n_parts; p++) {
				if (allocs[a]->parts[p].node != n)
					continue;
				assert(!(seen & allocs[a]->parts[p].gpus));
				seen |= allocs[a]->parts[p].gpus;
			}
		assert(seen == node->taken && node->kept == 0);
		assert(node->n_gpus == 64 || !(node->taken >> node->n_gpus));
		assert(node->n_gpus == 64 || !(node->ready >> node->n_gpus));
	}
}
