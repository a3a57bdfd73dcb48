/* SPDX-License-Identifier: MIT */
/*
 * The turn: what one iteration of the loop has brought is decided upon, committed and acted on.
 *
 * Invariants: the only commit point; act happens after commit, always; what acting changes (a
 * runner that could not be spawned) is folded into a next turn before the loop sleeps. Deliberately
 * not here: how a job changes within a turn (turn_fold.c), how a runner is started (launch.c), what
 * a request says (api_*.c). Cost: one SQLite transaction per iteration with changes, however many
 * they are. Read next: turn_fold.c, then launch.c.
 */
#include "daemon/turn_internal.h"

#include <stdlib.h>

#include "common/log.h"
#include "daemon/announce.h"
#include "daemon/http.h"
#include "daemon/launch.h"
#include "daemon/trace.h"
#include "daemon/window.h"

static double seconds_since(int64_t began_ns)
{
	return (double)(clock_mono_ns() - began_ns) / NS_PER_S;
}

static void decide(struct daemon *daemon)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};
	int64_t now_ns = clock_wall_ns(), began_ns;

	turn_fold_settled(daemon);
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
			turn_fold_place(daemon, &decisions.items[i], now_ns);
		else
			turn_fold_preempt(daemon, &decisions.items[i], now_ns);
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
