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

/* Give back everything that ends at the next distinct time from *next on; return that time. */
static int64_t release_group(struct ledger *ledger, const struct running *running, size_t n_running,
			     size_t *next, int64_t now_ns)
{
	int64_t end = running[*next].end_ns;

	if (end <= now_ns) /* overdue: it may end at any moment, but it has not */
		end = now_ns + 1;
	while (*next < n_running && running[*next].end_ns <= end)
		ledger_give(ledger, &running[(*next)++].alloc);
	return end;
}

int reservation_make(const struct ledger *ledger, const struct running *running, size_t n_running,
		     uint64_t job, const struct request *request, int64_t now_ns,
		     struct reservation *ret_reservation)
{
	struct ledger scratch;
	size_t next = 0;
	int64_t end;

	ledger_scratch_init(&scratch, ledger);
	while (next < n_running) {
		end = release_group(&scratch, running, n_running, &next, now_ns);
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
