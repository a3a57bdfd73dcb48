/* SPDX-License-Identifier: MIT */
/*
 * How two GPUs of one machine are connected: the words of `nvidia-smi topo -m`.
 *
 * A pair has a PCIe class (the way through the machine that always exists) and a number of direct
 * NVLinks (or xGMI links). Types only, shared by the probe, which measures them, and the scheduler,
 * which scores them.
 */
#pragma once

#include <stdint.h>

enum pci_link {
	PCI_LINK_UNKNOWN, /* not reported */
	PCI_LINK_SYS,	  /* across sockets */
	PCI_LINK_NODE,	  /* across host bridges of one NUMA node */
	PCI_LINK_PHB,	  /* through one host bridge */
	PCI_LINK_PXB,	  /* through several PCIe switches */
	PCI_LINK_PIX,	  /* through one PCIe switch */
	PCI_LINK_BOARD,	  /* on one board */
};

struct gpu_link {
	uint8_t pci;	 /* enum pci_link */
	uint8_t nvlinks; /* direct links between the two, 0 when none */
};

/* "SYS", "NODE", "PHB", "PXB", "PIX", "INT", "?" for unknown. */
const char *pci_link_name(enum pci_link link);

/* The class of that name; PCI_LINK_UNKNOWN when there is none ("SOC" is an old word for SYS). */
enum pci_link pci_link_parse(const char *name);
