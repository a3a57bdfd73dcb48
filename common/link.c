/* SPDX-License-Identifier: MIT */
/* Names of the PCIe link classes, in one table. */
#include "common/link.h"

#include "common/util.h"

static const char *const names[] = {
	[PCI_LINK_UNKNOWN] = "?", [PCI_LINK_SYS] = "SYS", [PCI_LINK_NODE] = "NODE",
	[PCI_LINK_PHB] = "PHB",	  [PCI_LINK_PXB] = "PXB", [PCI_LINK_PIX] = "PIX",
	[PCI_LINK_BOARD] = "INT",
};

const char *pci_link_name(enum pci_link link)
{
	return (size_t)link < ARRAY_SIZE(names) ? names[link] : "?";
}

enum pci_link pci_link_parse(const char *name)
{
	if (STREQ(name, "SOC"))
		return PCI_LINK_SYS;
	for (size_t i = PCI_LINK_SYS; i < ARRAY_SIZE(names); i++)
		if (STREQ(name, names[i]))
			return (enum pci_link)i;
	return PCI_LINK_UNKNOWN;
}
