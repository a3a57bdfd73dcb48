/* SPDX-License-Identifier: MIT */
/* From the runner to the job: the fork, and what the child does to itself before the exec. */
#pragma once

#include "common/launch.h"

/* The steps that may fail, in their order. */
enum job_step {
	JOB_STEP_CGROUP,
	JOB_STEP_IDS,
	JOB_STEP_INPUT,
	JOB_STEP_OUTPUT,
	JOB_STEP_ERROR,
	JOB_STEP_CWD,
	JOB_STEP_EXEC,
	JOB_STEP_INTERPRETER, /* the program is there, what is to interpret it is not */
};

struct job_failure {
	enum job_step step;
	int error; /* an errno; 0: none, which before JOB_STEP_EXEC means that it was killed */
};

struct job_process {
	pid_t pid;
	int report_fd; /* owned: hangs up at the exec, or when the child gives up or is killed */
	const struct job_failure *report; /* valid from then on. Shared with it, never released */
};

/*
 * Fork the job's first process, into the cgroup `leaf` unless that is NULL. Does not wait for the
 * exec, which may hang in a dead file system: watch report_fd. 0; -errno with a sentence when there
 * is no process.
 */
int job_fork(const struct launch *launch, const char *leaf, struct job_process *ret_process,
	     struct err *err);

/* Put a failure into words. The exit code a shell would give: 127 not found, 126 anything else. */
int job_explain(const struct launch *launch, const struct job_failure *failure, struct err *err);
