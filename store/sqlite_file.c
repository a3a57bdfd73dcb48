/* SPDX-License-Identifier: MIT */
/*
 * From a path to a connection that can be trusted, and from SQLite's codes to sentences.
 *
 * Invariants: the file is 0600, ours and no symbolic link; SQLite gives the -wal file the same mode
 * and, in exclusive mode, makes no -shm. An exclusive lock is held until close, so a second daemon
 * is refused. A damaged or vanished database is refused: never is an empty one begun over it.
 * Deliberately not here: any repair. `sqlite3 FILE .recover` does it better, with a person
 * watching. Cost of opening: a few ms, and the check in check_pages(). Read next: schema.c,
 * sqlite.c.
 */
#include "store/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"

/* A sentence is too short for it. */
#define WAY_OUT "\"tgpu doctor --store\" tells the way out"

/* What a person is told about a primary result code of SQLite. */
static const struct failure {
	int code;
	int error;
	const char *remedy;
} failures[] = {
	{SQLITE_BUSY, -EBUSY, "another process has it open; is a tgpud running already?"},
	{SQLITE_LOCKED, -EBUSY, "another process has it open; is a tgpud running already?"},
	{SQLITE_FULL, -ENOSPC, "free space on its disk, then start tgpud again"},
	{SQLITE_READONLY, -EROFS, "make its directory writable for tgpud's user"},
	{SQLITE_CORRUPT, -EUCLEAN, "it is damaged; " WAY_OUT},
	{SQLITE_NOTADB, -EUCLEAN, "it is damaged, or no store at all; " WAY_OUT},
	{SQLITE_CANTOPEN, -EIO, "check that tgpud's user may use its directory"},
	{SQLITE_TOOBIG, -E2BIG, "a text is larger than a database takes"},
	{SQLITE_IOERR, -EIO, "check its disk (dmesg), then start tgpud again"},
};

const char *sqlite_file_path(sqlite3 *db)
{
	const char *name = sqlite3_db_filename(db, "main");
	const char *original = sqlite3_uri_parameter(name, "of");

	return original ? original : name;
}

static int constraint_error(int extended)
{
	switch (extended) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID: return -EEXIST;
	case SQLITE_CONSTRAINT_FOREIGNKEY: return -ENOENT;
	default: return -EINVAL;
	}
}

int sqlite_file_error(sqlite3 *db, struct err *err)
{
	int extended = sqlite3_extended_errcode(db), system = sqlite3_system_errno(db);
	const char *path = sqlite_file_path(db), *text = sqlite3_errmsg(db);

	if ((extended & 0xff) == SQLITE_NOMEM)
		abort(); /* as everywhere: see common/util.h */
	if ((extended & 0xff) == SQLITE_CONSTRAINT)
		return err_set(err, constraint_error(extended), "store %s: %s", path, text);
	if ((extended & 0xff) == SQLITE_IOERR && (system == EDQUOT || system == ENOSPC))
		return err_set(err, -ENOSPC,
			       "store %s: %s (%s); free space, then start tgpud again", path, text,
			       strerror(system));
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].code == (extended & 0xff))
			return err_set(err, failures[i].error, "store %s: %s (code %d); %s", path,
				       text, extended, failures[i].remedy);
	return err_set(err, -EIO, "store %s: %s (code %d)", path, text, extended);
}

int sqlite_file_exec(sqlite3 *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sqlite_file_error(db, err);
}

/* Is there a log of commits whose database is gone? SQLite would delete it and begin anew. */
static int check_orphaned_wal(const char *path, struct err *err)
{
	_cleanup_(free_ptr) char *wal = xasprintf("%s-wal", path);
	struct stat st;

	if (lstat(wal, &st) < 0 || st.st_size == 0)
		return 0;
	return err_set(err, -EUCLEAN,
		       "store %s is missing or empty but %s-wal has commits of it; restore the "
		       "file, or move that one away to begin without any job",
		       path, path);
}

/*
 * Never opens a file that exists: closing that descriptor would drop the locks that this process
 * might hold on it (fcntl(2)).
 */
static int check_existing(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_set(err, -errno, "store %s: %m", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "store %s is not a regular file; move it away", path);
	if (st.st_uid != geteuid())
		return err_set(
			err, -EPERM,
			"store %s belongs to uid %u, not to tgpud's uid %u; run tgpud as its "
			"owner",
			path, (unsigned)st.st_uid, (unsigned)geteuid());
	/* Specs hold environments, and environments hold secrets. A read-only disk says so later.
	 */
	if ((st.st_mode & 077) && chmod(path, 0600) < 0 && errno != EROFS)
		return err_set(err, -errno, "store %s: cannot make it private: %m", path);
	return st.st_size == 0 ? check_orphaned_wal(path, err) : 0;
}

static int create_or_check(const char *path, struct err *err)
{
	int fd, r;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EEXIST || errno == EROFS))
		return check_existing(path, err);
	if (fd < 0)
		return err_set(err, -errno, "store %s cannot be created: %m", path);
	fd_close(fd);
	r = check_orphaned_wal(path, err);
	if (r < 0)
		unlink(path);
	return r;
}

/* locking_mode comes first, so that the write-ahead log is entered without shared memory. */
static int set_pragmas(sqlite3 *db, struct err *err)
{
	static const char *const pragmas[] = {
		"PRAGMA locking_mode = EXCLUSIVE",
		"SELECT count(*) FROM sqlite_schema", /* takes the lock and reads what there is */
		"PRAGMA foreign_keys = ON",
		"PRAGMA synchronous = FULL",
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pragmas) && r == 0; i++)
		r = sqlite_file_exec(db, pragmas[i], err);
	if (r == 0 && sqlite3_db_readonly(db, "main") == 1)
		r = err_set(err, -EROFS,
			    "store %s cannot be written; make it and its disk writable for tgpud",
			    sqlite_file_path(db));
	return r;
}

static int enter_wal(sqlite3 *db, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		r = sqlite_file_error(db, err);
	else if (!STREQ((const char *)sqlite3_column_text(stmt, 0), "wal"))
		r = err_set(err, -EIO, "store %s: its file system cannot keep a write-ahead log",
			    sqlite_file_path(db));
	sqlite3_finalize(stmt);
	return r;
}

/*
 * How large a database may be to be looked through at each start, and at one after an unclean end.
 * It takes 2.2 ms per MiB (measured, warm cache): 100,000 jobs are 69 MiB with specs of 300 bytes
 * and 428 MiB with those of 3 KiB. So 0.14 s at the first bound; at the second 2.3 s, or what the
 * disk takes, in the 30 s for which a client waits. In a larger one damage is noticed when a
 * statement meets it, or by "tgpu doctor --store".
 */
#define CHECK_BYTES_MAX	      (INT64_C(64) << 20)
#define CHECK_BYTES_MAX_CRASH (INT64_C(1) << 30)

const char *sqlite_file_fault(sqlite3_stmt *stmt)
{
	static const char headline[] = "*** in database main ***\n";
	const char *text = (const char *)sqlite3_column_text(stmt, 0);

	if (!text)
		return "";
	return strncmp(text, headline, strlen(headline)) == 0 ? text + strlen(headline) : text;
}

/* A log that is not empty was not closed: only a crash leaves one. */
static bool ended_uncleanly(const char *path)
{
	_cleanup_(free_ptr) char *wal = xasprintf("%s-wal", path);
	struct stat st;

	return stat(wal, &st) == 0 && st.st_size > 0;
}

/* Look for damage in every page, where that is affordable. */
static int check_pages(sqlite3 *db, struct err *err)
{
	const char *path = sqlite_file_path(db), *fault = "ok";
	sqlite3_stmt *stmt = NULL;
	struct stat st;
	int r = 0;

	if (stat(path, &st) == 0 &&
	    st.st_size > (ended_uncleanly(path) ? CHECK_BYTES_MAX_CRASH : CHECK_BYTES_MAX))
		return 0;
	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		r = sqlite_file_error(db, err);
	else
		fault = sqlite_file_fault(stmt);
	if (!STREQ(fault, "ok"))
		r = err_set(err, -EUCLEAN, "store %s is damaged (%.*s); " WAY_OUT, path,
			    (int)strcspn(fault, "\n"), fault);
	sqlite3_finalize(stmt);
	return r;
}

/* Ours before it is changed: the version is checked while the file is as it was found. */
static int prepare(sqlite3 *db, struct err *err)
{
	int r = set_pragmas(db, err);

	if (r == 0)
		r = check_pages(db, err);
	if (r == 0)
		r = schema_check(db, schema_n_steps, err);
	if (r == 0)
		r = enter_wal(db, err);
	if (r == 0)
		r = schema_migrate(db, schema_steps, schema_n_steps, err);
	return r;
}

int sqlite_file_open(const char *path, sqlite3 **ret_db, struct err *err)
{
	sqlite3 *db = NULL;
	int r = create_or_check(path, err);

	if (r < 0)
		return r;
	/* No SQLITE_OPEN_NOFOLLOW: it refuses links anywhere in the path, and homes may be links.
	 */
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL) ==
	    SQLITE_OK)
		r = prepare(db, err);
	else
		r = err_set(err, -EIO, "store %s cannot be opened: %s; check who may use it", path,
			    sqlite3_errmsg(db));
	if (r == 0)
		*ret_db = db;
	else
		sqlite3_close(db);
	return r;
}
