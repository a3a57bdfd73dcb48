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
#include "daemon/machine.h"
#include "daemon/turn.h"

/* These are decided by other verbs, or once and for all. */
static const char *const fixed[] = {"hold", "unique", "array", "env", "script", "args", "umask"};

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

/* The spec as it is now: as this turn has written it, or as the store has it. */
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

/* It waits for others from now on. The old list stays when the new one is refused. */
static int change_dependencies(struct daemon *daemon, struct record *record, const char *after,
			       enum job_dependence *ret_dependence, struct err *err)
{
	char *old = TAKE_PTR(record->after);

	record->after = xstrdup(after);
	if (depends_add(daemon, record, ret_dependence, err) == 0) {
		free(old);
		return 0;
	}
	free(record->after);
	record->after = old;
	return err_wrap(err, "after");
}

/* The record does as `spec` says, which differs by `set`. */
static int change(struct request_context *request, struct record *record,
		  const struct jobspec *spec, json_t *set, struct err *err)
{
	_cleanup_(free_ptr) char *text = api_spec_text(spec);
	_cleanup_(free_ptr) char *detail = json_dumps(set, JSON_COMPACT);
	struct job changed = record->job;
	int r = 0;

	if (json_object_get(set, "after"))
		r = change_dependencies(request->daemon, record, spec->after, &changed.dependence,
					err);
	if (r < 0)
		return r;
	record->cancel_if_never = spec->cancel_if_never;
	record->notify = spec->notify;
	api_fill_job(request->daemon, spec, &changed);
	turn_update(request->daemon, record, &changed, spec->name, text, detail);
	return 0;
}

static int update_one(struct request_context *request, struct record *record, void *ctx,
		      struct err *err)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	int r;

	if (record->job.state != JOB_QUEUED)
		return err_set(err, 409,
			       "it does not wait any more; only a waiting job can be changed");
	if (record->job.revision == 0)
		return err_set(err, 409, "it is only just being submitted; try again");
	jobspec_init(&spec);
	r = current_spec(request->daemon, record, &spec, err);
	if (r == 0)
		r = jobspec_from_json(&spec, ctx, clock_wall_ns(), err);
	if (r == 0)
		r = jobspec_validate(&spec, err);
	if (r == 0)
		r = api_check_size(request->daemon, &spec, err);
	if (r == 0)
		r = change(request, record, &spec, ctx, err);
	return r == 0 ? 0 : 400;
}

void api_update_fold(struct request_context *request)
{
	json_t *body = api_body(request), *set = json_object_get(body, "set");

	if (!body)
		return;
	if (json_object_size(set) == 0)
		http_fail(request, 400,
			  "update: set: say what to change, such as {\"priority\": 5}");
	for (size_t i = 0; i < ARRAY_SIZE(fixed) && !request->status; i++)
		if (json_object_get(set, fixed[i]))
			http_fail(request, 400, "update: %s cannot be changed; submit a new job",
				  fixed[i]);
	if (!request->status)
		api_act_on_jobs(request, body, &(struct action){"update", update_one, set});
	json_decref(body);
}
