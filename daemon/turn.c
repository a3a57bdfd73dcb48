/* SPDX-License-Identifier: MIT */
/*
 * The turn: the only place where jobs change, and the only commit point.
 *
 * Invariants: every change of a job goes through turn_apply(), so the scheduler's books, the
 * history and the commit never disagree; act happens after commit, always; what acting changes (a
 * runner that could not be spawned) is folded into a next turn before the loop sleeps. Deliberately
 * not here: how a runner is started (launch.c), what a request says (api_*.c). Cost: one SQLite
 * transaction per iteration with changes, however many they are. Read next: launch.c.
 */
#include "daemon/turn.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "daemon/announce.h"
#include "daemon/depends.h"
#include "daemon/ending.h"
#include "daemon/http.h"
#include "daemon/launch.h"
#include "daemon/machine.h"
#include "daemon/trace.h"
#include "daemon/window.h"
#include "scheduler/forecast.h"

struct turn {
	struct daemon *daemon;
	struct record **dirty; /* borrowed; changed jobs, new ones included */
	size_t n_dirty, dirty_capacity;
	struct store_event *events; /* detail owned here */
	size_t n_events, events_capacity;
	struct store_drain *drains; /* uuid and reason owned here */
	size_t n_drains, drains_capacity;
	struct store_window *windows; /* strings owned here */
	size_t n_windows, windows_capacity;
	uint64_t *settled; /* jobs whose dependencies hold, or never will */
	size_t n_settled, settled_capacity;
	struct forecast forecast;
	bool forecast_is_stale;
	bool forecast_is_wanted; /* somebody has asked since it became stale */
	int64_t forecast_ns;	 /* when it was made */
	bool want_pass;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t wake; /* the next begin time */
};

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
	static const char why[] = "a job that it depends on did not end as it was to";
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

/* Fold what dependencies have come to. Cancelling may settle others: those are appended. */
static void settle(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;

	for (size_t i = 0; i < turn->n_settled; i++)
		settle_one(daemon, turn->settled[i]);
	turn->n_settled = 0;
}

static void place(struct daemon *daemon, struct decision *decision, int64_t now_ns)
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

static void preempt(struct daemon *daemon, const struct decision *decision, int64_t now_ns)
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

static double seconds_since(int64_t began_ns)
{
	return (double)(clock_mono_ns() - began_ns) / NS_PER_S;
}

static void decide(struct daemon *daemon)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};
	int64_t now_ns = clock_wall_ns(), began_ns;

	settle(daemon);
	if (!daemon->turn->want_pass)
		return;
	window_expire(daemon, now_ns);
	began_ns = clock_mono_ns();
	sched_pass(daemon->sched, now_ns, &decisions);
	histogram_add(&daemon->metrics.pass, histogram_bounds_work, seconds_since(began_ns));
	daemon->turn->forecast_is_stale = true;
	daemon->turn->forecast_is_wanted = false;
	for (size_t i = 0; i < decisions.n; i++)
		if (decisions.items[i].kind == DECISION_START)
			place(daemon, &decisions.items[i], now_ns);
		else
			preempt(daemon, &decisions.items[i], now_ns);
	daemon->turn->want_pass = false; /* placing asked for a pass; it is the one just done */
}

/* Jobs that outlive what was planned move a forecast although nothing happens. */
#define FORECAST_KEPT_NS (10 * NS_PER_S)

static bool has_forecast(const struct turn *turn, int64_t now_ns)
{
	return !turn->forecast_is_stale && now_ns - turn->forecast_ns <= FORECAST_KEPT_NS;
}

const struct forecast *turn_forecast(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;
	int64_t now_ns = clock_wall_ns();

	if (!has_forecast(turn, now_ns)) {
		forecast_finish(&turn->forecast);
		forecast_make(daemon->sched, now_ns, TURN_FORECAST_JOBS, &turn->forecast);
		turn->forecast_is_stale = false;
		turn->forecast_ns = now_ns;
	}
	return &turn->forecast;
}

/* A forecast costs as much as some places in line with many shapes. So for one job it is made only
 * if it can hold that job, and a submit behind many others is no dearer than one into an empty
 * queue; but a list of thousands does not ask for the place of each. */
int64_t turn_start_ns(struct daemon *daemon, const struct record *record, uint64_t id)
{
	struct turn *turn = daemon->turn;
	int64_t now_ns = clock_wall_ns();
	bool is_first = !turn->forecast_is_wanted;

	turn->forecast_is_wanted = true;
	if (is_first && !has_forecast(turn, now_ns) &&
	    record_ahead(daemon, record, id, now_ns) >= TURN_FORECAST_JOBS)
		return TIME_UNKNOWN;
	return forecast_start_ns(turn_forecast(daemon), id);
}

/* Sort the changed jobs into new and known ones. */
static void fill_rows(const struct turn *turn, struct store_batch *batch, struct store_row *rows)
{
	struct store_row *inserts = rows, *updates = rows + turn->n_dirty;

	for (size_t i = 0; i < turn->n_dirty; i++)
		if (turn->dirty[i]->is_new)
			inserts[batch->n_inserts++] = record_row(turn->dirty[i]);
		else
			updates[batch->n_updates++] = record_row(turn->dirty[i]);
	batch->inserts = inserts;
	batch->updates = updates;
}

static void commit(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;
	_cleanup_(free_ptr) struct store_row *rows = xcalloc(2 * turn->n_dirty, sizeof(*rows));
	struct store_batch batch = {
		.events = turn->events,
		.n_events = turn->n_events,
		.drains = turn->drains,
		.n_drains = turn->n_drains,
		.windows = turn->windows,
		.n_windows = turn->n_windows,
	};
	int64_t began_ns = clock_mono_ns();
	struct err err = {0};

	fill_rows(turn, &batch, rows);
	if (store_commit(daemon->store, &batch, &daemon->revision, &err) < 0) {
		log_error("cannot write the state, so nothing more is promised: stopping "
			  "error=\"%s\"",
			  err.msg);
		_exit(1); /* as a crash would: recovery knows how to go on from the last commit */
	}
	histogram_add(&daemon->metrics.commit, histogram_bounds_work, seconds_since(began_ns));
	for (size_t i = 0; i < turn->n_dirty; i++) {
		turn->dirty[i]->job.revision = daemon->revision;
		record_file(daemon, turn->dirty[i]);
	}
#ifdef CHECK_INVARIANTS
	record_check_counts(daemon);
#endif
}

static void forget_written(struct turn *turn)
{
	for (size_t i = 0; i < turn->n_events; i++)
		free((char *)turn->events[i].detail);
	for (size_t i = 0; i < turn->n_drains; i++)
		store_drain_finish(&turn->drains[i]);
	for (size_t i = 0; i < turn->n_windows; i++)
		store_window_finish(&turn->windows[i]);
	turn->n_events = turn->n_drains = turn->n_windows = 0;
}

/* Carry out what the committed states ask for. May change jobs: those are dirty for the next round.
 */
static void act(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;
	_cleanup_(free_ptr) struct record **acting = TAKE_PTR(turn->dirty);
	size_t n = turn->n_dirty;

	turn->n_dirty = turn->dirty_capacity = 0;
	for (size_t i = 0; i < n; i++) {
		acting[i]->dirty = acting[i]->is_new = false;
		free(TAKE_PTR(acting[i]->new_spec));
		free(TAKE_PTR(acting[i]->new_owner));
		free(TAKE_PTR(acting[i]->new_key));
	}
	for (size_t i = 0; i < n; i++) {
		launch_act(daemon, acting[i]);
		if (job_state_is_final(acting[i]->job.state) && !acting[i]->dirty)
			record_destroy(daemon, acting[i]);
	}
}

static void on_wake(uv_timer_t *timer)
{
	turn_want_pass(timer->data);
}

static void set_wake(struct daemon *daemon)
{
	int64_t wake_ns = sched_next_wake_ns(daemon->sched), now_ns = clock_wall_ns();
	int64_t wait_ms = wake_ns > now_ns ? (wake_ns - now_ns) / NS_PER_MS + 1 : 0;

	if (wake_ns == TIME_NEVER)
		uv_timer_stop(&daemon->turn->wake);
	else
		uv_timer_start(&daemon->turn->wake, on_wake, (uint64_t)wait_ms, 0);
}

static void run(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;

	while (turn->want_pass || turn->n_dirty > 0) {
		decide(daemon);
		if (turn->n_dirty + turn->n_events + turn->n_drains + turn->n_windows == 0)
			break;
		commit(daemon);
		announce_events(daemon, turn->events, turn->n_events);
		forget_written(turn);
		http_reply(daemon);
		act(daemon);
	}
	set_wake(daemon);
	http_reply(daemon);
	trace_flush(daemon);
}

static void on_prepare(uv_prepare_t *prepare)
{
	run(prepare->data);
}

static void on_check(uv_check_t *check)
{
	run(check->data);
}

void turn_create(struct daemon *daemon)
{
	struct turn *turn = xcalloc(1, sizeof(*turn));

	turn->daemon = daemon;
	turn->forecast_is_stale = true;
	daemon->turn = turn;
	uv_prepare_init(&daemon->loop, &turn->prepare);
	uv_check_init(&daemon->loop, &turn->check);
	uv_timer_init(&daemon->loop, &turn->wake);
	turn->prepare.data = turn->check.data = turn->wake.data = daemon;
	/* Before the loop sleeps, for what timers changed; after it, for what descriptors brought.
	 */
	uv_prepare_start(&turn->prepare, on_prepare);
	uv_check_start(&turn->check, on_check);
}

void turn_destroy(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;

	if (!turn)
		return;
	forget_written(turn);
	free(turn->dirty);
	free(turn->settled);
	forecast_finish(&turn->forecast);
	free(turn->events);
	free(turn->drains);
	free(turn->windows);
	free(turn);
	daemon->turn = NULL;
}
