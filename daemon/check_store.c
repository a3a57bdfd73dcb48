/* SPDX-License-Identifier: MIT */
/*
 * What keeps tgpud from starting, and what the rows of a store mean: counts, contradictions, GPUs
 * that two jobs hold.
 *
 * Here and not in tgpu, which may not know the store, and not in the daemon that runs, whose loop
 * must not wait for it. Invariants: what recover.c would refuse is a finding, with the job's number
 * and the command that removes the job. Cost: parsing each spec. Read next: store/check.c.
 */
#include "daemon/check_store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/jobspec.h"
#include "common/paths.h"
#include "daemon/config.h"
#include "store/check.h"

#define SENSELESS_SHOWN 20

struct check {
	const char *dir;
	json_t *findings; /* owned */
	json_t *held;	  /* owned: UUID -> id of the job that holds this GPU */
	uint64_t n_jobs, n_states[JOB_STATE_COUNT];
	uint64_t n_senseless;
	enum store_level worst;
};

static void say(void *ctx, enum store_level level, const char *remedy, const char *text)
{
	static const char *const levels[] = {
		[STORE_GOOD] = "ok", [STORE_DOUBTFUL] = "warn", [STORE_BAD] = "fail"};
	struct check *check = ctx;

	json_array_append_new(check->findings, json_pack("{s:s, s:s, s:s?}", "level", levels[level],
							 "text", text, "remedy", remedy));
	check->worst = level > check->worst ? level : check->worst;
}

static void say_senseless(struct check *check, const struct store_row *row, const char *fault)
{
	_cleanup_(free_ptr) char *text = NULL, *remedy = NULL;

	if (++check->n_senseless > SENSELESS_SHOWN)
		return;
	text = xasprintf("job %" PRIu64 ", %s, %s", row->job.id, job_state_name(row->job.state),
			 fault);
	remedy = xasprintf("to do without this job, while no tgpud runs:\n"
			   "    sqlite3 '%s/tgpu.db' 'DELETE FROM event WHERE job = %" PRIu64
			   "; DELETE FROM spec WHERE job = %" PRIu64
			   "; DELETE FROM job WHERE id = %" PRIu64 "'",
			   check->dir, row->job.id, row->job.id, row->job.id);
	say(check, STORE_BAD, remedy, text);
}

static void check_spec(struct check *check, const struct store_row *row)
{
	_cleanup_(jobspec_finish) struct jobspec spec;
	json_t *object = json_loads(row->spec ? row->spec : "", 0, NULL);
	struct err err = {0};

	jobspec_init(&spec);
	if (!row->spec || !row->owner)
		say_senseless(check, row, "has no spec");
	else if (!object)
		say_senseless(check, row, "has a spec that is no JSON");
	else if (jobspec_from_json(&spec, object, 0, &err) < 0)
		say_senseless(check, row, err.msg);
	json_decref(object);
}

/* One GPU of a job that runs: nobody else may have it. */
static void check_gpu(struct check *check, const struct store_row *row, const char *uuid)
{
	const json_t *holder = uuid ? json_object_get(check->held, uuid) : NULL;
	_cleanup_(free_ptr) char *fault = NULL;

	if (!uuid) {
		say_senseless(check, row, "holds a GPU without a UUID");
	} else if (holder) {
		fault = xasprintf("holds GPU %s, which job %" JSON_INTEGER_FORMAT " holds", uuid,
				  json_integer_value(holder));
		say_senseless(check, row, fault);
	} else {
		json_object_set_new(check->held, uuid, json_integer((json_int_t)row->job.id));
	}
}

static void check_allocation(struct check *check, const struct store_row *row)
{
	json_t *parts = json_loads(row->alloc, 0, NULL);
	json_t *part, *gpus, *gpu;
	json_int_t cpus, mem;
	size_t i, j;

	if (json_array_size(parts) == 0)
		say_senseless(check, row, "has an allocation that is no list");
	json_array_foreach (parts, i, part) {
		if (json_unpack(part, "{s:I, s:I, s:o}", "cpus", &cpus, "mem", &mem, "gpus",
				&gpus) < 0) {
			say_senseless(check, row, "has an allocation without cpus, mem or gpus");
			continue;
		}
		json_array_foreach (gpus, j, gpu)
			check_gpu(check, row, json_string_value(json_object_get(gpu, "uuid")));
	}
	json_decref(parts);
}

static int check_row(void *ctx, const struct store_row *row)
{
	bool holds = job_state_has_gpus(row->job.state) && row->alloc[0];
	const char *fault = job_fault(&row->job, holds);
	struct check *check = ctx;

	check->n_jobs++;
	check->n_states[row->job.state]++;
	if (fault)
		say_senseless(check, row, fault);
	if (holds)
		check_allocation(check, row);
	check_spec(check, row);
	return 0;
}

static void say_counts(struct check *check)
{
	_cleanup_(buf_finish) struct buf text = {0};
	const char *separator = ": ";

	buf_printf(&text, "%" PRIu64 " job%s", check->n_jobs, plural(check->n_jobs));
	for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
		if (check->n_states[i] == 0)
			continue;
		buf_printf(&text, "%s%" PRIu64 " %s", separator, check->n_states[i],
			   job_state_name(i));
		separator = ", ";
	}
	if (check->n_senseless > 0)
		buf_printf(&text, "; %" PRIu64 " fault%s in them, of which %d at most are shown",
			   check->n_senseless, plural(check->n_senseless), SENSELESS_SHOWN);
	say(check, STORE_GOOD, NULL, buf_get(&text));
}

/* Print the findings and release everything. The exit code. */
static int finish(struct check *check)
{
	json_dumpf(check->findings, stdout, JSON_INDENT(2));
	puts("");
	json_decref(check->held);
	json_decref(check->findings);
	return check->worst == STORE_BAD;
}

int check_store(const char *dir)
{
	struct check check = {.dir = dir, .findings = json_array(), .held = json_object()};
	struct store_checker checker = {.say = say, .row = check_row, .ctx = &check};

	store_sqlite_check(dir, &checker);
	if (check.n_jobs > 0)
		say_counts(&check);
	return finish(&check);
}

static void check_config(struct check *check, const struct arguments *arguments)
{
	static struct config config; /* some KiB */
	_cleanup_(free_ptr) char *text = NULL;
	struct err err = {0};

	if (config_load(&config, arguments->config, arguments->system, &err) < 0) {
		say(check, STORE_BAD, "no tgpud starts with it; the keys are in tgpu.conf(5)",
		    err.msg);
		return;
	}
	text = config.file[0] ? xasprintf("the configuration %s can be read", config.file)
			      : xstrdup("there is no configuration file, so the defaults hold");
	say(check, STORE_GOOD, NULL, text);
}

int check_start(const struct arguments *arguments)
{
	struct check check = {.findings = json_array(), .held = json_object()};
	struct store_checker checker = {.say = say, .ctx = &check};
	_cleanup_(paths_finish) struct paths paths = {0};
	struct err err = {0};

	check_config(&check, arguments);
	if (paths_get(arguments->system, &paths, &err) < 0)
		say(&check, STORE_BAD, NULL, err.msg);
	else
		store_sqlite_look(paths.state_dir, &checker);
	return finish(&check);
}
