/* SPDX-License-Identifier: MIT */
/* Fuzzes the launch record: what is accepted must be encoded and accepted again, the same. */
#include <stdlib.h>

#include "common/launch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(launch_finish) struct launch first = {0}, second = {0};
	_cleanup_(free_ptr) char *encoded = NULL, *again = NULL;
	size_t encoded_len, again_len;
	struct err err = {0};

	if (launch_decode((const char *)data, size, &first, &err) < 0)
		return 0;
	launch_encode(&first, &encoded, &encoded_len);
	if (launch_decode(encoded, encoded_len, &second, &err) < 0)
		abort();
	launch_encode(&second, &again, &again_len);
	if (encoded_len != again_len || memcmp(encoded, again, again_len) != 0)
		abort();
	return 0;
}
