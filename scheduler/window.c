/* SPDX-License-Identifier: MIT */
/*
 * Windows, and a place that respects them.
 *
 * Invariants: outside of a question nothing is kept (node->kept is 0), so whoever does not ask is
 * not concerned: what a head is reserved, above all (backfill.c). Deliberately not here: who may
 * make one, and when it goes (the daemon). Cost: a look at each window per question; none without
 * any. Read next: candidates.c.
 */
#include "scheduler/window.h"

#include <stdlib.h>

void windows_set(struct windows *windows, const struct window *items, size_t n)
{
	windows->items = xreallocarray(windows->items, n + 1, sizeof(*items));
	windows->n = n;
	if (n > 0)
		memcpy(windows->items, items, n * sizeof(*items));
}

void windows_finish(struct windows *windows)
{
	free(windows->items);
	*windows = (struct windows){0};
}

bool window_is_in_way(const struct window *window, uint32_t uid, int64_t start_ns, int64_t end_ns)
{
	return window->uid != uid && window->start_ns < end_ns && window->end_ns > start_ns;
}

bool windows_keep(const struct windows *windows, struct ledger *ledger, uint32_t uid,
		  int64_t start_ns, int64_t end_ns)
{
	bool any = false;

	for (size_t i = 0; i < windows->n; i++) {
		const struct window *window = &windows->items[i];

		if (!window_is_in_way(window, uid, start_ns, end_ns))
			continue;
		ledger->nodes[window->node].kept |= window->gpus;
		any = true;
	}
	return any;
}

void windows_keep_nothing(const struct windows *windows, struct ledger *ledger)
{
	for (size_t i = 0; i < windows->n; i++)
		ledger->nodes[windows->items[i].node].kept = 0;
}

int windows_place(const struct windows *windows, struct ledger *ledger,
		  const struct request *request, uint32_t uid, int64_t start_ns, int64_t end_ns,
		  struct allocation *ret_alloc)
{
	bool any = windows_keep(windows, ledger, uid, start_ns, end_ns);
	int r = placement_find(ledger, request, ret_alloc);

	if (!any)
		return r;
	windows_keep_nothing(windows, ledger);
	return r == PLACE_NO_FIT && placement_fits(ledger, request) ? PLACE_KEPT : r;
}

int64_t windows_shorter_ns(const struct windows *windows, uint32_t uid, int64_t start_ns,
			   int64_t end_ns)
{
	int64_t latest_ns = start_ns;

	for (size_t i = 0; i < windows->n; i++) {
		const struct window *window = &windows->items[i];

		if (window_is_in_way(window, uid, start_ns, end_ns) && window->start_ns > latest_ns)
			latest_ns = window->start_ns;
	}
	return latest_ns - start_ns;
}

int64_t windows_next_ns(const struct windows *windows, int64_t now_ns)
{
	int64_t next_ns = TIME_NEVER;

	for (size_t i = 0; i < windows->n; i++) {
		const struct window *window = &windows->items[i];
		int64_t edge_ns = window->start_ns > now_ns ? window->start_ns : window->end_ns;

		if (edge_ns > now_ns && edge_ns < next_ns)
			next_ns = edge_ns;
	}
	return next_ns;
}
