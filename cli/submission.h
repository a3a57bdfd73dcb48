/* SPDX-License-Identifier: MIT */
/* From the command line of `submit` and `run` to a job at the daemon. */
#pragma once

#include "cli/client.h"
#include "common/jobspec.h"
#include "common/options.h"

/* What both verbs say about where the job comes from; for their help. */
#define SUBMISSION_DETAILS                                                                        \
	"The job is a command after \"--\", a YAML file (.yaml, .yml), a script whose #TGPU "     \
	"lines hold options, or \"-\" for a script on stdin. Words after a script are its "       \
	"arguments. Options given here win over those of the file. The job gets the environment " \
	"and directory of this shell."

/* Say on stderr which directories of this job are not there (yet). `spec` may be incomplete. */
void submission_warn(const struct jobspec *spec);

/*
 * Make the specification (words after "--", a YAML file, a script with directives, or "-" for a
 * script on stdin; options win over the file) and submit it. Warnings about the file go to stderr.
 * 0 with the job object (new reference), or -errno with a sentence.
 */
int submission_send(struct client *client, const struct options *options, json_t **ret_job,
		    struct err *err);

/*
 * Was nothing submitted, for a job of this name was there already (--unique)? Then true, and
 * "job 12 (nightly) is there already, running; nothing was submitted" is appended, printable. Not
 * where a request was repeated after a broken connection: that job is this submission's.
 */
bool submission_found(const json_t *job, struct buf *line);
