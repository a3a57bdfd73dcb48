/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader of GPU reports: what it accepts, it must print, read again and print the same.
 */
#include <stdlib.h>

#include "common/gpureport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free_ptr) char *text = xstrndup((const char *)data, size);
	_cleanup_(gpu_report_finish) struct gpu_report first = {0};
	_cleanup_(gpu_report_finish) struct gpu_report second = {0};
	_cleanup_(free_ptr) char *printed = NULL, *again = NULL;
	struct err err = {0};

	if (gpu_report_parse(text, &first, &err) < 0)
		return 0;
	printed = gpu_report_print(&first);
	if (gpu_report_parse(printed, &second, &err) < 0)
		abort();
	again = gpu_report_print(&second);
	if (!STREQ(printed, again))
		abort();
	return 0;
}
