/* SPDX-License-Identifier: MIT */
/*
 * One log line, one write(2): lines of concurrent processes do not mix.
 *
 * Invariants: control characters in a message (a job's name, say) are shown as '?', so nobody can
 * forge a line. Cost: a format and a system call. Deliberately no files, no rotation: stderr
 * belongs to whoever started the program.
 */
#include "common/log.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

static const char *program_name = "tgpu";
static enum log_level threshold = LOG_LEVEL_INFO;
static bool to_journal;

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR: return "error";
	case LOG_LEVEL_WARN: return "warning";
	case LOG_LEVEL_INFO: return "info";
	case LOG_LEVEL_DEBUG: return "debug";
	}
	return "?";
}

/* Does stderr lead to the journal? The variable is inherited by programs whose stderr does not, so
 * it names the device and inode of the stream [sd-daemon(3), systemd.exec(5)]. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *program, enum log_level level)
{
	program_name = program;
	threshold = level;
	to_journal = is_journal();
}

static int format_prefix(char *line, size_t size, enum log_level level)
{
	int64_t now = clock_wall_ns();
	time_t seconds = (time_t)(now / NS_PER_S);
	struct tm tm;
	char stamp[32];

	if (to_journal)
		return snprintf(line, size, "<%d>", (int)level);
	localtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, size, "%s.%03d %s %s: ", stamp, (int)(now % NS_PER_S / NS_PER_MS),
			program_name, level_name(level));
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	size_t prefix, len;
	va_list ap;

	if (level > threshold)
		return;
	prefix = (size_t)format_prefix(line, sizeof(line), level);
	va_start(ap, fmt);
	vsnprintf(line + prefix, sizeof(line) - prefix - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	for (size_t i = prefix; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len);
}
