/* SPDX-License-Identifier: MIT */
/*
 * The jobs that hold resources: by id, and in order of their predicted ends.
 */
#pragma once

#include "scheduler/queue.h"

struct running {
	uint64_t job;
	struct shape shape;
	struct queue_key key; /* where it stood when it waited; it will stand there again */
	int64_t start_ns;
	int64_t end_ns;		 /* predicted; TIME_NEVER: nobody knows */
	struct allocation alloc; /* owned */
	double share;		 /* ledger_share() of it; 0 where nobody is told apart */
	int32_t priority;
	bool preemptible;
	bool predicted; /* its end is a prediction that it may outlive; else a limit */
	bool leaving;	/* was told to make room */
};

struct runnings;

struct runnings *runnings_create(void);
void runnings_destroy(struct runnings *runnings);

/* Add a copy of `running`, its alloc taken over. The id must be new. O(log n), and moving a part
 * of an array of pointers. */
const struct running *runnings_add(struct runnings *runnings, const struct running *running);

/* The running job of this id; NULL when there is none. O(1). */
struct running *runnings_find(const struct runnings *runnings, uint64_t job);

/* It will end at another time than was thought. */
void runnings_set_end(struct runnings *runnings, struct running *running, int64_t end_ns);

/* It is over: remove and free it. */
void runnings_remove(struct runnings *runnings, struct running *running);

/* All, in ascending order of end_ns, then start_ns, then of being added. Borrowed until the next
 * change. */
struct running *const *runnings_list(const struct runnings *runnings, size_t *ret_n);
