/* SPDX-License-Identifier: MIT */
/* What the PCI bus knows: which GPUs there are, near which CPUs, and how they are connected. */
#pragma once

#include "common/gpureport.h"

#define PCI_ID_SIZE 32 /* "0000:07:00.0" and its NUL, with room */

#define PCI_VENDOR_NVIDIA 0x10de

/*
 * Bring a bus id as any tool prints it ("00000000:07:00.0", upper case) to the form of /sys:
 * lower case, a domain of four digits unless it needs more. 0 or -EINVAL.
 */
int pci_id_parse(const char *text, char ret_id[PCI_ID_SIZE]);

/* The GPUs (display and 3D controllers) of this vendor, in order; at most `max`. */
size_t pci_list_gpus(const char *root, unsigned vendor, size_t max, char (*ret_ids)[PCI_ID_SIZE]);

/* The class code of a device (0x030200 ...), -1 when there is no such device. */
int64_t pci_class(const char *root, const char *id);

/* Order of two struct gpu_info by bus id, those without one last; for qsort(3). */
int pci_compare(const void *left, const void *right);

/*
 * Number the whole GPUs of a report that is in this order, as CUDA_DEVICE_ORDER=PCI_BUS_ID does.
 * One that is lost keeps its number, as it does for nvidia-smi; one without a bus id has none.
 */
void pci_number(struct gpu_report *report);

/* Complete numa and cpus of a GPU whose bus id is known. */
void pci_describe(const char *root, struct gpu_info *gpu);

/* Give every pair of whole GPUs whose PCIe class is unknown the one their places imply. */
void pci_describe_links(const char *root, struct gpu_report *report);
