/* SPDX-License-Identifier: MIT */
/*
 * The store that forgets: the same contract on an array of jobs, for tests and the simulator.
 *
 * Invariants: `entries` is sorted by id; a batch is checked as a whole before anything of it can no
 * longer be taken back. Deliberately not here: durability, and any index on states, so a walk looks
 * at every job in the range of ids, and a history at every event. Cost: a commit is O(log n) per
 * row while ids grow, a walk O(n). Read next: sqlite.c.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/hash.h"
#include "store/store.h"

struct entry {
	struct store_row row; /* strings owned here; of a further part of an array without spec */
	char *changed_spec;   /* owned: of tasks changed after their array was submitted; or NULL */
	char *user_key;	      /* "uid/key", owned; NULL without a key */
	UT_hash_handle hh;
};

struct memory_store {
	struct store base;
	struct entry **entries; /* by id */
	size_t n_entries, capacity;
	struct entry *keyed;	    /* by user_key */
	struct store_event *events; /* of all jobs, oldest first; strings owned here */
	size_t n_events, events_capacity;
	struct store_drain *drains; /* strings owned here; a drained GPU each */
	size_t n_drains, drains_capacity;
	struct store_window *windows; /* strings owned here; ascending id */
	size_t n_windows, windows_capacity;
	uint64_t last_id, revision;
};

static struct memory_store *memory_of(struct store *store)
{
	return (struct memory_store *)store;
}

static char *dup_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* Take over what every update changes; uid, spec, owner and key stay. */
static void set_changing(struct store_row *to, const struct store_row *from, uint64_t revision)
{
	uint32_t uid = to->job.uid;

	free((char *)to->name);
	free((char *)to->alloc);
	free((char *)to->message);
	to->job = from->job;
	to->job.uid = uid;
	to->job.revision = revision;
	to->job.alloc = (struct allocation){0};
	to->job.request.gpu_type = 0;
	to->name = xstrdup(from->name);
	to->alloc = xstrdup(from->alloc);
	to->message = xstrdup(from->message);
	memcpy(to->boot_id, from->boot_id, sizeof(to->boot_id));
	to->usage = from->usage;
}

static struct entry *entry_create(const struct store_row *row, uint64_t revision)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->row.job.uid = row->job.uid;
	entry->row.spec = row->owner ? xstrdup(row->spec) : NULL;
	entry->row.owner = dup_or_null(row->owner);
	entry->row.key = dup_or_null(row->key);
	if (row->key)
		entry->user_key = xasprintf("%" PRIu32 "/%s", row->job.uid, row->key);
	set_changing(&entry->row, row, revision);
	return entry;
}

static void entry_destroy(struct entry *entry)
{
	free((char *)entry->row.name);
	free((char *)entry->row.spec);
	free((char *)entry->row.owner);
	free((char *)entry->row.key);
	free((char *)entry->row.alloc);
	free((char *)entry->row.message);
	free(entry->user_key);
	free(entry->changed_spec);
	free(entry);
}

/* The position of the first job whose id is not below `id`. */
static size_t position_of(const struct memory_store *memory, uint64_t id)
{
	size_t low = 0, high = memory->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memory->entries[middle]->row.job.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry *find_entry(const struct memory_store *memory, uint64_t id)
{
	size_t i = position_of(memory, id);

	if (i < memory->n_entries && memory->entries[i]->row.job.id == id)
		return memory->entries[i];
	return NULL;
}

static struct entry *find_user_key(const struct memory_store *memory, uint32_t uid, const char *key)
{
	_cleanup_(free_ptr) char *user_key = xasprintf("%" PRIu32 "/%s", uid, key);
	struct entry *entry;

	HASH_FIND_STR(memory->keyed, user_key, entry);
	return entry;
}

static int insert(struct memory_store *memory, const struct store_row *row, uint64_t revision,
		  struct err *err)
{
	size_t i = position_of(memory, row->job.id);
	struct entry *entry;

	if (find_entry(memory, row->job.id))
		return err_set(err, -EEXIST, "store: job %" PRIu64 " exists already", row->job.id);
	if (row->key && find_user_key(memory, row->job.uid, row->key))
		return err_set(err, -EEXIST, "store: uid %" PRIu32 " has a job with key %s already",
			       row->job.uid, row->key);
	entry = entry_create(row, revision);
	if (!row->owner && i > 0) /* it was split from the one before it */
		entry->changed_spec = dup_or_null(memory->entries[i - 1]->changed_spec);
	xgrow(&memory->entries, &memory->capacity, memory->n_entries + 1, sizeof(struct entry *));
	memmove(&memory->entries[i + 1], &memory->entries[i],
		(memory->n_entries - i) * sizeof(struct entry *));
	memory->entries[i] = entry;
	memory->n_entries++;
	if (entry->user_key)
		HASH_ADD_KEYPTR(hh, memory->keyed, entry->user_key, strlen(entry->user_key), entry);
	return 0;
}

static void take_back(struct memory_store *memory, uint64_t id)
{
	size_t i = position_of(memory, id);
	struct entry *entry = memory->entries[i];

	if (entry->user_key)
		HASH_DEL(memory->keyed, entry);
	memory->n_entries--;
	memmove(&memory->entries[i], &memory->entries[i + 1],
		(memory->n_entries - i) * sizeof(struct entry *));
	entry_destroy(entry);
}

/* Do all updates and events have a job? */
static int check_known(const struct memory_store *memory, const struct store_batch *batch,
		       struct err *err)
{
	for (size_t i = 0; i < batch->n_updates; i++)
		if (!find_entry(memory, batch->updates[i].job.id))
			return err_set(err, -ENOENT, "store: update of unknown job %" PRIu64,
				       batch->updates[i].job.id);
	for (size_t i = 0; i < batch->n_events; i++)
		if (!find_entry(memory, batch->events[i].job))
			return err_set(err, -ENOENT, "store: event of unknown job %" PRIu64,
				       batch->events[i].job);
	return 0;
}

static void add_event(struct memory_store *memory, const struct store_event *event,
		      uint64_t revision, uint64_t n)
{
	xgrow(&memory->events, &memory->events_capacity, memory->n_events + 1,
	      sizeof(*memory->events));
	memory->events[memory->n_events++] = (struct store_event){
		.job = event->job,
		.n_tasks = event->n_tasks,
		.revision = revision,
		.n = n,
		.time_ns = event->time_ns,
		.event = xstrdup(event->event),
		.detail = xstrdup(event->detail),
	};
}

/* Another spec for a job; for tasks of an array, one of their own. */
static void write_spec(struct memory_store *memory, const struct store_row *row)
{
	struct entry *entry = find_entry(memory, row->job.id);
	const char **spec = row->job.array ? (const char **)&entry->changed_spec : &entry->row.spec;

	free((char *)*spec);
	*spec = xstrdup(row->spec);
}

static void update(struct memory_store *memory, const struct store_row *row, uint64_t revision)
{
	set_changing(&find_entry(memory, row->job.id)->row, row, revision);
	if (row->spec)
		write_spec(memory, row);
}

static void set_drain(struct memory_store *memory, const struct store_drain *drain)
{
	size_t i = 0;

	while (i < memory->n_drains && strcmp(memory->drains[i].uuid, drain->uuid) != 0)
		i++;
	if (i < memory->n_drains) {
		store_drain_finish(&memory->drains[i]);
		memory->drains[i] = memory->drains[--memory->n_drains];
	}
	if (!drain->drained)
		return;
	xgrow(&memory->drains, &memory->drains_capacity, memory->n_drains + 1,
	      sizeof(*memory->drains));
	memory->drains[memory->n_drains++] = store_drain_copy(drain);
}

static void set_window(struct memory_store *memory, const struct store_window *window)
{
	size_t i = 0;
	bool found;

	while (i < memory->n_windows && memory->windows[i].id < window->id)
		i++;
	found = i < memory->n_windows && memory->windows[i].id == window->id;
	if (found)
		store_window_finish(&memory->windows[i]);
	if (!found && !window->gone) {
		xgrow(&memory->windows, &memory->windows_capacity, memory->n_windows + 1,
		      sizeof(*memory->windows));
		memmove(&memory->windows[i + 1], &memory->windows[i],
			(memory->n_windows++ - i) * sizeof(*memory->windows));
	}
	if (!window->gone)
		memory->windows[i] = store_window_copy(window);
	else if (found)
		memmove(&memory->windows[i], &memory->windows[i + 1],
			(--memory->n_windows - i) * sizeof(*memory->windows));
}

static int memory_commit(struct store *store, const struct store_batch *batch,
			 uint64_t *ret_revision, struct err *err)
{
	struct memory_store *memory = memory_of(store);
	uint64_t revision = memory->revision + 1;
	size_t inserted = 0;
	int r = 0;

	while (r == 0 && inserted < batch->n_inserts) {
		r = insert(memory, &batch->inserts[inserted], revision, err);
		inserted += r == 0;
	}
	if (r == 0)
		r = check_known(memory, batch, err);
	if (r < 0) {
		while (inserted > 0)
			take_back(memory, batch->inserts[--inserted].job.id);
		return r;
	}
	for (size_t i = 0; i < batch->n_inserts; i++) {
		if (store_last_task(&batch->inserts[i].job) > memory->last_id)
			memory->last_id = store_last_task(&batch->inserts[i].job);
		if (batch->inserts[i].spec && !batch->inserts[i].owner)
			write_spec(memory, &batch->inserts[i]);
	}
	for (size_t i = 0; i < batch->n_updates; i++)
		update(memory, &batch->updates[i], revision);
	for (size_t i = 0; i < batch->n_events; i++)
		add_event(memory, &batch->events[i], revision, i);
	for (size_t i = 0; i < batch->n_drains; i++)
		set_drain(memory, &batch->drains[i]);
	for (size_t i = 0; i < batch->n_windows; i++)
		set_window(memory, &batch->windows[i]);
	*ret_revision = memory->revision = revision;
	return 0;
}

/* Of a task of an array: what it has in common with the first of them, unless it was changed. */
static void fill_in_spec(const struct memory_store *memory, const struct entry *entry,
			 struct store_row *row)
{
	const struct entry *first = row->job.array ? find_entry(memory, row->job.array) : entry;

	row->spec = entry->changed_spec ? entry->changed_spec : first->row.spec;
	row->owner = first->row.owner;
}

static int memory_walk(struct store *store, const struct store_filter *filter, store_row_fn *fn,
		       void *ctx, struct err *err)
{
	struct memory_store *memory = memory_of(store);
	size_t n_found = 0;
	int r = 0;

	(void)err;
	for (size_t i = 0; i < memory->n_entries && r == 0; i++) {
		size_t at = filter->newest_first ? memory->n_entries - 1 - i : i;
		struct store_row row = memory->entries[at]->row;

		if (!store_filter_matches(filter, &row.job))
			continue;
		if (filter->with_spec)
			fill_in_spec(memory, memory->entries[at], &row);
		else
			row.spec = row.owner = NULL;
		r = fn(ctx, &row);
		if (++n_found == filter->limit)
			break;
	}
	return r;
}

static int memory_walk_events(struct store *store, uint64_t job, uint64_t array, store_event_fn *fn,
			      void *ctx, struct err *err)
{
	const struct memory_store *memory = memory_of(store);
	uint64_t first = array ? array : job;
	int r = 0;

	(void)err;
	for (size_t i = 0; i < memory->n_events && r == 0; i++) {
		const struct store_event *event = &memory->events[i];

		if (event->job >= first && event->job <= job && job - event->job < event->n_tasks)
			r = fn(ctx, event);
	}
	return r;
}

static int memory_walk_log(struct store *store, uint64_t revision, uint64_t n, size_t limit,
			   store_event_fn *fn, void *ctx, struct err *err)
{
	const struct memory_store *memory = memory_of(store);
	size_t found = 0;
	int r = 0;

	(void)err;
	for (size_t i = 0; i < memory->n_events && found < limit && r == 0; i++) {
		const struct store_event *event = &memory->events[i];

		if (event->revision < revision || (event->revision == revision && event->n <= n))
			continue;
		r = fn(ctx, event);
		found++;
	}
	return r;
}

static int memory_walk_drains(struct store *store, store_drain_fn *fn, void *ctx, struct err *err)
{
	const struct memory_store *memory = memory_of(store);
	int r = 0;

	(void)err;
	for (size_t i = 0; i < memory->n_drains && r == 0; i++)
		r = fn(ctx, &memory->drains[i]);
	return r;
}

static int memory_walk_windows(struct store *store, store_window_fn *fn, void *ctx, struct err *err)
{
	const struct memory_store *memory = memory_of(store);
	int r = 0;

	(void)err;
	for (size_t i = 0; i < memory->n_windows && r == 0; i++)
		r = fn(ctx, &memory->windows[i]);
	return r;
}

static int memory_find_key(struct store *store, uint32_t uid, const char *key, uint64_t *ret_id,
			   struct err *err)
{
	const struct entry *entry = find_user_key(memory_of(store), uid, key);

	(void)err;
	if (!entry)
		return -ENOENT;
	*ret_id = entry->row.job.id;
	return 0;
}

static int memory_last(struct store *store, uint64_t *ret_id, uint64_t *ret_revision,
		       struct err *err)
{
	(void)err;
	*ret_id = memory_of(store)->last_id;
	*ret_revision = memory_of(store)->revision;
	return 0;
}

static void memory_close(struct store *store)
{
	struct memory_store *memory = memory_of(store);

	HASH_CLEAR(hh, memory->keyed);
	for (size_t i = 0; i < memory->n_entries; i++)
		entry_destroy(memory->entries[i]);
	for (size_t i = 0; i < memory->n_events; i++) {
		free((char *)memory->events[i].event);
		free((char *)memory->events[i].detail);
	}
	free(memory->events);
	for (size_t i = 0; i < memory->n_drains; i++)
		store_drain_finish(&memory->drains[i]);
	free(memory->drains);
	for (size_t i = 0; i < memory->n_windows; i++)
		store_window_finish(&memory->windows[i]);
	free(memory->windows);
	free(memory->entries);
	free(memory);
}

static const struct store_ops memory_ops = {
	.name = "memory",
	.commit = memory_commit,
	.walk = memory_walk,
	.walk_events = memory_walk_events,
	.walk_log = memory_walk_log,
	.walk_drains = memory_walk_drains,
	.walk_windows = memory_walk_windows,
	.find_key = memory_find_key,
	.last = memory_last,
	.close = memory_close,
};

struct store *store_memory_create(void)
{
	struct memory_store *memory = xcalloc(1, sizeof(*memory));

	memory->base.ops = &memory_ops;
	return &memory->base;
}
