/* SPDX-License-Identifier: MIT */
/*
 * The three files a runner leaves: runner, started, status.
 *
 * Invariants: a file is complete or absent: written aside, renamed; the last line "end=1" proves it
 * whole. A durable one has been fsync'ed, and its directory after the rename. Unknown keys are
 * passed over, so that a daemon reads what a newer runner wrote.
 */
#include "common/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

#define FILE_MAX 65536

static const char *const cause_names[] = {
	[LAUNCH_CAUSE_EXIT] = "exit",	    [LAUNCH_CAUSE_SIGNAL] = "signal",
	[LAUNCH_CAUSE_STOPPED] = "stopped", [LAUNCH_CAUSE_TIMEOUT] = "timeout",
	[LAUNCH_CAUSE_OOM] = "oom",	    [LAUNCH_CAUSE_LAUNCH] = "launch",
};

const char *launch_cause_name(enum launch_cause cause)
{
	return (size_t)cause < ARRAY_SIZE(cause_names) ? cause_names[cause] : "?";
}

int launch_cause_parse(const char *name, enum launch_cause *ret_cause)
{
	for (size_t i = 0; i < ARRAY_SIZE(cause_names); i++)
		if (STREQ(name, cause_names[i])) {
			*ret_cause = (enum launch_cause)i;
			return 0;
		}
	return -EINVAL;
}

static int sync_and_rename(int dir, int fd, const char *temporary, const char *name, bool durable)
{
	if (durable && fsync(fd) < 0)
		return -errno;
	if (renameat(dir, temporary, dir, name) < 0)
		return -errno;
	return durable && fsync(dir) < 0 ? -errno : 0;
}

static int write_file(const char *path, const char *name, struct buf *text, bool durable)
{
	_cleanup_(close_fd) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_fd) int fd = -1;
	char temporary[32];
	int r;

	buf_puts(text, "end=1\n");
	if (dir < 0)
		return -errno;
	snprintf(temporary, sizeof(temporary), ".%s.new", name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text->data, text->len);
	if (r == 0)
		r = sync_and_rename(dir, fd, temporary, name, durable);
	if (r < 0)
		unlinkat(dir, temporary, 0);
	return r;
}

/* One file being read: its text with every '\n' and the first '=' of a line turned into '\0'. */
struct reader {
	char *text; /* owned */
	size_t len;
	const char *name;
	struct err *err;
	bool failed;
};

static const char *get(struct reader *reader, const char *key)
{
	for (size_t at = 0; at < reader->len;) {
		const char *found = reader->text + at, *value = found + strlen(found) + 1;

		if (STREQ(found, key))
			return value;
		at = (size_t)(value - reader->text) + strlen(value) + 1;
	}
	err_set(reader->err, -EINVAL, "the record '%s' lacks %s", reader->name, key);
	reader->failed = true;
	return "0";
}

static int64_t get_number(struct reader *reader, const char *key, int64_t min, int64_t max)
{
	const char *text = get(reader, key);
	int64_t value = min;

	if (!reader->failed && parse_int64(text, min, max, &value) < 0) {
		err_set(reader->err, -EINVAL, "the record '%s' has a bad %s: '%.64s'", reader->name,
			key, text);
		reader->failed = true;
	}
	return value;
}

/* Cut into key and value pieces in place; false when a line is no pair or the end is missing. */
static bool cut(struct reader *reader)
{
	char *line = reader->text, *newline, *equals;

	if (memchr(reader->text, '\0', reader->len))
		return false;
	for (; (newline = strchr(line, '\n')); line = newline + 1) {
		*newline = '\0';
		equals = strchr(line, '=');
		if (!equals)
			return false;
		*equals = '\0';
	}
	return *line == '\0' && reader->len > 0;
}

static int read_record(const char *dir, const char *name, struct err *err,
		       struct reader *ret_reader)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	struct reader reader = {.name = name, .err = err};
	int r = read_file(path, FILE_MAX, &reader.text, &reader.len);

	if (r < 0)
		return r == -ENOENT ? r : err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	if (!cut(&reader)) {
		free(reader.text);
		return err_set(err, -EINVAL, "the record %s is damaged", path);
	}
	get_number(&reader, "end", 1, 1);
	*ret_reader = reader;
	return 0;
}

int launch_runner_write(const char *dir, const struct launch_runner *runner)
{
	_cleanup_(buf_finish) struct buf text = {0};

	buf_printf(&text, "pid=%d\nstart_ticks=%" PRIu64 "\nboot_id=%s\ncgroup=%s\n",
		   (int)runner->runner.pid, runner->runner.start_ticks, runner->runner.boot_id,
		   runner->cgroup ? runner->cgroup : "");
	return write_file(dir, LAUNCH_FILE_RUNNER, &text, false);
}

int launch_runner_read(const char *dir, struct launch_runner *ret_runner, struct err *err)
{
	struct launch_runner runner = {0};
	struct reader reader;
	const char *cgroup;
	int r = read_record(dir, LAUNCH_FILE_RUNNER, err, &reader);

	if (r < 0)
		return r;
	runner.runner.pid = (pid_t)get_number(&reader, "pid", 1, INT32_MAX);
	runner.runner.start_ticks = (uint64_t)get_number(&reader, "start_ticks", 0, INT64_MAX);
	snprintf(runner.runner.boot_id, sizeof(runner.runner.boot_id), "%s",
		 get(&reader, "boot_id"));
	cgroup = get(&reader, "cgroup");
	if (!reader.failed) {
		runner.cgroup = *cgroup ? xstrdup(cgroup) : NULL;
		*ret_runner = runner;
	}
	free(reader.text);
	return reader.failed ? -EINVAL : 0;
}

void launch_runner_finish(struct launch_runner *runner)
{
	free(runner->cgroup);
	*runner = (struct launch_runner){0};
}

int launch_started_write(const char *dir, const struct launch_started *started)
{
	_cleanup_(buf_finish) struct buf text = {0};

	buf_printf(&text, "job_pid=%d\nstart_ns=%" PRId64 "\n", (int)started->job_pid,
		   started->start_ns);
	return write_file(dir, LAUNCH_FILE_STARTED, &text, false);
}

int launch_started_read(const char *dir, struct launch_started *ret_started, struct err *err)
{
	struct launch_started started;
	struct reader reader;
	int r = read_record(dir, LAUNCH_FILE_STARTED, err, &reader);

	if (r < 0)
		return r;
	started.job_pid = (pid_t)get_number(&reader, "job_pid", 1, INT32_MAX);
	started.start_ns = get_number(&reader, "start_ns", 0, INT64_MAX);
	free(reader.text);
	if (reader.failed)
		return -EINVAL;
	*ret_started = started;
	return 0;
}

int launch_status_write(const char *dir, const struct launch_status *status)
{
	_cleanup_(buf_finish) struct buf text = {0};
	char sentence[sizeof(status->error)];

	snprintf(sentence, sizeof(sentence), "%s", status->error);
	for (char *c = sentence; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	buf_printf(&text, "cause=%s\nexit_code=%d\nsignal=%d\n", launch_cause_name(status->cause),
		   status->exit_code, status->signal);
	buf_printf(&text, "start_ns=%" PRId64 "\nend_ns=%" PRId64 "\n", status->start_ns,
		   status->end_ns);
	buf_printf(&text, "cpu_ns=%" PRId64 "\npeak_bytes=%" PRId64 "\nerror=%s\n", status->cpu_ns,
		   status->peak_bytes, sentence);
	return write_file(dir, LAUNCH_FILE_STATUS, &text, true);
}

int launch_status_read(const char *dir, struct launch_status *ret_status, struct err *err)
{
	struct launch_status status = {0};
	struct reader reader;
	int r = read_record(dir, LAUNCH_FILE_STATUS, err, &reader);

	if (r < 0)
		return r;
	if (launch_cause_parse(get(&reader, "cause"), &status.cause) < 0 && !reader.failed) {
		err_set(err, -EINVAL, "the record 'status' has an unknown cause");
		reader.failed = true;
	}
	status.exit_code = (int)get_number(&reader, "exit_code", -1, 255);
	status.signal = (int)get_number(&reader, "signal", 0, 64);
	status.start_ns = get_number(&reader, "start_ns", 0, INT64_MAX);
	status.end_ns = get_number(&reader, "end_ns", 0, INT64_MAX);
	status.cpu_ns = get_number(&reader, "cpu_ns", -1, INT64_MAX);
	status.peak_bytes = get_number(&reader, "peak_bytes", -1, INT64_MAX);
	snprintf(status.error, sizeof(status.error), "%s", get(&reader, "error"));
	free(reader.text);
	if (reader.failed)
		return -EINVAL;
	*ret_status = status;
	return 0;
}
