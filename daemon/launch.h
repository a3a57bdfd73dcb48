/* SPDX-License-Identifier: MIT */
/*
 * Runners: start them, tell them to end, learn what became of them. See common/launch.h for the
 * protocol.
 */
#pragma once

#include "daemon/daemon.h"

/* Make the directories and the hint socket. 0, or -errno with a sentence. */
int launch_init(struct daemon *daemon, struct err *err);
void launch_finish_all(struct daemon *daemon);

/*
 * Bring the world in line with a committed record: spawn the runner of a starting job, signal that
 * of a stopping one, tidy up after an ended one. Idempotent: called again it finds nothing left to
 * do.
 */
void launch_act(struct daemon *daemon, struct record *record);

/*
 * A job that was starting, running or stopping when the last daemon went: find out what became of
 * it and fold that. The recovery table of docs/reliability.md.
 */
void launch_recover(struct daemon *daemon, struct record *record);

/* Remove the directory of an attempt that is over. 0 (also if there is none) or -errno. */
int launch_remove_dir(const char *dir);

/* Is this process on a GPU one of this job's: in its cgroup, or a descendant of its runner? */
bool launch_owns_process(const struct record *record, const struct gpu_process *process);

/* Where a job's log goes when its spec does not say; heap, owned by the caller. */
char *launch_default_log(const struct daemon *daemon, uint32_t uid, uint64_t job);
