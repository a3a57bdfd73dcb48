/* SPDX-License-Identifier: MIT */
/*
 * One reservation: shadow time, and the test against it.
 *
 * Invariants: at_shadow is what is free at shadow_ns if every limit is used up, less the jobs that
 * were let past and will still be there; the reserved job always fits into it.
 * Deliberately not here: which job is the head, and in which order others are tried (core.c).
 * Read next: core.c.
 */
#include "scheduler/backfill.h"

#include <assert.h>

/* GPUs whose last job has just ended count as free: like an overdue job's, at any moment. Were they
 * not, a head that needs one of them would lose its reservation at every end of a job. */
static bool expect_cleaned(struct ledger *scratch)
{
	bool any = false;

	for (size_t n = 0; n < scratch->n_nodes; n++) {
		struct node *node = &scratch->nodes[n];

		for (unsigned slot = 0; slot < node->n_gpus; slot++)
			if (node->gpus[slot].condition == GPU_CLEANING) {
				node->ready |= UINT64_C(1) << slot;
				any = true;
			}
	}
	return any;
}

/* Give back everything that ends by then. Of the jobs without a limit one at a time, oldest first:
 * were they all gone at once, then so would be those that were let past the head, and each of them
 * would let the next one past, for ever. */
static void release_until(struct ledger *scratch, const struct running *running, size_t n_running,
			  size_t *next, int64_t end_ns)
{
	while (*next < n_running && running[*next].end_ns <= end_ns) {
		ledger_give(scratch, &running[(*next)++].alloc);
		if (end_ns == TIME_NEVER)
			return;
	}
}

int reservation_make(const struct ledger *ledger, const struct running *running, size_t n_running,
		     uint64_t job, const struct request *request, int64_t now_ns,
		     struct reservation *ret_reservation)
{
	struct ledger scratch;
	size_t next = 0;
	bool cleaned;

	ledger_scratch_init(&scratch, ledger);
	cleaned = expect_cleaned(&scratch);
	while (cleaned || next < n_running) {
		int64_t end = now_ns + 1; /* overdue: it may end at any moment, but it has not */

		if (!cleaned && running[next].end_ns > end)
			end = running[next].end_ns;
		cleaned = false;
		release_until(&scratch, running, n_running, &next, end);
		if (!placement_fits(&scratch, request))
			continue;
		*ret_reservation = (struct reservation){
			.job = job,
			.request = *request,
			.shadow_ns = end,
			.at_shadow = scratch,
		};
		return 0;
	}
	ledger_scratch_finish(&scratch);
	return RESERVE_NEVER;
}

void reservation_release(struct reservation *reservation)
{
	ledger_scratch_finish(&reservation->at_shadow);
}

/* A job without a limit is never "over by then", not even by TIME_NEVER. */
static bool over_by_shadow(const struct reservation *reservation, int64_t end_ns)
{
	return end_ns < TIME_NEVER && end_ns <= reservation->shadow_ns;
}

bool reservation_allows(struct reservation *reservation, const struct allocation *alloc,
			int64_t end_ns)
{
	bool fits;

	if (over_by_shadow(reservation, end_ns))
		return true;
	ledger_take(&reservation->at_shadow, alloc);
	fits = placement_fits(&reservation->at_shadow, &reservation->request);
	ledger_give(&reservation->at_shadow, alloc);
	return fits;
}

void reservation_book(struct reservation *reservation, const struct allocation *alloc,
		      int64_t end_ns)
{
	if (over_by_shadow(reservation, end_ns))
		return;
	ledger_take(&reservation->at_shadow, alloc);
	assert(placement_fits(&reservation->at_shadow, &reservation->request));
}
