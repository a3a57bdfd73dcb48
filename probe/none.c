/* SPDX-License-Identifier: MIT */
/* The machine without GPUs: an empty report. It still runs CPU jobs. */
#include "probe/probe.h"

static int none_open(const struct probe_setup *setup, void **ret_state, struct err *err)
{
	static char nothing;

	(void)setup;
	(void)err;
	*ret_state = &nothing;
	return 0;
}

static int none_read(void *state, struct gpu_report *report, struct err *err)
{
	(void)state;
	(void)err;
	gpu_report_init(report, 0);
	return 0;
}

static void none_close(void *state)
{
	(void)state;
}

const struct probe_ops probe_none = {
	.name = "none",
	.open = none_open,
	.read = none_read,
	.close = none_close,
};
