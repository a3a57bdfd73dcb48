/* SPDX-License-Identifier: MIT */
/*
 * The table of jobs that are not over: created at submit or load, gone when the end is on disk.
 *
 * Invariants: every job is in exactly one record; one that stands for several tasks is in `arrays`
 * too, in order of id, so that any of its ids finds it. Cost: O(1), or O(log arrays) for an id that
 * is no record's first. Read next: turn.c.
 */
#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "daemon/daemon.h"

/* How many of the jobs that are not over are one user's. */
struct user {
	uint32_t uid;
	int64_t n_jobs;
	UT_hash_handle hh;
};

static struct user *find_user(const struct daemon *daemon, uint32_t uid)
{
	struct user *user;

	HASH_FIND(hh, daemon->users, &uid, sizeof(uid), user);
	return user;
}

static void count_jobs(struct daemon *daemon, uint32_t uid, int64_t change)
{
	struct user *user = find_user(daemon, uid);

	if (!user) {
		user = xcalloc(1, sizeof(*user));
		user->uid = uid;
		HASH_ADD(hh, daemon->users, uid, sizeof(user->uid), user);
	}
	user->n_jobs += change;
	if (user->n_jobs > 0)
		return;
	HASH_DEL(daemon->users, user);
	free(user);
}

int64_t record_count(const struct daemon *daemon, uint32_t uid)
{
	const struct user *user = find_user(daemon, uid);

	return user ? user->n_jobs : 0;
}

static void add_counted(struct state_counts *counts, const struct counted *counted, int64_t sign)
{
	uint64_t change = (uint64_t)(sign * counted->n_tasks);

	counts->jobs[counted->state] += change;
	if (counted->state == JOB_QUEUED && counted->held)
		counts->held += change;
}

/* Parts that were split off are counted when they are on disk, in the same commit as what is left.
 */
static void count_as(struct daemon *daemon, struct record *record, struct counted counted)
{
	add_counted(&daemon->counts, &record->counted, -1);
	record->counted = counted;
	add_counted(&daemon->counts, &record->counted, 1);
}

/* Where in `arrays` the first is whose id is above this one. */
static size_t position_behind(const struct daemon *daemon, uint64_t id)
{
	size_t low = 0, high = daemon->n_arrays;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (daemon->arrays[middle]->job.id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_array(struct daemon *daemon, struct record *record)
{
	size_t at = position_behind(daemon, record->job.id);

	xgrow(&daemon->arrays, &daemon->arrays_capacity, daemon->n_arrays + 1,
	      sizeof(struct record *));
	memmove(&daemon->arrays[at + 1], &daemon->arrays[at],
		(daemon->n_arrays++ - at) * sizeof(struct record *));
	daemon->arrays[at] = record;
}

static void remove_array(struct daemon *daemon, const struct record *record)
{
	size_t at = position_behind(daemon, record->job.id) - 1;

	assert(daemon->arrays[at] == record);
	memmove(&daemon->arrays[at], &daemon->arrays[at + 1],
		(--daemon->n_arrays - at) * sizeof(struct record *));
}

struct record *record_create(struct daemon *daemon, uint64_t id, uint32_t n_tasks, uint32_t uid)
{
	struct record *record = xcalloc(1, sizeof(*record));

	job_init(&record->job);
	record->job.id = id;
	record->job.n_tasks = n_tasks;
	record->job.uid = uid;
	count_jobs(daemon, uid, n_tasks);
	if (n_tasks > 1)
		add_array(daemon, record);
	record->usage = usage_none();
	record->name = xstrdup("");
	record->alloc = xstrdup("");
	record->message = xstrdup("");
	HASH_ADD(hh, daemon->records, job.id, sizeof(record->job.id), record);
	return record;
}

struct record *record_find(const struct daemon *daemon, uint64_t id)
{
	struct record *record;
	size_t behind;

	HASH_FIND(hh, daemon->records, &id, sizeof(id), record);
	if (record)
		return record;
	behind = position_behind(daemon, id);
	if (behind == 0)
		return NULL;
	record = daemon->arrays[behind - 1];
	return id - record->job.id < record->job.n_tasks ? record : NULL;
}

struct record *record_next_running(const struct daemon *daemon, size_t *at)
{
	size_t n;
	struct running *const *running = sched_running(daemon->sched, &n);
	struct record *record = NULL;

	while (*at < n && !record)
		record = record_find(daemon, running[(*at)++]->job);
	return record;
}

typedef void part_fn(void *ctx, struct record *record, const struct idrange *part);

/* The parts of what is now one record; `fn` may carve them from it one by one. */
static void walk_parts(const struct daemon *daemon, const struct job *job, const struct idset *ids,
		       part_fn *fn, void *ctx)
{
	struct idrange rest = {job->id, job->id + job->n_tasks - 1}, part;

	while (rest.first <= rest.last && idset_first_part(ids, &rest, &part)) {
		fn(ctx, record_find(daemon, part.first), &part);
		rest.first = part.last + 1;
	}
}

static void walk_range(const struct daemon *daemon, const struct idrange *range, part_fn *fn,
		       void *ctx)
{
	for (uint64_t id = range->first; id <= range->last; id++) {
		struct record *record = record_find(daemon, id);
		struct idrange part = {id, 0};

		if (!record)
			continue;
		part.last = record->job.id + record->job.n_tasks - 1;
		if (part.last > range->last)
			part.last = range->last;
		id = part.last;
		fn(ctx, record, &part);
	}
}

void record_walk(const struct daemon *daemon, const struct idset *ids, part_fn *fn, void *ctx)
{
	struct record *record = daemon->records;
	size_t n = HASH_COUNT(daemon->records);

	if (idset_count(ids) <= n) {
		for (size_t i = 0; i < ids->n_ranges; i++)
			walk_range(daemon, &ids->ranges[i], fn, ctx);
		return;
	}
	/* What is carved is added behind these. */
	for (; n > 0; n--, record = record->hh.next)
		walk_parts(daemon, &record->job, ids, fn, ctx);
}

void record_file(struct daemon *daemon, struct record *record)
{
	const struct job *job = &record->job;
	bool waits = job->state == JOB_QUEUED && !job_is_eligible(job);
	struct record **list = !waits ? NULL : job->held ? &daemon->held : &daemon->dependent;
	uint32_t n = job_state_is_final(job->state) ? 0 : job->n_tasks;

	count_as(daemon, record, (struct counted){n, job->state, job->held});
	if (list == record->aside)
		return;
	if (record->aside)
		DL_DELETE(*record->aside, record);
	if (list)
		DL_APPEND(*list, record);
	record->aside = list;
}

void record_check_counts(const struct daemon *daemon)
{
	struct state_counts counts = {0};

	for (const struct record *record = daemon->records; record; record = record->hh.next) {
		const struct job *job = &record->job;

		if (!job_state_is_final(job->state))
			add_counted(&counts, &(struct counted){job->n_tasks, job->state, job->held},
				    1);
	}
	assert(memcmp(&counts, &daemon->counts, sizeof(counts)) == 0);
}

struct record *record_split(struct daemon *daemon, struct record *record, uint32_t n)
{
	struct job *job = &record->job;
	uint64_t rest_id = job->id + n;
	uint32_t n_rest = job->n_tasks - n;
	struct record *rest;

	assert(n > 0 && n < job->n_tasks && job->alloc.n_parts == 0);
	job->n_tasks = n;
	count_jobs(daemon, job->uid, -(int64_t)n_rest);
	if (n == 1)
		remove_array(daemon, record);
	rest = record_create(daemon, rest_id, n_rest, job->uid);
	rest->job = *job;
	rest->job.id = rest_id;
	rest->job.n_tasks = n_rest;
	rest->job.array_index += n;
	rest->after = record->after ? xstrdup(record->after) : NULL;
	rest->cancel_if_never = record->cancel_if_never;
	rest->notify = record->notify;
	replace_string(&rest->name, record->name);
	replace_string(&rest->message, record->message);
	/* What was changed in this turn the store does not know yet. */
	if (record->new_spec && !record->new_owner)
		rest->new_spec = xstrdup(record->new_spec);
	return rest;
}

void record_destroy(struct daemon *daemon, struct record *record)
{
	HASH_DEL(daemon->records, record);
	count_as(daemon, record, (struct counted){0});
	if (record->aside)
		DL_DELETE(*record->aside, record);
	count_jobs(daemon, record->job.uid, -(int64_t)record->job.n_tasks);
	if (record->job.n_tasks > 1)
		remove_array(daemon, record);
	job_finish(&record->job);
	free(record->name);
	free(record->alloc);
	free(record->message);
	free(record->after);
	free(record->new_spec);
	free(record->new_owner);
	free(record->new_key);
	free(record);
}

size_t record_ahead(struct daemon *daemon, const struct record *record, uint64_t id, int64_t now_ns)
{
	return sched_ahead(daemon->sched, &record->job, now_ns) + (size_t)(id - record->job.id);
}

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t record_likeness(const struct record *record)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	hash = hash_bytes(hash, &record->job.uid, sizeof(record->job.uid));
	hash = hash_bytes(hash, record->name, strlen(record->name));
	hash = hash_bytes(hash, &record->job.request.num_gpus,
			  sizeof(record->job.request.num_gpus));
	return hash ? hash : 1;
}

void record_predict(struct daemon *daemon, struct record *record)
{
	record->job.likeness = record_likeness(record);
	record->job.predicted_ns =
		predict_run(sched_predictor(daemon->sched), record->job.likeness);
}

struct store_row record_row(const struct record *record)
{
	struct store_row row = {
		.job = record->job,
		.name = record->name,
		.alloc = record->alloc,
		.message = record->message,
		.usage = record->usage,
		.spec = record->new_spec,
		.owner = record->new_owner,
		.key = record->new_key,
	};

	row.job.alloc = (struct allocation){0};
	memcpy(row.boot_id, record->boot_id, sizeof(row.boot_id));
	return row;
}
