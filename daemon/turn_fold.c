/* SPDX-License-Identifier: MIT */
/*
 * What happens within a turn: jobs change, in memory and in the scheduler's books, and what is to
 * be written with the turn is gathered.
 *
 * Invariants: every change of a job goes through turn_apply(), so the scheduler's books, the
 * history and the commit never disagree. Nothing is written, started or answered here: that is
 * turn.c, after the commit. Cost: O(log n) per change.
 */
#include "daemon/turn_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "daemon/depends.h"
#include "daemon/ending.h"
#include "daemon/machine.h"

void turn_want_pass(struct daemon *daemon)
{
	daemon->turn->want_pass = true;
}

void turn_touch(struct daemon *daemon, struct record *record)
{
	struct turn *turn = daemon->turn;

	if (record->dirty)
		return;
	record->dirty = true;
	xgrow(&turn->dirty, &turn->dirty_capacity, turn->n_dirty + 1, sizeof(struct record *));
	turn->dirty[turn->n_dirty++] = record;
}

static void add_event(struct turn *turn, uint64_t job, uint32_t n_tasks, int64_t time_ns,
		      const char *event, const char *detail)
{
	xgrow(&turn->events, &turn->events_capacity, turn->n_events + 1, sizeof(*turn->events));
	turn->events[turn->n_events++] = (struct store_event){
		.job = job,
		.n_tasks = n_tasks,
		.time_ns = time_ns,
		.event = event,
		.detail = xstrdup(detail),
	};
}

/* How long it will run is best known when it begins to wait, and must not change while it does. */
static void enqueue(struct daemon *daemon, struct record *record)
{
	record_predict(daemon, record);
	sched_enqueue(daemon->sched, &record->job, record->job.n_tasks);
}

void turn_submit(struct daemon *daemon, struct record *record)
{
	record->is_new = true;
	add_event(daemon->turn, record->job.id, record->job.n_tasks, record->job.submit_ns,
		  "submit", "");
	daemon->metrics.submitted += record->job.n_tasks;
	turn_touch(daemon, record);
	if (job_is_eligible(&record->job))
		enqueue(daemon, record);
	turn_want_pass(daemon);
}

void turn_load(struct daemon *daemon, struct record *record)
{
	record_file(daemon, record);
	if (job_is_eligible(&record->job))
		enqueue(daemon, record);
}

/* Split a record; the scheduler is the caller's business. */
static struct record *split(struct daemon *daemon, struct record *record, uint32_t n)
{
	struct record *rest = record_split(daemon, record, n);

	rest->is_new = true;
	depends_share(daemon, record, rest);
	turn_touch(daemon, record);
	turn_touch(daemon, rest);
	return rest;
}

struct record *turn_carve(struct daemon *daemon, struct record *record, uint64_t first,
			  uint64_t last)
{
	const struct job *job = &record->job;
	bool waits = job_is_eligible(job);
	struct record *before = NULL, *behind = NULL;

	if (first <= job->id && last >= job->id + job->n_tasks - 1)
		return record;
	if (waits)
		sched_dequeue(daemon->sched, job);
	if (first > job->id) {
		before = record;
		record = split(daemon, record, (uint32_t)(first - job->id));
	}
	if (last < record->job.id + record->job.n_tasks - 1)
		behind = split(daemon, record, (uint32_t)(last - record->job.id + 1));
	if (waits && before)
		enqueue(daemon, before);
	if (waits && behind)
		enqueue(daemon, behind);
	if (waits)
		enqueue(daemon, record);
	return record;
}

void turn_settle(struct daemon *daemon, uint64_t job)
{
	struct turn *turn = daemon->turn;

	xgrow(&turn->settled, &turn->settled_capacity, turn->n_settled + 1, sizeof(*turn->settled));
	turn->settled[turn->n_settled++] = job;
	turn_want_pass(daemon);
}

void turn_note(struct daemon *daemon, struct record *record, const char *event, const char *detail)
{
	add_event(daemon->turn, record->job.id, record->job.n_tasks, clock_wall_ns(), event,
		  detail);
	turn_touch(daemon, record);
}

void turn_note_late(struct daemon *daemon, uint64_t job, const char *event, const char *detail)
{
	struct record *record = record_find(daemon, job);

	if (record) {
		turn_note(daemon, record, event, detail);
		return;
	}
	add_event(daemon->turn, job, 1, clock_wall_ns(), event, detail);
	turn_want_pass(daemon);
}

void turn_drain(struct daemon *daemon, const struct store_drain *drain)
{
	struct turn *turn = daemon->turn;

	xgrow(&turn->drains, &turn->drains_capacity, turn->n_drains + 1, sizeof(*turn->drains));
	turn->drains[turn->n_drains++] = store_drain_copy(drain);
	turn_want_pass(daemon);
}

void turn_window(struct daemon *daemon, const struct store_window *window)
{
	struct turn *turn = daemon->turn;

	xgrow(&turn->windows, &turn->windows_capacity, turn->n_windows + 1, sizeof(*turn->windows));
	turn->windows[turn->n_windows++] = store_window_copy(window);
	turn_want_pass(daemon);
}

struct record *const *turn_changed(const struct daemon *daemon, size_t *ret_n)
{
	*ret_n = daemon->turn->n_dirty;
	return daemon->turn->dirty;
}

uint64_t turn_find_key(const struct daemon *daemon, uint32_t uid, const char *key)
{
	const struct turn *turn = daemon->turn;

	for (size_t i = 0; i < turn->n_dirty; i++) {
		const struct record *record = turn->dirty[i];

		if (record->new_key && record->job.uid == uid && STREQ(record->new_key, key))
			return record->job.id;
	}
	return 0;
}

/* The job is in the queue by what it asks for, so it is taken out before that changes. */
void turn_update(struct daemon *daemon, struct record *record, const struct job *changed,
		 const char *name, const char *spec, const char *detail)
{
	struct job_event update = job_event_make(JOB_EVENT_UPDATE, clock_wall_ns());
	struct job *job = &record->job;

	if (job_is_eligible(job))
		sched_dequeue(daemon->sched, job);
	job->request = changed->request;
	job->priority = changed->priority;
	job->requeue = changed->requeue;
	job->retries = changed->retries;
	job->begin_ns = changed->begin_ns;
	job->limit_ns = changed->limit_ns;
	job->preemptible = changed->preemptible;
	job->dependence = changed->dependence;
	replace_string(&record->name, name);
	replace_string(&record->new_spec, spec);
	if (job_is_eligible(job))
		enqueue(daemon, record);
	turn_apply(daemon, record, &update, detail);
}

/* What the scheduler must know of a change. Its own decisions it has booked already (PLACE). */
static void tell_scheduler(struct daemon *daemon, struct record *record, bool was_eligible,
			   enum job_state from, int64_t now_ns)
{
	struct job *job = &record->job;
	bool had_gpus = job_state_has_gpus(from);

	if (was_eligible && !job_is_eligible(job) && job->state != JOB_STARTING)
		sched_dequeue(daemon->sched, job);
	if (job->state == JOB_STOPPING && from != JOB_STOPPING)
		sched_leave(daemon->sched, job->id, now_ns);
	if (had_gpus && !job_state_has_gpus(job->state))
		sched_release(daemon->sched, job->id, now_ns);
	if (!was_eligible && job_is_eligible(job))
		enqueue(daemon, record);
}

/* An attempt is over. */
static void end_attempt(struct daemon *daemon, struct record *record, const struct allocation *held,
			const char *detail)
{
	const struct job *job = &record->job;

	machine_gpus_released(daemon, held, job);
	replace_string(&record->message, detail);
	if (job->state == JOB_FINISHED && job->start_ns != TIME_UNKNOWN)
		predict_learn(sched_predictor(daemon->sched), job->likeness,
			      job->end_ns - job->start_ns);
}

int turn_apply(struct daemon *daemon, struct record *record, struct job_event *event,
	       const char *detail)
{
	struct job *job = &record->job;
	bool was_eligible = job_is_eligible(job), had_gpus = job_state_has_gpus(job->state);
	_cleanup_(allocation_finish) struct allocation held = allocation_dup(&job->alloc);
	_cleanup_(free_ptr) char *told = ending_detail(event, detail);
	enum job_state from = job->state;

	if (job_apply(job, event) == JOB_ILLEGAL) {
		daemon->illegal_events++;
		log_error("impossible event for a job job=%" PRIu64 " state=%s event=%s", job->id,
			  job_state_name(from), job_event_name(event->type));
		return JOB_ILLEGAL;
	}
	metrics_add_event(&daemon->metrics, job, event);
	tell_scheduler(daemon, record, was_eligible, from, event->time_ns);
	if (had_gpus && !job_state_has_gpus(job->state))
		end_attempt(daemon, record, &held, detail);
	if (job_state_is_final(job->state)) {
		depend_remove(daemon->depend, job->id);
		depends_end(daemon, job);
	}
	add_event(daemon->turn, job->id, job->n_tasks, event->time_ns, job_event_name(event->type),
		  told);
	turn_touch(daemon, record);
	turn_want_pass(daemon);
	return 0;
}

/* What a job depends on has come to be: it may run. */
static void fold_met(struct daemon *daemon, struct record *record)
{
	record->job.dependence = JOB_INDEPENDENT;
	turn_note(daemon, record, "dependencies-met", "");
	if (job_is_eligible(&record->job))
		enqueue(daemon, record);
}

/* It never will. A restart finds that again, and says it no second time. */
static void fold_never(struct daemon *daemon, struct record *record)
{
	_cleanup_(free_ptr) char *why = xasprintf("job %" PRIu64 " did not end as it was to",
						  depend_culprit(daemon->depend, record->job.id));
	struct job_event cancel = job_event_make(JOB_EVENT_CANCEL, clock_wall_ns());
	bool is_known = STREQ(record->message, why);

	record->job.dependence = JOB_NEVER;
	replace_string(&record->message, why);
	if (record->cancel_if_never)
		turn_apply(daemon, record, &cancel, why);
	else if (!is_known)
		turn_note(daemon, record, "dependency-never", why);
}

/* What has become of its dependencies by now: a request of the same turn may have changed them. */
static void settle_one(struct daemon *daemon, uint64_t id)
{
	struct record *record = record_find(daemon, id);

	if (!record || record->job.id != id || record->job.state != JOB_QUEUED ||
	    record->job.dependence != JOB_DEPENDENT)
		return;
	switch (depend_state(daemon->depend, id)) {
	case DEPEND_MET: fold_met(daemon, record); break;
	case DEPEND_NEVER: fold_never(daemon, record); break;
	case DEPEND_WAITS: break;
	}
}

/* Cancelling may settle others: those are appended. */
void turn_fold_settled(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;

	for (size_t i = 0; i < turn->n_settled; i++)
		settle_one(daemon, turn->settled[i]);
	turn->n_settled = 0;
}

void turn_fold_place(struct daemon *daemon, struct decision *decision, int64_t now_ns)
{
	struct record *record = record_find(daemon, decision->job);
	struct job_event event = {.type = JOB_EVENT_PLACE, .time_ns = now_ns};
	_cleanup_(buf_finish) struct buf where = {0};

	if (record->job.n_tasks > 1)
		split(daemon, record, 1);
	event.alloc = decision->alloc;
	decision->alloc = (struct allocation){0};
	free(record->alloc);
	record->alloc = machine_format_allocation(daemon, &event.alloc);
	memcpy(record->boot_id, daemon->boot_id, sizeof(record->boot_id));
	record->usage = usage_none();
	machine_describe_allocation(daemon, &event.alloc, &where);
	turn_apply(daemon, record, &event, buf_get(&where));
}

void turn_fold_preempt(struct daemon *daemon, const struct decision *decision, int64_t now_ns)
{
	struct record *record = record_find(daemon, decision->job);
	struct job_event stop = job_event_make(JOB_EVENT_STOP, now_ns);
	char detail[64];

	stop.cause = JOB_CAUSE_PREEMPTED;
	snprintf(detail, sizeof(detail), "to make room for job %" PRIu64, decision->beneficiary);
	log_info("a job makes room job=%" PRIu64 " for=%" PRIu64, decision->job,
		 decision->beneficiary);
	turn_apply(daemon, record, &stop, detail);
}
