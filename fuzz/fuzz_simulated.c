/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader of simulated machines: what it accepts must make a report that can be printed
 * and read back. Every refusal must come with a sentence.
 */
#include <stdlib.h>

#include "probe/simulated.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free_ptr) char *text = xstrndup((const char *)data, size);
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	_cleanup_(gpu_report_finish) struct gpu_report back = {0};
	_cleanup_(free_ptr) char *printed = NULL;
	struct err err = {0};

	if (simulated_parse(text, "fuzz", &report, &err) < 0) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	printed = gpu_report_print(&report);
	if (gpu_report_parse(printed, &back, &err) < 0)
		abort();
	return 0;
}
