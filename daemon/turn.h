/* SPDX-License-Identifier: MIT */
/*
 * One turn of the loop: gather, fold, decide, commit, act.
 *
 * Callbacks of one loop iteration fold what happened into jobs by turn_apply() and turn_submit();
 * at its end turn_run() decides, makes everything durable in one transaction, and only then acts:
 * replies leave, runners start, signals are sent. Nothing is visible outside before it is on disk.
 * A commit that fails ends the daemon: nothing was promised.
 */
#pragma once

#include "daemon/daemon.h"

void turn_create(struct daemon *daemon);
void turn_destroy(struct daemon *daemon);

/*
 * A new job: takes over `record` (queued) and writes spec, owner and key with the turn's commit.
 * The texts are copied. `key` may be NULL.
 */
void turn_submit(struct daemon *daemon, struct record *record, const char *spec, const char *owner,
		 const char *key);

/*
 * A waiting job asks for something else from now on: `changed` has the new request, priority,
 * requeue, retries, begin and limit; name and spec (JSON) are copied. The caller has checked them,
 * and that the job is queued.
 */
void turn_update(struct daemon *daemon, struct record *record, const struct job *changed,
		 const char *name, const char *spec, const char *detail);

/* The spec of a job as this turn has changed it and not yet written; NULL: the store has it. */
const char *turn_pending_spec(const struct daemon *daemon, const struct record *record);

/* A line in a job's history that changes nothing of it. */
void turn_note(struct daemon *daemon, struct record *record, const char *event, const char *detail);

/* A GPU is drained or resumed: written with the turn's commit. The texts are copied. */
void turn_drain(struct daemon *daemon, const struct store_drain *drain);

/* The job that this user submitted under `key` in this very turn; 0: none. */
uint64_t turn_find_key(const struct daemon *daemon, uint32_t uid, const char *key);

/*
 * Fold one event into a job, keep the scheduler's books in step, and remember it for the commit.
 * `detail` goes into the job's history; for an end it also becomes its message. 0, or JOB_ILLEGAL
 * (logged, counted, nothing changed).
 */
int turn_apply(struct daemon *daemon, struct record *record, struct job_event *event,
	       const char *detail);

/* Something that decisions depend on has changed (GPUs came free, a begin time has come). */
void turn_want_pass(struct daemon *daemon);

/* Write the record again although no event happened (a runner's message, say). */
void turn_touch(struct daemon *daemon, struct record *record);
