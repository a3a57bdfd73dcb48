/* SPDX-License-Identifier: MIT */
/* The table of jobs that are not over: created at submit or load, gone when the end is on disk. */
#include <stdlib.h>

#include "daemon/daemon.h"

static struct user *find_user(const struct daemon *daemon, uint32_t uid)
{
	struct user *user;

	HASH_FIND(hh, daemon->users, &uid, sizeof(uid), user);
	return user;
}

static void count_record(struct daemon *daemon, uint32_t uid, int change)
{
	struct user *user = find_user(daemon, uid);

	if (!user) {
		user = xcalloc(1, sizeof(*user));
		user->uid = uid;
		HASH_ADD(hh, daemon->users, uid, sizeof(user->uid), user);
	}
	user->n_records += change;
	if (user->n_records > 0)
		return;
	HASH_DEL(daemon->users, user);
	free(user);
}

int64_t record_count(const struct daemon *daemon, uint32_t uid)
{
	const struct user *user = find_user(daemon, uid);

	return user ? user->n_records : 0;
}

struct record *record_create(struct daemon *daemon, uint64_t id, uint32_t uid)
{
	struct record *record = xcalloc(1, sizeof(*record));

	job_init(&record->job);
	record->job.id = id;
	record->job.uid = uid;
	count_record(daemon, uid, 1);
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

	HASH_FIND(hh, daemon->records, &id, sizeof(id), record);
	return record;
}

void record_destroy(struct daemon *daemon, struct record *record)
{
	HASH_DEL(daemon->records, record);
	count_record(daemon, record->job.uid, -1);
	job_finish(&record->job);
	free(record->name);
	free(record->alloc);
	free(record->message);
	free(record->new_spec);
	free(record);
}

struct store_row record_row(const struct record *record)
{
	struct store_row row = {
		.job = record->job,
		.name = record->name,
		.alloc = record->alloc,
		.message = record->message,
		.usage = record->usage,
	};

	row.job.alloc = (struct allocation){0};
	memcpy(row.boot_id, record->boot_id, sizeof(row.boot_id));
	return row;
}

void replace_string(char **slot, const char *text)
{
	char *copy = xstrdup(text);

	free(*slot);
	*slot = copy;
}
