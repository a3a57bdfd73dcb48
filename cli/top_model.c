/* SPDX-License-Identifier: MIT */
/*
 * From answers to rows.
 *
 * Invariants: rows borrow from the two answers and are made anew whenever one of them, the order or
 * the filter changes; a selected job stays selected wherever it moves within its list, and when it
 * leaves, the row that takes its place is selected.
 * Deliberately not: text and widths (top_table.c), drawing (top_view.c), I/O.
 * Cost: jobs times log(jobs) per change. Read next: top_table.c, top.c.
 */
#include "cli/top_model.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/field.h"
#include "cli/jobview.h"

/* Less than a heading and three rows for each pane is a peephole; one whole pane serves better. */
#define LINES_OF_THREE 12

void top_model_init(struct top_model *model)
{
	*model = (struct top_model){.focus = TOP_RUNNING};
}

void top_model_finish(struct top_model *model)
{
	for (size_t i = 0; i < TOP_PANES; i++)
		free(model->lists[i].rows);
	json_decref(model->jobs);
	json_decref(model->machine);
	*model = (struct top_model){0};
}

static struct top_row *add_row(struct top_list *list)
{
	xgrow(&list->rows, &list->capacity, list->n + 1, sizeof(*list->rows));
	list->rows[list->n] = (struct top_row){.place = list->n, .user = "", .n_tasks = 1};
	return &list->rows[list->n++];
}

static const char *user_of(const json_t *object)
{
	int64_t uid = field_int(object, "uid", -1);

	return uid < 0 ? "" : format_user((uid_t)uid);
}

static bool is_wanted(const struct top_model *model, const json_t *job)
{
	return !model->filter[0] || strcasestr(field_text(job, "name"), model->filter) ||
	       strcasestr(user_of(job), model->filter);
}

static void add_jobs(struct top_model *model)
{
	const json_t *job;
	size_t i;

	json_array_foreach (json_object_get(model->jobs, "jobs"), i, job) {
		bool waits = jobview_is_waiting(job);
		struct idrange range;
		struct top_row *row;

		if (jobview_is_final(job))
			continue;
		range = jobview_range(job);
		*(waits ? &model->n_waiting : &model->n_running) += range.last - range.first + 1;
		if (!is_wanted(model, job))
			continue;
		row = add_row(&model->lists[waits ? TOP_WAITING : TOP_RUNNING]);
		row->object = job;
		row->key = row->job = range.first;
		row->n_tasks = range.last - range.first + 1;
		row->user = user_of(job);
		row->time_ms = field_int(job, waits ? "submit_ms" : "start_ms", 0);
	}
}

static const json_t *find_job(const struct top_model *model, uint64_t id)
{
	const json_t *job;
	size_t i;

	json_array_foreach (json_object_get(model->jobs, "jobs"), i, job)
		if (jobview_id(job) == id)
			return job;
	return NULL;
}

/* Who uses a GPU: the owner of its job, or of the first process on it. */
static const char *user_of_gpu(const struct top_model *model, const json_t *gpu, uint64_t id)
{
	if (id > 0)
		return user_of(find_job(model, id));
	return user_of(json_array_get(json_object_get(gpu, "processes"), 0));
}

static void add_gpus(struct top_model *model)
{
	const json_t *gpu;
	size_t i;

	json_array_foreach (json_object_get(model->machine, "gpus"), i, gpu) {
		struct top_row *row = add_row(&model->lists[TOP_GPUS]);

		row->object = gpu;
		row->key = (uint64_t)field_int(gpu, "slot", (int64_t)i) + 1;
		row->job = (uint64_t)field_int(gpu, "job", 0);
		row->user = user_of_gpu(model, gpu, row->job);
	}
}

static int compare(const void *left, const void *right, void *ctx)
{
	const struct top_row *a = left, *b = right;
	const enum top_order *order = ctx;
	int by_user = *order == TOP_BY_USER ? strcmp(a->user, b->user) : 0;

	if (by_user != 0)
		return by_user;
	if (*order == TOP_BY_TIME && a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

/* Select the row `at`, the nearest one when there is none. */
static void select_row(struct top_list *list, size_t at)
{
	if (list->n == 0)
		return;
	list->at = at < list->n ? at : list->n - 1;
	list->key = list->rows[list->at].key;
}

/* An empty list keeps the key: a filter that is cleared brings the selection back. */
static void follow_selection(struct top_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->rows[i].key == list->key) {
			list->at = i;
			return;
		}
	select_row(list, list->at);
}

static void rebuild(struct top_model *model)
{
	for (size_t i = 0; i < TOP_PANES; i++)
		model->lists[i].n = 0;
	model->n_running = model->n_waiting = 0;
	add_gpus(model);
	add_jobs(model);
	for (size_t i = 0; i < TOP_PANES; i++) {
		struct top_list *list = &model->lists[i];

		if (i != TOP_GPUS && list->n > 1)
			qsort_r(list->rows, list->n, sizeof(*list->rows), compare, &model->order);
		follow_selection(list);
	}
}

void top_model_set_jobs(struct top_model *model, json_t *answer)
{
	json_decref(model->jobs);
	model->jobs = answer;
	rebuild(model);
}

void top_model_set_machine(struct top_model *model, json_t *answer)
{
	json_decref(model->machine);
	model->machine = answer;
	rebuild(model);
}

void top_model_set_order(struct top_model *model, enum top_order order)
{
	model->order = order;
	rebuild(model);
}

void top_model_set_filter(struct top_model *model, const char *filter)
{
	snprintf(model->filter, sizeof(model->filter), "%s", filter);
	rebuild(model);
}

void top_model_move(struct top_model *model, int64_t rows)
{
	struct top_list *list = &model->lists[model->focus];
	int64_t at = (int64_t)list->at + rows;

	select_row(list, at > 0 ? (size_t)at : 0);
}

const struct top_row *top_model_selected(const struct top_model *model)
{
	const struct top_list *list = &model->lists[model->focus];

	return list->n > 0 ? &list->rows[list->at] : NULL;
}

const char *top_model_job_name(const struct top_model *model, uint64_t id)
{
	return field_text(find_job(model, id), "name");
}

void top_list_scroll(struct top_list *list, size_t height)
{
	size_t last = list->n > height ? list->n - height : 0;

	if (list->at < list->first)
		list->first = list->at;
	if (height > 0 && list->at >= list->first + height)
		list->first = list->at - height + 1;
	if (list->first > last)
		list->first = last;
}

static size_t least_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

void top_model_share(const struct top_model *model, size_t lines, size_t ret_lines[TOP_PANES])
{
	size_t gpus = model->lists[TOP_GPUS].n + 1, running = model->lists[TOP_RUNNING].n + 1;
	size_t waiting = model->lists[TOP_WAITING].n + 1, rest;

	if (lines < LINES_OF_THREE) {
		for (size_t i = 0; i < TOP_PANES; i++)
			ret_lines[i] = i == model->focus ? lines : 0;
		return;
	}
	/* The machine takes half of the screen at most; what one list of jobs leaves the other has.
	 */
	gpus = least_of(gpus > 2 ? gpus : 2, lines / 2);
	rest = lines - gpus;
	if (running > rest / 2)
		running = least_of(running, rest - least_of(waiting, rest / 2));
	running = running > 2 ? running : 2;
	ret_lines[TOP_GPUS] = gpus;
	ret_lines[TOP_RUNNING] = running;
	ret_lines[TOP_WAITING] = rest - running;
}

static size_t count_idle(const struct top_list *gpus)
{
	size_t n = 0;

	for (size_t i = 0; i < gpus->n; i++)
		n += STREQ(field_text(gpus->rows[i].object, "state"), "idle");
	return n;
}

void top_model_headline(const struct top_model *model, struct buf *buf)
{
	static const char *const orders[TOP_ORDERS] = {"", "; by user", "; by time"};
	const struct top_list *gpus = &model->lists[TOP_GPUS];
	const char *more = field_true(model->jobs, "more") ? "+" : "";

	if (model->machine)
		buf_printf(buf, "%s: %zu GPU%s%s, %zu idle; ", field_text(model->machine, "node"),
			   gpus->n, gpus->n == 1 ? "" : "s",
			   field_true(model->machine, "simulated") ? " (simulated)" : "",
			   count_idle(gpus));
	buf_printf(buf, "%" PRIu64 " running, %" PRIu64 "%s waiting%s", model->n_running,
		   model->n_waiting, more, orders[model->order]);
}
