/* SPDX-License-Identifier: MIT */
/*
 * The decision log on disk.
 *
 * Invariants: the file is private, for it names users and jobs; it only grows, up to a bound, and
 * says so when it ends there. One that cannot be written any more ends the log, not the daemon. Not
 * fsynced: after a crash of the machine its end may be missing, and no promise hangs on it. Every
 * daemon begins with a line of its own, whatever became of the last one of the daemon before.
 * Cost when there is none: one branch per call of the scheduler. Read next: trace_text.c.
 */
#include "daemon/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "daemon/trace_text.h"

#define HELD_BACK_MAX (UINT32_C(1) << 20) /* bytes that wait for the end of a turn */

struct trace {
	int fd; /* owned; -1: it has ended */
	uint64_t size, max_bytes;
	struct buf lines; /* not yet written */
	struct trace_text *text;
};

static void write_out(struct trace *trace)
{
	int r = trace->fd < 0 ? 0 : write_all(trace->fd, trace->lines.data, trace->lines.len);

	buf_clear(&trace->lines);
	if (r == 0)
		return;
	log_warn("cannot write the decision log, so it ends here error=\"%s\"", strerror(-r));
	trace->fd = fd_close(trace->fd);
}

static void end_at_bound(struct trace *trace)
{
	log_warn("the decision log is full, so it ends here; move it away and restart tgpud, or "
		 "raise trace_max");
	buf_puts(&trace->lines, "{\"call\":\"end\",\"reason\":\"trace_max\"}\n");
	write_out(trace);
	trace->fd = fd_close(trace->fd);
}

static void add_line(void *ctx, const char *line, size_t len)
{
	struct trace *trace = ctx;

	if (trace->fd < 0)
		return;
	trace->size += len + 1;
	if (trace->size > trace->max_bytes) {
		end_at_bound(trace);
		return;
	}
	buf_append(&trace->lines, line, len);
	buf_putc(&trace->lines, '\n');
	if (trace->lines.len > HELD_BACK_MAX)
		write_out(trace);
}

void trace_flush(struct daemon *daemon)
{
	if (daemon->trace && daemon->trace->lines.len > 0)
		write_out(daemon->trace);
}

/* A daemon that was killed may have left half a line. */
static bool ends_within_line(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int open_file(struct trace *trace, const char *path, struct err *err)
{
	/* Not to wait for the reader of a FIFO, which is refused. */
	int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;

	trace->fd = open(path, flags, 0600);
	if (trace->fd < 0 || fstat(trace->fd, &st) < 0)
		return err_set(err, -errno, "trace: cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "trace: %s is no file; name one, or none", path);
	trace->size = (uint64_t)st.st_size;
	if (ends_within_line(trace->fd, st.st_size))
		buf_putc(&trace->lines, '\n');
	return 0;
}

int trace_create(struct daemon *daemon, const char *path, struct err *err)
{
	struct trace *trace;
	int r;

	if (!*path)
		return 0;
	trace = xcalloc(1, sizeof(*trace));
	trace->max_bytes = daemon->config.trace_max_bytes;
	daemon->trace = trace;
	r = open_file(trace, path, err);
	if (r == 0)
		trace->text = trace_text_create(daemon->sched, TGPU_VERSION, add_line, trace);
	return r;
}

void trace_destroy(struct daemon *daemon)
{
	struct trace *trace = daemon->trace;

	if (!trace)
		return;
	trace_flush(daemon);
	trace_text_destroy(trace->text);
	fd_close(trace->fd);
	buf_finish(&trace->lines);
	free(trace);
	daemon->trace = NULL;
}
