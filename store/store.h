/* SPDX-License-Identifier: MIT */
/*
 * The state on disk: jobs and what happened to them.
 *
 * One turn of the daemon is one store_commit(): all or nothing, durable when it returns. Every
 * commit has a revision, one more than the last; every record carries the revision that last
 * changed it, so "what changed since R" is a query. Implementations sit behind struct store_ops:
 * sqlite.c keeps a file, memory.c nothing (tests, simulator). A cluster puts its engine behind the
 * same table.
 *
 * The store knows rows, not scheduling: a job's spec and its allocation are texts to it.
 */
#pragma once

#include "common/err.h"
#include "common/procid.h"
#include "common/usage.h"
#include "scheduler/job.h"

struct store;

/* One job as stored, or many tasks of an array that wait (job.n_tasks). Strings are borrowed in
 * rows handed in, valid in the callback in rows out. */
struct store_row {
	/*
	 * Without job.alloc: `alloc` has it, by names that outlive a restart. Without
	 * job.request.gpu_type, which is a number of this run only: it is not stored and comes back
	 * as 0; the spec tells the type.
	 */
	struct job job;
	const char *name;
	const char *spec;  /* jobspec as JSON; NULL in an update: unchanged; NULL in listings. In
			      an insert of a further part of an array, NULL: that of the part
			      before it, which it was split from */
	const char *owner; /* credentials to run with, as JSON; written once, with an array's first
			      part for all; NULL elsewhere */
	const char *key;   /* the submitter's key, unique per uid; NULL: none. Written once */
	const char *alloc; /* JSON, "" when it holds nothing */
	const char *message;	    /* a sentence about its end or its last attempt; "" */
	char boot_id[BOOT_ID_SIZE]; /* of the machine when it was last started; "" before */
	struct usage usage;	    /* of its GPUs, by its last attempt */
};

/* One line of a job's history. Its place in the history of all is (revision, n). */
struct store_event {
	uint64_t job;	  /* or the first of n_tasks, which a row stands for */
	uint32_t n_tasks; /* > 0 */
	int64_t time_ns;
	const char *event;  /* job_event_name(), or "submit" */
	const char *detail; /* "" or a sentence */
	uint64_t revision;  /* of its commit, and its position there: in events handed out */
	uint64_t n;
};

/* A GPU taken out of service, or put back. */
struct store_drain {
	const char *uuid;
	bool drained; /* false: its row goes */
	int64_t time_ns;
	int64_t uid; /* who did it; -1: tgpud itself */
	const char *reason;
};

/* A copy with strings of its own, and their release. */
struct store_drain store_drain_copy(const struct store_drain *drain);
void store_drain_finish(struct store_drain *drain);

/* GPUs that are one user's for a time. */
struct store_window {
	uint64_t id;
	bool gone; /* its row goes */
	uint32_t uid;
	int64_t start_ns, end_ns;
	const char *gpus; /* JSON: index and UUID of each */
	const char *reason;
	uint32_t created_by; /* uid */
	int64_t created_ns;
};

/* A copy with strings of its own, and their release. */
struct store_window store_window_copy(const struct store_window *window);
void store_window_finish(struct store_window *window);

/* What one turn wants written. */
struct store_batch {
	const struct store_row *inserts; /* new jobs */
	size_t n_inserts;
	const struct store_row *updates; /* changed jobs: all but uid, owner and key */
	size_t n_updates;
	const struct store_event *events;
	size_t n_events;
	const struct store_drain *drains;
	size_t n_drains;
	const struct store_window *windows;
	size_t n_windows;
};

/* Which jobs to hand out; zero-initialised: all. In order of id, descending with newest_first. */
struct store_filter {
	bool active_only; /* not finished, failed or cancelled */
	bool final_only;
	uint32_t states;	    /* bit (1 << enum job_state); 0: any */
	int64_t uid;		    /* of this user; -1: any. Set it! */
	uint64_t first_id, last_id; /* rows that stand for a job of these; 0: no bound */
	size_t limit;		    /* 0: none */
	bool newest_first;
	bool with_spec; /* fill in spec and owner */
};

/* Called per row; a non-zero result stops the walk and is returned from it. */
typedef int store_row_fn(void *ctx, const struct store_row *row);
typedef int store_event_fn(void *ctx, const struct store_event *event);
typedef int store_drain_fn(void *ctx, const struct store_drain *drain);
typedef int store_window_fn(void *ctx, const struct store_window *window);

struct store_ops {
	const char *name;
	int (*commit)(struct store *store, const struct store_batch *batch, uint64_t *ret_revision,
		      struct err *err);
	int (*walk)(struct store *store, const struct store_filter *filter, store_row_fn *fn,
		    void *ctx, struct err *err);
	int (*walk_events)(struct store *store, uint64_t job, uint64_t array, store_event_fn *fn,
			   void *ctx, struct err *err);
	int (*walk_log)(struct store *store, uint64_t revision, uint64_t n, size_t limit,
			store_event_fn *fn, void *ctx, struct err *err);
	int (*walk_drains)(struct store *store, store_drain_fn *fn, void *ctx, struct err *err);
	int (*walk_windows)(struct store *store, store_window_fn *fn, void *ctx, struct err *err);
	int (*find_key)(struct store *store, uint32_t uid, const char *key, uint64_t *ret_id,
			struct err *err);
	int (*last)(struct store *store, uint64_t *ret_id, uint64_t *ret_revision, struct err *err);
	void (*close)(struct store *store);
};

/* The head of every implementation's own struct. */
struct store {
	const struct store_ops *ops;
	unsigned n_walks; /* under way: no commit and no close within one */
};

/*
 * Open the SQLite store `path`, creating it (0600) or migrating an older schema. 0; -EBUSY when
 * another process has it; -EIO, -ENOSPC, -EROFS, -EUCLEAN (damaged), -EPROTO (made by a newer
 * version or another program), -EPERM (somebody else's), -EINVAL (no regular file) or the errno of
 * open(2), with a sentence that says what to do. Blocks on the disk.
 */
int store_sqlite_open(const char *path, struct store **ret_store, struct err *err);

/* A store that forgets when it is closed. */
struct store *store_memory_create(void);

/*
 * Make a batch durable as one transaction: inserts, then updates, events, drains, windows. 0 with
 * its revision (which the rows' jobs then carry); negative with a sentence: nothing of it was
 * written, and the daemon must stop. An insert whose id or (uid, key) exists already is -EEXIST:
 * look with store_find_key() first; an update or event of an unknown job is -ENOENT. A disk that
 * fails for good (-EIO) can leave it unknown, and the sentence says so: opening the store again
 * finds all of the batch or nothing. Not to be called from within a walk.
 */
int store_commit(struct store *store, const struct store_batch *batch, uint64_t *ret_revision,
		 struct err *err);

/*
 * Walk the matching jobs. 0, the callback's own result, or -errno with a sentence. The callback may
 * walk too.
 */
int store_walk(struct store *store, const struct store_filter *filter, store_row_fn *fn, void *ctx,
	       struct err *err);

/* Walk one job's history, oldest first. Of a task, what happened to many at once is in it too:
 * `array` is the first task of its array (job.array; 0: it is in none). O(its events + those of
 * several tasks of its array). */
int store_walk_events(struct store *store, uint64_t job, uint64_t array, store_event_fn *fn,
		      void *ctx, struct err *err);

/* Walk what happened to all jobs after the n-th event of `revision`, oldest first, at most `limit`
 * events. n UINT64_MAX: after all of that revision. */
int store_walk_log(struct store *store, uint64_t revision, uint64_t n, size_t limit,
		   store_event_fn *fn, void *ctx, struct err *err);

/* Walk the drained GPUs. */
int store_walk_drains(struct store *store, store_drain_fn *fn, void *ctx, struct err *err);

/* Walk the windows, in order of id. */
int store_walk_windows(struct store *store, store_window_fn *fn, void *ctx, struct err *err);

/* The highest id that a job's row stands for. */
uint64_t store_last_task(const struct job *job);

/* Does the filter let this job through? All but `limit`; for implementations of walk. */
bool store_filter_matches(const struct store_filter *filter, const struct job *job);

/* The job that `uid` submitted under `key`. 0; -ENOENT: there is none; or another -errno with a
 * sentence: nobody knows. */
int store_find_key(struct store *store, uint32_t uid, const char *key, uint64_t *ret_id,
		   struct err *err);

/* The highest job id and revision ever used; both 0 in a new store. */
int store_last(struct store *store, uint64_t *ret_id, uint64_t *ret_revision, struct err *err);

/* Close. Accepts NULL. For _cleanup_: store_closep. */
void store_close(struct store *store);
