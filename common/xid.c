/* SPDX-License-Identifier: MIT */
/* The table of Xids. Only those that tgpu treats otherwise than "unknown", or whose words help. */
#include "common/xid.h"

#include <stddef.h>

#include "common/util.h"

static const struct entry {
	int xid;
	enum xid_kind kind;
	const char *text;
} entries[] = {
	{13, XID_APPLICATION, "graphics engine exception, mostly an access out of bounds"},
	{31, XID_APPLICATION, "GPU memory page fault: an illegal address"},
	{43, XID_APPLICATION, "GPU stopped processing: the program was ended"},
	{45, XID_APPLICATION, "preemptive clean-up after an earlier error"},
	{48, XID_GPU, "double bit memory error"},
	{62, XID_GPU, "internal micro-controller halt"},
	{63, XID_JOB, "a memory row or page was retired; reset the GPU soon"},
	{64, XID_GPU, "a memory row or page could not be retired"},
	{68, XID_APPLICATION, "video processor exception"},
	{74, XID_GPU, "NVLink error"},
	{79, XID_GPU, "the GPU has fallen off the bus"},
	{94, XID_JOB, "contained memory error: only this job's data are lost"},
	{95, XID_GPU, "uncontained memory error"},
	{109, XID_APPLICATION, "context switch timeout"},
	{119, XID_GPU, "the GPU's system processor (GSP) does not answer"},
	{120, XID_GPU, "the GPU's system processor (GSP) failed"},
	{140, XID_GPU, "unrecovered memory error"},
	{154, XID_GPU, "the driver asks for a reset of the GPU"},
};

static const struct entry *find(int xid)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (entries[i].xid == xid)
			return &entries[i];
	return NULL;
}

enum xid_kind xid_kind(int xid)
{
	const struct entry *entry = find(xid);

	return entry ? entry->kind : XID_APPLICATION;
}

const char *xid_text(int xid)
{
	const struct entry *entry = find(xid);

	return entry ? entry->text : "not in tgpu's table; see NVIDIA's Xid catalog";
}
