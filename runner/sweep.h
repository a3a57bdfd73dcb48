/* SPDX-License-Identifier: MIT */
/* Finding and signalling processes by kinship, for where there is no cgroup to do it by. */
#pragma once

#include <sys/types.h>

/* Kill every descendant of `root` (not itself): stop them all first, so that they cannot fork away.
 * The number of those found; 0: none is left. Whoever needs certainty calls again until then. */
int sweep_kill(pid_t root);

/* Send `signal` to every descendant of `root`. The number found. */
int sweep_signal(pid_t root, int signal);

/*
 * Kill what a dead runner has left: every process of the job's session (0: not known) and every one
 * that has `variable`, "NAME=value", in the environment it was started with, and what descends from
 * those. The number found.
 */
int sweep_attempt(pid_t session, const char *variable);
