/* SPDX-License-Identifier: MIT */
/*
 * A log that is too large loses its beginning.
 *
 * The job writes into the file itself, so nothing stands between it and its log, and it goes on
 * when the runner is slow or gone. What is cut is punched out of the file: offsets stay as they
 * are, the job's O_APPEND and readers' positions stay right, and the blocks go back to the disk.
 * Where the file system cannot do that (NFS), the whole log is dropped, as logrotate's copytruncate
 * does. Once a second, so a fast writer exceeds the bound by what it writes in a second.
 *
 * Invariants: the file is opened with the rights of the job's user, so that no name in a user's
 * directory leads the runner to what the user may not write.
 * Cost: two fstat() a second for jobs that have a bound; nothing for others.
 */
#include "runner/logcap.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define CHECK_NS    NS_PER_S
#define RETRY_MS    10
#define BLOCK_BYTES INT64_C(4096)
#define MAX_FLOOR   INT64_C(65536) /* a smaller bound would be cut all the time */
#define SECTOR	    512		   /* what st_blocks counts in */

/* The effective ids only: the real ones stay root's, so the user can do nothing to the runner. */
static bool become_user(const struct launch *launch)
{
	return !launch->drop_ids || (setgroups(launch->n_groups, launch->groups) == 0 &&
				     setegid(launch->gid) == 0 && seteuid(launch->uid) == 0);
}

/* The kernel refuses only for want of memory (EAGAIN), and a user could not write the status. */
static void become_root(const struct launch *launch)
{
	if (!launch->drop_ids)
		return;
	while (seteuid(0) < 0)
		poll(NULL, 0, RETRY_MS);
	if (setegid(0) < 0 || setgroups(0, NULL) < 0)
		log_error("cannot take root's groups back error=\"%s\"", strerror(errno));
}

static int open_file(const char *path)
{
	int fd = path ? open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		fd = fd_close(fd);
	return fd;
}

void logcap_open(struct logcap *cap, const struct launch *launch)
{
	*cap = (struct logcap){{-1, -1}, launch->log_max_bytes, TIME_NEVER};
	if (launch->log_max_bytes <= 0)
		return;
	if (cap->max_bytes < MAX_FLOOR)
		cap->max_bytes = MAX_FLOOR;
	cap->check_at_ns = clock_mono_ns() + CHECK_NS;
	if (become_user(launch)) {
		cap->fds[0] = open_file(launch->output);
		cap->fds[1] = open_file(launch->error);
	}
	become_root(launch);
}

/* Keep the last half of what is allowed. */
static void cut(int fd, int64_t size, int64_t max_bytes)
{
	int64_t end = (size - max_bytes / 2) / BLOCK_BYTES * BLOCK_BYTES;

	if (end <= 0)
		return;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, end) == 0)
		return;
	if (errno != EOPNOTSUPP || ftruncate(fd, 0) < 0)
		log_warn("a log cannot be cut error=\"%s\"", strerror(errno));
}

void logcap_check(struct logcap *cap)
{
	struct stat st;

	if (clock_mono_ns() < cap->check_at_ns)
		return;
	cap->check_at_ns = clock_mono_ns() + CHECK_NS;
	for (size_t i = 0; i < ARRAY_SIZE(cap->fds); i++)
		if (cap->fds[i] >= 0 && fstat(cap->fds[i], &st) == 0 &&
		    st.st_blocks * SECTOR > cap->max_bytes)
			cut(cap->fds[i], st.st_size, cap->max_bytes);
}

void logcap_close(struct logcap *cap)
{
	cap->check_at_ns = cap->check_at_ns == TIME_NEVER ? TIME_NEVER : 0;
	if (cap->check_at_ns == 0)
		logcap_check(cap); /* what it wrote in its last second */
	cap->fds[0] = fd_close(cap->fds[0]);
	cap->fds[1] = fd_close(cap->fds[1]);
}
