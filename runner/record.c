/* SPDX-License-Identifier: MIT */
/*
 * The runner's records and hints.
 *
 * Invariants: a hint follows its file and carries no truth, so nothing here waits for the daemon,
 * which may be gone. The status is not given up: without it, the job would count as lost, so a disk
 * that is full is waited out, while the lock says that somebody is there; but where somebody has
 * removed its directory there is nobody who could ever read it. Cost: one socket and one
 * datagram per file; the status takes two fsyncs. Read next: common/launch_files.c.
 */
#include "runner/record.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

#define RETRY_S	  1  /* between two tries to write the status */
#define LOG_EVERY 60 /* tries; the log may well be on the same disk */

/* A socket to the daemon, or -errno. */
static int connect_to_daemon(const struct launch *launch)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(close_fd) int fd = -1;

	if (!launch->hint_socket || strlen(launch->hint_socket) >= sizeof(address.sun_path))
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, launch->hint_socket, strlen(launch->hint_socket) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static void hint(const struct launch *launch, const char *file)
{
	_cleanup_(close_fd) int fd = connect_to_daemon(launch);
	char text[128];

	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu32 " %s", launch->job, launch->attempt,
		 file);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

bool record_is_alone(const struct launch *launch)
{
	_cleanup_(close_fd) int fd = connect_to_daemon(launch);

	return fd == -ENOENT || fd == -ECONNREFUSED;
}

int record_runner(const struct launch *launch, char *leaf)
{
	struct launch_runner runner = {.cgroup = leaf};
	int r = procid_get(getpid(), &runner.runner);

	if (r == 0)
		r = launch_runner_write(launch->dir, &runner);
	if (r == 0)
		hint(launch, LAUNCH_FILE_RUNNER);
	return r;
}

void record_started(const struct launch *launch, pid_t pid, int64_t start_ns)
{
	struct launch_started started = {pid, start_ns};

	if (launch_started_write(launch->dir, &started) == 0)
		hint(launch, LAUNCH_FILE_STARTED);
}

/* The lock lies in it, so it went with it. Only a person can have done that. */
static bool directory_is_gone(void)
{
	struct stat lock;

	return fstat(LAUNCH_LOCK_FD, &lock) == 0 && lock.st_nlink == 0;
}

void record_status(const struct launch *launch, const struct launch_status *status)
{
	int r;

	for (unsigned tries = 0; (r = launch_status_write(launch->dir, status)) < 0; tries++) {
		if (directory_is_gone()) {
			log_error("a job's end is written nowhere, its directory was removed "
				  "job=%" PRIu64 " dir=%s",
				  launch->job, launch->dir);
			return;
		}
		if (tries % LOG_EVERY == 0)
			log_error("a job's end cannot be written, trying again every second "
				  "job=%" PRIu64 " dir=%s error=\"%s\"",
				  launch->job, launch->dir, strerror(-r));
		sleep(RETRY_S);
	}
	hint(launch, LAUNCH_FILE_STATUS);
}
