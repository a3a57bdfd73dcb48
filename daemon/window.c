/* SPDX-License-Identifier: MIT */
/*
 * The windows of this machine, in order of their begin.
 *
 * Invariants: the list, the scheduler's windows and, after the turn's commit, the store's rows are
 * the same; no two windows have a GPU at the same time (the caller looks first). A GPU is known by
 * its UUID, so one that is gone at a restart keeps its windows. Ids grow while the daemon runs; a
 * new one begins after the highest that is left. Deliberately not here: who may (api_window.c),
 * what a window means for a job (scheduler/window.h). Cost: O(windows) each. Read next:
 * api_window.c.
 */
#include "daemon/window.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "daemon/machine.h"
#include "daemon/turn.h"

struct entry {
	struct store_window row; /* strings owned */
	uint64_t gpus;		 /* slots */
};

struct window_list {
	struct entry *items; /* owned; ascending start_ns, then id */
	size_t n, capacity;
	uint64_t last_id;
};

void window_create(struct daemon *daemon)
{
	daemon->windows = xcalloc(1, sizeof(*daemon->windows));
}

void window_destroy(struct daemon *daemon)
{
	struct window_list *list = daemon->windows;

	if (!list)
		return;
	for (size_t i = 0; i < list->n; i++)
		store_window_finish(&list->items[i].row);
	free(list->items);
	free(list);
	daemon->windows = NULL;
}

size_t window_count(const struct daemon *daemon)
{
	return daemon->windows->n;
}

static void tell_scheduler(const struct daemon *daemon)
{
	const struct window_list *list = daemon->windows;
	_cleanup_(free_ptr) struct window *windows = xcalloc(list->n, sizeof(*windows));

	for (size_t i = 0; i < list->n; i++)
		windows[i] = (struct window){
			.id = list->items[i].row.id,
			.uid = list->items[i].row.uid,
			.start_ns = list->items[i].row.start_ns,
			.end_ns = list->items[i].row.end_ns,
			.gpus = list->items[i].gpus,
		};
	sched_set_windows(daemon->sched, windows, list->n);
}

/* Put it where it belongs in the order. The row is copied. */
static void insert(struct window_list *list, const struct store_window *row, uint64_t gpus)
{
	size_t at = list->n;

	xgrow(&list->items, &list->capacity, list->n + 1, sizeof(*list->items));
	while (at > 0 && list->items[at - 1].row.start_ns > row->start_ns)
		at--;
	memmove(&list->items[at + 1], &list->items[at], (list->n++ - at) * sizeof(*list->items));
	list->items[at] = (struct entry){store_window_copy(row), gpus};
	if (row->id > list->last_id)
		list->last_id = row->id;
}

static int load_row(void *ctx, const struct store_window *row)
{
	struct daemon *daemon = ctx;
	json_t *gpus = json_loads(row->gpus, 0, NULL);
	uint64_t slots;
	int r = machine_parse_slots(daemon, gpus, &slots);

	json_decref(gpus);
	if (r == 0)
		insert(daemon->windows, row, slots);
	else
		log_warn("a reservation's GPUs make no sense; it is left out reservation=%" PRIu64,
			 row->id);
	return 0;
}

int window_load(struct daemon *daemon, struct err *err)
{
	int r = store_walk_windows(daemon->store, load_row, daemon, err);

	tell_scheduler(daemon);
	return r;
}

const struct store_window *window_overlap(const struct daemon *daemon, uint64_t gpus,
					  int64_t start_ns, int64_t end_ns)
{
	const struct window_list *list = daemon->windows;

	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].gpus & gpus && list->items[i].row.start_ns < end_ns &&
		    list->items[i].row.end_ns > start_ns)
			return &list->items[i].row;
	return NULL;
}

uint64_t window_add(struct daemon *daemon, const struct store_window *row, uint64_t gpus)
{
	struct store_window added = *row;
	json_t *slots = machine_slots_json(daemon, gpus);
	_cleanup_(free_ptr) char *text = json_dumps(slots, JSON_COMPACT);

	json_decref(slots);
	added.id = daemon->windows->last_id + 1;
	added.gone = false;
	added.gpus = text;
	insert(daemon->windows, &added, gpus);
	turn_window(daemon, &added);
	tell_scheduler(daemon);
	return added.id;
}

static void remove_at(struct daemon *daemon, size_t at)
{
	struct window_list *list = daemon->windows;
	struct store_window *row = &list->items[at].row;

	row->gone = true;
	turn_window(daemon, row);
	store_window_finish(row);
	memmove(&list->items[at], &list->items[at + 1], (--list->n - at) * sizeof(*list->items));
	tell_scheduler(daemon);
}

static struct entry *find(const struct daemon *daemon, uint64_t id)
{
	const struct window_list *list = daemon->windows;

	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].row.id == id)
			return &list->items[i];
	return NULL;
}

bool window_remove(struct daemon *daemon, uint64_t id)
{
	const struct entry *entry = find(daemon, id);

	if (entry)
		remove_at(daemon, (size_t)(entry - daemon->windows->items));
	return entry;
}

void window_expire(struct daemon *daemon, int64_t now_ns)
{
	for (size_t i = daemon->windows->n; i-- > 0;)
		if (daemon->windows->items[i].row.end_ns <= now_ns)
			remove_at(daemon, i);
}

static json_t *entry_json(const struct daemon *daemon, const struct entry *entry)
{
	const struct store_window *row = &entry->row;

	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:s, s:I, s:I}", "id", (json_int_t)row->id,
			 "uid", (json_int_t)row->uid, "start_ms",
			 (json_int_t)(row->start_ns / NS_PER_MS), "end_ms",
			 (json_int_t)(row->end_ns / NS_PER_MS), "gpus",
			 machine_slots_json(daemon, entry->gpus), "reason", row->reason,
			 "created_by", (json_int_t)row->created_by, "created_ms",
			 (json_int_t)(row->created_ns / NS_PER_MS));
}

const struct store_window *window_find(const struct daemon *daemon, uint64_t id)
{
	const struct entry *entry = find(daemon, id);

	return entry ? &entry->row : NULL;
}

json_t *window_json(const struct daemon *daemon, uint64_t id)
{
	return entry_json(daemon, find(daemon, id));
}

json_t *window_list_json(const struct daemon *daemon)
{
	json_t *list = json_array();

	for (size_t i = 0; i < daemon->windows->n; i++)
		json_array_append_new(list, entry_json(daemon, &daemon->windows->items[i]));
	return list;
}

json_t *window_on_json(const struct daemon *daemon, unsigned slot)
{
	const struct window_list *list = daemon->windows;

	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].gpus & (UINT64_C(1) << slot))
			return entry_json(daemon, &list->items[i]);
	return json_null();
}
