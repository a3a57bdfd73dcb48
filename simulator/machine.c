/* SPDX-License-Identifier: MIT */
/*
 * Reads "--nodes".
 *
 * Invariants: counts are bounded before anything is allocated; a description that is not
 * understood in full is refused. Read next: replay.c, which builds the ledger from it.
 */
#include "simulator/machine.h"

#include <errno.h>
#include <stdlib.h>

#include "common/duration.h"
#include "scheduler/resources.h"

#define CPUS_MAX 1000000 /* of one node; in thousandths still below MACHINE_PLENTY_CPUS */

void machine_finish(struct machine *machine)
{
	free(machine->nodes);
	*machine = (struct machine){0};
}

static int parse_shape(const char *text, int64_t *ret_count, struct machine_node *node,
		       struct err *err)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *gpus = strchr(copy, 'x');
	int64_t n_gpus;

	if (gpus)
		*gpus++ = '\0';
	if (!gpus || parse_int64(copy, 1, LEDGER_NODES_MAX, ret_count) < 0 ||
	    parse_int64(gpus, 0, TOPOLOGY_GPUS_MAX, &n_gpus) < 0)
		return err_set(err, -EINVAL,
			       "--nodes: '%.40s' is no number of nodes and GPUs; write 20x8 for "
			       "twenty nodes of eight GPUs (at most %d nodes, %d GPUs each)",
			       text, LEDGER_NODES_MAX, TOPOLOGY_GPUS_MAX);
	node->gpus = (unsigned)n_gpus;
	return 0;
}

static int parse_property(const char *text, uint32_t cpu_unit, struct machine_node *node,
			  struct err *err)
{
	int64_t cpus;

	if (strncmp(text, "mem=", 4) == 0) {
		if (bytes_parse(text + 4, &node->mem_bytes, err) < 0)
			return err_wrap(err, "--nodes: mem");
		return 0;
	}
	if (strncmp(text, "cpus=", 5) != 0)
		return err_set(err, -EINVAL,
			       "--nodes: '%.40s' is unknown; write cpus=N or mem=SIZE", text);
	if (parse_int64(text + 5, 1, CPUS_MAX, &cpus) < 0)
		return err_set(err, -EINVAL, "--nodes: cpus=%.32s: write a number from 1 to %d",
			       text + 5, CPUS_MAX);
	node->cpus = (uint32_t)cpus * cpu_unit;
	return 0;
}

static int parse_group(char *text, uint32_t cpu_unit, struct machine *machine, struct err *err)
{
	struct machine_node node = {.cpus = MACHINE_PLENTY_CPUS, .mem_bytes = MACHINE_PLENTY_MEM};
	const char *shape = strsep(&text, ","), *property;
	int64_t count;
	int r = parse_shape(shape, &count, &node, err);

	while (r == 0 && (property = strsep(&text, ",")))
		r = parse_property(property, cpu_unit, &node, err);
	if (r < 0)
		return r;
	if (node.gpus == 0 && node.cpus == MACHINE_PLENTY_CPUS)
		return err_set(err, -EINVAL,
			       "--nodes: %s has neither GPUs nor CPUs; write %s,cpus=N", shape,
			       shape);
	if (machine->n_nodes + (size_t)count > LEDGER_NODES_MAX)
		return err_set(err, -EINVAL, "--nodes: more than %d nodes; write fewer",
			       LEDGER_NODES_MAX);
	machine->nodes = xreallocarray(machine->nodes, machine->n_nodes + (size_t)count,
				       sizeof(*machine->nodes));
	while (count-- > 0)
		machine->nodes[machine->n_nodes++] = node;
	return 0;
}

int machine_parse(const char *text, uint32_t cpu_unit, struct machine *ret_machine, struct err *err)
{
	_cleanup_(machine_finish) struct machine machine = {0};
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *rest = copy, *group;
	int r = 0;

	while (r == 0 && (group = strsep(&rest, "+")))
		r = parse_group(group, cpu_unit, &machine, err);
	if (r < 0)
		return r;
	*ret_machine = machine;
	machine = (struct machine){0};
	return 0;
}

uint64_t machine_gpus(const struct machine *machine)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < machine->n_nodes; i++)
		sum += machine->nodes[i].gpus;
	return sum;
}

uint64_t machine_cpus(const struct machine *machine)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < machine->n_nodes; i++) {
		if (machine->nodes[i].cpus == MACHINE_PLENTY_CPUS)
			return 0;
		sum += machine->nodes[i].cpus;
	}
	return sum;
}
