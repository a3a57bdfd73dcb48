/* SPDX-License-Identifier: MIT */
/* Reads the matrix that `nvidia-smi topo -m` prints. */
#pragma once

#include "common/gpureport.h"

/*
 * Set the links between GPUs of the report, which are found by their index ("GPU3"). An NV cell
 * says nothing of the PCIe way underneath, which stays unknown. Cuts `text` up.
 */
void smi_topology_parse(char *text, struct gpu_report *report);
