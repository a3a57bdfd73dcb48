/* SPDX-License-Identifier: MIT */
/*
 * Releasing traces and outcomes.
 *
 * Deliberately not here: filling them (source.c, replay.c). Read next: source.h.
 */
#include "simulator/trace.h"

#include <stdlib.h>

void trace_finish(struct trace *trace)
{
	for (size_t i = 0; i < trace->n_types; i++)
		free(trace->types[i]);
	free(trace->types);
	free(trace->jobs);
	*trace = (struct trace){0};
}

void outcomes_destroy(struct outcome *outcomes, size_t n)
{
	for (size_t i = 0; outcomes && i < n; i++)
		allocation_finish(&outcomes[i].alloc);
	free(outcomes);
}
