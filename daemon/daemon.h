/* SPDX-License-Identifier: MIT */
/*
 * tgpud's one state, owned by its one thread, in which its rooms find each other.
 *
 * Who may change what: turn_fold.c alone changes jobs (turn_apply) and tells the scheduler;
 * machine.c alone changes the ledger's GPUs; launch.c alone starts, signals and reaps runners;
 * http.c alone touches connections.
 */
#pragma once

#include <uv.h>

#include "common/gpureport.h"
#include "common/paths.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "daemon/record.h"
#include "daemon/trouble.h"
#include "scheduler/core.h"
#include "scheduler/depend.h"
#include "scheduler/line.h"
#include "store/store.h"

struct event_stream;
struct hooks;
struct http;
struct machine;
struct metrics_listener;
struct prober;
struct stats_walk;
struct trace;
struct turn;
struct user;
struct window_list;

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
