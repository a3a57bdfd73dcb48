/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/jobs/update {"ids": "12", "set": {"priority": 5, "time_limit": "2h"}}: waiting jobs ask
 * for something else.
 *
 * Invariants: what comes out is a spec that submit would have taken too, by the same parser and the
 * same checks; a job that is refused stays as it was. A job that has started is not changed: its
 * runner keeps the limits that it was given.
 */
#include <errno.h>

#include "common/jobspec.h"
#include "daemon/api.h"
#include "daemon/depends.h"
#include "daemon/hook.h"
#include "daemon/machine.h"
#include "daemon/turn.h"

/* What only programs write, and no field is: these are decided once and for all. */
static const char *const fixed[] = {"script", "args", "umask"};

/* What to do instead of changing this key; NULL: it may be changed. */
static const char *instead_of(const char *key)
{
	const struct jobspec_field *field = jobspec_field_by_key(key);

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (STREQ(fixed[i], key))
			return "submit a new job";
	return field ? field->fixed : NULL;
}

struct found {
	struct jobspec *spec;
	struct err *err;
};

static int read_spec(struct jobspec *spec, const char *text, struct err *err)
{
	json_t *object = json_loads(text ? text : "", 0, NULL);
	int r = object ? jobspec_from_json(spec, object, clock_wall_ns(), err) : -EINVAL;

	json_decref(object);
	return r;
}

static int read_row(void *ctx, const struct store_row *row)
{
	struct found *found = ctx;

	return read_spec(found->spec, row->spec, found->err);
}

/* The spec as it is now: as this turn has written it, or as the store has it. 0, or -errno with a
 * sentence: it cannot be read. */
static int current_spec(struct daemon *daemon, const struct record *record, struct jobspec *spec,
			struct err *err)
{
	struct found found = {spec, err};
	struct store_filter filter = {
		.uid = -1,
		.first_id = record->job.id,
		.last_id = record->job.id,
		.with_spec = true,
	};

	if (record->new_spec)
		return read_spec(spec, record->new_spec, err);
	return store_walk(daemon->store, &filter, read_row, &found, err);
}

struct update {
	json_t *set; /* borrowed: what differs */
	/* Of the job that was checked last, with it: */
	struct jobspec spec;
	struct depends depends; /* where `set` has "after": the same for all jobs from ... */
	uint64_t depends_from;	/* ... this one on; 0: not found yet */
};

/* What a failed read of the store is answered with. */
static int store_failed(struct request_context *request, const struct err *err)
{
	trouble_reading(request->daemon, err);
	return 500;
}

/* May it wait for those? 0, or an HTTP status with a sentence. */
static int check_after(struct request_context *request, uint64_t id, struct update *update,
		       struct err *err)
{
	int r;

	if (!json_object_get(update->set, "after"))
		return 0;
	if (update->depends_from && id >= update->depends_from)
		return 0; /* who came before that one comes before this one */
	depends_finish(&update->depends);
	r = depends_find(request->daemon, update->spec.after, id, &update->depends, err);
	if (r < 0)
		err_wrap(err, "after");
	if (r < 0 && r != -EINVAL)
		return store_failed(request, err);
	update->depends_from = r < 0 ? 0 : id;
	return r < 0 ? 400 : 0;
}

static int check(struct request_context *request, const struct record *record, uint64_t id,
		 void *ctx, struct err *err)
{
	struct update *update = ctx;
	struct jobspec *spec = &update->spec;
	int r;

	if (record->job.state != JOB_QUEUED)
		return err_set(err, 409,
			       "it does not wait any more; only a waiting job can be changed");
	if (record->job.revision == 0)
		return err_set(err, 409, "it is only just being submitted; try again");
	jobspec_finish(spec);
	jobspec_init(spec);
	if (current_spec(request->daemon, record, spec, err) < 0)
		return store_failed(request, err);
	r = jobspec_from_json(spec, update->set, clock_wall_ns(), err);
	if (r == 0)
		r = jobspec_validate(spec, err);
	if (r == 0)
		r = api_check_size(request->daemon, spec, err);
	return r == 0 ? check_after(request, id, update, err) : 400;
}

#define DETAIL_MAX 1000 /* bytes in a history; a longer change is told by its fields alone */

/* What was changed, for the history. Owned by the caller. */
static char *describe(json_t *set)
{
	_cleanup_(free_ptr) char *text = json_dumps(set, JSON_COMPACT);
	struct buf names = {0};
	const char *name;
	json_t *value;

	if (strlen(text) <= DETAIL_MAX)
		return TAKE_PTR(text);
	json_object_foreach (set, name, value)
		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", name);
	return buf_take(&names);
}

/* The record does as the checked spec says. */
static void apply(struct request_context *request, struct record *record, void *ctx)
{
	const struct update *update = ctx;
	const struct jobspec *spec = &update->spec;
	_cleanup_(free_ptr) char *text = api_spec_text(spec);
	_cleanup_(free_ptr) char *detail = describe(update->set);
	struct job changed = record->job;

	if (json_object_get(update->set, "after")) {
		replace_string(&record->after, spec->after);
		changed.dependence = depends_set(request->daemon, record->job.id, &update->depends);
	}
	record->cancel_if_never = spec->cancel_if_never;
	record->notify = spec->notify;
	api_fill_job(request->daemon, spec, &changed);
	turn_update(request->daemon, record, &changed, spec->name, text, detail);
}

void api_update_fold(struct request_context *request)
{
	json_t *body = api_body(request), *set = json_object_get(body, "set");
	struct update update = {.set = set};
	const char *key;
	json_t *value;

	if (!body)
		return;
	if (json_object_size(set) == 0)
		http_fail(request, 400,
			  "update: set: say what to change, such as {\"priority\": 5}");
	json_object_foreach (set, key, value)
		if (instead_of(key))
			http_fail(request, 400, "update: %s cannot be changed; %s", key,
				  instead_of(key));
	if (!request->status)
		api_act_on_jobs(request, body,
				&(struct action){.name = "update",
						 .check = check,
						 .apply = apply,
						 .ctx = &update,
						 .job_bytes = request->body_len});
	jobspec_finish(&update.spec);
	depends_finish(&update.depends);
	if (request->result && json_is_string(json_object_get(set, "notify")))
		hook_warn(request->daemon, request->result);
	json_decref(body);
}
