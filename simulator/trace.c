/* SPDX-License-Identifier: MIT */
/* Releasing what a trace and its outcomes own. Read next: trace.h. */
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
	if (!outcomes)
		return;
	for (size_t i = 0; i < n; i++)
		allocation_finish(&outcomes[i].alloc);
	free(outcomes);
}
