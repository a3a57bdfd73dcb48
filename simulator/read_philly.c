/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's Philly, 2017: job, submit_s, duration_s, gpus, vc.
 *
 * Without --cluster all virtual clusters share the machine. [msr-fiddle/philly-traces]
 */
#include "simulator/csv.h"

static const struct csv_column columns[] = {
	{"job", CSV_ID, 1},
	{"submit_s", CSV_SUBMIT, NS_PER_S},
	{"duration_s", CSV_RUN, NS_PER_S},
	{"gpus", CSV_GPUS, 1},
	{"vc", CSV_CLUSTER, 0},
};

static const struct csv_layout layout = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.required = CSV_BIT(CSV_ID) | CSV_BIT(CSV_SUBMIT) | CSV_BIT(CSV_RUN) | CSV_BIT(CSV_GPUS) |
		    CSV_BIT(CSV_CLUSTER),
};

const struct trace_format format_philly = {
	.name = "philly",
	.summary = "Microsoft Philly 2017 (--cluster: a virtual cluster)",
	.cpu_unit = 1,
	.layout = &layout,
};
