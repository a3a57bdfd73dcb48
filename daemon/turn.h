/* SPDX-License-Identifier: MIT */
/*
 * One turn of the loop: gather, fold, decide, commit, act.
 *
 * Callbacks of one loop iteration fold what happened into jobs by turn_apply() and turn_submit();
 * at its end the turn decides, makes everything durable in one transaction, and only then acts:
 * replies leave, runners start, signals are sent. Nothing is visible outside before it is on disk.
 * A commit that fails ends the daemon: nothing was promised.
 */
#pragma once

#include "daemon/daemon.h"
#include "scheduler/forecast.h"

void turn_create(struct daemon *daemon);
void turn_destroy(struct daemon *daemon);

/*
 * A new job: takes over `record` (queued, its dependence settled). Its new_spec, new_owner and
 * new_key are written with the turn's commit; those of a further part of an array are NULL.
 */
void turn_submit(struct daemon *daemon, struct record *record);

/*
 * The record of just the jobs first .. last, which `record` stands for: what is left of it becomes
 * records of its own.
 */
struct record *turn_carve(struct daemon *daemon, struct record *record, uint64_t first,
			  uint64_t last);

/* A job that waited when the last daemon ended waits again. */
void turn_load(struct daemon *daemon, struct record *record);

/* What a waiting job depends on has come to be, or never will (depend_state() says which): folded
 * within the turn. */
void turn_settle(struct daemon *daemon, uint64_t job);

/* So many jobs' starts are foretold: further ahead nobody looks, and they cost some microseconds
 * each. */
#define TURN_FORECAST_JOBS 200

/* When the first jobs in the queue will start, as of the last pass. Made when first asked for. */
const struct forecast *turn_forecast(struct daemon *daemon);

/* The start of this one of a waiting record's jobs by that forecast; TIME_UNKNOWN when it is not
 * foretold. */
int64_t turn_start_ns(struct daemon *daemon, const struct record *record, uint64_t id);

/*
 * A waiting job asks for something else from now on: `changed` has the new request, priority,
 * requeue, retries, begin, limit and what it depends on; name and spec (JSON) are copied. The
 * caller has checked them, and that the job is queued.
 */
void turn_update(struct daemon *daemon, struct record *record, const struct job *changed,
		 const char *name, const char *spec, const char *detail);

/* A line in a job's history that changes nothing of it. */
void turn_note(struct daemon *daemon, struct record *record, const char *event, const char *detail);

/* The same for a job, known to the store, that may be over. */
void turn_note_late(struct daemon *daemon, uint64_t job, const char *event, const char *detail);

/* The jobs that the last commit wrote, while its replies are made. */
struct record *const *turn_changed(const struct daemon *daemon, size_t *ret_n);

/* A GPU is drained or resumed: written with the turn's commit. The texts are copied. */
void turn_drain(struct daemon *daemon, const struct store_drain *drain);

/* GPUs are reserved, or that is over: the same. */
void turn_window(struct daemon *daemon, const struct store_window *window);

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
