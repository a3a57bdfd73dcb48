/* SPDX-License-Identifier: MIT */
/*
 * tgpud's one state, owned by its one thread, and the records of the jobs that are not over.
 *
 * Who may change what: turn_fold.c alone changes jobs (turn_apply) and tells the scheduler;
 * machine.c alone changes the ledger's GPUs; launch.c alone starts, signals and reaps runners;
 * http.c alone touches connections. Jobs that are over live in the store only.
 */
#pragma once

#include <uv.h>

#include "common/gpureport.h"
#include "common/hash.h"
#include "common/idset.h"
#include "common/paths.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "daemon/trouble.h"
#include "scheduler/core.h"
#include "scheduler/depend.h"
#include "scheduler/line.h"
#include "store/store.h"

struct attempt;
struct event_stream;
struct hooks;
struct http;
struct machine;
struct metrics_listener;
struct prober;
struct stats_walk;
struct trace;
struct turn;
struct window_list;

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

/* How many of the jobs that are not over are one user's. */
struct user {
	uint32_t uid;
	int64_t n_jobs;
	UT_hash_handle hh;
};

struct daemon {
	uv_loop_t loop;
	struct config config;
	struct paths paths;
	bool stopping;	   /* told to end */
	uint64_t last_id;  /* highest job id given out */
	uint64_t revision; /* of the last commit */
	int64_t start_ns;
	char boot_id[BOOT_ID_SIZE];
	char *node_name; /* owned: this machine */
	char *cgroup;	 /* owned: the directory in which attempts get their leaves; NULL: none */
	char cgroup_reason[256]; /* why there is none, or what it can do */
	struct store *store;
	struct sched *sched;
	struct trace *trace;	/* of its decisions; NULL: none is kept */
	struct record *records; /* by id, of its first task */
	struct record **arrays; /* owned; borrowed: those for several tasks, in order of id */
	size_t n_arrays, arrays_capacity;
	struct record *held, *dependent; /* those that wait without being in line */
	struct state_counts counts;	 /* as of the last commit */
	struct depend *depend;
	struct user *users; /* by uid: those with records */
	struct machine *machine;
	struct prober *prober;
	struct turn *turn;
	struct window_list *windows;
	struct http *http;
	struct metrics metrics; /* turn.c and the others count; metrics_text.c reads */
	struct metrics_listener *metrics_listener; /* NULL: there is none */
	uv_poll_t hint_poll;
	int hint_fd;
	int64_t nofile; /* the soft limit of open files that jobs get; 0: as it is */
	struct hooks *hooks;
	struct event_stream *event_streams; /* api_events.c: those that are open */
	uv_timer_t event_heartbeat;
	struct stats_walk *stats_walks; /* api_stats.c: those under way, the first being walked */
	uv_idle_t stats_idle;
	struct trouble trouble;	 /* with reading the store */
	uint64_t illegal_events; /* transitions that job_apply refused: a defect when not 0 */
};

/* Make an empty record of these ids and this user and add it; find the one that stands for a job;
 * take it out and free it. */
struct record *record_create(struct daemon *daemon, uint64_t id, uint32_t n_tasks, uint32_t uid);
struct record *record_find(const struct daemon *daemon, uint64_t id);
void record_destroy(struct daemon *daemon, struct record *record);

/* The records of the jobs that hold resources, from *at = 0 on; NULL after the last. However many
 * wait, they cost nothing here. Ends may be folded meanwhile, starts may not. */
struct record *record_next_running(const struct daemon *daemon, size_t *at);

/* The records of all jobs of a range, in no order. What `fn` carves from one is not visited. O(ids
 * or records, whichever are fewer). */
void record_walk(const struct daemon *daemon, const struct idrange *range,
		 void (*fn)(void *ctx, struct record *record), void *ctx);

/* The same for a set, with the part of the record's ids that is meant: one that stands for tasks in
 * several ranges is visited with each, in the order of ids. */
void record_walk_set(const struct daemon *daemon, const struct idset *ids,
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

/* Replace an owned string. */
void replace_string(char **slot, const char *text);
