/* SPDX-License-Identifier: MIT */
/*
 * One attempt at running a job, as the daemon watches it: the runner's pidfd and the attempt's
 * directory. Private to launch.c and recover.c.
 */
#pragma once

#include "common/launch.h"
#include "daemon/launch.h"

struct attempt {
	struct daemon *daemon;
	uint64_t job;
	uint32_t number;      /* 1 for the job's first start */
	struct procid runner; /* pid 0: not known yet (a lock is held, its record is not there) */
	int pidfd;	      /* owned; -1: none */
	char *dir;	      /* owned */
	char *cgroup;	      /* owned: the leaf, once DIR/runner tells; NULL */
	pid_t job_pid;	      /* once DIR/started tells; 0 */
	uint16_t port;	      /* MASTER_PORT given to it */
	int signalled;	      /* the strongest signal sent so far: 0, SIGTERM, SIGINT */
	bool unborn;	      /* its runner could not be spawned yet; launch.c tries again */
	bool child;	      /* ours to reap */
	bool gone; /* its runner is dead: what there is in the directory is all there will be */
	uint64_t retry_ms; /* before the next look */
	uv_poll_t poll;	   /* on pidfd: the runner is gone */
	uv_timer_t retry;  /* look again: a lost attempt's remains, a runner's missing record */
};

/* The directory of an attempt; heap, owned by the caller. */
char *attempt_dir(const struct daemon *daemon, uint64_t job, uint32_t attempt);

/* Attach a new attempt to its record. pidfd -1: not known yet. */
struct attempt *attempt_create(struct daemon *daemon, struct record *record);

/* Watch the runner's pidfd (taken over). */
void attempt_watch(struct attempt *attempt, int pidfd);

/* Watch the runner just spawned. Where no pidfd is to be had now, look again until there is one:
 * the job may run already, so this must not fail. */
void attempt_watch_pid(struct attempt *attempt);

/* Look into the directory and fold what is new: started, over, lost. */
void attempt_look(struct attempt *attempt);

/* Is the attempt in this directory in the hands of a living runner? */
bool attempt_lock_is_held(const char *dir);

/* Detach from the record; freed once the loop has let go of it and its runner, if ours, is reaped.
 */
void attempt_detach(struct attempt *attempt);

/* The record it belongs to; NULL once detached. */
struct record *attempt_record(const struct attempt *attempt);
