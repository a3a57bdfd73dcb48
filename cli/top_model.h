/* SPDX-License-Identifier: MIT */
/*
 * What `tgpu top` shows: the daemon's last answers as three lists of rows, filtered, sorted, with a
 * selection that follows the job and not the line. Pure: JSON and wishes in, rows out.
 */
#pragma once

#include <jansson.h>

#include "common/buf.h"

enum top_pane {
	TOP_GPUS,
	TOP_RUNNING, /* starting and stopping jobs as well: they hold GPUs */
	TOP_WAITING,
	TOP_PANES,
};

enum top_order {
	TOP_BY_QUEUE, /* the daemon's order: who runs next */
	TOP_BY_USER,
	TOP_BY_TIME, /* who has run or waited longest */
	TOP_ORDERS,
};

struct top_row {
	const json_t *object; /* borrowed from the model: a GPU or a job of the API */
	uint64_t key;	      /* of the row: a job's id, a GPU's slot + 1; never 0 */
	uint64_t job;	      /* what keys act on; 0: none */
	uint64_t n_tasks;     /* it and those that follow: an array's tasks that wait; else 1 */
	const char *user;     /* borrowed; "" when unknown */
	int64_t time_ms;      /* since when it runs or waits */
	size_t place;	      /* in the daemon's order */
};

struct top_list {
	struct top_row *rows; /* owned */
	size_t n, capacity;
	uint64_t key; /* the selected row's; 0: none was ever there */
	size_t at;    /* its place */
	size_t first; /* of the rows on the screen */
};

#define TOP_FILTER_SIZE 64

struct top_model {
	json_t *jobs, *machine; /* owned: answers of GET /v1/jobs and /v1/gpus; NULL: none yet */
	struct top_list lists[TOP_PANES];
	uint64_t n_running, n_waiting; /* jobs of the answer, whatever the filter leaves out */
	enum top_pane focus;
	enum top_order order;
	char filter[TOP_FILTER_SIZE]; /* part of a job's or user's name, in any case; "": all */
};

/* Start with nothing known and the running jobs in focus. */
void top_model_init(struct top_model *model);
void top_model_finish(struct top_model *model);

/* A new answer; the model keeps the reference. */
void top_model_set_jobs(struct top_model *model, json_t *answer);
void top_model_set_machine(struct top_model *model, json_t *answer);

void top_model_set_order(struct top_model *model, enum top_order order);
/* What does not fit is cut off. */
void top_model_set_filter(struct top_model *model, const char *filter);

/* Move the selection of the pane in focus by `rows`, to its ends at most. */
void top_model_move(struct top_model *model, int64_t rows);

/* The selected row of the pane in focus; NULL when it is empty. */
const struct top_row *top_model_selected(const struct top_model *model);

/* The name of a job of the last answer, borrowed from it; "" when it is not there. */
const char *top_model_job_name(const struct top_model *model, uint64_t id);

/* Choose list->first so that the selected one is among `height` rows and none is left empty. */
void top_list_scroll(struct top_list *list, size_t height);

/*
 * Share `lines` of a screen, headings included, among the panes. Where there is no room for all
 * three, the one in focus gets everything and the others 0.
 */
void top_model_share(const struct top_model *model, size_t lines, size_t ret_lines[TOP_PANES]);

/* Append "box: 8 GPUs (simulated), 5 idle; 3 running, 12 waiting; by user". */
void top_model_headline(const struct top_model *model, struct buf *buf);
