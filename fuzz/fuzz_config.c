/* SPDX-License-Identifier: MIT */
/* Fuzzes the reader of tgpu.conf. */
#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free_ptr) char *text = xstrndup((const char *)data, size);
	struct config config;
	struct err err = {0};

	config_init(&config);
	config_parse(&config, text, "fuzz.conf", &err);
	return 0;
}
