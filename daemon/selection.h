/* SPDX-License-Identifier: MIT */
/* Which jobs a list is of, and the living ones of them in its order. */
#pragma once

#include "common/idset.h"
#include "daemon/http.h"

struct selection {
	struct idset ids;
	bool has_ids;
	uint32_t states; /* bit (1 << enum job_state) */
	bool held;	 /* and those that are held, where `states` lacks JOB_QUEUED */
	int64_t uid;	 /* -1: any */
	size_t limit;
	bool newest;	 /* by id, the newest first, whatever their states */
	uint64_t fields; /* which of a job's are shown: bits of api_parse_fields() */
};

#define STATES_FINAL ((1u << JOB_FINISHED) | (1u << JOB_FAILED) | (1u << JOB_CANCELLED))
#define STATES_ALL   ((1u << JOB_STATE_COUNT) - 1)

/* From a request's parameters. False with the refusal set. Finish it in either case. */
bool selection_parse(struct request_context *request, struct selection *selection);
void selection_finish(struct selection *selection);

/* Selected but for its state: one that leaves the selected states is news, too. */
bool selection_watches(const struct selection *selection, const struct job *job);

/*
 * The first `limit` of the selected jobs that are not over: running ones, then waiting ones in the
 * order in which they would start, then held ones. *ret_list is owned by the caller, its records
 * are borrowed. True if there were more. O(limit x shapes); with ids O(ids); of a user, or the
 * newest, O(records).
 */
bool selection_living(struct daemon *daemon, const struct selection *selection,
		      const struct record ***ret_list, size_t *ret_n);
