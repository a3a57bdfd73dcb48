/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's ITP clusters, 2021: cluster, job, submit_s, duration_s, gpus.
 *
 * Ten clusters in one file, each numbering its jobs from 0: one is replayed at a time.
 * [microsoft/elasticflow-traces]
 */
#include "simulator/csv.h"

static const struct csv_column columns[] = {
	{"cluster", CSV_CLUSTER, 0},
	{"job", CSV_ID, 1},
	{"submit_s", CSV_SUBMIT, NS_PER_S},
	{"duration_s", CSV_RUN, NS_PER_S},
	{"gpus", CSV_GPUS, 1},
};

static const struct csv_layout layout = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.required = CSV_BIT(CSV_CLUSTER) | CSV_BIT(CSV_ID) | CSV_BIT(CSV_SUBMIT) |
		    CSV_BIT(CSV_RUN) | CSV_BIT(CSV_GPUS),
	.one_cluster = true,
};

const struct trace_format format_itp = {
	.name = "itp",
	.summary = "Microsoft ITP 2021, ten GPU clusters (--cluster 1 to 10)",
	.cpu_unit = 1,
	.layout = &layout,
};
