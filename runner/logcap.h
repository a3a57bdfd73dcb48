/* SPDX-License-Identifier: MIT */
/* Keeping a job's logs within the bound that its launch record gives (log_max). */
#pragma once

#include "common/launch.h"

struct logcap {
	int fds[2];	     /* owned: output, error; -1: none, or not a file that can be cut */
	int64_t max_bytes;   /* of each, on disk */
	int64_t check_at_ns; /* monotonic: when to look again; TIME_NEVER: there is no bound */
};

/* Open the logs, which the job has just opened itself, with its user's rights. Never fails: what
 * cannot be opened is not cut. */
void logcap_open(struct logcap *cap, const struct launch *launch);

/* Look how large they are; cut them when it is time. */
void logcap_check(struct logcap *cap);

void logcap_close(struct logcap *cap);
