/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * Recovery: the same files that the daily work looks at, asked in this order.
 *
 *     found at start                 verdict
 *     ------------------------------ ---------------------------------------------------------
 *     status file                    over: take the recorded end
 *     another boot id                the machine went down: requeue where allowed, else failed
 *     the lock is held               running: adopt the runner
 *     no lock, the runner's record   the runner was killed: end what it left; then as above
 *     no lock, no record             nothing ran: back to the queue
 *
 * Invariants: whatever had GPUs when the last daemon went holds them here, before anything is
 * decided, until its verdict is folded; so no GPU is ever given to two jobs across a restart. A
 * directory without a job is removed unless its lock is held: there a runner lives of which this
 * database (an old copy?) knows nothing, and its processes show up as strangers on their GPUs.
 * Cost: one walk over the jobs that are not over.
 */
/* clang-format on */
#include "daemon/recover.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>

#include "common/jobspec.h"
#include "common/log.h"
#include "daemon/attempt.h"
#include "daemon/depends.h"
#include "daemon/machine.h"
#include "daemon/turn.h"
#include "daemon/window.h"
#include "runner/cgroup.h"

static void fold_reboot(struct daemon *daemon, struct record *record)
{
	struct job_event end = job_event_make(JOB_EVENT_FAIL, daemon->start_ns);

	end.type = job_end_event(&record->job, JOB_CAUSE_NODE_LOST, -1, &end.cause);
	turn_apply(daemon, record, &end, "the machine went down while it ran");
}

void launch_recover(struct daemon *daemon, struct record *record)
{
	struct attempt *attempt = attempt_create(daemon, record);
	struct launch_status status;
	bool over = launch_status_read(attempt->dir, &status, NULL) == 0;

	if (!over && !STREQ(record->boot_id, daemon->boot_id)) {
		fold_reboot(daemon, record);
		return;
	}
	if (over || attempt_lock_is_held(attempt->dir))
		log_info("%s job=%" PRIu64, over ? "a job ended meanwhile" : "a job runs on",
			 record->job.id);
	attempt_look(attempt);
}

/* What only the spec tells: the GPU type, which is a number of this run; dependencies; whom to
 * tell. */
static int restore_from_spec(struct daemon *daemon, struct record *record, const char *text)
{
	json_t *spec = json_loads(text ? text : "", 0, NULL);
	const char *type = json_string_value(json_object_get(spec, "gpu_type"));
	const char *after = json_string_value(json_object_get(spec, "after"));
	const char *notify = json_string_value(json_object_get(spec, "notify"));

	if (notify)
		(void)jobspec_events_parse(notify, &record->notify);
	record->job.request.gpu_type = ledger_intern_type(sched_ledger(daemon->sched), type);
	record->after = after ? xstrdup(after) : NULL;
	record->cancel_if_never = json_is_true(json_object_get(spec, "cancel_if_never"));
	json_decref(spec);
	return spec ? 0 : -EINVAL;
}

/* A job that waited: for what it waited is found out anew. 0, or -errno with a sentence: that
 * cannot be read, so nobody knows whether it may run. */
static int requeue_loaded(struct daemon *daemon, struct record *record, struct err *err)
{
	int r = depends_add(daemon, record, &record->job.dependence, err);

	if (r < 0 && r != -EINVAL)
		return r;
	if (r < 0) {
		log_warn("what a job depends on is gone; holding it job=%" PRIu64 " error=\"%s\"",
			 record->job.id, err->msg);
		record->job.held = true;
	}
	turn_load(daemon, record);
	return 0;
}

static int load_row(void *ctx, const struct store_row *row)
{
	struct daemon *daemon = ctx;
	struct record *record = record_create(daemon, row->job.id, row->job.n_tasks, row->job.uid);

	record->job = row->job;
	record->job.alloc = (struct allocation){0};
	replace_string(&record->name, row->name);
	replace_string(&record->alloc, row->alloc);
	replace_string(&record->message, row->message);
	memcpy(record->boot_id, row->boot_id, sizeof(record->boot_id));
	record->usage = row->usage;
	if (restore_from_spec(daemon, record, row->spec) < 0)
		return -EUCLEAN;
	if (!job_state_has_gpus(record->job.state))
		return 0;
	if (machine_parse_allocation(daemon, row->alloc, &record->job.alloc) < 0)
		return -EUCLEAN;
	record_predict(daemon, record);
	sched_adopt(daemon->sched, &record->job);
	return 0;
}

/* A daemon that is killed after a job's end is on disk leaves the directory of that attempt. */
static void sweep_directory(struct daemon *daemon, const char *jobs, const char *name)
{
	_cleanup_(free_ptr) char *dir = xasprintf("%s/%s", jobs, name);
	const struct record *record;
	uint64_t id;
	uint32_t attempt;
	int end = 0;

	if (sscanf(name, "%" SCNu64 ".%" SCNu32 "%n", &id, &attempt, &end) != 2 || name[end])
		return; /* not of our making */
	record = record_find(daemon, id);
	if (record && record->attempt && record->attempt->number == attempt)
		return;
	if (attempt_lock_is_held(dir))
		log_warn("a runner lives that the database does not know of dir=%s", dir);
	else if (launch_remove_dir(dir) < 0)
		log_warn("cannot remove an old attempt's directory dir=%s", dir);
}

static void sweep_directories(struct daemon *daemon)
{
	_cleanup_(free_ptr) char *jobs = xasprintf("%s/jobs", daemon->paths.state_dir);
	DIR *dir = opendir(jobs);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		sweep_directory(daemon, jobs, entry->d_name);
	if (dir)
		closedir(dir);
}

/* A runner on its way out may be at it too: that harms nobody. */
static bool is_over(void *ctx, uint64_t job, uint32_t attempt)
{
	_cleanup_(free_ptr) char *dir = attempt_dir(ctx, job, attempt);

	return !attempt_lock_is_held(dir);
}

void recover_sweep_groups(struct daemon *daemon)
{
	if (daemon->cgroup)
		cgroup_base_sweep(daemon->cgroup, is_over, daemon);
}

int recover_load(struct daemon *daemon, struct err *err)
{
	struct store_filter filter = {.active_only = true, .uid = -1, .with_spec = true};
	struct record *record, *next;
	int r = store_last(daemon->store, &daemon->last_id, &daemon->revision, err);

	if (r == 0)
		r = machine_load_drains(daemon, err);
	if (r == 0)
		r = window_load(daemon, err);
	if (r == 0)
		r = store_walk(daemon->store, &filter, load_row, daemon, err);
	if (r == -EUCLEAN)
		return err_set(err, r,
			       "the state holds a job that makes no sense; "
			       "\"tgpu doctor --store\" names it and the way out");
	if (r < 0)
		return r;
	HASH_ITER (hh, daemon->records, record, next) {
		if (job_state_has_gpus(record->job.state)) {
			record_file(daemon, record);
			launch_recover(daemon, record);
		} else {
			r = requeue_loaded(daemon, record, err);
		}
		if (r < 0)
			return r;
	}
	sweep_directories(daemon);
	recover_sweep_groups(daemon);
	turn_want_pass(daemon);
	return 0;
}
