/* SPDX-License-Identifier: MIT */
/*
 * The traces of the Muri artifact: job, submit_ms, gpus, iterations, iter_ms.
 *
 * The run time is iterations x iter_ms x 1.015, as its simulator has it; duration_ms is what the
 * original job of Philly took, and is passed over. [Rivendile/Muri]
 */
#include "simulator/csv.h"

static const struct csv_column columns[] = {
	{"job", CSV_ID, 1},
	{"submit_ms", CSV_SUBMIT, NS_PER_MS},
	{"gpus", CSV_GPUS, 1},
	{"iterations", CSV_ITERATIONS, 1},
	{"iter_ms", CSV_ITERATION, 1015 * NS_PER_US},
};

static const struct csv_layout layout = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.required = CSV_BIT(CSV_ID) | CSV_BIT(CSV_SUBMIT) | CSV_BIT(CSV_GPUS) |
		    CSV_BIT(CSV_ITERATIONS) | CSV_BIT(CSV_ITERATION),
};

const struct trace_format format_muri = {
	.name = "muri",
	.summary = "the traces of the Muri artifact (of Philly)",
	.cpu_unit = 1,
	.layout = &layout,
};
