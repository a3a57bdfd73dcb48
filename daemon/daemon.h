/* SPDX-License-Identifier: MIT */
/*
 * tgpud's one state, owned by its one thread, and the records of the jobs that are not over.
 *
 * Who may change what: turn.c alone changes jobs (turn_apply) and tells the scheduler; machine.c
 * alone changes the ledger's GPUs; launch.c alone starts, signals and reaps runners; http.c alone
 * touches connections. Jobs that are over live in the store only.
 */
#pragma once

#include <uv.h>

/* FNV: the default of uthash falls through cases in a way of which Clang warns. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>

#include "common/gpureport.h"
#include "common/paths.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "scheduler/core.h"
#include "store/store.h"

struct attempt;
struct event_stream;
struct hooks;
struct http;
struct machine;
struct metrics_listener;
struct prober;
struct stats_walk;
struct turn;

/* A job that is not over. */
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
	char *new_spec;	  /* owned: replaces the stored spec with this turn; NULL */
	bool dirty;	  /* changed in this turn: in turn->dirty */
	UT_hash_handle hh;
};

/* How much of the queue is one user's. */
struct user {
	uint32_t uid;
	int64_t n_records;
	UT_hash_handle hh;
};

struct daemon {
	uv_loop_t loop;
	struct config config;
	struct paths paths;
	bool recovering;   /* loading at start: nothing is carried out yet */
	uint64_t last_id;  /* highest job id given out */
	uint64_t revision; /* of the last commit */
	int64_t start_ns;
	char boot_id[BOOT_ID_SIZE];
	char *node_name; /* owned: this machine */
	char *cgroup;	 /* owned: the directory in which attempts get their leaves; NULL: none */
	char cgroup_reason[256]; /* why there is none, or what it can do */
	struct store *store;
	struct sched *sched;
	struct record *records; /* by id */
	struct user *users;	/* by uid: those with records */
	struct machine *machine;
	struct prober *prober;
	struct turn *turn;
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
	uint64_t illegal_events; /* transitions that job_apply refused: a defect when not 0 */
};

/* Make an empty record of this id and user and add it; find one; take it out and free it. */
struct record *record_create(struct daemon *daemon, uint64_t id, uint32_t uid);
struct record *record_find(const struct daemon *daemon, uint64_t id);
void record_destroy(struct daemon *daemon, struct record *record);

/* How many records this user has. */
int64_t record_count(const struct daemon *daemon, uint32_t uid);

/* The record as a store row: borrowed strings, no spec, no owner. */
struct store_row record_row(const struct record *record);

/* Replace an owned string. */
void replace_string(char **slot, const char *text);
