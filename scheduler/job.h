/* SPDX-License-Identifier: MIT */
/*
 * A job as the scheduler sees it: what it asks for, what it holds, where it is in its life.
 *
 *                 hold, release, update
 *                        .---.
 *                        v   |        place             start
 *      submit -------> queued ----------> starting ----------> running
 *                        |  ^                |  |                |  |
 *                 cancel |  |    requeue     |  |      stop      |  |
 *                        |  +----------------+--|-------+--------+  |
 *                        |  |                   v       v           |
 *                        |  |               stopping <--+           |
 *                        |  |     requeue       |                   |
 *                        |  +-------------------+                   |
 *                        v                      v                   v
 *                    cancelled <----------- cancelled, finished or failed (finish, fail, cancel)
 *
 * The complete relation is the table in job.c; job_apply() is the only setter of `state`. Pure: no
 * clock, no I/O; times come in with the events. Plain types, so store/ may include this header too.
 */
#pragma once

#include "common/clock.h"
#include "common/util.h"

/* Starts without retries and preemptions: a job that takes its runner down each time must end some
 * day. */
#define JOB_ATTEMPTS_MAX 10

enum job_state {
	JOB_QUEUED,    /* waits; `held` says that it waits for a person */
	JOB_STARTING,  /* has its GPUs; its runner is being started */
	JOB_RUNNING,   /* its program is executing */
	JOB_STOPPING,  /* was told to end, has not ended yet; still holds its GPUs */
	JOB_FINISHED,  /* exit code 0 */
	JOB_FAILED,    /* ended otherwise: `cause` */
	JOB_CANCELLED, /* ended because a person asked */
	JOB_STATE_COUNT,
};

/* Why an ending (or a stopping) job ends. */
enum job_cause {
	JOB_CAUSE_NONE,
	JOB_CAUSE_EXIT,	       /* by itself: exit_code */
	JOB_CAUSE_SIGNAL,      /* by itself: signal */
	JOB_CAUSE_TIMEOUT,     /* its time limit */
	JOB_CAUSE_OOM,	       /* the kernel, for memory */
	JOB_CAUSE_LAUNCH,      /* its program could not be started */
	JOB_CAUSE_CANCELLED,   /* a person: cancelled_by */
	JOB_CAUSE_RUNNER_LOST, /* its runner died without a record */
	JOB_CAUSE_NODE_LOST,   /* its machine went down under it */
	JOB_CAUSE_GPU_ERROR,   /* one of its GPUs broke */
	JOB_CAUSE_REQUEUED,    /* a person wanted it to begin again */
	JOB_CAUSE_PREEMPTED,   /* it made room for a job of higher priority */
	JOB_CAUSE_COUNT,
};

enum job_event_type {
	JOB_EVENT_HOLD,
	JOB_EVENT_RELEASE,
	JOB_EVENT_UPDATE,  /* what it asks for was changed, by whoever applies this */
	JOB_EVENT_PLACE,   /* the scheduler gave it resources: alloc */
	JOB_EVENT_START,   /* its program executes: time_ns */
	JOB_EVENT_STOP,	   /* it was told to end: cause, uid */
	JOB_EVENT_FINISH,  /* it ended with exit code 0 */
	JOB_EVENT_FAIL,	   /* it ended otherwise: cause, exit_code, signal */
	JOB_EVENT_CANCEL,  /* it ended, or never ran, because a person asked: uid */
	JOB_EVENT_REQUEUE, /* this attempt is void; wait again */
	JOB_EVENT_COUNT,
};

/* Does it wait for other jobs? (depend.h) */
enum job_dependence {
	JOB_INDEPENDENT, /* no, or not any more */
	JOB_DEPENDENT,	 /* for the end of others */
	JOB_NEVER,	 /* for what can never be */
};

/* What one job asks for. Two jobs of equal request have the same shape and are placed alike. */
struct request {
	uint32_t num_gpus;
	uint32_t cpus;
	uint64_t mem_bytes;
	uint64_t gpu_mem_bytes; /* least memory of each GPU */
	uint32_t gpu_type;	/* from ledger_intern_type(); 0: any */
};

/* Part of a job's resources on one node. */
struct allocation_part {
	uint32_t node; /* index in the ledger */
	uint32_t cpus;
	uint64_t gpus; /* bit i: the node's GPU slot i */
	uint64_t mem_bytes;
};

/* All a job holds: one part, or one per node for a gang over several. */
struct allocation {
	struct allocation_part *parts; /* owned */
	size_t n_parts;
};

struct job {
	uint64_t id;
	uint64_t revision; /* of the commit that last changed it */
	uint32_t uid;
	enum job_state state;
	bool held;
	enum job_dependence dependence; /* not stored: follows from what it depends on */
	bool requeue;	  /* may run again after its runner, its node or a GPU was lost */
	bool kill_now;	  /* its end was asked for without grace */
	bool preemptible; /* may be told to make room for a job of higher priority */
	int32_t priority;
	uint32_t attempt;   /* starts so far; names the attempt's directory and cgroup */
	uint32_t retries;   /* how often it may begin again after it failed by itself */
	uint32_t retried;   /* how often it has */
	uint32_t preempted; /* how often it has made room */
	uint32_t n_tasks;   /* how many jobs this stands for: it and those with the ids that follow,
			       alike in everything, which are tasks of an array that wait; else 1 */
	uint64_t array;	    /* id of the first task of the array it belongs to; 0: to none */
	uint32_t array_index; /* in its array; of the first of n_tasks */
	uint32_t array_limit; /* tasks of that array that may run at a time; 0: all */
	struct request request;
	struct allocation alloc; /* empty unless starting, running or stopping */
	int64_t submit_ns; /* wall clock, all of them; TIME_UNKNOWN when it has not happened */
	int64_t begin_ns;  /* not to be started before */
	int64_t place_ns;  /* of this attempt */
	int64_t start_ns;  /* of this attempt */
	int64_t stop_ns;   /* told to end */
	int64_t end_ns;
	int64_t limit_ns;     /* time limit; 0: none */
	int64_t predicted_ns; /* how long it will run, by what is known of its like; 0: unknown. Not
				 stored. Where there is no limit, the scheduler plans with it */
	uint64_t likeness;    /* the same in jobs that probably run equally long; 0: in none */
	enum job_cause cause;
	int32_t exit_code;    /* -1: none */
	int32_t signal;	      /* it died of; 0: none */
	int64_t cancelled_by; /* uid; -1: nobody */
	int64_t cpu_ns;	      /* -1 unknown */
	int64_t peak_bytes;   /* -1 unknown */
};

struct job_event {
	enum job_event_type type;
	int64_t time_ns;
	struct allocation alloc; /* PLACE: taken over by the job */
	enum job_cause cause;	 /* STOP, FINISH, FAIL, REQUEUE */
	int32_t exit_code;	 /* FINISH, FAIL, CANCEL; -1: none */
	int32_t signal;
	int64_t uid;	    /* STOP, CANCEL: who asked; -1: nobody */
	bool kill_now;	    /* STOP: without grace */
	int64_t cpu_ns;	    /* -1 unknown */
	int64_t peak_bytes; /* -1 unknown */
};

#define JOB_ILLEGAL 1 /* job_apply: this event means nothing in this state; nothing was changed */

/* An event with nothing known but its kind and time; fill in what it carries. */
struct job_event job_event_make(enum job_event_type type, int64_t time_ns);

/* Fill in a queued job without any history: all unknown. */
void job_init(struct job *job);
/* Release what it owns. Accepts a zeroed job. */
void job_finish(struct job *job);

/*
 * Fold one event into a job. Total: 0 with the job changed, or JOB_ILLEGAL with nothing changed.
 * On 0 a PLACE event's allocation belongs to the job.
 */
int job_apply(struct job *job, struct job_event *event);

/*
 * The event by which an attempt that ended for `cause` (as the runner saw it) leaves this job's
 * state: FINISH; CANCEL when a person had asked for the end; REQUEUE when it is to begin again,
 * because a person wanted so, because it made room or what it ran on was lost and it allows that,
 * or as a retry of a failure of its own; else FAIL. *ret_cause: what it ended for in the end.
 */
enum job_event_type job_end_event(const struct job *job, enum job_cause cause, int exit_code,
				  enum job_cause *ret_cause);

bool job_state_is_final(enum job_state state); /* finished, failed, cancelled */
bool job_state_has_gpus(enum job_state state); /* starting, running, stopping */

/* Does it wait for nothing but resources and its begin time: not held, not dependent? */
bool job_is_eligible(const struct job *job);

/* Names as people and the store write them ("queued", "runner-lost"); parse: 0 or -EINVAL. */
const char *job_state_name(enum job_state state);
int job_state_parse(const char *name, enum job_state *ret_state);
const char *job_cause_name(enum job_cause cause);
int job_cause_parse(const char *name, enum job_cause *ret_cause);
const char *job_event_name(enum job_event_type type);

/*
 * How its fields contradict its state ("is over but has no end"), for a job that comes from
 * outside; NULL: they agree. `holds`: it has an allocation, in whatever form.
 */
const char *job_fault(const struct job *job, bool holds);

/* assert() that there is no such fault. */
void job_check_invariants(const struct job *job);

void allocation_finish(struct allocation *alloc);
struct allocation allocation_dup(const struct allocation *alloc);
