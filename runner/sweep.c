/* SPDX-License-Identifier: MIT */
/*
 * Kinship from /proc: who descends from whom, who shares a session.
 *
 * A snapshot of /proc is stale when it is complete, so killing goes in rounds: stop whatever
 * descends, look again until nobody new turns up, then kill. A stopped process cannot fork. Cost:
 * one read of /proc/PID/stat per process of the machine and round.
 */
#include "runner/sweep.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>

#include "common/util.h"

#define STAT_MAX   4096
#define ROUNDS_MAX 100 /* against a bomb that forks faster than it can be stopped */

struct kin {
	pid_t pid, parent, session;
	char state;
	bool marked;
};

struct snapshot {
	struct kin *kin; /* owned */
	size_t n, capacity;
};

static int read_kin(const char *name, struct kin *ret_kin)
{
	_cleanup_(free_ptr) char *text = NULL;
	struct kin kin = {.pid = (pid_t)atoi(name)};
	char path[300], *at;
	int parent, group, session;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	if (read_file(path, STAT_MAX, &text, NULL) < 0)
		return -1;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c %d %d %d", &kin.state, &parent, &group, &session) != 4)
		return -1;
	kin.parent = (pid_t)parent;
	kin.session = (pid_t)session;
	*ret_kin = kin;
	return 0;
}

static void take_snapshot(struct snapshot *snapshot)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	struct kin kin;

	*snapshot = (struct snapshot){0};
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    read_kin(entry->d_name, &kin) < 0)
			continue;
		xgrow(&snapshot->kin, &snapshot->capacity, snapshot->n + 1, sizeof(kin));
		snapshot->kin[snapshot->n++] = kin;
	}
	if (proc)
		closedir(proc);
}

static bool is_marked(const struct snapshot *snapshot, pid_t pid)
{
	for (size_t i = 0; i < snapshot->n; i++)
		if (snapshot->kin[i].pid == pid)
			return snapshot->kin[i].marked;
	return false;
}

/* Mark the living descendants; a zombie counts, its children do too. */
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

static int send_marked(const struct snapshot *snapshot, int signal, int *ret_running)
{
	int found = 0;

	*ret_running = 0;
	for (size_t i = 0; i < snapshot->n; i++) {
		const struct kin *kin = &snapshot->kin[i];

		if (!kin->marked || kin->state == 'Z' || kin->state == 'X')
			continue;
		found++;
		*ret_running += kin->state != 'T';
		kill(kin->pid, signal);
	}
	return found;
}

int sweep_signal(pid_t root, int signal)
{
	struct snapshot snapshot;
	int found, running;

	take_snapshot(&snapshot);
	mark_descendants(&snapshot, root);
	found = send_marked(&snapshot, signal, &running);
	free(snapshot.kin);
	return found;
}

int sweep_descendants(pid_t root)
{
	int running = 1;

	for (int round = 0; running > 0 && round < ROUNDS_MAX; round++) {
		struct snapshot snapshot;

		take_snapshot(&snapshot);
		mark_descendants(&snapshot, root);
		send_marked(&snapshot, SIGSTOP, &running);
		free(snapshot.kin);
	}
	return sweep_signal(root, SIGKILL);
}

int sweep_session(pid_t session)
{
	struct snapshot snapshot;
	int found, running;

	if (session <= 0)
		return 0;
	take_snapshot(&snapshot);
	for (size_t i = 0; i < snapshot.n; i++)
		snapshot.kin[i].marked = snapshot.kin[i].session == session;
	found = send_marked(&snapshot, SIGKILL, &running);
	free(snapshot.kin);
	return found;
}
