/* SPDX-License-Identifier: MIT */
/*
 * The machine that a replay runs on: nodes as "--nodes" writes them.
 *
 *     20x8                       twenty nodes of eight GPUs
 *     1x8,cpus=96,mem=384G+2x2   one large node and two of two GPUs each
 *     1x0,cpus=100               a hundred processors
 *
 * What is not said is never short: a node of GPUs without "cpus" has as many as anybody asks for.
 */
#pragma once

#include "common/err.h"

#define MACHINE_PLENTY_CPUS (UINT32_C(1) << 31)
#define MACHINE_PLENTY_MEM  (UINT64_C(1) << 60)

struct machine_node {
	unsigned gpus;
	uint32_t cpus; /* in the unit of the trace (source.h), or MACHINE_PLENTY_CPUS */
	uint64_t mem_bytes;
};

struct machine {
	struct machine_node *nodes; /* owned */
	size_t n_nodes;
};

/* Parse a description; cpu_unit: what one CPU is in the trace. 0 or -EINVAL with a sentence. */
int machine_parse(const char *text, uint32_t cpu_unit, struct machine *ret_machine,
		  struct err *err);
void machine_finish(struct machine *machine);

uint64_t machine_gpus(const struct machine *machine); /* of all nodes together */

/* CPUs of all nodes together, in the trace's unit; 0 when any node has plenty. */
uint64_t machine_cpus(const struct machine *machine);
