/* SPDX-License-Identifier: MIT */
/*
 * One reservation: shadow time, and the test against it.
 *
 * Invariants: at_shadow is what is free at shadow_ns if every limit is used up, less the jobs that
 * were let past and will still be there; the reserved job always fits into it.
 * Deliberately not here: which job is the head, and in which order others are tried (pass.c).
 * Read next: plan.c, which reserves for more than one.
 */
#include "scheduler/backfill.h"

#include <assert.h>

/*
 * Give back everything that ends by then. True when `request` fits with it. Of the jobs without a
 * known end one at a time, oldest first: were they all gone at once, then so would be those that
 * were let past the head, and each of them would let the next one past, for ever.
 */
static bool fits_once_over(struct ledger *scratch, struct running *const *running, size_t n_running,
			   size_t *next, int64_t end_ns, const struct request *request)
{
	bool fits = false;

	while (*next < n_running && running[*next]->end_ns <= end_ns) {
		const struct allocation *freed = &running[(*next)++]->alloc;

		ledger_give(scratch, freed);
		fits = fits || placement_fits_after(scratch, request, freed);
		if (end_ns == TIME_NEVER)
			break;
	}
	return fits;
}

/*
 * The shadow time, with what is free then in *scratch; TIME_UNKNOWN when there is none. GPUs whose
 * last job has just ended count as free, like an overdue job's, at any moment: were they not, a
 * head that needs one of them would lose its reservation at every end of a job.
 */
static int64_t find_shadow(struct ledger *scratch, struct running *const *running, size_t n_running,
			   const struct request *request, int64_t now_ns)
{
	int64_t soon = now_ns + 1; /* overdue: it may end at any moment, but it has not */
	size_t next = 0;
	bool fits = ledger_scratch_expect_cleaned(scratch) && placement_fits(scratch, request);

	fits = fits_once_over(scratch, running, n_running, &next, soon, request) || fits;
	if (fits)
		return soon;
	while (next < n_running) {
		int64_t end = running[next]->end_ns;

		if (fits_once_over(scratch, running, n_running, &next, end, request))
			return end;
	}
	return TIME_UNKNOWN;
}

/* What the head leaves over. */
static void count_spare(struct reservation *reservation)
{
	reservation->spare_gpus =
		ledger_free_gpus(&reservation->at_shadow) - reservation->request.num_gpus;
}

int reservation_make(struct reservation *reservation, const struct ledger *ledger,
		     struct running *const *running, size_t n_running, uint64_t job,
		     const struct request *request, int64_t now_ns)
{
	reservation_clear(reservation);
	ledger_scratch_copy(&reservation->at_shadow, ledger);
	reservation->shadow_ns =
		find_shadow(&reservation->at_shadow, running, n_running, request, now_ns);
	if (reservation->shadow_ns == TIME_UNKNOWN)
		return RESERVE_NEVER;
	reservation->job = job;
	reservation->request = *request;
	count_spare(reservation);
	return 0;
}

void reservation_clear(struct reservation *reservation)
{
	reservation->job = 0;
	reservation->shadow_ns = TIME_UNKNOWN;
}

void reservation_finish(struct reservation *reservation)
{
	ledger_scratch_finish(&reservation->at_shadow);
	reservation_clear(reservation);
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
	count_spare(reservation);
}
