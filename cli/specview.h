/* SPDX-License-Identifier: MIT */
/* What a job asked for (docs/job-spec.md), in words. Pure: JSON in, text out. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "common/buf.h"

/*
 * Call `line` with the label and the value of all that a job object of GET /v1/jobs/ID asked for:
 * its GPUs, CPUs and priority in any case, all else where it is not what every job gets. What comes
 * from the job is not yet printable. `now_ms`: wall clock. What `line` returns is ignored.
 */
void specview_asked(const json_t *job, int64_t now_ms,
		    bool (*line)(const char *label, const char *value));

/*
 * Append what an update changed, "priority 3, begin 2026-11-30 09:00", from its JSON, by the names
 * of the options. False, with nothing appended, where that is none.
 */
bool specview_changes(struct buf *buf, const char *json, int64_t now_ms);
