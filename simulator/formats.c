/* SPDX-License-Identifier: MIT */
/*
 * The formats, by name. Each lives in a file of its own, read_NAME.c; to add one, write the file
 * and put it into this list, before the ones whose headers it has as well.
 */
#include "simulator/source.h"

const struct trace_format *const trace_formats[] = {
	&format_swf,	  &format_tgpu, &format_itp, &format_philly, &format_openb,
	&format_tiresias, &format_muri, &format_csv, NULL,
};

const struct trace_format *trace_format_by_name(const char *name)
{
	for (size_t i = 0; trace_formats[i]; i++)
		if (STREQ(trace_formats[i]->name, name))
			return trace_formats[i];
	return NULL;
}
