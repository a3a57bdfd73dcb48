/* SPDX-License-Identifier: MIT */
/*
 * tgpu doctor's look at the state directory.
 *
 *     the file -> its disk -> a copy -> whose, which version -> whole -> migrated -> rows
 *
 * A step that fails ends the way, for those after it would only repeat it in other words.
 *
 * Invariants: the file is read and nothing else; everything that could change something (recovering
 * the log, migrating) happens to the copy. Deliberately not here: repair, which is a person's
 * decision, so the findings hold its commands; what a row means, which `row` judges. Cost: reading
 * the file twice, and SQLite's integrity_check, 2 ms per MiB (measured, warm cache).
 * Read next: sqlite_copy.c, daemon/check_store.c.
 */
#include "store/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/duration.h"
#include "store/schema.h"
#include "store/sqlite_copy.h"
#include "store/sqlite_file.h"
#include "store/sqlite_row.h"

#define FAULTS_SHOWN "10"	 /* of one kind; a damaged page can make thousands */
#define DISK_MARGIN  (64u << 20) /* days of commits, whatever the size of the database */

#define LOOK_MAX (256 << 20) /* bytes that are copied in a fraction of a second */

struct check {
	const struct store_checker *to;
	const char *dir;
	char *path, *wal; /* owned */
	sqlite3 *db;	  /* of the copy */
};

static void say(const struct check *check, enum store_level level, const char *remedy,
		const char *fmt, ...) PRINTF_LIKE(4, 5);

static void say(const struct check *check, enum store_level level, const char *remedy,
		const char *fmt, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	check->to->say(check->to->ctx, level, remedy, text);
}

/* The single integer that `sql` yields; -1 when it cannot be had. */
static int64_t query(const struct check *check, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(check->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

/*
 * Not `.recover`: Debian's sqlite3 has it, but its library lacks what it needs. `.dump` reads each
 * table from both ends up to the damage, and needs no index; it leaves out whose file it is.
 */
static void say_damaged(const struct check *check, const char *text)
{
	int64_t version = query(check, "PRAGMA user_version");
	_cleanup_(free_ptr) char *remedy = xasprintf(
		"while no tgpud runs, keep a copy:\n"
		"    cd '%s' && umask 077 && mkdir damaged && cp -p tgpu.db* damaged/\n"
		"then save what can be read, see how many jobs that are, and look again:\n"
		"    sqlite3 tgpu.db .dump | sed 's/^ROLLBACK; -- due to errors$/COMMIT;/' "
		">saved.sql\n"
		"    sqlite3 new.db <saved.sql && sqlite3 new.db 'SELECT count(*) FROM job; "
		"PRAGMA application_id = %d; PRAGMA user_version = %" PRId64 "' &&"
		" rm tgpu.db* saved.sql && mv new.db tgpu.db\n"
		"or begin without any job:\n"
		"    rm tgpu.db*",
		check->dir, SCHEMA_APPLICATION_ID, version > 0 ? version : (int64_t)schema_n_steps);

	say(check, STORE_BAD, remedy, "%s", text);
}

/* A failure of a function that speaks in sentences. Only damage has a remedy of its own. */
static void say_failed(const struct check *check, const struct err *err)
{
	if (err->code == -EUCLEAN)
		say_damaged(check, err->msg);
	else
		say(check, STORE_BAD, NULL, "%s", err->msg);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_size : 0;
}

static bool say_absent(const struct check *check)
{
	_cleanup_(free_ptr) char *remedy = NULL;

	if (size_of(check->wal) == 0) {
		say(check, STORE_GOOD, NULL, "there is no store %s; the first tgpud makes it",
		    check->path);
		return false;
	}
	remedy = xasprintf("restore the file from a copy; or, to begin without any job:\n"
			   "    mv '%s' '%s-lost'",
			   check->wal, check->wal);
	say(check, STORE_BAD, remedy,
	    "the store %s is missing or empty, but its log %s has commits", check->path,
	    check->wal);
	return false;
}

/* Is there a file to look into? */
static bool check_file(const struct check *check)
{
	_cleanup_(free_ptr) char *remedy = NULL;
	struct stat st;

	if (lstat(check->path, &st) < 0 && errno != ENOENT) {
		say(check, STORE_BAD, "run this as the user of that tgpud", "the store %s: %s",
		    check->path, strerror(errno));
		return false;
	}
	if (lstat(check->path, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size == 0))
		return say_absent(check);
	if (!S_ISREG(st.st_mode)) {
		say(check, STORE_BAD, "move it away", "the store %s is not a regular file",
		    check->path);
		return false;
	}
	remedy = xasprintf("run this, and tgpud, as uid %u", (unsigned)st.st_uid);
	if (access(check->path, R_OK) < 0) {
		say(check, STORE_BAD, remedy, "the store %s cannot be read: %s", check->path,
		    strerror(errno));
		return false;
	}
	if (st.st_uid != geteuid())
		say(check, STORE_DOUBTFUL, remedy,
		    "the store %s belongs to uid %u; only that user's tgpud opens it", check->path,
		    (unsigned)st.st_uid);
	return true;
}

/* Without write access and some room the next commit fails, and with it tgpud. */
static void check_disk(const struct check *check)
{
	uint64_t need = (uint64_t)size_of(check->path) + DISK_MARGIN, available;
	char free_text[32], need_text[32];
	struct statvfs fs;

	if (access(check->dir, W_OK) < 0 || access(check->path, W_OK) < 0)
		say(check, STORE_BAD, "make it writable for tgpud's user, then start tgpud again",
		    "the state directory %s cannot be written: %s", check->dir, strerror(errno));
	if (statvfs(check->dir, &fs) < 0)
		return;
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	bytes_format(available, free_text);
	if (available >= need)
		say(check, STORE_GOOD, NULL, "%s free on the disk of %s", free_text, check->dir);
	else
		say(check, available < DISK_MARGIN ? STORE_BAD : STORE_DOUBTFUL,
		    "free space there, or move the state directory (TGPU_STATE_DIR)",
		    "only %s free on the disk of %s; %s allow for growth and a copy", free_text,
		    check->dir, bytes_format(need, need_text));
}

static bool check_version(const struct check *check)
{
	char size[32], log[32];
	struct err err = {0};
	int64_t version;

	if (schema_check(check->db, schema_n_steps, &err) < 0) {
		say_failed(check, &err);
		return false;
	}
	version = query(check, "PRAGMA user_version");
	say(check, STORE_GOOD, NULL,
	    "store %s, %s and %s of log, schema version %" PRId64 " of %zu%s", check->path,
	    bytes_format((uint64_t)size_of(check->path), size),
	    bytes_format((uint64_t)size_of(check->wal), log), version, schema_n_steps,
	    (size_t)version < schema_n_steps ? "; the next tgpud brings it up to date" : "");
	return true;
}

/* Append what a query yields, a row per fault or one of "ok", on one line. */
static void collect(const struct check *check, const char *sql, struct buf *faults)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(check->db, sql, -1, &stmt, NULL);

	while (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *text = sqlite_file_fault(stmt);

		if (!STREQ(text, "ok"))
			buf_printf(faults, "%s%s", faults->len ? "; " : "", text);
	}
	if (sqlite3_finalize(stmt) != SQLITE_OK || code != SQLITE_OK)
		buf_printf(faults, "%s%s", faults->len ? "; " : "", sqlite3_errmsg(check->db));
	for (size_t i = 0; i < faults->len; i++)
		if (faults->data[i] == '\n')
			faults->data[i] = ';';
}

static bool check_whole(const struct check *check)
{
	_cleanup_(buf_finish) struct buf faults = {0};
	_cleanup_(free_ptr) char *text = NULL;

	collect(check, "PRAGMA integrity_check(" FAULTS_SHOWN ")", &faults);
	if (faults.len == 0) {
		say(check, STORE_GOOD, NULL, "the database is whole, page by page");
		return true;
	}
	text = xasprintf("store %s is damaged (%s)", check->path, buf_get(&faults));
	say_damaged(check, text);
	return false;
}

/* What a repair leaves: nobody reads it. */
static void check_orphans(const struct check *check)
{
	_cleanup_(buf_finish) struct buf tables = {0};
	_cleanup_(free_ptr) char *remedy = xasprintf(
		"while no tgpud runs:\n"
		"    sqlite3 '%s' 'DELETE FROM event WHERE job NOT IN (SELECT id FROM job); "
		"DELETE FROM spec WHERE job NOT IN (SELECT id FROM job)'",
		check->path);

	collect(check, "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check", &tables);
	if (tables.len > 0)
		say(check, STORE_DOUBTFUL, remedy, "rows whose job is gone, in table %s",
		    buf_get(&tables));
}

static bool check_migration(const struct check *check)
{
	struct err err = {0};

	if (schema_migrate(check->db, schema_steps, schema_n_steps, &err) == 0)
		return true;
	say_failed(check, &err);
	return false;
}

/* Ids and revisions beyond the counters would be given out a second time. */
static void check_counters(const struct check *check)
{
	_cleanup_(free_ptr) char *remedy =
		xasprintf("while no tgpud runs:\n"
			  "    sqlite3 '%s' 'INSERT OR REPLACE INTO meta SELECT 1, "
			  "ifnull(max(id), 0), ifnull(max(revision), 0) FROM job'",
			  check->path);

	if (query(check, "SELECT count(*) FROM meta") != 1)
		say(check, STORE_BAD, remedy,
		    "table meta, the highest job id and revision, is empty");
	else if (query(check, "SELECT count(*) FROM job, meta "
			      "WHERE id > last_id OR job.revision > meta.revision") != 0)
		say(check, STORE_BAD, remedy,
		    "table meta has a lower job id or revision than the jobs; ids would be used "
		    "twice");
}

static void check_row(const struct check *check, sqlite3_stmt *stmt)
{
	struct store_row row;
	struct err err = {0};
	int n = sqlite_row_n_columns();
	int r = sqlite_row_read(stmt, &row, &err);

	row.spec = (const char *)sqlite3_column_text(stmt, n);
	row.owner = (const char *)sqlite3_column_text(stmt, n + 1);
	if (r < 0)
		say(check, STORE_BAD, NULL, "%s", err.msg);
	else
		check->to->row(check->to->ctx, &row);
}

static void check_rows(const struct check *check)
{
	_cleanup_(buf_finish) struct buf sql = {0};
	sqlite3_stmt *stmt = NULL;

	buf_puts(&sql, "SELECT ");
	sqlite_row_columns(&sql);
	buf_puts(&sql, SQLITE_ROW_SPEC " FROM job" SQLITE_ROW_SPEC_FROM " ORDER BY id");
	if (sqlite3_prepare_v2(check->db, buf_get(&sql), -1, &stmt, NULL) == SQLITE_OK)
		while (sqlite3_step(stmt) == SQLITE_ROW)
			check_row(check, stmt);
	if (sqlite3_finalize(stmt) != SQLITE_OK)
		say_damaged(check, sqlite3_errmsg(check->db));
}

static void check_copy(struct check *check)
{
	struct err err = {0};

	if (sqlite_copy_open(check->path, &check->db, &err) < 0) {
		say_failed(check, &err);
		return;
	}
	if (check_version(check) && check_whole(check) && check_migration(check)) {
		check_orphans(check);
		check_counters(check);
		check_rows(check);
	}
	sqlite_copy_close(check->db);
}

/* What a copy of it costs is more than a glance at the version is worth. */
static void say_large(const struct check *check, off_t size)
{
	char text[32];

	say(check, STORE_GOOD, NULL, "store %s, %s; \"tgpu doctor --store\" looks into it",
	    check->path, bytes_format((uint64_t)size, text));
}

void store_sqlite_look(const char *dir, const struct store_checker *checker)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/tgpu.db", dir);
	_cleanup_(free_ptr) char *wal = xasprintf("%s-wal", path);
	struct check check = {.to = checker, .dir = dir, .path = path, .wal = wal};
	off_t size = size_of(path) + size_of(wal);
	struct err err = {0};

	if (!check_file(&check))
		return;
	if (size > LOOK_MAX) {
		say_large(&check, size);
	} else if (sqlite_copy_open(path, &check.db, &err) < 0) {
		say_failed(&check, &err);
	} else {
		check_version(&check);
		sqlite_copy_close(check.db);
	}
}

void store_sqlite_check(const char *dir, const struct store_checker *checker)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/tgpu.db", dir);
	_cleanup_(free_ptr) char *wal = xasprintf("%s-wal", path);
	struct check check = {.to = checker, .dir = dir, .path = path, .wal = wal};

	if (!check_file(&check))
		return;
	check_disk(&check);
	check_copy(&check);
}
