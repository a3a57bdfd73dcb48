/* SPDX-License-Identifier: MIT */
/*
 * The records of the jobs that are not over: what the daemon knows of each beside what the
 * scheduler does, and where to find it.
 *
 * Only what changes within a turn (turn.h) is changed here; jobs that are over live in the store.
 */
#pragma once

#include "common/hash.h"
#include "common/idset.h"
#include "common/procid.h"
#include "common/usage.h"
#include "scheduler/job.h"
#include "store/store.h"

struct attempt;
struct daemon;

/* How many jobs are in each state, but for those that are over. */
struct state_counts {
	uint64_t jobs[JOB_STATE_COUNT];
	uint64_t held; /* of the queued ones */
};

/* As what a record is in these. */
struct counted {
	uint32_t n_tasks; /* 0: it is not */
	enum job_state state;
	bool held;
};

/* A job that is not over, or the tasks of an array that wait (job.n_tasks). */
struct record {
	struct job job;
	char *name;    /* owned */
	char *alloc;   /* owned: what it holds or last held, as JSON with UUIDs; "" before */
	char *message; /* owned: about its last attempt; "" */
	char boot_id[BOOT_ID_SIZE];
	struct usage usage;    /* of its GPUs, by its last attempt */
	int64_t idle_since_ns; /* its GPUs have all been idle since; TIME_UNKNOWN: they are not */
	uint32_t notify;       /* bits of enum jobspec_event: what its owner is told of */
	bool idle_told;	       /* ... and that was acted on */
	struct attempt
		*attempt; /* the runner of a starting, running or stopping job; NULL: none yet */
	char *after;	  /* owned: what it depends on, as its spec has it; NULL: nothing */
	bool cancel_if_never;  /* when what it depends on can never be */
	bool dirty;	       /* changed in this turn: in turn->dirty */
	bool is_new;	       /* came with this turn: the store does not know it yet */
	char *new_spec;	       /* owned: to be written with this turn; NULL: what the store has */
	char *new_owner;       /* owned: of a new job; NULL for a part of one that was split */
	char *new_key;	       /* owned: of a new job; NULL: none */
	struct record **aside; /* the list of those not in line that it is in; NULL */
	struct record *prev, *next; /* there */
	struct counted counted;	    /* in daemon->counts */
	UT_hash_handle hh;
};

/* Make an empty record of these ids and this user and add it; find the one that stands for a job;
 * take it out and free it. */
struct record *record_create(struct daemon *daemon, uint64_t id, uint32_t n_tasks, uint32_t uid);
struct record *record_find(const struct daemon *daemon, uint64_t id);
void record_destroy(struct daemon *daemon, struct record *record);

/* The records of the jobs that hold resources, from *at = 0 on; NULL after the last. However many
 * wait, they cost nothing here. Ends may be folded meanwhile, starts may not. */
struct record *record_next_running(const struct daemon *daemon, size_t *at);

/*
 * The records of all jobs of a set, each with the part of its ids that is meant: one that stands
 * for tasks in several ranges is visited with each, in the order of ids. `fn` may carve the part
 * from it. O(ids or records, whichever are fewer).
 */
void record_walk(const struct daemon *daemon, const struct idset *ids,
		 void (*fn)(void *ctx, struct record *record, const struct idrange *part),
		 void *ctx);

/* What it is has changed and is on disk: count it as that, and put it aside or take it back. */
void record_file(struct daemon *daemon, struct record *record);

/* Assert that the counts are those of a walk. O(records); after a commit. */
void record_check_counts(const struct daemon *daemon);

/* Leave a record its first n tasks; the others become a record of their own, alike in everything,
 * which is returned. */
struct record *record_split(struct daemon *daemon, struct record *record, uint32_t n);

/* How many jobs this user has that are not over. */
int64_t record_count(const struct daemon *daemon, uint32_t uid);

/* How many waiting jobs go before this one of a record: those before its first, which is all that
 * the scheduler knows of it, and its tasks up to this. O(shapes x log n). */
size_t record_ahead(struct daemon *daemon, const struct record *record, uint64_t id,
		    int64_t now_ns);

/* What jobs that probably run equally long have in common: owner, name and size. */
uint64_t record_likeness(const struct record *record);

/* Fill in that and how long it will run, by what is known of its like. Not while it waits: the
 * scheduler knows it by this. */
void record_predict(struct daemon *daemon, struct record *record);

/* The record as a store row: borrowed strings, no spec, no owner. */
struct store_row record_row(const struct record *record);
