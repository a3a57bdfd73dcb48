/* SPDX-License-Identifier: MIT */
/*
 * The job of the benchmarks: says when its first instruction ran.
 *
 *     stamp               does nothing: the least a process can cost
 *     stamp FIFO          writes the monotonic time, in ns, as a line into FIFO
 *     stamp FIFO stay     and stays until it is killed
 *
 * Linked once statically and once dynamically.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec now;
	char line[32];
	int fd, len;

	if (argc < 2)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	len = snprintf(line, sizeof(line), "%lld\n",
		       (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	fd = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		return 1;
	if (argc > 2)
		for (;;)
			pause();
	return 0;
}
