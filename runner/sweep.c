/* SPDX-License-Identifier: MIT */
/*
 * Kinship from /proc: who descends from whom, who shares a session or a mark in its environment.
 *
 * Invariants: a snapshot of /proc is stale when it is complete, so a signal goes to a process only
 * if pid and start time are still what the snapshot saw, through a pidfd: never to a stranger who
 * got the pid. And killing goes in rounds: stop all descendants, look again until nobody new turns
 * up, then kill; a process with a signal pending cannot complete a fork. Only a second thread in
 * the middle of one can, so callers repeat.
 * Cost: one read of /proc/PID/stat per process of the machine and round, and a sort.
 */
#include "runner/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/procid.h"

#define STAT_MAX    4096
#define ENVIRON_MAX (8u << 20)
#define NO_ROOT	    (-1)
#define ROUNDS_MAX  100 /* against a bomb that forks faster than it can be stopped */

struct kin {
	pid_t pid, parent, session;
	uint64_t start_ticks;
	char state;
	bool marked;
};

struct snapshot {
	struct kin *kin; /* owned; by ascending pid */
	size_t n, capacity;
	char boot_id[BOOT_ID_SIZE];
};

/* proc(5): the fields of /proc/PID/stat after the name, which may hold anything. */
static int read_kin(const char *name, struct kin *ret_kin)
{
	_cleanup_(free_ptr) char *text = NULL;
	struct kin kin = {.pid = (pid_t)atoi(name)};
	char path[300];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	if (read_file(path, STAT_MAX, &text, NULL) < 0)
		return -ESRCH;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
			  " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			  "%*d %" SCNu64,
			  &kin.state, &kin.parent, &kin.session, &kin.start_ticks) != 4)
		return -EINVAL;
	*ret_kin = kin;
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	const struct kin *left = a, *right = b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

static void snapshot_finish(struct snapshot *snapshot)
{
	free(snapshot->kin);
}

static void snapshot_take(struct snapshot *snapshot)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	struct kin kin;

	(void)boot_id_get(snapshot->boot_id);
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    read_kin(entry->d_name, &kin) < 0)
			continue;
		xgrow(&snapshot->kin, &snapshot->capacity, snapshot->n + 1, sizeof(kin));
		snapshot->kin[snapshot->n++] = kin;
	}
	if (proc)
		closedir(proc);
	if (snapshot->n > 0)
		qsort(snapshot->kin, snapshot->n, sizeof(kin), compare_pids);
}

static bool is_marked(const struct snapshot *snapshot, pid_t pid)
{
	struct kin key = {.pid = pid}, *found;

	found = bsearch(&key, snapshot->kin, snapshot->n, sizeof(key), compare_pids);
	return found && found->marked;
}

/* Mark the descendants. One pass does it where children have higher pids than their parents, which
 * is everywhere but where the pids have wrapped around. */
static void mark_descendants(struct snapshot *snapshot, pid_t root)
{
	bool grown = true;

	while (grown) {
		grown = false;
		for (size_t i = 0; i < snapshot->n; i++) {
			struct kin *kin = &snapshot->kin[i];

			if (kin->marked ||
			    (kin->parent != root && !is_marked(snapshot, kin->parent)))
				continue;
			kin->marked = true;
			grown = true;
		}
	}
}

/* Kernels before 5.3 and some containers have no pidfds: better a signal by pid than none. */
static void send_signal(const struct snapshot *snapshot, const struct kin *kin, int signal)
{
	struct procid id = {.pid = kin->pid, .start_ticks = kin->start_ticks};
	_cleanup_(close_fd) int fd = -1;

	memcpy(id.boot_id, snapshot->boot_id, sizeof(id.boot_id));
	fd = procid_open(&id);
	if (fd == -ESRCH)
		return;
	if (fd < 0 || syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) < 0)
		kill(kin->pid, signal);
}

/* Signal the marked that live. The number of them. */
static int signal_marked(const struct snapshot *snapshot, int signal)
{
	int found = 0;

	for (size_t i = 0; i < snapshot->n; i++) {
		const struct kin *kin = &snapshot->kin[i];

		if (!kin->marked || kin->state == 'Z' || kin->state == 'X')
			continue;
		found++;
		send_signal(snapshot, kin, signal);
	}
	return found;
}

int sweep_signal(pid_t root, int signal)
{
	_cleanup_(snapshot_finish) struct snapshot snapshot = {0};

	snapshot_take(&snapshot);
	mark_descendants(&snapshot, root);
	return signal_marked(&snapshot, signal);
}

int sweep_kill(pid_t root)
{
	int found = -1, before = 0;

	/* The stopped stay, so the same number twice means that nobody is new. */
	for (int round = 0; found != before && round < ROUNDS_MAX; round++) {
		before = found;
		found = sweep_signal(root, SIGSTOP);
	}
	return found > 0 ? sweep_signal(root, SIGKILL) : 0;
}

/* proc(5): /proc/PID/environ, NUL after each. That of other users' processes cannot be read. */
static bool has_variable(const struct kin *kin, const char *variable)
{
	_cleanup_(free_ptr) char *text = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)kin->pid);
	if (read_file(path, ENVIRON_MAX, &text, &len) < 0)
		return false;
	for (const char *at = text; at < text + len; at += strlen(at) + 1)
		if (STREQ(at, variable))
			return true;
	return false;
}

int sweep_attempt(pid_t session, const char *variable)
{
	_cleanup_(snapshot_finish) struct snapshot snapshot = {0};

	snapshot_take(&snapshot);
	for (size_t i = 0; i < snapshot.n; i++) {
		struct kin *kin = &snapshot.kin[i];

		kin->marked =
			(session > 0 && kin->session == session) || has_variable(kin, variable);
	}
	mark_descendants(&snapshot, NO_ROOT);
	return signal_marked(&snapshot, SIGKILL);
}
