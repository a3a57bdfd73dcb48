/* SPDX-License-Identifier: MIT */
/*
 * Requests that can never be placed, and the sentence that says which of their numbers is wrong.
 *
 * Invariants: what is taken, drained or held by others now does not matter; of several things that
 * are wrong the one is named that has to change first: the kind of GPU, its memory, then how many.
 * Cost: O(GPUs), and one placement. Read next: line.c.
 */
#include <inttypes.h>

#include "scheduler/core_internal.h"

/* Of the names of GPUs in a sentence; struct err has 256 bytes for all of it. */
#define TYPES_SHOWN 120

/* The most that one node has of each. */
struct capacity {
	unsigned slots;
	uint64_t gpus, all_gpus; /* that suit the request: of one node, of all */
	uint32_t cpus;
	uint64_t mem_bytes;
};

static struct capacity measure(const struct ledger *empty, const struct request *request)
{
	struct capacity most = {0};

	for (uint32_t i = 0; i < empty->n_nodes; i++) {
		const struct node *node = &empty->nodes[i];
		uint64_t suiting = ledger_matching_gpus(empty, i, request) & node->ready;
		uint64_t gpus = (uint64_t)__builtin_popcountll(suiting);

		most.slots = node->n_gpus > most.slots ? node->n_gpus : most.slots;
		most.gpus = gpus > most.gpus ? gpus : most.gpus;
		most.all_gpus += gpus;
		most.cpus = node->cpus > most.cpus ? node->cpus : most.cpus;
		most.mem_bytes =
			node->mem_bytes > most.mem_bytes ? node->mem_bytes : most.mem_bytes;
	}
	return most;
}

/* To a tenth of the unit that suits it, rounded up or down: what is asked for up and what there is
 * down, so that too much never reads as what there is. */
static const char *describe_memory(uint64_t bytes, bool up, char buf[32])
{
	static const char *const units[] = {"MiB", "GiB", "TiB"};
	const uint64_t gib = UINT64_C(1) << 30, tib = UINT64_C(1) << 40;
	int i = bytes < gib ? 0 : bytes < tib || bytes % tib ? 1 : 2;
	uint64_t unit = UINT64_C(1) << (20 + 10 * i);
	uint64_t tenths = bytes / unit * 10 + (bytes % unit * 10 + (up ? unit - 1 : 0)) / unit;

	if (tenths % 10)
		snprintf(buf, 32, "%llu.%llu %s", (unsigned long long)tenths / 10,
			 (unsigned long long)tenths % 10, units[i]);
	else
		snprintf(buf, 32, "%llu %s", (unsigned long long)tenths / 10, units[i]);
	return buf;
}

/* How many GPUs suit the request, and the most memory that one of them has. */
static unsigned count_suiting(const struct ledger *empty, const struct request *request,
			      uint64_t *ret_most_mem)
{
	uint64_t most = 0;
	unsigned n = 0;

	for (uint32_t i = 0; i < empty->n_nodes; i++) {
		const struct node *node = &empty->nodes[i];
		uint64_t suiting = ledger_matching_gpus(empty, i, request) & node->ready;

		n += (unsigned)__builtin_popcountll(suiting);
		for (unsigned slot = 0; slot < node->n_gpus; slot++)
			if (suiting >> slot & 1 && node->gpus[slot].mem_bytes > most)
				most = node->gpus[slot].mem_bytes;
	}
	*ret_most_mem = most;
	return n;
}

/* Is this one of the names between ", "? */
static bool has_name(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; *at;) {
		size_t n = 0;

		while (at[n] && at[n] != ',')
			n++;
		if (n == len && memcmp(at, name, n) == 0)
			return true;
		at += at[n] ? n + 2 : n;
	}
	return false;
}

/* Append a name that is not in the list yet; "..." in place of all that do not fit. */
static void add_name(char *list, size_t size, const char *name)
{
	static const char dots[] = "...";
	size_t len = strlen(list);

	if (has_name(list, name) || has_name(list, dots))
		return;
	if (len + strlen(name) + sizeof(", , ...") > size)
		name = dots;
	snprintf(list + len, size - len, "%s%s", len > 0 ? ", " : "", name);
}

/* "NVIDIA A40, NVIDIA A100-SXM4-40GB": the kinds of GPU that there are. */
static const char *list_types(const struct ledger *empty, char *list, size_t size)
{
	list[0] = '\0';
	for (uint32_t i = 0; i < empty->n_nodes; i++) {
		const struct node *node = &empty->nodes[i];

		for (unsigned slot = 0; slot < node->n_gpus; slot++)
			if (node->ready >> slot & 1)
				add_name(list, size, node->gpus[slot].type);
	}
	return list;
}

/* Is it the kind or the memory, of which not even one GPU is? SCHED_IMPOSSIBLE, or 0. */
static int explain_kind(const struct ledger *empty, const struct request *request, struct err *err)
{
	struct request kind = {.num_gpus = 1, .gpu_type = request->gpu_type};
	const char *type = ledger_type_name(empty, request->gpu_type);
	char asked[32], there[32], list[TYPES_SHOWN];
	uint64_t most;

	if (request->num_gpus == 0 ||
	    count_suiting(empty, &(struct request){.num_gpus = 1}, &most) == 0)
		return 0;
	if (count_suiting(empty, &kind, &most) == 0)
		return err_set(err, SCHED_IMPOSSIBLE,
			       "gpu_type: no GPU here is of type '%.64s'; there are: %s; change "
			       "--gpu-type",
			       type, list_types(empty, list, sizeof(list)));
	if (request->gpu_mem_bytes <= most)
		return 0;
	return err_set(err, SCHED_IMPOSSIBLE,
		       "gpu_mem: no GPU %s%.64s%s has %s of memory; the largest has %s; lower "
		       "--gpu-mem",
		       *type ? "of type '" : "here", type, *type ? "'" : "",
		       describe_memory(request->gpu_mem_bytes, true, asked),
		       describe_memory(most, false, there));
}

/* The first dimension in which even the largest node (for a gang: all of them) is too small. */
static int explain_impossible(const struct ledger *empty, const struct request *request,
			      struct err *err)
{
	struct capacity most = measure(empty, request);
	bool gang = request->num_gpus > most.slots && empty->n_nodes > 1;
	uint64_t gpus = gang ? most.all_gpus : most.gpus;
	char asked[32], there[32];

	if (explain_kind(empty, request, err))
		return SCHED_IMPOSSIBLE;
	if (request->num_gpus > gpus)
		err_set(err, SCHED_IMPOSSIBLE,
			"num_gpus: the job asks for %u GPU%s%s%s%s but %s %llu%s; "
			"lower --gpus or see \"tgpu gpus\"",
			request->num_gpus, plural(request->num_gpus),
			request->gpu_type ? " of type '" : "",
			ledger_type_name(empty, request->gpu_type), request->gpu_type ? "'" : "",
			gang ? "all nodes together have" : "the largest node has",
			(unsigned long long)gpus,
			request->gpu_mem_bytes ? " with that much memory" : "");
	else if (!gang && request->cpus > most.cpus)
		err_set(err, SCHED_IMPOSSIBLE,
			"cpus: the job asks for %u CPU%s but the largest node has %u; lower --cpus",
			request->cpus, plural(request->cpus), most.cpus);
	else if (!gang && request->mem_bytes > most.mem_bytes)
		err_set(err, SCHED_IMPOSSIBLE,
			"mem: the job asks for %s but the largest node has %s; lower --mem",
			describe_memory(request->mem_bytes, true, asked),
			describe_memory(most.mem_bytes, false, there));
	else
		err_set(err, SCHED_IMPOSSIBLE,
			"the job asks for more GPUs, CPUs and memory at once than any node has "
			"together; lower --gpus, --cpus or --mem");
	return SCHED_IMPOSSIBLE;
}

int sched_check(struct sched *sched, const struct request *request, struct err *err)
{
	struct ledger empty;
	int r = 0;

	ledger_scratch_init(&empty, &sched->ledger);
	ledger_scratch_clear(&empty);
	if (!placement_fits(&empty, request))
		r = explain_impossible(&empty, request, err);
	ledger_scratch_finish(&empty);
	return r;
}
