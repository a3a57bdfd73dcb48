/* SPDX-License-Identifier: MIT */
/* What an attempt leaves behind: its three files, and a hint to the daemon after each. */
#pragma once

#include "common/launch.h"

/* Say who runs the attempt, before anything runs. 0 or -errno: then nothing may be started. */
int record_runner(const struct launch *launch, char *leaf);

/* Say that the program runs. Best effort: the status will tell it again. */
void record_started(const struct launch *launch, pid_t pid, int64_t start_ns);

/* Say how it ended. Returns when that is on disk, however long a full disk takes, or when the
 * attempt's directory is gone. */
void record_status(const struct launch *launch, const struct launch_status *status);

/* Is no daemon there that would take a hint? */
bool record_is_alone(const struct launch *launch);
