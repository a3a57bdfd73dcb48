/* SPDX-License-Identifier: MIT */
/*
 * Watch a job, or one after the other, until it is over, copying its logs on the way: what `run`,
 * `wait` and `logs -f` share.
 */
#pragma once

#include "cli/client.h"
#include "cli/tail.h"

struct follow {
	struct client *client; /* borrowed; made anew when the daemon restarts */
	uint64_t id;
	uint64_t last;		      /* the last of those that follow_jobs() follows */
	bool copy_output, copy_error; /* to stdout and stderr */
	uint64_t last_lines; /* of each log, begin with so many of its lines; 0: at its beginning */
	bool announce;	     /* say on stderr why it waits and where it starts */
	bool cancel_on_interrupt; /* the first Ctrl-C ends the jobs, the second only this command */
	int64_t deadline_ns;	  /* monotonic clock; 0: wait for ever */
};

#define FOLLOW_DETACHED 1

/*
 * Wait until the job is over. 0 with its last object (new reference); FOLLOW_DETACHED after a
 * second interrupt; -ETIMEDOUT past the deadline; -errno; the last two with a sentence. Blocks.
 */
int follow_job(const struct follow *follow, json_t **ret_job, struct err *err);

/*
 * The same for the jobs from `id` to `last`, in this order: `ended` gets the last object of each
 * (borrowed), and whether an interrupt had come. A log that they share is copied once. 0, or what
 * follow_job() returns.
 */
int follow_jobs(const struct follow *follow,
		void (*ended)(void *ctx, const json_t *job, bool interrupted), void *ctx,
		struct err *err);
