/* SPDX-License-Identifier: MIT */
/* Finding and killing processes by kinship, for where there is no cgroup to kill by. */
#pragma once

#include <sys/types.h>

/* Kill every descendant of `root` (not itself): stop them all first, so that none can fork away.
 * The number of those found; 0: none is left. */
int sweep_descendants(pid_t root);

/* Send `signal` to every descendant of `root`. The number found. */
int sweep_signal(pid_t root, int signal);

/* Kill every process of a session. The number found. */
int sweep_session(pid_t session);
