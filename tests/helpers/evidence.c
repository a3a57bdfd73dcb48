/* SPDX-License-Identifier: MIT */
/*
 * evidence DIR [MILLISECONDS [EXIT_CODE [deaf]]]: a job that proves what it got, for tests that do
 * not trust the daemon.
 *
 * It takes a lock per GPU of its CUDA_VISIBLE_DEVICES (two live jobs on one GPU: "overlap"),
 * appends "start ID RESTART GPUS NANOSECONDS" to DIR/log in one write, stays for a while, appends
 * "end ID". The exit code is EXIT_CODE (0), or 99 after an overlap. On its stdout stand "begin ID
 * RESTART" and "end ID RESTART". A deaf one ignores SIGTERM.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char *dir;

static void say(const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/log", dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(4);
	close(fd);
}

/* Lock one GPU for the life of this process. */
static int lock_gpu(const char *gpu)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/gpu.%s", dir, gpu);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : flock(fd, LOCK_EX | LOCK_NB);
}

int main(int argc, char **argv)
{
	const char *id = getenv("TGPU_JOB_ID"), *gpus = getenv("CUDA_VISIBLE_DEVICES");
	const char *restart = getenv("TGPU_RESTART_COUNT");
	struct timespec now, pause = {0};
	char line[512], *copy, *rest, *gpu;
	int overlaps = 0;

	if (argc < 2 || !id || !gpus || !restart)
		return 2;
	dir = argv[1];
	if (argc > 4)
		signal(SIGTERM, SIG_IGN);
	dprintf(STDOUT_FILENO, "begin %s %s\n", id, restart);
	copy = rest = strdup(gpus);
	while (*gpus && (gpu = strsep(&rest, ",")))
		overlaps += lock_gpu(gpu) < 0;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(line, sizeof(line), "%s %s %s %s %lld\n", overlaps ? "overlap" : "start", id,
		 restart, *gpus ? gpus : "-", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	say(line);
	if (argc > 2) {
		pause.tv_sec = atoi(argv[2]) / 1000;
		pause.tv_nsec = atoi(argv[2]) % 1000 * 1000000L;
		nanosleep(&pause, NULL);
	}
	snprintf(line, sizeof(line), "end %s\n", id);
	say(line);
	dprintf(STDOUT_FILENO, "end %s %s\n", id, restart);
	free(copy);
	return overlaps ? 99 : argc > 3 ? atoi(argv[3]) : 0;
}
