/* SPDX-License-Identifier: MIT */
/*
 * Alibaba's openb, 2023: GPUs, CPUs in thousandths and memory in MiB.
 *
 * The list of pods as published (creation_time, scheduled_time, deletion_time), or the list of jobs
 * made of it (submit_s, duration_s). Pods that were never scheduled, or want no GPU, are left out;
 * one that wants a part of a GPU gets a whole one, because tgpu shares none.
 * [alibaba/clusterdata, cluster-trace-gpu-v2023]
 */
#include "simulator/csv.h"

static const struct csv_column columns[] = {
	{"job", CSV_ID, 1},
	{"submit_s", CSV_SUBMIT, NS_PER_S},
	{"creation_time", CSV_SUBMIT, NS_PER_S},
	{"duration_s", CSV_RUN, NS_PER_S},
	{"scheduled_time", CSV_START, NS_PER_S},
	{"deletion_time", CSV_END, NS_PER_S},
	{"gpus", CSV_GPUS, 1},
	{"num_gpu", CSV_GPUS, 1},
	{"cpu_milli", CSV_CPUS, 1},
	{"mem_mib", CSV_MEM, 1 << 20},
	{"memory_mib", CSV_MEM, 1 << 20},
};

static const struct csv_layout layout = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.required = CSV_BIT(CSV_SUBMIT) | CSV_BIT(CSV_GPUS) | CSV_BIT(CSV_CPUS) | CSV_BIT(CSV_MEM),
	.gpus_only = true,
};

const struct trace_format format_openb = {
	.name = "openb",
	.summary = "Alibaba openb 2023, pods or jobs: GPUs, CPUs and memory",
	.cpu_unit = 1000,
	.layout = &layout,
};
