/* SPDX-License-Identifier: MIT */
/*
 * cgroup2 by its files.
 *
 * Invariants: only directories made here are written to or removed. Everything is best effort: a
 * machine without cgroups runs jobs all the same, watched by the subreaper alone. Deliberately not
 * here: the old controllers of a hybrid machine; limits need cgroup2's own controllers. [kernel
 * Documentation/admin-guide/cgroup-v2.rst; systemd docs/CGROUP_DELEGATION.md for the two layouts]
 */
#include "runner/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define FILE_MAX   65536
#define PROCS_MAX  (4u << 20)
#define LEAF_TRIES 100

/* Where cgroup2 is mounted; NULL: nowhere. */
static const char *find_mount(void)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
		if (statfs(mounts[i], &fs) == 0 && (uint32_t)fs.f_type == CGROUP2_SUPER_MAGIC)
			return mounts[i];
	return NULL;
}

/* The path of this process's group: the line "0::/path". */
static char *own_group(void)
{
	_cleanup_(free_ptr) char *text = NULL;
	char *rest, *line;

	if (read_file("/proc/self/cgroup", FILE_MAX, &text, NULL) < 0)
		return NULL;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (strncmp(line, "0::/", 4) == 0)
			return xstrdup(line + 3);
	return NULL;
}

static int write_file(const char *dir, const char *name, const char *text)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write_all(fd, text, strlen(text));
}

static char *read_text(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	char *text;

	return read_file(path, PROCS_MAX, &text, NULL) == 0 ? text : NULL;
}

/* The number after `key` in a file of "key value" lines, or of one value when key is ""; -1: none.
 */
static int64_t read_number(const char *dir, const char *name, const char *key)
{
	_cleanup_(free_ptr) char *text = read_text(dir, name);
	char *rest = text, *line;

	while (rest && (line = strsep(&rest, "\n"))) {
		size_t len = strlen(key);

		if (len == 0 && line[0] >= '0' && line[0] <= '9')
			return strtoll(line, NULL, 10);
		if (len > 0 && strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoll(line + len + 1, NULL, 10);
	}
	return -1;
}

/* FNV-1a: a short name for a state directory. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

/* Let leaves have the controllers that are to be had; each by itself, so that one missing costs no
 * other. */
static void enable_controllers(const char *base)
{
	static const char *const controllers[] = {"+memory", "+pids", "+cpu"};

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		(void)write_file(base, "cgroup.subtree_control", controllers[i]);
}

static bool has_memory(const char *base)
{
	_cleanup_(free_ptr) char *text = read_text(base, "cgroup.subtree_control");

	return text && strstr(text, "memory");
}

/* Make `base` in the group `own`. The kernel lets a process be moved only by who may write the
 * cgroup.procs of what both groups have in common, which is `own`. */
static int make_base(const char *own, const char *base)
{
	_cleanup_(free_ptr) char *procs = xasprintf("%s/cgroup.procs", own);

	if (faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) < 0)
		return -errno;
	return mkdir(base, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

char *cgroup_base_create(const char *key, char *text, size_t size)
{
	static const char without[] =
		"jobs are ended by process kinship, and memory limits are not enforced";
	const char *mount = find_mount();
	_cleanup_(free_ptr) char *path = own_group(), *own = NULL, *base = NULL;
	int r;

	if (!mount || !path) {
		snprintf(text, size, "no cgroup2 hierarchy is mounted: %s", without);
		return NULL;
	}
	own = xasprintf("%s%s", mount, STREQ(path, "/") ? "" : path);
	base = xasprintf("%s/tgpu-%08" PRIx32, own, hash_text(key));
	r = make_base(own, base);
	if (r < 0) {
		snprintf(text, size, "cannot make a group in %s (%s): %s", path, strerror(-r),
			 without);
		return NULL;
	}
	enable_controllers(base);
	snprintf(text, size, "jobs are ended by their cgroup; memory limits are %senforced",
		 has_memory(base) ? "" : "not ");
	return TAKE_PTR(base);
}

void cgroup_base_remove(const char *base)
{
	rmdir(base);
}

char *cgroup_leaf_create(const char *base, uint64_t job, uint32_t attempt, uint64_t mem_bytes)
{
	char limit[32];

	for (int i = 0; i < LEAF_TRIES; i++) {
		_cleanup_(free_ptr) char *leaf =
			xasprintf("%s/%" PRIu64 ".%" PRIu32 ".%d", base, job, attempt, i);

		if (mkdir(leaf, 0755) < 0) {
			if (errno == EEXIST)
				continue; /* left over by a reused id; never enter a used one */
			if (errno == ENOENT && mkdir(base, 0755) == 0) {
				enable_controllers(base);
				continue;
			}
			return NULL;
		}
		snprintf(limit, sizeof(limit), "%" PRIu64, mem_bytes);
		if (mem_bytes > 0 && write_file(leaf, "memory.max", limit) == 0) {
			(void)write_file(leaf, "memory.swap.max", "0");
			(void)write_file(leaf, "memory.oom.group", "1");
		}
		return TAKE_PTR(leaf);
	}
	return NULL;
}

int cgroup_leaf_enter(const char *leaf)
{
	return write_file(leaf, "cgroup.procs", "0");
}

/* Call `fn` for every group right below `leaf`. The kernel bounds how deep they nest. */
static void for_each_child(const char *leaf, void (*fn)(const char *child))
{
	DIR *dir = opendir(leaf);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_(free_ptr) char *path = NULL;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		path = xasprintf("%s/%s", leaf, entry->d_name);
		fn(path);
	}
	if (dir)
		closedir(dir);
}

static void kill_listed(const char *leaf)
{
	_cleanup_(free_ptr) char *text = read_text(leaf, "cgroup.procs");
	char *rest = text, *line;

	for_each_child(leaf, kill_listed);
	while (rest && (line = strsep(&rest, "\n")))
		if (atoi(line) > 1)
			kill((pid_t)atoi(line), SIGKILL);
}

/* Before Linux 5.14: nobody forks while frozen. Freezing takes a moment, and callers repeat. */
static void kill_frozen(const char *leaf)
{
	(void)write_file(leaf, "cgroup.freeze", "1");
	kill_listed(leaf);
	(void)write_file(leaf, "cgroup.freeze", "0");
}

void cgroup_leaf_kill(const char *leaf)
{
	if (write_file(leaf, "cgroup.kill", "1") == -ENOENT)
		kill_frozen(leaf);
}

bool cgroup_leaf_is_populated(const char *leaf)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/cgroup.events", leaf);
	_cleanup_(free_ptr) char *text = NULL;
	int r = read_file(path, FILE_MAX, &text, NULL);

	if (r == -ENOENT || r == -ENODEV) /* removed, before or while it was read */
		return false;
	return r < 0 || !strstr(text, "populated 0");
}

static void remove_group(const char *leaf)
{
	(void)cgroup_leaf_remove(leaf);
}

int cgroup_leaf_remove(const char *leaf)
{
	for_each_child(leaf, remove_group);
	return rmdir(leaf) < 0 && errno != ENOENT ? -errno : 0;
}

void cgroup_base_sweep(const char *base, bool (*is_over)(void *ctx, uint64_t job, uint32_t attempt),
		       void *ctx)
{
	DIR *dir = opendir(base);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_(free_ptr) char *leaf = xasprintf("%s/%s", base, entry->d_name);
		uint64_t job;
		uint32_t attempt;
		int end = 0;

		if (sscanf(entry->d_name, "%" SCNu64 ".%" SCNu32 ".%*d%n", &job, &attempt, &end) ==
			    2 &&
		    end > 0 && !entry->d_name[end] && is_over(ctx, job, attempt))
			(void)cgroup_leaf_remove(leaf);
	}
	if (dir)
		closedir(dir);
}

void cgroup_leaf_usage(const char *leaf, struct cgroup_usage *ret_usage)
{
	int64_t cpu_us = read_number(leaf, "cpu.stat", "usage_usec");

	*ret_usage = (struct cgroup_usage){
		.cpu_ns = cpu_us < 0 ? -1 : cpu_us * 1000,
		.peak_bytes = read_number(leaf, "memory.peak", ""),
		.oom_kills = read_number(leaf, "memory.events", "oom_kill"),
	};
}
