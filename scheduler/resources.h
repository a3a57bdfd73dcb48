/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what every node has and what is taken. The one place that knows whether a GPU is
 * free.
 *
 * A node's GPUs sit in slots 0..63, in order of index; a set of them is a uint64_t. A slot keeps
 * its meaning while the daemon runs (a GPU that vanishes leaves its slot behind, unusable), so
 * running jobs' allocations stay true. Besides being taken by a job, a GPU has a condition of its
 * own.
 */
#pragma once

#include "scheduler/job.h"
#include "scheduler/topology.h"

#define LEDGER_NODES_MAX 65536

/* What a GPU is good for, apart from being allocated. Only GPU_READY ones are handed out. */
enum gpu_condition {
	GPU_READY,
	GPU_CLEANING,  /* its last job is over, but the GPU is not seen to be free yet */
	GPU_FOREIGN,   /* a process that is no job's holds it */
	GPU_DRAINED,   /* taken out of service, by a person or because it broke */
	GPU_UNHEALTHY, /* it must not be used */
	GPU_LOST,      /* it does not answer, or is gone */
	GPU_SPLIT,     /* in MIG mode: its instances are GPUs of their own */
	GPU_CONDITION_COUNT,
};

/* "idle" for GPU_READY, "cleaning", "foreign", "drained", "unhealthy", "lost", "mig". */
const char *gpu_condition_name(enum gpu_condition condition);

struct node_gpu {
	char label[16];	    /* for people: "gpu5", "mig7" */
	char type[96];	    /* its name, which requests match by part: "Tesla V100-SXM2-16GB" */
	uint64_t mem_bytes; /* 0: unknown; satisfies only requests that ask for no memory */
	enum gpu_condition condition;
	char reason[128]; /* why not ready: "held by pid 812 (uid 1000, python)"; "" when ready */
};

struct node {
	char *name;	       /* owned */
	struct node_gpu *gpus; /* owned, n_gpus slots */
	unsigned n_gpus;
	struct topology *topology; /* owned, of n_gpus GPUs; never NULL */
	uint64_t all;		   /* slots that exist */
	uint64_t ready;		   /* slots whose condition is GPU_READY */
	uint64_t taken;		   /* slots held by jobs */
	uint64_t kept;		   /* slots that are not to be had by whom it is about: window.h */
	uint32_t cpus, taken_cpus;
	uint64_t mem_bytes, taken_mem_bytes;
};

/* Interned texts; id 1 is names[0]. */
struct gpu_types {
	char **names; /* owned, and so are the texts */
	size_t n;
};

struct ledger {
	struct node *nodes;
	size_t n_nodes;
	struct gpu_types *types; /* owned; scratch copies share it, so they know every type */
	unsigned largest_node;	 /* the most GPUs that one node has */
	uint64_t generation;	 /* grows when what a node has is told anew */
};

void ledger_init(struct ledger *ledger);
void ledger_finish(struct ledger *ledger);

/* Add a node without GPUs and return its index. */
uint32_t ledger_add_node(struct ledger *ledger, const char *name, uint32_t cpus,
			 uint64_t mem_bytes);

/* A node turns out to have another number of CPUs. */
void ledger_set_cpus(struct ledger *ledger, uint32_t node, uint32_t cpus);

/*
 * Replace the GPUs of a node: n slots, both arguments taken over. What is taken stays taken; slots
 * must not disappear (n never shrinks).
 */
void ledger_set_gpus(struct ledger *ledger, uint32_t node, struct node_gpu *gpus, unsigned n,
		     struct topology *topology);

/* The number by which requests name this GPU type ("a100": any GPU whose name contains it, without
 * case). Stable for the ledger's life. NULL or "" is 0: any. */
uint32_t ledger_intern_type(struct ledger *ledger, const char *type);
const char *ledger_type_name(const struct ledger *ledger, uint32_t type);

/* The slots of a node that match the request's type and memory, whatever their condition; most
 * requests name neither. */
uint64_t ledger_compare_gpus(const struct ledger *ledger, uint32_t node,
			     const struct request *request);
static inline uint64_t ledger_matching_gpus(const struct ledger *ledger, uint32_t node,
					    const struct request *request)
{
	return request->gpu_type || request->gpu_mem_bytes
		       ? ledger_compare_gpus(ledger, node, request)
		       : ledger->nodes[node].all;
}

/* Is all of this free, and its GPUs ready? */
bool ledger_is_free(const struct ledger *ledger, const struct allocation *alloc);

/* The dominant share of an allocation: the largest of its shares of all GPUs, CPUs, memory. */
double ledger_share(const struct ledger *ledger, const struct allocation *alloc);

/* Ready and neither taken nor kept. */
static inline uint64_t node_free_gpus(const struct node *node)
{
	return node->ready & ~node->taken & ~node->kept;
}

/* 0 when overcommitted, and so is the memory. */
static inline uint32_t node_free_cpus(const struct node *node)
{
	return node->cpus > node->taken_cpus ? node->cpus - node->taken_cpus : 0;
}

static inline uint64_t node_free_mem(const struct node *node)
{
	return node->mem_bytes > node->taken_mem_bytes ? node->mem_bytes - node->taken_mem_bytes
						       : 0;
}

/* How many GPUs are, of all nodes. O(nodes). */
unsigned ledger_free_gpus(const struct ledger *ledger);

/* Book and give back. Booking a GPU twice is a programmer's error (assert); so is giving back what
 * is not taken. CPUs and memory may be overbooked (a running job adopted on a machine that shrank).
 */
void ledger_take(struct ledger *ledger, const struct allocation *alloc);
void ledger_give(struct ledger *ledger, const struct allocation *alloc);

/* A scratch copy for "what if": shares names, GPUs and topologies with `ledger`, which must outlive
 * it unchanged in those. Release with ledger_scratch_finish(). */
void ledger_scratch_init(struct ledger *scratch, const struct ledger *ledger);
/* Make an existing scratch copy (or a zeroed one) a fresh copy, in the memory that it has. */
void ledger_scratch_copy(struct ledger *scratch, const struct ledger *ledger);
void ledger_scratch_finish(struct ledger *scratch);

/* As if nothing were taken and every GPU ready but the lost and the split ones: what could this
 * cluster do at best? On a scratch copy. */
void ledger_scratch_clear(struct ledger *scratch);

/* As if the GPUs that are being cleaned were ready. True when there are any. On a scratch copy. */
bool ledger_scratch_expect_cleaned(struct ledger *scratch);

/* assert(): taken slots exist, and `taken` is the union of the given allocations without overlap.
 */
void ledger_check_invariants(const struct ledger *ledger, const struct allocation *const *allocs,
			     size_t n_allocs);
