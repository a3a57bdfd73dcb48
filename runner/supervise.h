/* SPDX-License-Identifier: MIT */
/* The life of a running job, seen by its runner. */
#pragma once

#include "runner/job.h"

/*
 * Watch the job until the last of its processes is gone: write `started` when it executes, reap,
 * keep the time limit, obey SIGTERM and SIGINT (from `signal_fd`, with SIGCHLD). Fills in all of
 * *ret_status. The caller is the subreaper of the job; `leaf` is its cgroup or NULL.
 */
void supervise(const struct launch *launch, const char *leaf, const struct job_process *process,
	       int signal_fd, struct launch_status *ret_status);
