/* SPDX-License-Identifier: MIT */
/*
 * Whose the GPUs are that a waiting job lacks, in sentences.
 *
 * Invariants: each missing GPU is told of once, together with those of which the same is true; a
 * prediction is never called a limit. Cost: one look at the running jobs and one at the slots.
 * Read next: why_text.c.
 */
#include "scheduler/why_internal.h"

#include <inttypes.h>

#include "common/duration.h"
#include "scheduler/core_internal.h"

/* The slots of this node that a running job holds. */
static uint64_t slots_of(const struct running *running, uint32_t node)
{
	uint64_t slots = 0;

	for (size_t p = 0; p < running->alloc.n_parts; p++)
		if (running->alloc.parts[p].node == node)
			slots |= running->alloc.parts[p].gpus;
	return slots;
}

/* The number in "gpu12"; -1: a GPU without an index has another label. */
static int64_t number_of(const struct node_gpu *gpu)
{
	const char *at = gpu->label + strlen("gpu");
	int64_t number = 0;

	if (strncmp(gpu->label, "gpu", strlen("gpu")) != 0 || !*at)
		return -1;
	for (; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (*at - '0');
	return *at ? -1 : number;
}

/* How many slots from this one on are in `slots` and numbered one after the other. */
static unsigned run_of(const struct node *node, uint64_t slots, unsigned slot)
{
	int64_t number = number_of(&node->gpus[slot]);
	unsigned n = 1;

	while (number >= 0 && slot + n < node->n_gpus && slots & (UINT64_C(1) << (slot + n)) &&
	       number_of(&node->gpus[slot + n]) == number + n)
		n++;
	return n;
}

/* "gpu0, gpu1, gpu4-7". */
void why_add_labels(struct buf *out, const struct node *node, uint64_t slots, const char *between)
{
	size_t start = out->len;

	for (unsigned slot = 0; slot < node->n_gpus; slot++) {
		unsigned n;

		if (!(slots & (UINT64_C(1) << slot)))
			continue;
		buf_printf(out, "%s%s", out->len > start ? between : "", node->gpus[slot].label);
		n = run_of(node, slots, slot);
		if (n < 3)
			continue;
		slot += n - 1;
		buf_printf(out, "-%" PRId64, number_of(&node->gpus[slot]));
	}
}

const char *why_verb(uint64_t slots)
{
	return slots & (slots - 1) ? "are" : "is";
}

/* The head may have it make room, once it has run for as long as nobody may take from it. */
static void tell_yield(const struct teller *teller, const struct running *holder)
{
	const struct preempt_params *params = &sched_config(teller->sched)->preempt;
	int64_t immune_ns = time_add(holder->start_ns, params->immunity_ns) - teller->now_ns;
	char span[32];

	if (!params->enabled || holder->leaving || !holder->preemptible ||
	    teller->why->head != teller->why->job || holder->priority >= teller->why->priority)
		return;
	if (immune_ns > 0)
		why_tell(teller, "job %" PRIu64 " may be told to make room in %s", holder->job,
			 duration_show(immune_ns / NS_PER_MS, span));
	else
		why_tell(teller, "job %" PRIu64 " may be told to make room", holder->job);
}

static void tell_job(const struct teller *teller, const struct node *node, uint64_t slots,
		     const struct running *holder)
{
	_cleanup_(buf_finish) struct buf labels = {0};
	char span[32];

	why_add_labels(&labels, node, slots, ", ");
	buf_printf(&labels, " %s held by job %" PRIu64, why_verb(slots), holder->job);
	duration_show((holder->end_ns - teller->now_ns) / NS_PER_MS, span);
	if (holder->leaving)
		why_tell(teller, "%s, which was told to end", buf_get(&labels));
	else if (holder->end_ns == TIME_NEVER)
		why_tell(teller, "%s, which has no time limit", buf_get(&labels));
	else if (holder->predicted && holder->end_ns > teller->now_ns)
		why_tell(teller, "%s, which has no time limit; as its like it should take %s more",
			 buf_get(&labels), span);
	else if (holder->predicted)
		why_tell(teller, "%s, which has no time limit and takes longer than its like",
			 buf_get(&labels));
	else if (holder->end_ns > teller->now_ns)
		why_tell(teller, "%s, for %s more at most (its time limit)", buf_get(&labels),
			 span);
	else
		why_tell(teller, "%s, which is past its time limit", buf_get(&labels));
	tell_yield(teller, holder);
}

/* Those of the slots that are in the same condition for the same reason as the first. */
static uint64_t find_alike(const struct node *node, uint64_t slots)
{
	const struct node_gpu *first = &node->gpus[__builtin_ctzll(slots)];
	uint64_t alike = 0;

	for (; slots; slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctzll(slots);

		if (node->gpus[slot].condition == first->condition &&
		    strcmp(node->gpus[slot].reason, first->reason) == 0)
			alike |= UINT64_C(1) << slot;
	}
	return alike;
}

static void tell_condition(const struct teller *teller, const struct node *node, uint64_t slots)
{
	const struct node_gpu *gpu = &node->gpus[__builtin_ctzll(slots)];
	_cleanup_(buf_finish) struct buf labels = {0}, names = {0};

	why_add_labels(&labels, node, slots, ", ");
	why_tell(teller, "%s %s %s%s%s", buf_get(&labels), why_verb(slots),
		 gpu_condition_name(gpu->condition), gpu->reason[0] ? ": " : "", gpu->reason);
	if (gpu->condition != GPU_DRAINED)
		return;
	why_add_labels(&names, node, slots, ",");
	why_tell(teller, "\"tgpu resume %s\" puts %s back", buf_get(&names),
		 slots & (slots - 1) ? "them" : "it");
}

/* Who holds the missing GPUs: jobs in the order in which they will end, then what is wrong with the
 * others. */
void why_tell_holders(const struct teller *teller, const struct node *node, uint64_t missing)
{
	size_t n;
	struct running *const *running = sched_running(teller->sched, &n);

	for (size_t i = 0; i < n; i++) {
		uint64_t held = missing & slots_of(running[i], teller->why->node);

		if (held)
			tell_job(teller, node, held, running[i]);
		missing &= ~held;
	}
	while (missing) {
		uint64_t alike = find_alike(node, missing);

		tell_condition(teller, node, alike);
		missing &= ~alike;
	}
}
