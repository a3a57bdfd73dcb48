/* SPDX-License-Identifier: MIT */
/* Fuzzes the client's reader of HTTP answers: whatever a socket delivers, it must end, within its
 * bounds. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/http.h"

#define INPUT_MAX 65536 /* fits into a socket's buffer, so that one thread can be both ends */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int ends[2];
	struct http http = {.fd = -1};

	if (size > INPUT_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return 0;
	http.fd = ends[0];
	if (write_all(ends[1], data, size) == 0) {
		shutdown(ends[1], SHUT_WR);
		for (;;) {
			struct http_answer answer = {0};
			int r = http_receive(&http, &answer);

			if (r == 0 && answer.body.len > size)
				abort();
			http_answer_finish(&answer);
			if (r < 0)
				break;
		}
	}
	http_finish(&http);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
