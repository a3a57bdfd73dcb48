/* SPDX-License-Identifier: MIT */
/*
 * Follow one file.
 *
 * Invariants: every byte that is still there is copied once, in order; the file is read with the
 * caller's own rights, never by the daemon. A file that does not exist yet is looked for again at
 * each call. Cost: one read that returns 0 when there is nothing new.
 */
#include "cli/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

void tail_init(struct tail *tail, int to, int inotify)
{
	*tail = (struct tail){.from = -1, .to = to, .watch = -1, .inotify = inotify};
}

static void leave_file(struct tail *tail)
{
	if (tail->watch >= 0)
		inotify_rm_watch(tail->inotify, tail->watch);
	tail->watch = -1;
	tail->from = fd_close(tail->from);
	free(tail->path);
	tail->path = NULL;
}

void tail_finish(struct tail *tail)
{
	leave_file(tail);
}

int tail_set_path(struct tail *tail, const char *path, struct err *err)
{
	bool none = !path || !path[0];
	int r;

	if (none ? !tail->path : tail->path && STREQ(tail->path, path))
		return 0;
	r = tail_copy(tail, err);
	if (r < 0)
		return r;
	leave_file(tail);
	tail->path = none ? NULL : xstrdup(path);
	return 0;
}

/* Where the last `n_lines` begin; 0 where there are no more, or it is no file. Reads no more than
 * those, backwards, and nothing of the hole that log_max leaves. */
static off_t find_last_lines(int fd, uint64_t n_lines, char *block)
{
	off_t end = lseek(fd, 0, SEEK_END), data = lseek(fd, 0, SEEK_DATA);
	off_t at = end, least = data > 0 ? data : 0;

	while (at > least) {
		size_t len = at - least < BLOCK_BYTES ? (size_t)(at - least) : BLOCK_BYTES;

		at -= (off_t)len;
		if (pread(fd, block, len, at) != (ssize_t)len)
			return 0;
		for (size_t i = len; i-- > 0;) /* the newline at the very end begins no line */
			if (block[i] == '\n' && at + (off_t)i + 1 < end && --n_lines == 0)
				return at + (off_t)i + 1;
	}
	return 0;
}

/* Leave out what is not of the last lines. What a file holds that was not there at the first look
 * is all of it news. */
static void skip_to_last_lines(struct tail *tail)
{
	_cleanup_(free_ptr) char *block = NULL;

	if (tail->from >= 0 && tail->last_lines > 0) {
		block = xmalloc(BLOCK_BYTES);
		lseek(tail->from, find_last_lines(tail->from, tail->last_lines, block), SEEK_SET);
	}
	tail->last_lines = 0;
}

static int open_file(struct tail *tail, struct err *err)
{
	tail->from = open(tail->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (tail->from < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		tail->last_lines = 0;
		return 0;
	}
	if (tail->from < 0)
		return err_set(err, errno == EACCES ? -EPERM : -errno, "cannot read %s: %s",
			       tail->path, strerror(errno));
	if (tail->inotify >= 0)
		tail->watch = inotify_add_watch(tail->inotify, tail->path, IN_MODIFY);
	skip_to_last_lines(tail);
	return 0;
}

/* Go to where the text goes on, if the runner has cut it off before (log_max). */
static int skip_hole(struct tail *tail, struct err *err)
{
	static const char note[] = "[... cut off: log_max ...]\n";
	off_t at = lseek(tail->from, 0, SEEK_CUR), data;
	int r;

	if (at < 0)
		return 0; /* not a file */
	data = lseek(tail->from, at, SEEK_DATA);
	if (data <= at) {
		lseek(tail->from, at, SEEK_SET);
		return 0;
	}
	r = write_all(tail->to, note, sizeof(note) - 1);
	return r < 0 ? err_set(err, r, "cannot write the job's output: %s", strerror(-r)) : 0;
}

static int copy_block(struct tail *tail, char *block, size_t *ret_n, struct err *err)
{
	ssize_t n = read(tail->from, block, BLOCK_BYTES);
	int r;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		n = 0;
	if (n < 0)
		return err_set(err, -errno, "cannot read %s: %s", tail->path, strerror(errno));
	r = write_all(tail->to, block, (size_t)n);
	if (r < 0)
		return err_set(err, r, "cannot write the job's output: %s", strerror(-r));
	*ret_n = (size_t)n;
	return 0;
}

int tail_copy(struct tail *tail, struct err *err)
{
	_cleanup_(free_ptr) char *block = NULL;
	size_t n = 1;
	int r = 0;

	if (tail->path && tail->from < 0)
		r = open_file(tail, err);
	if (r < 0 || tail->from < 0)
		return r;
	block = xmalloc(BLOCK_BYTES);
	while (r == 0 && n > 0) {
		r = skip_hole(tail, err);
		if (r == 0)
			r = copy_block(tail, block, &n, err);
	}
	return r;
}
