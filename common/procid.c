/* SPDX-License-Identifier: MIT */
/*
 * Processes that cannot be mistaken.
 *
 * Invariants: a pidfd handed out pins the very process that was meant: the start time is read after
 * the pidfd is open, so a pid that was reused in between is noticed. Cost: two small /proc files.
 * Read next: runner/sweep.c, which signals by it.
 */
#include "common/procid.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_MAX	 4096
#define START_TIME_FIELD 22 /* proc(5) */

int boot_id_get(char ret_id[BOOT_ID_SIZE])
{
	_cleanup_(free_ptr) char *text = NULL;
	int r = read_file("/proc/sys/kernel/random/boot_id", BOOT_ID_SIZE, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) != BOOT_ID_SIZE - 1)
		return -EINVAL;
	memcpy(ret_id, text, BOOT_ID_SIZE);
	return 0;
}

static int read_start_ticks(pid_t pid, uint64_t *ret_ticks)
{
	_cleanup_(free_ptr) char *text = NULL;
	char path[64], *at;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = read_file(path, STAT_MAX, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; at && field < START_TIME_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EINVAL;
	*ret_ticks = strtoull(at + 1, NULL, 10);
	return 0;
}

int procid_get(pid_t pid, struct procid *ret_id)
{
	struct procid id = {.pid = pid};
	int r = boot_id_get(id.boot_id);

	if (r == 0)
		r = read_start_ticks(pid, &id.start_ticks);
	if (r == 0)
		*ret_id = id;
	return r;
}

int procid_open(const struct procid *id)
{
	_cleanup_(close_fd) int fd = -1;
	char boot_id[BOOT_ID_SIZE];
	uint64_t ticks;
	int r = boot_id_get(boot_id);

	if (r < 0)
		return r;
	if (id->pid <= 0 || !STREQ(boot_id, id->boot_id))
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, id->pid, 0); /* close-on-exec by itself */
	if (fd < 0)
		return -errno;
	r = read_start_ticks(id->pid, &ticks);
	if (r < 0)
		return r;
	return ticks == id->start_ticks ? TAKE_FD(fd) : -ESRCH;
}
