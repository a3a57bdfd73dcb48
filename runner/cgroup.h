/* SPDX-License-Identifier: MIT */
/*
 * Groups of processes the kernel keeps: cgroup2, whole or beside the old controllers (hybrid).
 *
 * The daemon makes one base directory below its own group; each attempt of a job gets a fresh leaf
 * in it. A leaf is never used twice: kernels since 6.14 kill whoever is cloned into a group that
 * was ever killed.
 */
#pragma once

#include "common/util.h"

/*
 * Make the base for a daemon's attempts, named after `key` (its state directory), below the group
 * of this process. Its directory, owned by the caller; NULL where there is none to be had. `text`
 * gets a sentence: what it can do, or why it is missing.
 */
char *cgroup_base_create(const char *key, char *text, size_t size);

/* Remove the base if no leaf is left in it: the daemon when it stops, and runners that outlive it.
 */
void cgroup_base_remove(const char *base);

/* Make a fresh leaf for an attempt, and the base where one that outlived a daemon has removed it;
 * mem_bytes limits its memory where the controller is there (0: no limit). An owned directory, NULL
 * when it cannot be made. */
char *cgroup_leaf_create(const char *base, uint64_t job, uint32_t attempt, uint64_t mem_bytes);

/* Move the calling process into the leaf. 0 or -errno. */
int cgroup_leaf_enter(const char *leaf);

/* Kill everything in the leaf (cgroup.kill, else freeze, SIGKILL to each, thaw). Does not wait. */
void cgroup_leaf_kill(const char *leaf);

/* Is a process left in the leaf or below? A leaf that is gone has none. */
bool cgroup_leaf_is_populated(const char *leaf);

/* Remove the leaf, and groups the job made in it. Retries are the caller's: 0 or -errno. */
int cgroup_leaf_remove(const char *leaf);

/* Remove the empty leaves in a base of attempts that are over: of runners that were killed before
 * they could do so. */
void cgroup_base_sweep(const char *base, bool (*is_over)(void *ctx, uint64_t job, uint32_t attempt),
		       void *ctx);

/* What the leaf has used; -1 where it cannot tell. */
struct cgroup_usage {
	int64_t cpu_ns;
	int64_t peak_bytes;
	int64_t oom_kills;
};
void cgroup_leaf_usage(const char *leaf, struct cgroup_usage *ret_usage);
