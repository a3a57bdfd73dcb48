/* SPDX-License-Identifier: MIT */
/* A store of a test's own, in a new directory in memory, and commits that can be counted. */
#pragma once

#include <sys/types.h>

#include "store/store.h"

extern char dir[32], path[48], wal[52];

/* The directory; tear_down() fails when anything but the database is left in it. */
int set_up(void **state);
int tear_down(void **state);

struct store *must_open(void);

/* Opening is refused with this error and a sentence that names the file and contains `word`. */
void assert_refused(int want, const char *word);

/* Commit one job with a spec of `size` bytes, its first event, and the end of the job before it. */
int commit_job(struct store *store, uint64_t id, size_t size, struct err *err);
void must_commit(struct store *store, uint64_t id);
void make_jobs(uint64_t n);

/* For store_walk() and store_walk_events(): add one to a uint64_t. */
int count_row(void *ctx, const struct store_row *row);
int count_event(void *ctx, const struct store_event *event);

/* How many commits of commit_job() the store holds; each of them must be there as a whole. */
uint64_t whole_commits(struct store *store);
void assert_commits(uint64_t least, uint64_t most);

/* Run statements on the file while nobody has it open. */
void sql(const char *text);
