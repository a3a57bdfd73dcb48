/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc and /sys: a file, a number, a directory, a process.
 *
 * Invariants: every read is bounded; whatever is not there, not readable or not a number is
 * reported as unknown and never as 0. Processes come and go while they are read: a pid reused in
 * between shows a wrong name for one report, and no decision hangs on names.
 * Cost: one open/read/close per file; a process takes three of them and one per ancestor.
 * Read next: pci.c, which reads the PCI part of /sys through this file.
 */
#include "probe/system.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_MAX \
	(64u << 10) /* the longest, /proc/PID/cgroup and KFD's properties, have a few KiB */

static char *path_make(const char *root, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static char *path_make(const char *root, const char *fmt, va_list ap)
{
	char tail[PATH_MAX];

	vsnprintf(tail, sizeof(tail), fmt, ap);
	return xasprintf("%s%s", root, tail);
}

static char *text_read(const char *path)
{
	char *text;
	size_t len;

	if (read_file(path, FILE_MAX, &text, &len) < 0)
		return NULL;
	while (len > 0 && strchr(" \t\n", text[len - 1]))
		text[--len] = '\0';
	return text;
}

char *system_text(const char *root, const char *fmt, ...)
{
	_cleanup_(free_ptr) char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	path = path_make(root, fmt, ap);
	va_end(ap);
	return text_read(path);
}

int64_t system_number(int64_t min, int64_t unknown, const char *root, const char *fmt, ...)
{
	_cleanup_(free_ptr) char *path = NULL, *text = NULL;
	int64_t number;
	va_list ap;

	va_start(ap, fmt);
	path = path_make(root, fmt, ap);
	va_end(ap);
	text = text_read(path);
	return text && parse_int64(text, min, INT64_MAX, &number) == 0 ? number : unknown;
}

bool system_exists(const char *root, const char *fmt, ...)
{
	_cleanup_(free_ptr) char *path = NULL;
	struct stat st;
	va_list ap;

	va_start(ap, fmt);
	path = path_make(root, fmt, ap);
	va_end(ap);
	return stat(path, &st) == 0;
}

static int name_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

size_t system_list(const char *root, const char *path, size_t max, char ***ret_names)
{
	_cleanup_(free_ptr) char *full = xasprintf("%s%s", root, path);
	struct dirent **entries = NULL;
	int n = scandir(full, &entries, name_visible, versionsort);
	size_t kept = 0;

	*ret_names = xcalloc(n > 0 ? (size_t)n : 0, sizeof(char *));
	for (int i = 0; i < n; i++) {
		if (kept < max)
			(*ret_names)[kept++] = xstrdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return kept;
}

void system_list_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* The parent of a process; 0 when unknown. The name in the file may hold anything, ')' included. */
static pid_t parent_of(const char *root, pid_t pid)
{
	_cleanup_(free_ptr) char *text = system_text(root, "/proc/%d/stat", (int)pid);
	const char *after = text ? strrchr(text, ')') : NULL;
	int parent;

	return after && sscanf(after, ") %*c %d", &parent) == 1 ? parent : 0;
}

static void describe_ancestors(const char *root, struct gpu_process *process)
{
	pid_t found[GPU_REPORT_MAX_ANCESTORS];
	size_t n = 0;

	for (pid_t pid = parent_of(root, process->pid); pid > 1 && n < ARRAY_SIZE(found);
	     pid = parent_of(root, pid))
		found[n++] = pid;
	if (n == 0)
		return;
	free(process->ancestors);
	process->ancestors = xcalloc(n, sizeof(pid_t));
	memcpy(process->ancestors, found, n * sizeof(pid_t));
	process->n_ancestors = n;
}

static void describe_cgroup(const char *root, struct gpu_process *process)
{
	_cleanup_(free_ptr) char *text = system_text(root, "/proc/%d/cgroup", (int)process->pid);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::", 3) != 0)
			continue;
		free(process->cgroup);
		process->cgroup = xstrndup(line + 3, strcspn(line + 3, "\n"));
		return;
	}
}

void system_describe(const char *root, struct gpu_process *process)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/proc/%d", root, (int)process->pid);
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	process->uid = st.st_uid;
	if (!process->name[0]) {
		_cleanup_(free_ptr) char *comm = system_text(path, "/comm");

		snprintf(process->name, sizeof(process->name), "%s", comm ? comm : "");
	}
	describe_cgroup(root, process);
	describe_ancestors(root, process);
}
