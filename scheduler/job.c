/* SPDX-License-Identifier: MIT */
/*
 * The life of a job: one table of transitions and the one function that moves a job along it.
 *
 * Invariants: a job holds resources exactly while starting, running or stopping; a final job never
 * moves again; `attempt` grows with every place and never shrinks. job_fault() says it in C.
 * Deliberately not here: who runs next (core.c), what a transition makes the daemon do (launch.c
 * there), and any clock: times come in with the events. Cost: a table look-up. Read next:
 * resources.c, which counts what the jobs hold.
 */
#include "scheduler/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* The picture in job.h, row by row. What is not here is JOB_ILLEGAL. */
static const struct transition {
	enum job_state from;
	enum job_event_type event;
	enum job_state to;
} transitions[] = {
	{JOB_QUEUED, JOB_EVENT_HOLD, JOB_QUEUED},
	{JOB_QUEUED, JOB_EVENT_RELEASE, JOB_QUEUED},
	{JOB_QUEUED, JOB_EVENT_UPDATE, JOB_QUEUED},
	{JOB_QUEUED, JOB_EVENT_PLACE, JOB_STARTING},
	{JOB_QUEUED, JOB_EVENT_CANCEL, JOB_CANCELLED},

	{JOB_STARTING, JOB_EVENT_START, JOB_RUNNING},
	{JOB_STARTING, JOB_EVENT_STOP, JOB_STOPPING},
	{JOB_STARTING, JOB_EVENT_FINISH, JOB_FINISHED}, /* so short that its start was never seen */
	{JOB_STARTING, JOB_EVENT_FAIL, JOB_FAILED},
	{JOB_STARTING, JOB_EVENT_REQUEUE, JOB_QUEUED},

	{JOB_RUNNING, JOB_EVENT_STOP, JOB_STOPPING},
	{JOB_RUNNING, JOB_EVENT_FINISH, JOB_FINISHED},
	{JOB_RUNNING, JOB_EVENT_FAIL, JOB_FAILED},
	{JOB_RUNNING, JOB_EVENT_REQUEUE, JOB_QUEUED},

	{JOB_STOPPING, JOB_EVENT_START, JOB_STOPPING}, /* the order to end overtook the report */
	{JOB_STOPPING, JOB_EVENT_STOP, JOB_STOPPING},  /* asked again */
	{JOB_STOPPING, JOB_EVENT_CANCEL, JOB_CANCELLED},
	{JOB_STOPPING, JOB_EVENT_FINISH, JOB_FINISHED},
	{JOB_STOPPING, JOB_EVENT_FAIL, JOB_FAILED},
	{JOB_STOPPING, JOB_EVENT_REQUEUE, JOB_QUEUED},
};

static const struct {
	const char *name;
	bool final;
	bool has_gpus;
} states[JOB_STATE_COUNT] = {
	[JOB_QUEUED] = {.name = "queued"},
	[JOB_STARTING] = {.name = "starting", .has_gpus = true},
	[JOB_RUNNING] = {.name = "running", .has_gpus = true},
	[JOB_STOPPING] = {.name = "stopping", .has_gpus = true},
	[JOB_FINISHED] = {.name = "finished", .final = true},
	[JOB_FAILED] = {.name = "failed", .final = true},
	[JOB_CANCELLED] = {.name = "cancelled", .final = true},
};

static const char *const causes[JOB_CAUSE_COUNT] = {
	[JOB_CAUSE_NONE] = "none",
	[JOB_CAUSE_EXIT] = "exit",
	[JOB_CAUSE_SIGNAL] = "signal",
	[JOB_CAUSE_TIMEOUT] = "timeout",
	[JOB_CAUSE_OOM] = "oom",
	[JOB_CAUSE_LAUNCH] = "launch",
	[JOB_CAUSE_CANCELLED] = "cancelled",
	[JOB_CAUSE_RUNNER_LOST] = "runner-lost",
	[JOB_CAUSE_NODE_LOST] = "node-lost",
	[JOB_CAUSE_GPU_ERROR] = "gpu-error",
	[JOB_CAUSE_REQUEUED] = "requeued",
	[JOB_CAUSE_PREEMPTED] = "preempted",
};

static const char *const events[JOB_EVENT_COUNT] = {
	[JOB_EVENT_HOLD] = "hold",     [JOB_EVENT_RELEASE] = "release",
	[JOB_EVENT_UPDATE] = "update", [JOB_EVENT_PLACE] = "place",
	[JOB_EVENT_START] = "start",   [JOB_EVENT_STOP] = "stop",
	[JOB_EVENT_FINISH] = "finish", [JOB_EVENT_FAIL] = "fail",
	[JOB_EVENT_CANCEL] = "cancel", [JOB_EVENT_REQUEUE] = "requeue",
};

struct job_event job_event_make(enum job_event_type type, int64_t time_ns)
{
	return (struct job_event){
		.type = type,
		.time_ns = time_ns,
		.exit_code = -1,
		.uid = -1,
		.cpu_ns = -1,
		.peak_bytes = -1,
	};
}

void job_init(struct job *job)
{
	*job = (struct job){
		.state = JOB_QUEUED,
		.n_tasks = 1,
		.exit_code = -1,
		.cancelled_by = -1,
		.cpu_ns = -1,
		.peak_bytes = -1,
	};
}

void job_finish(struct job *job)
{
	allocation_finish(&job->alloc);
}

static const struct transition *find_transition(enum job_state from, enum job_event_type event)
{
	for (size_t i = 0; i < ARRAY_SIZE(transitions); i++)
		if (transitions[i].from == from && transitions[i].event == event)
			return &transitions[i];
	return NULL;
}

/* A fresh attempt: forget how the last one went. */
static void begin_attempt(struct job *job, struct job_event *event)
{
	job->attempt++;
	job->alloc = event->alloc;
	event->alloc = (struct allocation){0};
	job->place_ns = event->time_ns;
	job->start_ns = job->stop_ns = job->end_ns = TIME_UNKNOWN;
	job->kill_now = false;
	job->cause = JOB_CAUSE_NONE;
	job->exit_code = -1;
	job->signal = 0;
	job->cpu_ns = job->peak_bytes = -1;
}

/* A job may be told to end more than once. The first order to cancel it stands, whatever was
 * ordered before or comes after. */
static void order_end(struct job *job, const struct job_event *event)
{
	job->kill_now |= event->kill_now;
	if (job->stop_ns == TIME_UNKNOWN)
		job->stop_ns = event->time_ns;
	else if (job->cause == JOB_CAUSE_CANCELLED)
		return;
	job->cause = event->cause;
	if (event->cause == JOB_CAUSE_CANCELLED)
		job->cancelled_by = event->uid;
}

/* Is this a failure of the job's own, as against one of what it ran on? */
static bool is_own_failure(enum job_cause cause)
{
	return cause == JOB_CAUSE_EXIT || cause == JOB_CAUSE_SIGNAL || cause == JOB_CAUSE_OOM;
}

static void end_attempt(struct job *job, const struct job_event *event)
{
	allocation_finish(&job->alloc);
	if (job->state == JOB_QUEUED)
		job->start_ns = TIME_UNKNOWN; /* what ran before it waited again is no run of it */
	job->end_ns = event->time_ns;
	job->exit_code = event->exit_code;
	job->signal = event->signal;
	job->cpu_ns = event->cpu_ns;
	job->peak_bytes = event->peak_bytes;
	if (event->type == JOB_EVENT_REQUEUE && is_own_failure(event->cause))
		job->retried++;
	if (event->type == JOB_EVENT_REQUEUE && event->cause == JOB_CAUSE_PREEMPTED)
		job->preempted++;
	if (event->type != JOB_EVENT_CANCEL) {
		job->cause = event->cause;
		return;
	}
	job->cause = JOB_CAUSE_CANCELLED;
	if (job->cancelled_by < 0)
		job->cancelled_by = event->uid;
}

int job_apply(struct job *job, struct job_event *event)
{
	const struct transition *transition = find_transition(job->state, event->type);

	if (!transition)
		return JOB_ILLEGAL;
	switch (event->type) {
	case JOB_EVENT_HOLD: job->held = true; break;
	case JOB_EVENT_RELEASE: job->held = false; break;
	case JOB_EVENT_PLACE: begin_attempt(job, event); break;
	case JOB_EVENT_START: job->start_ns = event->time_ns; break;
	case JOB_EVENT_UPDATE: break;
	case JOB_EVENT_STOP: order_end(job, event); break;
	case JOB_EVENT_FINISH:
	case JOB_EVENT_FAIL:
	case JOB_EVENT_CANCEL:
	case JOB_EVENT_REQUEUE: end_attempt(job, event); break;
	case JOB_EVENT_COUNT: break;
	}
	job->state = transition->to;
	job_check_invariants(job);
	return 0;
}

static bool may_repeat(const struct job *job)
{
	uint32_t excused = job->retried + job->preempted;

	return job->requeue && job->attempt - excused < JOB_ATTEMPTS_MAX;
}

enum job_event_type job_end_event(const struct job *job, enum job_cause cause, int exit_code,
				  enum job_cause *ret_cause)
{
	enum job_cause ordered = job->state == JOB_STOPPING ? job->cause : JOB_CAUSE_NONE;

	*ret_cause = cause;
	if (ordered == JOB_CAUSE_CANCELLED)
		return JOB_EVENT_CANCEL;
	if (cause == JOB_CAUSE_EXIT && exit_code == 0)
		return JOB_EVENT_FINISH; /* in time, whatever else was asked of it */
	if (ordered == JOB_CAUSE_REQUEUED || ordered == JOB_CAUSE_GPU_ERROR ||
	    ordered == JOB_CAUSE_PREEMPTED)
		*ret_cause = ordered; /* whatever it then died of */
	switch (*ret_cause) {
	case JOB_CAUSE_REQUEUED: return JOB_EVENT_REQUEUE;
	case JOB_CAUSE_PREEMPTED: return job->requeue ? JOB_EVENT_REQUEUE : JOB_EVENT_FAIL;
	case JOB_CAUSE_RUNNER_LOST:
	case JOB_CAUSE_NODE_LOST:
	case JOB_CAUSE_GPU_ERROR: return may_repeat(job) ? JOB_EVENT_REQUEUE : JOB_EVENT_FAIL;
	case JOB_CAUSE_EXIT:
	case JOB_CAUSE_SIGNAL:
	case JOB_CAUSE_OOM: return job->retried < job->retries ? JOB_EVENT_REQUEUE : JOB_EVENT_FAIL;
	default: return JOB_EVENT_FAIL;
	}
}

bool job_state_is_final(enum job_state state)
{
	return states[state].final;
}

bool job_state_has_gpus(enum job_state state)
{
	return states[state].has_gpus;
}

bool job_is_eligible(const struct job *job)
{
	return job->state == JOB_QUEUED && !job->held && job->dependence == JOB_INDEPENDENT;
}

const char *job_state_name(enum job_state state)
{
	return (size_t)state < JOB_STATE_COUNT ? states[state].name : "?";
}

const char *job_cause_name(enum job_cause cause)
{
	return (size_t)cause < JOB_CAUSE_COUNT ? causes[cause] : "?";
}

const char *job_event_name(enum job_event_type type)
{
	return (size_t)type < JOB_EVENT_COUNT ? events[type] : "?";
}

int job_state_parse(const char *name, enum job_state *ret_state)
{
	for (size_t i = 0; i < JOB_STATE_COUNT; i++)
		if (STREQ(name, states[i].name)) {
			*ret_state = (enum job_state)i;
			return 0;
		}
	return -EINVAL;
}

int job_cause_parse(const char *name, enum job_cause *ret_cause)
{
	for (size_t i = 0; i < JOB_CAUSE_COUNT; i++)
		if (STREQ(name, causes[i])) {
			*ret_cause = (enum job_cause)i;
			return 0;
		}
	return -EINVAL;
}

const char *job_fault(const struct job *job, bool holds)
{
	if (states[job->state].has_gpus != holds)
		return holds ? "holds GPUs or CPUs though it does not run" : "runs on nothing";
	if (holds && job->attempt == 0)
		return "runs but was never started";
	if (job->n_tasks == 0 || (job->n_tasks > 1 && job->array == 0))
		return "stands for several jobs that are no array";
	if (job->n_tasks > 1 && job->state != JOB_QUEUED && job->state != JOB_CANCELLED)
		return "stands for several jobs, but is past waiting";
	if (states[job->state].final && job->end_ns == TIME_UNKNOWN)
		return "is over but has no end";
	if (job->state == JOB_STOPPING && job->stop_ns == TIME_UNKNOWN)
		return "is stopping but was never told to";
	if (job->state == JOB_FINISHED && job->exit_code != 0)
		return "is finished with an exit code that is not 0";
	return NULL;
}

void job_check_invariants(const struct job *job)
{
	assert((size_t)job->state < JOB_STATE_COUNT);
	assert(!job_fault(job, job->alloc.n_parts > 0));
}

void allocation_finish(struct allocation *alloc)
{
	free(alloc->parts);
	*alloc = (struct allocation){0};
}

struct allocation allocation_dup(const struct allocation *alloc)
{
	struct allocation copy = {.n_parts = alloc->n_parts};

	if (alloc->n_parts > 0) {
		copy.parts = xreallocarray(NULL, alloc->n_parts, sizeof(*copy.parts));
		memcpy(copy.parts, alloc->parts, alloc->n_parts * sizeof(*copy.parts));
	}
	return copy;
}
