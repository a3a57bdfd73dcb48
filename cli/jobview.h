/* SPDX-License-Identifier: MIT */
/* A job object of the API (docs/api.md) as people and scripts read it. Pure: JSON in, text out. */
#pragma once

#include <jansson.h>

#include "cli/format.h"
#include "common/idset.h"

/* The fields of a job that the functions here read. */
#define JOBVIEW_FIELDS \
	"id,n_tasks,state,held,start_ms,end_ms,gpus,reason,cause,exit_code,signal,cancelled_by"

/* The states of the API, and the two words for several of them that it takes as well. */
struct jobview_state {
	const char *name;
	const char *meaning; /* a few words */
	enum format_colour colour;
	bool final;	  /* no job leaves it */
	const char *also; /* what other programs call it, with blanks around each */
};

/* Ended by a NULL name. */
extern const struct jobview_state jobview_states[];

uint64_t jobview_id(const json_t *job);

/* The jobs that an entry of a list stands for: tasks of an array that wait, or the one. */
struct idrange jobview_range(const json_t *job);

/* "queued", "held", "starting", "running", "stopping", "finished", "failed", "cancelled". */
const char *jobview_state(const json_t *job);

/* Over for good. */
bool jobview_is_final(const json_t *job);

/* Neither over nor holding GPUs yet: it has a reason for waiting. */
bool jobview_is_waiting(const json_t *job);

/* Waits, and has run before: what is known of its run is of its last attempt. Reads "attempt". */
bool jobview_waits_again(const json_t *job);

/* Over, and its program was never started: it has no output. */
bool jobview_never_started(const json_t *job);

enum format_colour jobview_colour(const json_t *job);

/* Milliseconds it has run, until `now_ms` when it still does; -1 when it never ran, or waits. */
int64_t jobview_elapsed_ms(const json_t *job, int64_t now_ms);

/* Append the indices of its GPUs, "0,3"; nothing when it holds none. */
void jobview_gpu_ids(struct buf *buf, const json_t *job);

/* Append its GPUs, "0,3", with the label of simulated ones; nothing when it holds none. */
void jobview_gpus(struct buf *buf, const json_t *job);

/* The same as words that tgpu takes: "gpu0,gpu3". */
void jobview_gpu_names(struct buf *buf, const json_t *job);

/* Append how it ended, "exit code 3", "time limit"; nothing for a success or before the end. */
void jobview_ending(struct buf *buf, const json_t *job);

/* The same of its last attempt, whatever has become of the job since. */
void jobview_attempt_ending(struct buf *buf, const json_t *job);

/*
 * Append what a job does that does not wait: "has failed: exit code 3", "was cancelled by anna",
 * "runs since 14:05 on gpu0". `now_ms`: wall clock. Not yet printable.
 */
void jobview_doing(struct buf *buf, const json_t *job, int64_t now_ms);

/*
 * Append an entry of a job's history, or an event, in words: "fail: time limit", "update: priority
 * 3". Users by their names; printable. `now_ms`: wall clock.
 */
void jobview_event(struct buf *buf, const json_t *event, int64_t now_ms);

/* Append "GPU_IDS(REASON)": the GPUs, the reason for waiting, or how it ended. */
void jobview_where(struct buf *buf, const json_t *job);

/* Of the word for a GPU's state. */
enum format_colour jobview_gpu_colour(const char *state);

/* What `run` and `wait` return for an ended job: its code, 128 + signal, 124, 127. */
int jobview_exit_code(const json_t *job);
