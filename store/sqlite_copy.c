/* SPDX-License-Identifier: MIT */
/*
 * A database that somebody else has open, without asking for it.
 *
 * SQLite would refuse (tgpud holds the exclusive lock), and without a tgpud it would begin to
 * repair. So the file is copied, and its log after it. While the log is not begun anew, whatever a
 * checkpoint wrote into the file during the copy is in the log too, and the log's checksums cut off
 * a half-written end: the two together are one state. Each beginning gives the log new random
 * salts in its header, so the same header before and after proves the copy.
 *
 * Invariants: nothing is written but the copy, in a directory of mode 0700. Deliberately not here:
 * a rollback journal, which our files have for the first milliseconds of their life only. Cost: the
 * size of the database on the disk of $TMPDIR. Read next: check.c.
 */
#include "store/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "common/buf.h"
#include "store/sqlite_file.h"

#define WAL_HEADER 32 /* https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
#define TRIES	   20 /* a log is begun anew once in 4 MiB of commits at most */
#define CHUNK	   (1u << 30)

/* Zeros when there is no log. */
static int read_wal_header(const char *path, char ret_header[WAL_HEADER])
{
	_cleanup_(free_ptr) char *wal = xasprintf("%s-wal", path);
	_cleanup_(close_fd) int fd = open(wal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	memset(ret_header, 0, WAL_HEADER);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return pread(fd, ret_header, WAL_HEADER, 0) < 0 ? -errno : 0;
}

static int copy_bytes(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, CHUNK);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* One of the two files. -ENOENT when it is not there. */
static int copy_file(const char *path, const char *copy, const char *suffix)
{
	_cleanup_(free_ptr) char *source = xasprintf("%s%s", path, suffix);
	_cleanup_(free_ptr) char *target = xasprintf("%s%s", copy, suffix);
	_cleanup_(close_fd) int from = -1, to = -1;

	from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return -errno;
	to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return to < 0 ? -errno : copy_bytes(from, to);
}

/* 0; 1 when it changed meanwhile; -errno. */
static int try_copy(const char *path, const char *copy)
{
	char before[WAL_HEADER], after[WAL_HEADER] = {0};
	int r = read_wal_header(path, before);

	if (r == 0)
		r = copy_file(path, copy, "");
	if (r == 0)
		r = copy_file(path, copy, "-wal");
	if (r == -ENOENT && access(path, F_OK) == 0)
		r = 0;
	if (r == 0)
		r = read_wal_header(path, after);
	return r < 0 ? r : memcmp(before, after, WAL_HEADER) != 0;
}

static int copy_whole(const char *path, const char *copy, struct err *err)
{
	int r = 1;

	for (int i = 0; i < TRIES && r == 1; i++)
		r = try_copy(path, copy);
	if (r == 1)
		return err_set(err, -EBUSY,
			       "store %s changes faster than it can be copied; try again, or stop "
			       "tgpud first",
			       path);
	if (r == -ENOSPC || r == -EDQUOT)
		return err_set(err, -ENOSPC,
			       "store %s: no room for a copy to look into; set TMPDIR to a "
			       "directory with as much free space as it has bytes",
			       path);
	if (r < 0)
		return err_set(err, r, "store %s cannot be copied: %s", path, strerror(-r));
	return 0;
}

static void remove_copy(const char *copy)
{
	_cleanup_(free_ptr) char *wal = xasprintf("%s-wal", copy);
	_cleanup_(free_ptr) char *dir = xstrdup(copy);

	unlink(copy);
	unlink(wal);
	*strrchr(dir, '/') = '\0';
	rmdir(dir);
}

static void put_escaped(struct buf *uri, const char *path)
{
	for (; *path; path++)
		if (strchr("%?#&=", *path))
			buf_printf(uri, "%%%02x", (unsigned char)*path);
		else
			buf_putc(uri, *path);
}

/* "of" is what sqlite_file_path() tells instead of a name that will be gone in a moment. */
static int open_copy(const char *copy, const char *path, sqlite3 **ret_db, struct err *err)
{
	_cleanup_(buf_finish) struct buf uri = {0};

	buf_puts(&uri, "file:");
	put_escaped(&uri, copy);
	buf_puts(&uri, "?of=");
	put_escaped(&uri, path);
	if (sqlite3_open_v2(buf_get(&uri), ret_db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE,
			    NULL) != SQLITE_OK)
		return err_set(err, -EIO, "store %s: its copy cannot be opened: %s", path,
			       sqlite3_errmsg(*ret_db));
	return sqlite_file_exec(*ret_db, "PRAGMA locking_mode = EXCLUSIVE", err);
}

int sqlite_copy_open(const char *path, sqlite3 **ret_db, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_(free_ptr) char *dir =
		xasprintf("%s/tgpu-check.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	_cleanup_(free_ptr) char *copy = NULL;
	sqlite3 *db = NULL;
	int r;

	if (!mkdtemp(dir))
		return err_set(err, -errno, "cannot make %s: %s; set TMPDIR", dir, strerror(errno));
	copy = xasprintf("%s/tgpu.db", dir);
	r = copy_whole(path, copy, err);
	if (r == 0)
		r = open_copy(copy, path, &db, err);
	if (r < 0) {
		sqlite3_close(db);
		remove_copy(copy);
		return r;
	}
	*ret_db = db;
	return 0;
}

void sqlite_copy_close(sqlite3 *db)
{
	_cleanup_(free_ptr) char *copy = NULL;

	if (!db)
		return;
	copy = xstrdup(sqlite3_db_filename(db, "main"));
	sqlite3_close(db);
	remove_copy(copy);
}
