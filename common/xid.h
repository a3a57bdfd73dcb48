/* SPDX-License-Identifier: MIT */
/*
 * Xids, the error numbers of the NVIDIA driver: what one means for the GPU and for the job on it.
 *
 * Source: the Xid catalog, docs.nvidia.com/deploy/xid-errors, and what NVIDIA's own device plugin
 * ignores. A number that is not in the table counts as the program's own fault, so that a new
 * harmless one never takes GPUs away.
 */
#pragma once

enum xid_kind {
	XID_APPLICATION, /* the program's own fault, or none: nothing is wrong with the GPU */
	XID_JOB,	 /* the job's data are lost, the GPU can be used on */
	XID_GPU,	 /* bad until it is reset */
};

enum xid_kind xid_kind(int xid);

/* What it means, in a few words. */
const char *xid_text(int xid);
