/* SPDX-License-Identifier: MIT */
/*
 * Any trace with a header line whose columns have names that are known here.
 *
 * Helios (job_id, user, vc, gpu_num, cpu_num, submit_time, duration) is read as published, dates
 * included; so is what "tgpu-sim replay --starts" writes. CPUs are thousandths, whatever the column
 * counts. [S-Lab-System-Group/HeliosData]
 */
#include "simulator/csv.h"

static const struct csv_column columns[] = {
	{"job", CSV_ID, 1},
	{"id", CSV_ID, 1},
	{"job_id", CSV_ID, 1},
	{"submit_s", CSV_SUBMIT, NS_PER_S},
	{"submit_time", CSV_SUBMIT, NS_PER_S},
	{"run_s", CSV_RUN, NS_PER_S},
	{"duration_s", CSV_RUN, NS_PER_S},
	{"duration", CSV_RUN, NS_PER_S},
	{"start_s", CSV_START, NS_PER_S},
	{"start_time", CSV_START, NS_PER_S},
	{"end_s", CSV_END, NS_PER_S},
	{"end_time", CSV_END, NS_PER_S},
	{"estimate_s", CSV_ESTIMATE, NS_PER_S},
	{"limit_s", CSV_ESTIMATE, NS_PER_S},
	{"gpus", CSV_GPUS, 1},
	{"num_gpus", CSV_GPUS, 1},
	{"num_gpu", CSV_GPUS, 1},
	{"gpu_num", CSV_GPUS, 1},
	{"cpu_milli", CSV_CPUS, 1},
	{"procs", CSV_CPUS, 1000},
	{"cpus", CSV_CPUS, 1000},
	{"num_cpus", CSV_CPUS, 1000},
	{"cpu_num", CSV_CPUS, 1000},
	{"mem_bytes", CSV_MEM, 1},
	{"mem_mib", CSV_MEM, 1 << 20},
	{"user", CSV_USER, 0},
	{"priority", CSV_PRIORITY, 1},
	{"cluster", CSV_CLUSTER, 0},
	{"vc", CSV_CLUSTER, 0},
};

static const struct csv_layout layout = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.required = CSV_BIT(CSV_SUBMIT),
};

const struct trace_format format_csv = {
	.name = "csv",
	.summary = "any CSV with submit_s, run_s, gpus, procs, ... in its header; Helios",
	.cpu_unit = 1000,
	.layout = &layout,
};
