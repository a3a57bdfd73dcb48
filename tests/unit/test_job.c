/* SPDX-License-Identifier: MIT */
/* scheduler/job.h: every state with every event, and the names. */
#include <errno.h>

#include "cluster.h"

#define NOWHERE (-1)

/* Where each event leads from each state; written down a second time, by hand. */
static const int targets[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
	/* hold, release, update, place, start, stop, finish, fail, cancel, requeue */
	[JOB_QUEUED] = {JOB_QUEUED, JOB_QUEUED, JOB_QUEUED, JOB_STARTING, NOWHERE, NOWHERE, NOWHERE,
			NOWHERE, JOB_CANCELLED, NOWHERE},
	[JOB_STARTING] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, JOB_RUNNING, JOB_STOPPING,
			  JOB_FINISHED, JOB_FAILED, NOWHERE, JOB_QUEUED},
	[JOB_RUNNING] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, JOB_STOPPING, JOB_FINISHED,
			 JOB_FAILED, NOWHERE, JOB_QUEUED},
	[JOB_STOPPING] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, JOB_STOPPING, JOB_STOPPING,
			  JOB_FINISHED, JOB_FAILED, JOB_CANCELLED, JOB_QUEUED},
	[JOB_FINISHED] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE,
			  NOWHERE, NOWHERE},
	[JOB_FAILED] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE,
			NOWHERE, NOWHERE},
	[JOB_CANCELLED] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE,
			   NOWHERE, NOWHERE},
};

static struct allocation some_gpus(uint64_t gpus)
{
	struct allocation alloc = {.parts = xcalloc(1, sizeof(*alloc.parts)), .n_parts = 1};

	alloc.parts[0].gpus = gpus;
	return alloc;
}

/* A job in that state whose every field has a value of its own. */
static struct job job_in(enum job_state state)
{
	struct job job;

	memset(&job, 0, sizeof(job));
	job_init(&job);
	job.id = 7;
	job.revision = 8;
	job.uid = 9;
	job.state = state;
	job.priority = 10;
	job.attempt = 11;
	job.submit_ns = 12;
	job.begin_ns = 13;
	job.place_ns = 14;
	job.start_ns = 15;
	job.limit_ns = 16;
	if (job_state_has_gpus(state))
		job.alloc = some_gpus(3);
	if (job_state_is_final(state))
		job.end_ns = 17;
	if (state == JOB_STOPPING) {
		job.stop_ns = 18;
		job.cause = JOB_CAUSE_TIMEOUT;
	}
	if (state == JOB_FINISHED)
		job.exit_code = 0;
	job_check_invariants(&job);
	return job;
}

static struct job_event event_of(enum job_event_type type)
{
	struct job_event event;

	memset(&event, 0, sizeof(event));
	event.type = type;
	event.time_ns = 100;
	event.cause = type == JOB_EVENT_FINISH ? JOB_CAUSE_EXIT : JOB_CAUSE_SIGNAL;
	event.exit_code = type == JOB_EVENT_FINISH ? 0 : -1;
	event.signal = type == JOB_EVENT_FINISH ? 0 : 9;
	event.uid = 1000;
	event.cpu_ns = 101;
	event.peak_bytes = 102;
	if (type == JOB_EVENT_PLACE)
		event.alloc = some_gpus(12);
	return event;
}

/* What job.h says that an event changes, besides the state. */
static void change(struct job *job, const struct job_event *event)
{
	bool asked = event->type == JOB_EVENT_CANCEL;

	switch (event->type) {
	case JOB_EVENT_HOLD: job->held = true; break;
	case JOB_EVENT_RELEASE: job->held = false; break;
	case JOB_EVENT_PLACE:
		job->attempt++;
		job->alloc = event->alloc;
		job->place_ns = event->time_ns;
		job->start_ns = job->stop_ns = job->end_ns = TIME_UNKNOWN;
		job->cause = JOB_CAUSE_NONE;
		job->exit_code = -1;
		job->signal = 0;
		job->cpu_ns = job->peak_bytes = -1;
		break;
	case JOB_EVENT_START: job->start_ns = event->time_ns; break;
	case JOB_EVENT_UPDATE: break; /* whoever applies it changes the rest */
	case JOB_EVENT_STOP:	      /* the first order's time, the last one's reason */
		job->stop_ns = job->state == JOB_STOPPING ? job->stop_ns : event->time_ns;
		job->cause = event->cause;
		break;
	default:
		job->alloc = (struct allocation){0};
		if (job->state == JOB_QUEUED)
			job->start_ns = TIME_UNKNOWN; /* it was not running until now */
		job->end_ns = event->time_ns;
		job->exit_code = event->exit_code;
		job->signal = event->signal;
		job->cpu_ns = event->cpu_ns;
		job->peak_bytes = event->peak_bytes;
		job->cause = asked ? JOB_CAUSE_CANCELLED : event->cause;
		job->retried += event->type == JOB_EVENT_REQUEUE; /* after a signal */
		if (asked)
			job->cancelled_by = event->uid;
	}
}

static void check_pair(enum job_state state, enum job_event_type type)
{
	struct job job = job_in(state), want;
	struct job_event event = event_of(type), event_before;
	int target = targets[state][type];

	memcpy(&want, &job, sizeof(want));
	memcpy(&event_before, &event, sizeof(event));
	if (target == NOWHERE) {
		assert_int_equal(job_apply(&job, &event), JOB_ILLEGAL);
		assert_memory_equal(&event, &event_before, sizeof(event));
	} else {
		change(&want, &event);
		want.state = (enum job_state)target;
		assert_int_equal(job_apply(&job, &event), 0);
		assert_int_equal(event.alloc.n_parts, 0); /* handed over */
	}
	if (memcmp(&job, &want, sizeof(job)) != 0)
		fail_msg("%s on a %s job", job_event_name(type), job_state_name(state));
	job_finish(&job);
	allocation_finish(&event.alloc);
}

static void test_every_state_with_every_event(void **state)
{
	(void)state;
	for (int from = 0; from < JOB_STATE_COUNT; from++)
		for (int type = 0; type < JOB_EVENT_COUNT; type++)
			check_pair((enum job_state)from, (enum job_event_type)type);
}

static void test_an_event_that_does_not_exist_is_illegal(void **state)
{
	struct job job = job_in(JOB_QUEUED);
	struct job_event event = {.type = JOB_EVENT_COUNT};

	(void)state;
	assert_int_equal(job_apply(&job, &event), JOB_ILLEGAL);
}

static void test_who_asked_first_to_cancel_is_kept_at_the_end(void **state)
{
	struct job job = job_in(JOB_RUNNING);
	struct job_event stop = event_of(JOB_EVENT_STOP), end = event_of(JOB_EVENT_CANCEL);

	(void)state;
	stop.cause = JOB_CAUSE_CANCELLED;
	end.uid = -1;
	assert_int_equal(job_apply(&job, &stop), 0);
	assert_int_equal(job_apply(&job, &end), 0);
	assert_int_equal(job.cancelled_by, 1000);
	assert_int_equal(job.cause, JOB_CAUSE_CANCELLED);
}

static void test_a_second_attempt_forgets_the_first(void **state)
{
	struct job job = job_in(JOB_RUNNING);
	struct job_event lost = event_of(JOB_EVENT_REQUEUE), place = event_of(JOB_EVENT_PLACE);

	(void)state;
	lost.cause = JOB_CAUSE_NODE_LOST;
	assert_int_equal(job_apply(&job, &lost), 0);
	assert_int_equal(job.cause, JOB_CAUSE_NODE_LOST); /* people see why it waits again */
	assert_int_equal(job.submit_ns, 12);		  /* and it keeps its place in the queue */
	assert_int_equal(job_apply(&job, &place), 0);
	assert_int_equal(job.attempt, 12);
	assert_int_equal(job.cause, JOB_CAUSE_NONE);
	assert_int_equal(job.end_ns, TIME_UNKNOWN);
	job_finish(&job);
}

static void test_end_event(void **state)
{
	static const struct {
		enum job_state state;
		enum job_cause stopped_for;
		bool requeue;
		enum job_cause cause;
		int exit_code;
		enum job_event_type want;
	} rows[] = {
		{JOB_RUNNING, JOB_CAUSE_NONE, true, JOB_CAUSE_EXIT, 0, JOB_EVENT_FINISH},
		{JOB_STARTING, JOB_CAUSE_NONE, true, JOB_CAUSE_EXIT, 0, JOB_EVENT_FINISH},
		{JOB_RUNNING, JOB_CAUSE_NONE, true, JOB_CAUSE_EXIT, 1, JOB_EVENT_FAIL},
		{JOB_RUNNING, JOB_CAUSE_NONE, true, JOB_CAUSE_SIGNAL, -1, JOB_EVENT_FAIL},
		{JOB_RUNNING, JOB_CAUSE_NONE, true, JOB_CAUSE_TIMEOUT, 0, JOB_EVENT_FAIL},
		{JOB_RUNNING, JOB_CAUSE_NONE, true, JOB_CAUSE_OOM, -1, JOB_EVENT_FAIL},
		{JOB_STARTING, JOB_CAUSE_NONE, true, JOB_CAUSE_LAUNCH, -1, JOB_EVENT_FAIL},
		{JOB_RUNNING, JOB_CAUSE_NONE, true, JOB_CAUSE_RUNNER_LOST, -1, JOB_EVENT_REQUEUE},
		{JOB_RUNNING, JOB_CAUSE_NONE, false, JOB_CAUSE_RUNNER_LOST, -1, JOB_EVENT_FAIL},
		{JOB_STARTING, JOB_CAUSE_NONE, true, JOB_CAUSE_NODE_LOST, -1, JOB_EVENT_REQUEUE},
		{JOB_RUNNING, JOB_CAUSE_NONE, false, JOB_CAUSE_NODE_LOST, -1, JOB_EVENT_FAIL},
		/* A person asked for the end: however it came about, that is what happened. */
		{JOB_STOPPING, JOB_CAUSE_CANCELLED, true, JOB_CAUSE_EXIT, 0, JOB_EVENT_CANCEL},
		{JOB_STOPPING, JOB_CAUSE_CANCELLED, true, JOB_CAUSE_SIGNAL, -1, JOB_EVENT_CANCEL},
		{JOB_STOPPING, JOB_CAUSE_CANCELLED, true, JOB_CAUSE_NODE_LOST, -1,
		 JOB_EVENT_CANCEL},
		{JOB_STOPPING, JOB_CAUSE_TIMEOUT, true, JOB_CAUSE_TIMEOUT, -1, JOB_EVENT_FAIL},
		{JOB_STOPPING, JOB_CAUSE_TIMEOUT, true, JOB_CAUSE_EXIT, 0, JOB_EVENT_FINISH},
		{JOB_STOPPING, JOB_CAUSE_REQUEUED, false, JOB_CAUSE_NODE_LOST, -1,
		 JOB_EVENT_REQUEUE},
		{JOB_STOPPING, JOB_CAUSE_TIMEOUT, true, JOB_CAUSE_NODE_LOST, -1, JOB_EVENT_REQUEUE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct job job = {.state = rows[i].state,
				  .cause = rows[i].stopped_for,
				  .requeue = rows[i].requeue};
		enum job_cause cause;
		enum job_event_type type =
			job_end_event(&job, rows[i].cause, rows[i].exit_code, &cause);

		if (type != rows[i].want)
			fail_msg("row %zu: %s", i, job_event_name(type));
		assert_int_not_equal(targets[rows[i].state][type], NOWHERE);
	}
}

/* A job that is told to end for more than one reason, or fails with retries left. */
static void test_orders_and_retries(void **state)
{
	struct job job = {.state = JOB_STOPPING, .cause = JOB_CAUSE_REQUEUED, .retries = 2};
	enum job_cause cause;

	(void)state;
	assert_int_equal(job_end_event(&job, JOB_CAUSE_SIGNAL, -1, &cause), JOB_EVENT_REQUEUE);
	assert_int_equal(cause, JOB_CAUSE_REQUEUED);
	assert_int_equal(job_end_event(&job, JOB_CAUSE_EXIT, 0, &cause), JOB_EVENT_FINISH);
	job.cause = JOB_CAUSE_GPU_ERROR;
	assert_int_equal(job_end_event(&job, JOB_CAUSE_SIGNAL, -1, &cause), JOB_EVENT_FAIL);
	assert_int_equal(cause, JOB_CAUSE_GPU_ERROR);
	job.requeue = true;
	assert_int_equal(job_end_event(&job, JOB_CAUSE_SIGNAL, -1, &cause), JOB_EVENT_REQUEUE);
	job = (struct job){.state = JOB_RUNNING, .retries = 2};
	assert_int_equal(job_end_event(&job, JOB_CAUSE_EXIT, 3, &cause), JOB_EVENT_REQUEUE);
	assert_int_equal(job_end_event(&job, JOB_CAUSE_OOM, -1, &cause), JOB_EVENT_REQUEUE);
	assert_int_equal(job_end_event(&job, JOB_CAUSE_TIMEOUT, -1, &cause), JOB_EVENT_FAIL);
	assert_int_equal(job_end_event(&job, JOB_CAUSE_LAUNCH, 127, &cause), JOB_EVENT_FAIL);
	job.retried = 2;
	assert_int_equal(job_end_event(&job, JOB_CAUSE_EXIT, 3, &cause), JOB_EVENT_FAIL);
}

static void test_an_order_to_cancel_stands(void **state)
{
	struct job job = job_in(JOB_RUNNING);
	struct job_event stop = job_event_make(JOB_EVENT_STOP, 10);

	(void)state;
	stop.cause = JOB_CAUSE_REQUEUED;
	assert_int_equal(job_apply(&job, &stop), 0);
	stop.cause = JOB_CAUSE_CANCELLED;
	stop.uid = 7;
	assert_int_equal(job_apply(&job, &stop), 0);
	assert_int_equal(job.cause, JOB_CAUSE_CANCELLED);
	stop.cause = JOB_CAUSE_GPU_ERROR;
	stop.uid = -1;
	stop.kill_now = true;
	assert_int_equal(job_apply(&job, &stop), 0);
	assert_int_equal(job.cause, JOB_CAUSE_CANCELLED);
	assert_int_equal(job.cancelled_by, 7);
	assert_true(job.kill_now);
	job_finish(&job);
}

static void test_flags_of_states(void **state)
{
	(void)state;
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		assert_int_equal(job_state_is_final((enum job_state)i), i >= JOB_FINISHED);
		assert_int_equal(job_state_has_gpus((enum job_state)i),
				 i >= JOB_STARTING && i <= JOB_STOPPING);
	}
}

static void test_eligible(void **state)
{
	struct job job = job_in(JOB_QUEUED);

	(void)state;
	assert_true(job_is_eligible(&job));
	job.held = true;
	assert_false(job_is_eligible(&job));
	job.held = false;
	job.dependence = JOB_DEPENDENT;
	assert_false(job_is_eligible(&job));
	job.dependence = JOB_NEVER;
	assert_false(job_is_eligible(&job));
	job = cluster_job(1, 1, 5, 0);
	assert_true(job_is_eligible(&job));
	job.state = JOB_FINISHED;
	assert_false(job_is_eligible(&job));
}

static void test_names_round_trip(void **state)
{
	enum job_state job_state = JOB_STATE_COUNT;
	enum job_cause cause = JOB_CAUSE_COUNT;

	(void)state;
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		assert_int_equal(job_state_parse(job_state_name((enum job_state)i), &job_state), 0);
		assert_int_equal(job_state, i);
	}
	for (int i = 0; i < JOB_CAUSE_COUNT; i++) {
		assert_int_equal(job_cause_parse(job_cause_name((enum job_cause)i), &cause), 0);
		assert_int_equal(cause, i);
	}
	for (int i = 0; i < JOB_EVENT_COUNT; i++)
		assert_string_not_equal(job_event_name((enum job_event_type)i), "?");
	assert_int_equal(job_state_parse("Queued", &job_state), -EINVAL);
	assert_int_equal(job_cause_parse("", &cause), -EINVAL);
	assert_int_equal(job_state, JOB_STATE_COUNT - 1); /* untouched */
	assert_string_equal(job_state_name(JOB_STATE_COUNT), "?");
	assert_string_equal(job_cause_name(JOB_CAUSE_COUNT), "?");
	assert_string_equal(job_event_name(JOB_EVENT_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_with_every_event),
		cmocka_unit_test(test_an_event_that_does_not_exist_is_illegal),
		cmocka_unit_test(test_who_asked_first_to_cancel_is_kept_at_the_end),
		cmocka_unit_test(test_a_second_attempt_forgets_the_first),
		cmocka_unit_test(test_end_event),
		cmocka_unit_test(test_orders_and_retries),
		cmocka_unit_test(test_an_order_to_cancel_stands),
		cmocka_unit_test(test_flags_of_states),
		cmocka_unit_test(test_eligible),
		cmocka_unit_test(test_names_round_trip),
	};

	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
