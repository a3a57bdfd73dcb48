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
#include "daemon/http.h"
#include "daemon/launch.h"
#include "daemon/machine.h"

struct turn {
	struct daemon *daemon;
	struct record **dirty; /* borrowed; changed jobs, new ones included */
	size_t n_dirty, dirty_capacity;
	struct store_row *inserts; /* rows of new jobs; spec, owner and key owned here */
	size_t n_inserts, inserts_capacity;
	struct store_event *events; /* detail owned here */
	size_t n_events, events_capacity;
	struct store_drain *drains; /* uuid and reason owned here */
	size_t n_drains, drains_capacity;
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

static void add_event(struct turn *turn, uint64_t job, int64_t time_ns, const char *event,
		      const char *detail)
{
	xgrow(&turn->events, &turn->events_capacity, turn->n_events + 1, sizeof(*turn->events));
	turn->events[turn->n_events++] = (struct store_event){
		.job = job,
		.time_ns = time_ns,
		.event = event,
		.detail = xstrdup(detail),
	};
}

void turn_submit(struct daemon *daemon, struct record *record, const char *spec, const char *owner,
		 const char *key)
{
	struct turn *turn = daemon->turn;

	xgrow(&turn->inserts, &turn->inserts_capacity, turn->n_inserts + 1, sizeof(*turn->inserts));
	turn->inserts[turn->n_inserts++] = (struct store_row){
		.job.id = record->job.id,
		.job.uid = record->job.uid,
		.spec = xstrdup(spec),
		.owner = xstrdup(owner),
		.key = key ? xstrdup(key) : NULL,
	};
	add_event(turn, record->job.id, record->job.submit_ns, "submit", "");
	daemon->metrics.submitted++;
	turn_touch(daemon, record);
	if (!record->job.held)
		sched_enqueue(daemon->sched, &record->job);
	turn_want_pass(daemon);
}

void turn_note(struct daemon *daemon, struct record *record, const char *event, const char *detail)
{
	add_event(daemon->turn, record->job.id, clock_wall_ns(), event, detail);
	turn_touch(daemon, record);
}

void turn_drain(struct daemon *daemon, const struct store_drain *drain)
{
	struct turn *turn = daemon->turn;

	xgrow(&turn->drains, &turn->drains_capacity, turn->n_drains + 1, sizeof(*turn->drains));
	turn->drains[turn->n_drains++] = store_drain_copy(drain);
	turn_want_pass(daemon);
}

uint64_t turn_find_key(const struct daemon *daemon, uint32_t uid, const char *key)
{
	const struct turn *turn = daemon->turn;

	for (size_t i = 0; i < turn->n_inserts; i++)
		if (turn->inserts[i].key && turn->inserts[i].job.uid == uid &&
		    STREQ(turn->inserts[i].key, key))
			return turn->inserts[i].job.id;
	return 0;
}

static struct store_row *insert_of(struct turn *turn, uint64_t id)
{
	size_t at;

	if (turn->n_inserts == 0 || id < turn->inserts[0].job.id)
		return NULL;
	at = (size_t)(id - turn->inserts[0].job.id); /* ids are given out one after the other */
	assert(at < turn->n_inserts && turn->inserts[at].job.id == id);
	return &turn->inserts[at];
}

const char *turn_pending_spec(const struct daemon *daemon, const struct record *record)
{
	const struct store_row *insert = insert_of(daemon->turn, record->job.id);

	return insert ? insert->spec : record->new_spec;
}

static bool is_waiting(const struct job *job)
{
	return job->state == JOB_QUEUED && !job->held;
}

/* The job is in the queue by what it asks for, so it is taken out before that changes. */
void turn_update(struct daemon *daemon, struct record *record, const struct job *changed,
		 const char *name, const char *spec, const char *detail)
{
	struct job_event update = job_event_make(JOB_EVENT_UPDATE, clock_wall_ns());
	struct job *job = &record->job;
	struct store_row *insert;

	if (is_waiting(job))
		sched_dequeue(daemon->sched, job);
	job->request = changed->request;
	job->priority = changed->priority;
	job->requeue = changed->requeue;
	job->retries = changed->retries;
	job->begin_ns = changed->begin_ns;
	job->limit_ns = changed->limit_ns;
	if (is_waiting(job))
		sched_enqueue(daemon->sched, job);
	replace_string(&record->name, name);
	insert = insert_of(daemon->turn, job->id);
	if (insert)
		replace_string((char **)&insert->spec, spec); /* submitted in this very turn */
	else
		replace_string(&record->new_spec, spec);
	turn_apply(daemon, record, &update, detail);
}

/* What the scheduler must know of a change. Its own decisions it has booked already (PLACE). */
static void tell_scheduler(struct daemon *daemon, const struct job *job, bool was_waiting,
			   bool had_gpus)
{
	if (was_waiting && !is_waiting(job) && job->state != JOB_STARTING)
		sched_dequeue(daemon->sched, job);
	if (had_gpus && !job_state_has_gpus(job->state))
		sched_release(daemon->sched, job->id);
	if (!was_waiting && is_waiting(job))
		sched_enqueue(daemon->sched, job);
}

int turn_apply(struct daemon *daemon, struct record *record, struct job_event *event,
	       const char *detail)
{
	struct job *job = &record->job;
	bool was_waiting = is_waiting(job), had_gpus = job_state_has_gpus(job->state);
	_cleanup_(allocation_finish) struct allocation held = allocation_dup(&job->alloc);
	enum job_state from = job->state;

	if (job_apply(job, event) == JOB_ILLEGAL) {
		daemon->illegal_events++;
		log_error("impossible event for a job job=%" PRIu64 " state=%s event=%s", job->id,
			  job_state_name(from), job_event_name(event->type));
		return JOB_ILLEGAL;
	}
	metrics_add_event(&daemon->metrics, job, event);
	tell_scheduler(daemon, job, was_waiting, had_gpus);
	if (had_gpus && !job_state_has_gpus(job->state)) {
		machine_gpus_released(daemon, &held, job);
		replace_string(&record->message, detail);
	}
	add_event(daemon->turn, job->id, event->time_ns, job_event_name(event->type), detail);
	turn_touch(daemon, record);
	turn_want_pass(daemon);
	return 0;
}

static double seconds_since(int64_t began_ns)
{
	return (double)(clock_mono_ns() - began_ns) / NS_PER_S;
}

static void decide(struct daemon *daemon)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};
	int64_t now_ns = clock_wall_ns(), began_ns;

	if (!daemon->turn->want_pass)
		return;
	daemon->turn->want_pass = false;
	began_ns = clock_mono_ns();
	sched_pass(daemon->sched, now_ns, &decisions);
	histogram_add(&daemon->metrics.pass, histogram_bounds_work, seconds_since(began_ns));
	for (size_t i = 0; i < decisions.n; i++) {
		struct record *record = record_find(daemon, decisions.items[i].job);
		struct job_event place = {.type = JOB_EVENT_PLACE, .time_ns = now_ns};
		_cleanup_(buf_finish) struct buf where = {0};

		place.alloc = decisions.items[i].alloc;
		decisions.items[i].alloc = (struct allocation){0};
		free(record->alloc);
		record->alloc = machine_format_allocation(daemon, &place.alloc);
		memcpy(record->boot_id, daemon->boot_id, sizeof(record->boot_id));
		record->usage = usage_none();
		machine_describe_allocation(daemon, &place.alloc, &where);
		turn_apply(daemon, record, &place, buf_get(&where));
	}
	daemon->turn->want_pass = false; /* placing asked for a pass; it is the one just done */
}

/* Sort the changed jobs into new and known ones. New jobs are in `dirty` in order of insertion. */
static size_t fill_rows(struct turn *turn, struct store_row *updates)
{
	size_t n = 0, new = 0;

	for (size_t i = 0; i < turn->n_dirty; i++) {
		const struct record *record = turn->dirty[i];
		struct store_row row = record_row(record);

		if (new < turn->n_inserts && turn->inserts[new].job.id == record->job.id) {
			row.spec = turn->inserts[new].spec;
			row.owner = turn->inserts[new].owner;
			row.key = turn->inserts[new].key;
			turn->inserts[new ++] = row;
		} else {
			assert(!insert_of(turn, record->job.id));
			row.spec = record->new_spec;
			updates[n++] = row;
		}
	}
	return n;
}

static void commit(struct daemon *daemon)
{
	struct turn *turn = daemon->turn;
	_cleanup_(free_ptr) struct store_row *updates = xcalloc(turn->n_dirty, sizeof(*updates));
	struct store_batch batch = {
		.n_updates = fill_rows(turn, updates),
		.updates = updates,
		.inserts = turn->inserts,
		.n_inserts = turn->n_inserts,
		.events = turn->events,
		.n_events = turn->n_events,
		.drains = turn->drains,
		.n_drains = turn->n_drains,
	};
	int64_t began_ns = clock_mono_ns();
	struct err err = {0};

	if (store_commit(daemon->store, &batch, &daemon->revision, &err) < 0) {
		log_error("cannot write the state, so nothing more is promised: stopping "
			  "error=\"%s\"",
			  err.msg);
		_exit(1); /* as a crash would: recovery knows how to go on from the last commit */
	}
	histogram_add(&daemon->metrics.commit, histogram_bounds_work, seconds_since(began_ns));
	for (size_t i = 0; i < turn->n_dirty; i++)
		turn->dirty[i]->job.revision = daemon->revision;
}

static void forget_written(struct turn *turn)
{
	for (size_t i = 0; i < turn->n_inserts; i++) {
		free((char *)turn->inserts[i].spec);
		free((char *)turn->inserts[i].owner);
		free((char *)turn->inserts[i].key);
	}
	for (size_t i = 0; i < turn->n_events; i++)
		free((char *)turn->events[i].detail);
	for (size_t i = 0; i < turn->n_drains; i++)
		store_drain_finish(&turn->drains[i]);
	turn->n_inserts = turn->n_events = turn->n_drains = 0;
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
		acting[i]->dirty = false;
		free(TAKE_PTR(acting[i]->new_spec));
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
		if (turn->n_dirty == 0 && turn->n_drains == 0)
			break;
		commit(daemon);
		announce_events(daemon, turn->events, turn->n_events);
		forget_written(turn);
		http_reply(daemon);
		act(daemon);
	}
	set_wake(daemon);
	http_reply(daemon);
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
	free(turn->inserts);
	free(turn->events);
	free(turn->drains);
	free(turn);
	daemon->turn = NULL;
}
