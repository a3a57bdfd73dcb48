/* SPDX-License-Identifier: MIT */
/*
 * What a scheduler is told and what it decides, as lines of JSON: the text of a decision log.
 *
 * tgpud has them written to a file (trace.c); tgpu-sim feeds such a file to a scheduler of its own,
 * has the lines of that one, and compares. docs/decision-log.md shows the lines.
 */
#pragma once

#include "scheduler/core.h"

struct trace_text;

/* A line, without its end; borrowed for the call. */
typedef void trace_line_fn(void *ctx, const char *line, size_t len);

/*
 * Turn all that `sched` is told from now on into lines, beginning with its configuration, which
 * must be the first thing: it has been told nothing yet. `sched` is borrowed; `version` is that of
 * the program.
 */
struct trace_text *trace_text_create(struct sched *sched, const char *version, trace_line_fn *write,
				     void *ctx);
void trace_text_destroy(struct trace_text *text);
