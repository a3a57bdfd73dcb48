/* SPDX-License-Identifier: MIT */
/*
 * Least-cost victims.
 *
 * Invariants: with the victims gone the request fits (placement.c says so), and with any one of
 * them staying it does not; nothing is changed here. Deliberately not here: when to preempt at all
 * (pass.c asks once, for who has become the head), how a job is ended, and checkpoints: what a job
 * saves by itself is not known, so all that it has run counts as lost. Read next: pass.c.
 */
#include "scheduler/preempt.h"

#include <assert.h>
#include <stdlib.h>

struct victim {
	struct running *running;
	double cost;
};

struct victims {
	struct victim *items; /* owned; ascending cost */
	size_t n, capacity;
};

static void victims_finish(struct victims *victims)
{
	free(victims->items);
}

static unsigned gpus_of(const struct allocation *alloc)
{
	unsigned gpus = 0;

	for (size_t i = 0; i < alloc->n_parts; i++)
		gpus += (unsigned)__builtin_popcountll(alloc->parts[i].gpus);
	return gpus;
}

static double cost_of(const struct running *running, const struct preempt_params *params,
		      int64_t now_ns)
{
	unsigned gpus = gpus_of(&running->alloc);
	double lost_ns = (double)(now_ns - running->start_ns) + (double)params->restart_ns;

	return (gpus ? gpus : 1) * lost_ns;
}

static int compare_cost(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	if (x->cost < y->cost || x->cost > y->cost)
		return x->cost < y->cost ? -1 : 1;
	return (x->running->job > y->running->job) - (x->running->job < y->running->job);
}

/* Will it be gone by gone_ns, when a victim would be, without being told to? */
static bool goes_anyway(const struct running *running, int64_t gone_ns)
{
	return running->leaving || running->end_ns <= gone_ns;
}

/* May it be told to make room for this request, if it were not for its immunity? */
static bool yields(const struct running *running, const struct preempt_request *request,
		   int64_t gone_ns)
{
	struct policy_order order = request->order;

	return running->preemptible && !goes_anyway(running, gone_ns) &&
	       running->priority < request->priority &&
	       policy_compare(&order, request->shape, &request->key, &running->shape,
			      &running->key) < 0;
}

static struct victims find_candidates(struct running *const *running, size_t n_running,
				      const struct preempt_request *request,
				      const struct preempt_params *params, int64_t now_ns,
				      int64_t *ret_immune_ns)
{
	struct victims victims = {0};
	int64_t immune_ns = TIME_NEVER;

	for (size_t i = 0; i < n_running; i++) {
		int64_t until_ns = time_add(running[i]->start_ns, params->immunity_ns);

		if (!yields(running[i], request, time_add(now_ns, params->grace_ns)))
			continue;
		if (until_ns > now_ns) {
			immune_ns = until_ns < immune_ns ? until_ns : immune_ns;
			continue;
		}
		xgrow(&victims.items, &victims.capacity, victims.n + 1, sizeof(*victims.items));
		victims.items[victims.n++] = (struct victim){
			running[i],
			cost_of(running[i], params, now_ns),
		};
	}
	if (victims.n > 1)
		qsort(victims.items, victims.n, sizeof(*victims.items), compare_cost);
	*ret_immune_ns = immune_ns;
	return victims;
}

/* How many GPUs that suit the request this job holds on one node. */
static unsigned suiting_on(const struct running *running, uint32_t node, uint64_t suiting)
{
	unsigned gpus = 0;

	for (size_t i = 0; i < running->alloc.n_parts; i++)
		if (running->alloc.parts[i].node == node)
			gpus += (unsigned)__builtin_popcountll(running->alloc.parts[i].gpus &
							       suiting);
	return gpus;
}

/* One state of the knapsack: so many GPUs are freed at this cost by these. */
struct cover {
	double cost;
	unsigned n;   /* victims */
	uint64_t who; /* bit i: the i-th considered */
	bool is_reachable;
};

#define CONSIDERED_MAX 64 /* of one node: as many as it has GPUs */

static bool is_cheaper(const struct cover *a, const struct cover *b)
{
	if (!b->is_reachable)
		return true;
	return a->cost < b->cost || (a->cost <= b->cost && a->n < b->n);
}

/* The cheapest set of the considered that frees at least `need` GPUs. [knapsack cover, by the
 * number of GPUs] */
static struct cover cover_gpus(const struct victim *const *considered, const unsigned *gpus,
			       size_t n, unsigned need)
{
	struct cover best[TOPOLOGY_GPUS_MAX + 1] = {[0] = {.is_reachable = true}};

	for (size_t v = 0; v < n; v++)
		for (unsigned freed = need; freed-- > 0;) {
			unsigned with = freed + gpus[v] < need ? freed + gpus[v] : need;
			struct cover next = best[freed];

			if (!next.is_reachable)
				continue;
			next.cost += considered[v]->cost;
			next.n++;
			next.who |= UINT64_C(1) << v;
			if (is_cheaper(&next, &best[with]))
				best[with] = next;
		}
	return best[need];
}

/* The cheapest victims on one node, marked in `chosen` (by index in victims). False: none suffice.
 */
static bool cover_node(const struct ledger *ledger, uint32_t node, const struct request *request,
		       const struct victims *victims, bool *chosen, struct cover *ret_cover)
{
	uint64_t suiting = ledger_matching_gpus(ledger, node, request) & ledger->nodes[node].ready;
	unsigned free = (unsigned)__builtin_popcountll(suiting & ~ledger->nodes[node].taken);
	const struct victim *considered[CONSIDERED_MAX];
	unsigned gpus[CONSIDERED_MAX];
	size_t n = 0;

	if (request->num_gpus <= free)
		return false; /* what is missing is not GPUs */
	for (size_t i = 0; i < victims->n && n < CONSIDERED_MAX; i++) {
		gpus[n] = suiting_on(victims->items[i].running, node, suiting);
		if (gpus[n] > 0)
			considered[n++] = &victims->items[i];
	}
	*ret_cover = cover_gpus(considered, gpus, n, request->num_gpus - free);
	if (!ret_cover->is_reachable)
		return false;
	memset(chosen, 0, victims->n * sizeof(*chosen));
	for (size_t i = 0; i < n; i++)
		if (ret_cover->who >> i & 1)
			chosen[considered[i] - victims->items] = true;
	return true;
}

/* Does the request fit with the chosen gone? */
static bool fits_without(const struct ledger *ledger, const struct request *request,
			 const struct victims *victims, const bool *chosen)
{
	_cleanup_(ledger_scratch_finish) struct ledger scratch;

	ledger_scratch_init(&scratch, ledger);
	for (size_t i = 0; i < victims->n; i++)
		if (chosen[i])
			ledger_give(&scratch, &victims->items[i].running->alloc);
	return placement_fits(&scratch, request);
}

/* The cheapest node to be cleared of enough, lowest index among equals. */
static bool choose_on_one_node(const struct ledger *ledger, const struct request *request,
			       const struct victims *victims, bool *chosen)
{
	_cleanup_(free_ptr) bool *here = xcalloc(victims->n, sizeof(*here));
	struct cover best = {0}, cover;

	for (uint32_t node = 0; node < ledger->n_nodes; node++) {
		if (!cover_node(ledger, node, request, victims, here, &cover) ||
		    !is_cheaper(&cover, &best) || !fits_without(ledger, request, victims, here))
			continue;
		best = cover;
		memcpy(chosen, here, victims->n * sizeof(*chosen));
	}
	return best.is_reachable;
}

/* Cheapest first until it fits. */
static bool choose_greedily(const struct ledger *ledger, const struct request *request,
			    const struct victims *victims, bool *chosen)
{
	memset(chosen, 0, victims->n * sizeof(*chosen));
	for (size_t i = 0; i < victims->n; i++) {
		chosen[i] = true;
		if (fits_without(ledger, request, victims, chosen))
			return true;
	}
	return false;
}

/* Whoever need not go stays; the dearest are asked first. */
static void spare(const struct ledger *ledger, const struct request *request,
		  const struct victims *victims, bool *chosen)
{
	for (size_t i = victims->n; i-- > 0;) {
		if (!chosen[i])
			continue;
		chosen[i] = false;
		if (!fits_without(ledger, request, victims, chosen))
			chosen[i] = true;
	}
}

/* What will be free without anybody being told to go: what those that go anyway hold, and GPUs that
 * are being cleaned. */
static void expect(struct ledger *scratch, struct running *const *running, size_t n_running,
		   int64_t gone_ns)
{
	ledger_scratch_expect_cleaned(scratch);
	for (size_t i = 0; i < n_running; i++)
		if (goes_anyway(running[i], gone_ns))
			ledger_give(scratch, &running[i]->alloc);
}

int preempt_find(const struct ledger *ledger, struct running *const *running, size_t n_running,
		 const struct preempt_request *request, const struct preempt_params *params,
		 int64_t now_ns, struct running ***ret_victims, size_t *ret_n,
		 int64_t *ret_immune_ns)
{
	_cleanup_(victims_finish) struct victims victims =
		find_candidates(running, n_running, request, params, now_ns, ret_immune_ns);
	_cleanup_(free_ptr) bool *chosen = xcalloc(victims.n, sizeof(*chosen));
	_cleanup_(ledger_scratch_finish) struct ledger soon;

	ledger_scratch_init(&soon, ledger);
	expect(&soon, running, n_running, time_add(now_ns, params->grace_ns));
	if (placement_fits(&soon, &request->shape->request)) {
		*ret_immune_ns = TIME_NEVER;
		return PREEMPT_NONE;
	}
	if (victims.n == 0 ||
	    (!choose_on_one_node(&soon, &request->shape->request, &victims, chosen) &&
	     !choose_greedily(&soon, &request->shape->request, &victims, chosen)))
		return PREEMPT_NONE;
	spare(&soon, &request->shape->request, &victims, chosen);
	*ret_victims = xcalloc(victims.n, sizeof(struct running *));
	*ret_n = 0;
	for (size_t i = 0; i < victims.n; i++)
		if (chosen[i])
			(*ret_victims)[(*ret_n)++] = victims.items[i].running;
	assert(*ret_n > 0);
	return 0;
}
