/* SPDX-License-Identifier: MIT */
/* AMD GPUs as the kernel's compute driver (KFD) describes them. */
#pragma once

#include "probe/pci.h"

struct amd_gpu {
	unsigned node;	    /* KFD's number, CPU nodes counted too */
	uint32_t gpu_id;    /* KFD's other name for it: names files */
	uint64_t unique_id; /* 0 on cards that have none */
	char bus_id[PCI_ID_SIZE];
};

/* The GPUs in node order, which is the order ROCR numbers them in. At most GPU_REPORT_MAX_GPUS. */
size_t sysfs_amd_list(const char *root, struct amd_gpu *ret_gpus);

/* Complete a GPU of the report: identity, memory, load, users. */
void sysfs_amd_describe(const char *root, const struct amd_gpu *amd, struct gpu_info *gpu);

/* Count the xGMI links among the AMD GPUs of the report. */
void sysfs_amd_links(const char *root, struct gpu_report *report);
