/* SPDX-License-Identifier: MIT */
/* What NVIDIA's kernel module tells in /proc/driver/nvidia, library or not. */
#pragma once

#include "common/gpureport.h"

/*
 * Complete name, UUID and minor of the GPU with this bus id where they are still unknown. A GPU
 * that was never used since the module was loaded has no UUID there yet.
 */
void nvidia_proc_describe(const char *root, struct gpu_info *gpu);

/* The module's version into ret_version; "" when there is no module. */
void nvidia_proc_version(const char *root, char *ret_version, size_t size);
