/* SPDX-License-Identifier: MIT */
/* The description of a simulated machine; its grammar heads simulated.c. */
#pragma once

#include "common/gpureport.h"

/* A matrix of a description while its rows are being read. */
struct simulated_matrix {
	size_t n_rows;
	struct gpu_link cells[GPU_REPORT_MAX_GPUS][GPU_REPORT_MAX_GPUS];
};

/* What a description says. */
struct simulated_machine {
	struct gpu_report all; /* room for GPU_REPORT_MAX_GPUS, in file order, absent ones too */
	bool absent[GPU_REPORT_MAX_GPUS];
	bool used_given[GPU_REPORT_MAX_GPUS];
	struct simulated_matrix links, pcie;
};

/*
 * Read a description into a zeroed report. `file` names it in messages. 0 or -EINVAL with a
 * sentence; the report is filled in only on success.
 */
int simulated_parse(const char *text, const char *file, struct gpu_report *report, struct err *err);

/* Fill in a zeroed report; what the machine's GPUs own moves over to it. */
void simulated_build(struct simulated_machine *machine, struct gpu_report *report);
