/* SPDX-License-Identifier: MIT */
/*
 * The sample of the Tiresias simulator: job_id, num_gpu, submit_time, duration; the model and its
 * iterations are passed over. [SymbioticLab/Tiresias]
 */
#include "simulator/csv.h"

static const struct csv_column columns[] = {
	{"job_id", CSV_ID, 1},
	{"submit_time", CSV_SUBMIT, NS_PER_S},
	{"duration", CSV_RUN, NS_PER_S},
	{"num_gpu", CSV_GPUS, 1},
};

static const struct csv_layout layout = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.required = CSV_BIT(CSV_ID) | CSV_BIT(CSV_SUBMIT) | CSV_BIT(CSV_RUN) | CSV_BIT(CSV_GPUS),
};

const struct trace_format format_tiresias = {
	.name = "tiresias",
	.summary = "the sample of the Tiresias simulator",
	.cpu_unit = 1,
	.layout = &layout,
};
