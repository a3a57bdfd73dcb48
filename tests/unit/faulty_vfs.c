/* SPDX-License-Identifier: MIT */
/*
 * A layer over the real file system. Only the methods of a file that can fail are replaced, in a
 * copy for databases (which lock) and one for logs.
 */
#include "faulty_vfs.h"

#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

struct faulty_methods {
	sqlite3_io_methods methods; /* first: a file's pMethods leads here */
	const sqlite3_io_methods *real;
};

static struct {
	sqlite3_vfs vfs;
	struct faulty_methods database, log;
	struct fault_kind kind;
	int countdown; /* calls until one fails; 0: none will */
	bool hit, read_only;
} fault;

static const sqlite3_io_methods *real_of(sqlite3_file *file)
{
	return ((const struct faulty_methods *)file->pMethods)->real;
}

static bool fails(bool is_read)
{
	if (is_read && !fault.kind.reads)
		return false;
	if (fault.hit && fault.kind.for_good)
		return true;
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	if (fault.kind.code == FAULT_KILL)
		_exit(FAULT_KILLED);
	fault.hit = true;
	return true;
}

/* A full disk says so where it can, else this call fails in its own way. */
static int code_or(int own)
{
	return fault.kind.code == SQLITE_FULL ? SQLITE_FULL : own;
}

static int faulty_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at)
{
	return fails(true) ? SQLITE_IOERR_READ : real_of(file)->xRead(file, data, n, at);
}

static int faulty_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
	return fails(false) ? code_or(SQLITE_IOERR_WRITE)
			    : real_of(file)->xWrite(file, data, n, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	return fails(false) ? code_or(SQLITE_IOERR_FSYNC) : real_of(file)->xSync(file, flags);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return fails(false) ? SQLITE_IOERR_TRUNCATE : real_of(file)->xTruncate(file, size);
}

static int faulty_file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	return fails(true) ? SQLITE_IOERR_FSTAT : real_of(file)->xFileSize(file, ret_size);
}

static int faulty_lock(sqlite3_file *file, int level)
{
	return fails(true) ? SQLITE_IOERR_LOCK : real_of(file)->xLock(file, level);
}

static int faulty_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	const sqlite3_vfs *real = vfs->pAppData;

	return fails(true) ? SQLITE_IOERR_ACCESS : real->xAccess(vfs->pAppData, name, flags, ret);
}

static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	const sqlite3_vfs *real = vfs->pAppData;

	return fails(true) ? SQLITE_IOERR_DELETE : real->xDelete(vfs->pAppData, name, sync);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		       int *ret_flags)
{
	struct faulty_methods *faulty = flags & SQLITE_OPEN_MAIN_DB ? &fault.database : &fault.log;
	sqlite3_vfs *real = vfs->pAppData;
	int code;

	file->pMethods = NULL;
	code = fails(true) ? SQLITE_CANTOPEN : real->xOpen(real, name, file, flags, ret_flags);
	if (code != SQLITE_OK || !file->pMethods)
		return code;
	if (fault.read_only && ret_flags)
		*ret_flags = (*ret_flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
	faulty->real = file->pMethods;
	faulty->methods = *file->pMethods;
	faulty->methods.xRead = faulty_read;
	faulty->methods.xWrite = faulty_write;
	faulty->methods.xSync = faulty_sync;
	faulty->methods.xTruncate = faulty_truncate;
	faulty->methods.xFileSize = faulty_file_size;
	faulty->methods.xLock = faulty_lock;
	file->pMethods = &faulty->methods;
	return SQLITE_OK;
}

void faulty_install(void)
{
	sqlite3_vfs *real = sqlite3_vfs_find("unix");

	memset(&fault, 0, sizeof(fault));
	fault.vfs = *real;
	fault.vfs.zName = "faulty";
	fault.vfs.pNext = NULL;
	fault.vfs.pAppData = real;
	fault.vfs.xOpen = faulty_open;
	fault.vfs.xAccess = faulty_access;
	fault.vfs.xDelete = faulty_delete;
	sqlite3_vfs_register(&fault.vfs, 1);
}

void faulty_remove(void)
{
	sqlite3_vfs_unregister(&fault.vfs);
	sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1);
}

void faulty_arm(const struct fault_kind *kind, int n)
{
	fault.kind = *kind;
	fault.hit = false;
	fault.countdown = n;
}

void faulty_disarm(void)
{
	fault.countdown = 0;
	fault.kind.for_good = false;
}

bool faulty_hit(void)
{
	return fault.hit;
}

void faulty_set_read_only(bool read_only)
{
	fault.read_only = read_only;
}
