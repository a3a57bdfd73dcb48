/* SPDX-License-Identifier: MIT */
/* store/store.h, sentence by sentence, on every implementation; and all of them against each other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "store/store.h"

struct fixture {
	const char *name;
	char dir[32]; /* of the SQLite store */
	struct store *store;
};

static void open_sqlite(struct fixture *f)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/db", f->dir);
	struct err err = {0};

	if (store_sqlite_open(path, &f->store, &err) < 0)
		fail_msg("%s", err.msg);
}

static int set_up_sqlite(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->name = "sqlite";
	strcpy(f->dir, "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	open_sqlite(f);
	*state = f;
	return 0;
}

static int set_up_memory(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->name = "memory";
	f->store = store_memory_create();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	if (f->dir[0]) {
		static const char *const names[] = {"db", "db-wal"};

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			_cleanup_(free_ptr) char *path = xasprintf("%s/%s", f->dir, names[i]);

			unlink(path);
		}
		assert_int_equal(rmdir(f->dir), 0); /* nothing else was left there */
	}
	free(f);
	return 0;
}

static struct store_row make_row(uint64_t id, enum job_state job_state)
{
	struct store_row row = {
		.name = "train",
		.spec = "{\"command\":[\"true\"]}",
		.owner = "{\"uid\":7}",
		.alloc = "",
		.message = "",
	};

	job_init(&row.job);
	row.job.id = id;
	row.job.uid = 7;
	row.job.state = job_state;
	row.job.submit_ns = 1000;
	return row;
}

/* A row in which nothing is unknown. */
static struct store_row make_full_row(uint64_t id)
{
	struct store_row row = make_row(id, JOB_FAILED);

	row.job.uid = UINT32_MAX;
	row.job.held = row.job.requeue = true;
	row.job.priority = -1000;
	row.job.attempt = 3;
	row.job.request = (struct request){4096, 65536, INT64_MAX, 80ull << 30, 0};
	row.job.submit_ns = 1;
	row.job.begin_ns = 2;
	row.job.place_ns = 3;
	row.job.start_ns = 4;
	row.job.stop_ns = 5;
	row.job.end_ns = INT64_MAX;
	row.job.limit_ns = 7;
	row.job.cause = JOB_CAUSE_RUNNER_LOST;
	row.job.exit_code = 0;
	row.job.signal = 9;
	row.job.cancelled_by = 0;
	row.job.cpu_ns = 0;
	row.job.peak_bytes = 0;
	row.key = "";
	row.name = "n\xc3\xa4me 'quoted' \"and\" ; --";
	row.alloc = "{\"parts\":[]}";
	row.message = "line one\nline two";
	row.usage = (struct usage){1, 2, 3, 4, 5, 6, 7, 8, 0, UINT64_MAX, 1};
	strcpy(row.boot_id, "01234567-89ab-cdef-0123-456789abcdef");
	return row;
}

static uint64_t commit(struct store *store, const struct store_row *inserts, size_t n_inserts,
		       const struct store_row *updates, size_t n_updates)
{
	struct store_batch batch = {.inserts = inserts,
				    .n_inserts = n_inserts,
				    .updates = updates,
				    .n_updates = n_updates};
	uint64_t revision = 0;
	struct err err = {0};

	if (store_commit(store, &batch, &revision, &err) < 0)
		fail_msg("%s", err.msg);
	return revision;
}

static void print_usage(struct buf *buf, const struct usage *u)
{
	buf_printf(buf, "(%ld %ld %ld %ld %ld %ld %ld %ld %ld %lx %lx) ", u->looks, u->seen_ms,
		   u->util_percent_ms, u->util_of_ms, u->power_uj, u->power_of_ms, u->energy_mj,
		   u->energy_of_ms, u->gpu_mem_peak_bytes, u->used, u->unsure);
}

static void print_row(struct buf *buf, const struct store_row *row)
{
	const struct job *j = &row->job;

	buf_printf(buf, "%lu r%lu u%u %s %d%d p%d a%u [%u %u %lu %lu %u] ", j->id, j->revision,
		   j->uid, job_state_name(j->state), j->held, j->requeue, j->priority, j->attempt,
		   j->request.num_gpus, j->request.cpus, j->request.mem_bytes,
		   j->request.gpu_mem_bytes, j->request.gpu_type);
	buf_printf(buf, "%ld %ld %ld %ld %ld %ld %ld %s %d %d %ld %ld %ld %zu ", j->submit_ns,
		   j->begin_ns, j->place_ns, j->start_ns, j->stop_ns, j->end_ns, j->limit_ns,
		   job_cause_name(j->cause), j->exit_code, j->signal, j->cancelled_by, j->cpu_ns,
		   j->peak_bytes, j->alloc.n_parts);
	print_usage(buf, &row->usage);
	buf_printf(buf, "<%s> <%s> <%s> <%s> <%s> <%s> <%s>\n", row->name, row->alloc, row->message,
		   row->boot_id, row->key ? row->key : "NULL", row->spec ? row->spec : "NULL",
		   row->owner ? row->owner : "NULL");
}

static int add_row(void *ctx, const struct store_row *row)
{
	print_row(ctx, row);
	return 0;
}

static int add_event(void *ctx, const struct store_event *event)
{
	buf_printf(ctx, "%lu+%u %ld %s <%s>\n", event->job, event->n_tasks, event->time_ns,
		   event->event, event->detail);
	return 0;
}

static int add_id(void *ctx, const struct store_row *row)
{
	buf_printf(ctx, "%lu ", row->job.id);
	return 0;
}

/* The ids a filter yields, as text: "1 2 3 ". */
static void assert_ids(struct fixture *f, const struct store_filter *filter, const char *want)
{
	_cleanup_(buf_finish) struct buf ids = {0};

	assert_int_equal(store_walk(f->store, filter, add_id, &ids, NULL), 0);
	assert_string_equal(buf_get(&ids), want);
}

/* Everything the store holds, as text. */
static void dump(struct store *store, uint64_t last, struct buf *out)
{
	struct store_filter filter = {.uid = -1, .with_spec = true};
	uint64_t id, revision;

	assert_int_equal(store_last(store, &id, &revision, NULL), 0);
	buf_printf(out, "last %lu revision %lu\n", id, revision);
	assert_int_equal(store_walk(store, &filter, add_row, out, NULL), 0);
	for (uint64_t job = 1; job <= last; job++) {
		assert_int_equal(store_walk_events(store, job, 0, add_event, out, NULL), 0);
		assert_int_equal(store_walk_events(store, job, job / 2, add_event, out, NULL), 0);
	}
}

static void test_new_store_is_empty(void **state)
{
	struct fixture *f = *state;
	struct store_filter all = {.uid = -1};
	uint64_t id = 1, revision = 1;

	assert_int_equal(store_last(f->store, &id, &revision, NULL), 0);
	assert_int_equal(id, 0);
	assert_int_equal(revision, 0);
	assert_string_equal(f->store->ops->name, f->name);
	assert_ids(f, &all, "");
}

static void test_rows_come_back_equal(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_row(1, JOB_QUEUED), make_full_row(2)};
	struct store_filter all = {.uid = -1, .with_spec = true};
	_cleanup_(buf_finish) struct buf got = {0}, want = {0};

	rows[0].job.request.gpu_type = 5; /* a number of this run: not stored */
	commit(f->store, rows, 2, NULL, 0);
	rows[0].job.request.gpu_type = 0;
	for (size_t i = 0; i < 2; i++) {
		rows[i].job.revision = 1;
		print_row(&want, &rows[i]);
	}
	store_walk(f->store, &all, add_row, &got, NULL);
	assert_string_equal(buf_get(&got), buf_get(&want));
}

static void test_each_commit_is_one_revision_more(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_row(4, JOB_QUEUED), make_row(9, JOB_QUEUED)};
	struct store_filter all = {.uid = -1};
	_cleanup_(buf_finish) struct buf got = {0};
	uint64_t id, revision;

	assert_int_equal(commit(f->store, &rows[1], 1, NULL, 0), 1);
	assert_int_equal(commit(f->store, &rows[0], 1, NULL, 0), 2);
	assert_int_equal(commit(f->store, NULL, 0, &rows[1], 1), 3);
	store_last(f->store, &id, &revision, NULL);
	assert_int_equal(id, 9); /* the highest, not the latest */
	assert_int_equal(revision, 3);
	store_walk(f->store, &all, add_row, &got, NULL);
	assert_memory_equal(buf_get(&got), "4 r2 ", 5);
	assert_non_null(strstr(buf_get(&got), "\n9 r3 "));
}

static void test_update_keeps_what_is_written_once(void **state)
{
	struct fixture *f = *state;
	struct store_row row = make_full_row(1), update = make_row(1, JOB_FINISHED);
	struct store_filter all = {.uid = -1, .with_spec = true};
	_cleanup_(buf_finish) struct buf got = {0}, want = {0};

	row.key = "k";
	commit(f->store, &row, 1, NULL, 0);
	update.spec = update.owner = update.key = NULL;
	commit(f->store, NULL, 0, &update, 1);
	update.spec = row.spec;
	update.owner = row.owner;
	update.key = row.key;
	update.job.uid = row.job.uid;
	update.job.revision = 2;
	print_row(&want, &update);
	store_walk(f->store, &all, add_row, &got, NULL);
	assert_string_equal(buf_get(&got), buf_get(&want));
}

static struct store_row make_part(uint64_t id, uint32_t n_tasks, const char *spec)
{
	struct store_row row = make_row(id, JOB_QUEUED);

	row.job.array = 1;
	row.job.n_tasks = n_tasks;
	row.spec = spec;
	if (id > 1)
		row.owner = NULL;
	return row;
}

static int add_spec(void *ctx, const struct store_row *row)
{
	buf_printf(ctx, "%lu+%u:%s ", row->job.id, row->job.n_tasks, row->spec);
	assert_non_null(row->owner);
	return 0;
}

static void assert_specs(struct fixture *f, const char *want)
{
	struct store_filter all = {.uid = -1, .with_spec = true};
	_cleanup_(buf_finish) struct buf specs = {0};

	assert_int_equal(store_walk(f->store, &all, add_spec, &specs, NULL), 0);
	assert_string_equal(buf_get(&specs), want);
}

/* Whatever is split off runs by what it was split from; whoever is changed is changed alone. */
static void test_parts_of_an_array_and_their_specs(void **state)
{
	struct fixture *f = *state;
	struct store_row whole = make_part(1, 9, "a"), first = make_part(1, 1, "b");
	struct store_row rest[] = {make_part(2, 3, NULL), make_part(5, 5, "c")};
	struct store_row middle = make_part(5, 2, NULL);
	struct store_row behind[] = {make_part(7, 2, NULL), make_part(9, 1, "d")};
	struct store_row again = make_part(2, 3, "e");

	commit(f->store, &whole, 1, NULL, 0);
	assert_specs(f, "1+9:a ");
	commit(f->store, rest, 2, &first, 1);
	assert_specs(f, "1+1:b 2+3:a 5+5:c ");
	commit(f->store, behind, 2, &middle, 1);
	assert_specs(f, "1+1:b 2+3:a 5+2:c 7+2:c 9+1:d ");
	commit(f->store, NULL, 0, &again, 1);
	again.spec = "f";
	commit(f->store, NULL, 0, &again, 1);
	assert_specs(f, "1+1:b 2+3:f 5+2:c 7+2:c 9+1:d ");
}

static void test_keys_are_unique_per_user(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_row(1, JOB_QUEUED), make_row(2, JOB_QUEUED),
				   make_row(3, JOB_QUEUED), make_row(4, JOB_QUEUED)};
	uint64_t id = 99;

	rows[0].key = rows[1].key = "k";
	rows[1].job.uid = 8; /* rows 2 and 3 have no key, and may be many */
	commit(f->store, rows, 4, NULL, 0);
	assert_int_equal(store_find_key(f->store, 9, "k", &id, NULL), -ENOENT);
	assert_int_equal(store_find_key(f->store, 7, "K", &id, NULL), -ENOENT);
	assert_int_equal(id, 99); /* written only on success */
	assert_int_equal(store_find_key(f->store, 7, "k", &id, NULL), 0);
	assert_int_equal(id, 1);
	assert_int_equal(store_find_key(f->store, 8, "k", &id, NULL), 0);
	assert_int_equal(id, 2);
}

/* Every refused batch leaves no trace, and the store usable. */
static void test_refused_batches_leave_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_row first = make_row(5, JOB_QUEUED);
	struct store_row new = make_row(6, JOB_QUEUED), same_id = make_row(5, JOB_QUEUED);
	struct store_row same_key = make_row(7, JOB_QUEUED), unknown = make_row(8, JOB_QUEUED);
	struct store_row changed = make_row(5, JOB_FINISHED);
	struct store_event event = {8, 1, 1, "place", ""}, good = {5, 1, 1, "place", ""};
	struct store_row by_id[] = {new, same_id}, by_key[] = {new, same_key}, twice[] = {new, new};
	struct store_row updates[] = {changed, unknown};
	struct store_event events[] = {good, event};
	const struct {
		struct store_batch batch;
		int want;
	} cases[] = {
		{{.inserts = by_id, .n_inserts = 2}, -EEXIST},
		{{.inserts = by_key, .n_inserts = 2}, -EEXIST},
		{{.inserts = twice, .n_inserts = 2}, -EEXIST},
		{{.inserts = &new, .n_inserts = 1, .updates = updates, .n_updates = 2}, -ENOENT},
		{{.updates = &changed, .n_updates = 1, .events = events, .n_events = 2}, -ENOENT},
	};
	_cleanup_(buf_finish) struct buf before = {0};

	first.key = by_key[1].key = "k";
	commit(f->store, &first, 1, NULL, 0);
	dump(f->store, 9, &before);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_finish) struct buf after = {0};
		uint64_t revision = 77;
		struct err err = {0};

		assert_int_equal(store_commit(f->store, &cases[i].batch, &revision, &err),
				 cases[i].want);
		assert_int_equal(revision, 77);
		assert_true(err.msg[0] != '\0');
		dump(f->store, 9, &after);
		assert_string_equal(buf_get(&after), buf_get(&before));
	}
	assert_int_equal(commit(f->store, &new, 1, NULL, 0), 2);
}

static void test_history_is_oldest_first(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_row(1, JOB_QUEUED), make_row(2, JOB_QUEUED)};
	struct store_event events[] = {
		{2, 1, 30, "submit", ""},
		{1, 1, 20, "submit", ""},
		{1, 1, 10, "place", "node a"}, /* clocks jump; order is commit order */
		{1, 1, TIME_UNKNOWN, "start", ""}};
	struct store_batch batch = {
		.inserts = rows, .n_inserts = 2, .events = events, .n_events = 3};
	struct store_batch later = {.events = &events[3], .n_events = 1};
	_cleanup_(buf_finish) struct buf got = {0};
	uint64_t revision;

	assert_int_equal(store_commit(f->store, &batch, &revision, NULL), 0);
	assert_int_equal(store_commit(f->store, &later, &revision, NULL), 0);
	store_walk_events(f->store, 1, 0, add_event, &got, NULL);
	assert_string_equal(buf_get(&got),
			    "1+1 20 submit <>\n1+1 10 place <node a>\n1+1 0 start <>\n");
	buf_clear(&got);
	assert_int_equal(store_walk_events(f->store, 3, 0, add_event, &got, NULL), 0);
	assert_string_equal(buf_get(&got), "");
}

/* Job i has state i - 1; the even ones belong to uid 0. */
static void test_filters(void **state)
{
	static const struct {
		struct store_filter filter;
		const char *want;
	} cases[] = {
		{{.uid = -1}, "1 2 3 4 5 6 7 "},
		{{.uid = -1, .newest_first = true}, "7 6 5 4 3 2 1 "},
		{{.uid = -1, .active_only = true}, "1 2 3 4 "},
		{{.uid = -1, .final_only = true}, "5 6 7 "},
		{{.uid = -1, .states = 1u << JOB_RUNNING | 1u << JOB_FAILED}, "3 6 "},
		{{.uid = -1, .states = 1u << JOB_RUNNING, .final_only = true}, ""},
		{{.uid = 0}, "2 4 6 "},
		{{.uid = 7, .newest_first = true}, "7 5 3 1 "},
		{{.uid = 7, .active_only = true}, "1 3 "},
		{{.uid = 7, .final_only = true}, "5 7 "},
		{{.uid = 8}, ""},
		{{.uid = -1, .first_id = 3, .last_id = 5}, "3 4 5 "},
		{{.uid = -1, .first_id = 6}, "6 7 "},
		{{.uid = -1, .last_id = 2}, "1 2 "},
		{{.uid = -1, .first_id = UINT64_MAX}, ""},
		{{.uid = -1, .last_id = UINT64_MAX}, "1 2 3 4 5 6 7 "},
		{{.uid = -1, .limit = 2}, "1 2 "},
		{{.uid = 0, .limit = 2, .newest_first = true}, "6 4 "},
		{{.uid = -1, .limit = 1, .states = 1u << JOB_FAILED}, "6 "},
		{{.uid = -1, .limit = 100, .with_spec = true, .first_id = 7}, "7 "},
	};
	struct fixture *f = *state;
	struct store_row rows[JOB_STATE_COUNT];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i] = make_row(i + 1, (enum job_state)i);
		rows[i].job.uid = i % 2 ? 0 : 7;
	}
	commit(f->store, rows, ARRAY_SIZE(rows), NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_ids(f, &cases[i].filter, cases[i].want);
}

static int stop_at_2(void *ctx, const struct store_row *row)
{
	(void)ctx;
	assert_null(row->spec); /* was not asked for */
	assert_null(row->owner);
	return row->job.id == 2 ? 42 : 0;
}

static int add_logged(void *ctx, const struct store_event *event)
{
	buf_printf(ctx, "%lu.%lu:%lu+%u:%s ", event->revision, event->n, event->job, event->n_tasks,
		   event->event);
	return 0;
}

static void assert_log(struct fixture *f, uint64_t revision, uint64_t n, size_t limit,
		       const char *want)
{
	_cleanup_(buf_finish) struct buf got = {0};

	assert_int_equal(store_walk_log(f->store, revision, n, limit, add_logged, &got, NULL), 0);
	assert_string_equal(buf_get(&got), want);
}

static int add_name(void *ctx, const struct store_event *event)
{
	buf_printf(ctx, "%s ", event->event);
	return 0;
}

static void assert_history(struct fixture *f, uint64_t job, uint64_t array, const char *want)
{
	_cleanup_(buf_finish) struct buf got = {0};

	assert_int_equal(store_walk_events(f->store, job, array, add_name, &got, NULL), 0);
	assert_string_equal(buf_get(&got), want);
}

/* What happened to many tasks happened to each of them, and to no other. */
static void test_history_of_a_task(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_part(1, 9, "a"), make_row(10, JOB_QUEUED)};
	struct store_row parts[] = {make_part(2, 4, NULL), make_part(6, 4, NULL)};
	struct store_event events[] = {
		{1, 9, 1, "submit", ""}, {10, 1, 1, "other", ""}, {1, 1, 2, "start", ""},
		{2, 8, 3, "hold", ""},	 {6, 4, 4, "cancel", ""}, {1, 1, 5, "finish", ""},
	};
	struct store_batch batch = {
		.inserts = rows, .n_inserts = 2, .events = events, .n_events = 3};
	struct store_batch later = {
		.inserts = parts, .n_inserts = 2, .events = &events[3], .n_events = 3};
	uint64_t revision;

	assert_int_equal(store_commit(f->store, &batch, &revision, NULL), 0);
	assert_int_equal(store_commit(f->store, &later, &revision, NULL), 0);
	assert_history(f, 1, 1, "submit start finish ");
	assert_history(f, 2, 1, "submit hold ");
	assert_history(f, 5, 1, "submit hold ");
	assert_history(f, 6, 1, "submit hold cancel ");
	assert_history(f, 9, 1, "submit hold cancel ");
	assert_history(f, 10, 0, "other ");
}

static void test_the_log_is_of_all_jobs_in_order(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_row(1, JOB_QUEUED), make_row(2, JOB_QUEUED)};
	struct store_event first[] = {{2, 1, 5, "b", ""}, {1, 3, 6, "a", ""}};
	struct store_event second[] = {{1, 1, 7, "c", ""}, {1, 1, 8, "d", ""}, {2, 1, 9, "e", ""}};
	struct store_batch batch = {
		.inserts = rows, .n_inserts = 2, .events = first, .n_events = 2};
	uint64_t revision;

	assert_log(f, 0, 0, 10, "");
	assert_int_equal(store_commit(f->store, &batch, &revision, NULL), 0);
	batch = (struct store_batch){.events = second, .n_events = 3};
	assert_int_equal(store_commit(f->store, &batch, &revision, NULL), 0);
	assert_log(f, 0, UINT64_MAX, 10, "1.0:2+1:b 1.1:1+3:a 2.0:1+1:c 2.1:1+1:d 2.2:2+1:e ");
	assert_log(f, 0, UINT64_MAX, 3, "1.0:2+1:b 1.1:1+3:a 2.0:1+1:c ");
	assert_log(f, 1, 0, 10, "1.1:1+3:a 2.0:1+1:c 2.1:1+1:d 2.2:2+1:e ");
	assert_log(f, 1, UINT64_MAX, 10, "2.0:1+1:c 2.1:1+1:d 2.2:2+1:e ");
	assert_log(f, 2, 1, 10, "2.2:2+1:e ");
	assert_log(f, 2, 2, 10, "");
	assert_log(f, UINT64_MAX, UINT64_MAX, 10, "");
}

static int stop_at_event(void *ctx, const struct store_event *event)
{
	(void)ctx;
	(void)event;
	return -7;
}

static void test_callback_stops_the_walk(void **state)
{
	struct fixture *f = *state;
	struct store_row rows[] = {make_row(1, JOB_QUEUED), make_row(2, JOB_QUEUED),
				   make_row(3, JOB_QUEUED)};
	struct store_event event = {1, 1, 1, "submit", ""};
	struct store_batch batch = {
		.inserts = rows, .n_inserts = 3, .events = &event, .n_events = 1};
	struct store_filter all = {.uid = -1};
	uint64_t revision;

	store_commit(f->store, &batch, &revision, NULL);
	assert_int_equal(store_walk(f->store, &all, stop_at_2, NULL, NULL), 42);
	assert_int_equal(store_walk_events(f->store, 1, 0, stop_at_event, NULL, NULL), -7);
	assert_ids(f, &all, "1 2 3 "); /* the next one begins anew */
	assert_int_equal(commit(f->store, NULL, 0, rows, 1), 2);
}

struct nested {
	struct fixture *f;
	struct buf got;
};

static int walk_again(void *ctx, const struct store_row *row)
{
	struct nested *nested = ctx;
	struct store_filter all = {.uid = -1};

	buf_printf(&nested->got, "%lu( ", row->job.id);
	store_walk(nested->f->store, &all, add_id, &nested->got, NULL);
	buf_puts(&nested->got, ") ");
	return 0;
}

static void test_a_walk_within_a_walk(void **state)
{
	struct nested nested = {.f = *state};
	struct store_row rows[] = {make_row(1, JOB_QUEUED), make_row(2, JOB_QUEUED)};
	struct store_filter all = {.uid = -1};

	commit(nested.f->store, rows, 2, NULL, 0);
	for (int i = 0; i < 2; i++) {
		buf_clear(&nested.got);
		assert_int_equal(store_walk(nested.f->store, &all, walk_again, &nested, NULL), 0);
		assert_string_equal(buf_get(&nested.got), "1( 1 2 ) 2( 1 2 ) ");
	}
	buf_finish(&nested.got);
}

static int add_window(void *ctx, const struct store_window *window)
{
	buf_printf(ctx, "%llu uid %u from %lld to %lld %s '%s' by %u at %lld\n",
		   (unsigned long long)window->id, window->uid, (long long)window->start_ns,
		   (long long)window->end_ns, window->gpus, window->reason, window->created_by,
		   (long long)window->created_ns);
	return window->gone;
}

static void expect_windows(struct fixture *f, const char *lines)
{
	_cleanup_(buf_finish) struct buf got = {0};

	if (f->dir[0]) {
		store_close(TAKE_PTR(f->store));
		open_sqlite(f);
	}
	assert_int_equal(store_walk_windows(f->store, add_window, &got, NULL), 0);
	assert_string_equal(buf_get(&got), lines);
}

static void commit_windows(struct fixture *f, const struct store_window *windows, size_t n)
{
	struct store_batch batch = {.windows = windows, .n_windows = n};
	uint64_t revision;

	assert_int_equal(store_commit(f->store, &batch, &revision, NULL), 0);
}

static void test_windows_come_back_until_they_go(void **state)
{
	const struct store_window second = {2, false, 7, 1, INT64_MAX, "[\"B\"]", "", 0, 3};
	const struct store_window first = {1,	   false, UINT32_MAX, 5, 6, "[\"A\",\"B\"]",
					   "it's", 8,	  4};
	const struct store_window gone = {.id = 2, .gone = true, .gpus = "", .reason = ""};
	struct store_window other = first;

	expect_windows(*state, "");
	commit_windows(*state, (struct store_window[]){second, first}, 2);
	expect_windows(*state, "1 uid 4294967295 from 5 to 6 [\"A\",\"B\"] 'it's' by 8 at 4\n"
			       "2 uid 7 from 1 to 9223372036854775807 [\"B\"] '' by 0 at 3\n");
	other.end_ns = 9;
	commit_windows(*state, (struct store_window[]){gone, other, gone}, 3);
	expect_windows(*state, "1 uid 4294967295 from 5 to 9 [\"A\",\"B\"] 'it's' by 8 at 4\n");
}

static void test_close_accepts_null(void **state)
{
	(void)state;
	store_close(NULL);
}

/* A batch of random rows, right and wrong ones, about ids up to RANDOM_IDS. */
#define RANDOM_IDS 60

struct random_batch {
	struct store_row inserts[3], updates[3];
	struct store_event events[4];
	struct store_batch batch;
};

static struct store_row random_row(unsigned *seed)
{
	static const char *const texts[] = {"", "a", "b'c"};
	uint64_t id = (uint64_t)rand_r(seed) % RANDOM_IDS + 1;
	struct store_row row = rand_r(seed) % 2 ? make_full_row(id) : make_row(id, JOB_QUEUED);

	row.job.state = (enum job_state)(rand_r(seed) % JOB_STATE_COUNT);
	row.job.cause = (enum job_cause)(rand_r(seed) % JOB_CAUSE_COUNT);
	row.job.exit_code = rand_r(seed) % 3 - 1;
	row.job.stop_ns = rand_r(seed) % 3;
	row.job.uid = (uint32_t)rand_r(seed) % 3;
	row.message = texts[rand_r(seed) % 3];
	row.key = rand_r(seed) % 3 ? NULL : texts[rand_r(seed) % 3];
	return row;
}

static void random_batch(struct random_batch *random, unsigned *seed)
{
	random->batch = (struct store_batch){
		.inserts = random->inserts,
		.n_inserts = (size_t)rand_r(seed) % 4,
		.updates = random->updates,
		.n_updates = (size_t)rand_r(seed) % 4,
		.events = random->events,
		.n_events = (size_t)rand_r(seed) % 5,
	};
	for (size_t i = 0; i < 3; i++) {
		random->inserts[i] = random_row(seed);
		random->updates[i] = random_row(seed);
	}
	for (size_t i = 0; i < 4; i++)
		random->events[i] = (struct store_event){
			.job = (uint64_t)rand_r(seed) % RANDOM_IDS + 1,
			.n_tasks = rand_r(seed) % 2 ? 1 : (uint32_t)rand_r(seed) % 9 + 1,
			.time_ns = rand_r(seed) % 3,
			.event = "place",
			.detail = rand_r(seed) % 2 ? "" : "why",
		};
}

static void random_filter(struct store_filter *filter, unsigned *seed)
{
	int scope = rand_r(seed) % 3;

	*filter = (struct store_filter){
		.active_only = scope == 1,
		.final_only = scope == 2,
		.states = rand_r(seed) % 2 ? 0 : (uint32_t)rand_r(seed) % (1u << JOB_STATE_COUNT),
		.uid = rand_r(seed) % 4 - 1,
		.first_id = (uint64_t)rand_r(seed) % RANDOM_IDS,
		.last_id = rand_r(seed) % 2 ? 0 : (uint64_t)rand_r(seed) % RANDOM_IDS,
		.limit = (size_t)rand_r(seed) % 5,
		.newest_first = rand_r(seed) % 2,
		.with_spec = rand_r(seed) % 2,
	};
}

static void assert_same(struct store *a, struct store *b, unsigned *seed)
{
	_cleanup_(buf_finish) struct buf from_a = {0}, from_b = {0};
	struct store_filter filter;

	dump(a, RANDOM_IDS, &from_a);
	dump(b, RANDOM_IDS, &from_b);
	for (int i = 0; i < 5; i++) {
		random_filter(&filter, seed);
		assert_int_equal(store_walk(a, &filter, add_row, &from_a, NULL), 0);
		assert_int_equal(store_walk(b, &filter, add_row, &from_b, NULL), 0);
	}
	assert_string_equal(buf_get(&from_a), buf_get(&from_b));
}

/* The file and the memory agree on everything, refusals included, and so does the file reopened. */
static void test_random_operations_agree(void **state)
{
	struct fixture *f = *state;
	struct store *memory = store_memory_create();
	unsigned seed = (unsigned)time(NULL);
	const char *given = getenv("TGPU_TEST_SEED");
	struct random_batch random;
	int accepted = 0, refused = 0;

	if (given)
		seed = (unsigned)strtoul(given, NULL, 10);
	print_message("# TGPU_TEST_SEED=%u\n", seed);
	for (int i = 0; i < 1500; i++) {
		uint64_t revisions[2] = {0, 0};
		int r[2];

		random_batch(&random, &seed);
		r[0] = store_commit(f->store, &random.batch, &revisions[0], NULL);
		r[1] = store_commit(memory, &random.batch, &revisions[1], NULL);
		assert_int_equal(r[0], r[1]);
		assert_int_equal(revisions[0], revisions[1]);
		*(r[0] ? &refused : &accepted) += 1;
		if (i % 50 == 0) {
			assert_same(f->store, memory, &seed);
			store_close(TAKE_PTR(f->store));
			open_sqlite(f);
			assert_same(f->store, memory, &seed);
		}
	}
	assert_true(accepted > 100 && refused > 100);
	assert_same(f->store, memory, &seed);
	store_close(memory);
}

#define BOTH(test)                                                     \
	{"memory: " #test, test, set_up_memory, tear_down, NULL},      \
	{                                                              \
		"sqlite: " #test, test, set_up_sqlite, tear_down, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_new_store_is_empty),
		BOTH(test_rows_come_back_equal),
		BOTH(test_each_commit_is_one_revision_more),
		BOTH(test_update_keeps_what_is_written_once),
		BOTH(test_parts_of_an_array_and_their_specs),
		BOTH(test_keys_are_unique_per_user),
		BOTH(test_refused_batches_leave_nothing),
		BOTH(test_history_is_oldest_first),
		BOTH(test_history_of_a_task),
		BOTH(test_the_log_is_of_all_jobs_in_order),
		BOTH(test_filters),
		BOTH(test_callback_stops_the_walk),
		BOTH(test_a_walk_within_a_walk),
		BOTH(test_windows_come_back_until_they_go),
		cmocka_unit_test(test_close_accepts_null),
		cmocka_unit_test_setup_teardown(test_random_operations_agree, set_up_sqlite,
						tear_down),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
