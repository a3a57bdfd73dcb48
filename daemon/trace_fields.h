/* SPDX-License-Identifier: MIT */
/*
 * The fields of a decision log's lines, one table for both ways: trace_text.c writes by it,
 * simulator/verify_feed.c reads by it. docs/decision-log.md shows the lines.
 */
#pragma once

#include <jansson.h>

#include "scheduler/core.h"

enum trace_kind { TRACE_BOOL, TRACE_UINT32, TRACE_INT32, TRACE_INT64, TRACE_UINT64 };

/* One number of a struct. What is 0 is not written. */
struct trace_field {
	const char *name;
	size_t offset;
	enum trace_kind kind;
	int64_t min, max; /* what is believed of a line that is read */
};

/* Each ended by a NULL name: of a struct sched_config, a struct job, a struct sched_charge (but its
 * share), a struct window (but its GPUs). */
extern const struct trace_field trace_config_fields[], trace_job_fields[], trace_charge_fields[],
	trace_window_fields[];

/* The words for what is no number. */
extern const char *const trace_call_names[SCHED_CALL_COUNT];
extern const char *const trace_backfill_names[BACKFILL_MODE_COUNT];

void trace_fields_put(json_t *object, const struct trace_field *fields, const void *base);

/* 0 with all fields set in *base, those that are missing to 0; -EBADMSG with a sentence. */
int trace_fields_get(const json_t *object, const struct trace_field *fields, void *base,
		     struct err *err);

/* A number that must be there. 0 or -EBADMSG with a sentence. */
int trace_number_get(const json_t *object, const char *name, int64_t min, int64_t max,
		     int64_t *ret_value, struct err *err);

/* A set of slots as an array of numbers. */
json_t *trace_slots_format(uint64_t slots);
int trace_slots_parse(const json_t *array, uint64_t *ret_slots, struct err *err);

/* An allocation as [{"node","gpus","cpus","mem"}]. */
json_t *trace_alloc_format(const struct allocation *alloc);
int trace_alloc_parse(const json_t *array, struct allocation *ret_alloc, struct err *err);
