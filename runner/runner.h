/* SPDX-License-Identifier: MIT */
/* What the parts of tgpu-runner share. Private to runner/. */
#pragma once

#include "common/launch.h"

/* The first process of a job, and where it lives. */
struct job_process {
	pid_t pid;
	int64_t start_ns; /* wall clock, just after the exec succeeded */
};

/*
 * Fork and exec the job. 0; or a positive exit code by shell convention (127 not found, 126 not
 * executable or anything else) with a sentence when it never ran. Blocks until the exec has
 * succeeded or failed.
 */
int job_start(const struct launch *launch, const char *leaf, struct job_process *ret_process,
	      struct err *err);

/*
 * Watch the job until the last of its processes is gone: reap, keep the time limit, obey SIGTERM
 * and SIGINT (from `signal_fd`). Fills in everything of *status but `error`.
 */
void supervise(const struct launch *launch, const char *leaf, const struct job_process *process,
	       int signal_fd, struct launch_status *status);
