/* SPDX-License-Identifier: MIT */
/* Lines of a decision log, back into calls of a scheduler. */
#pragma once

#include <jansson.h>

#include "scheduler/core.h"

struct feed;

/* A scheduler as the "create" line describes it. 0 or -EBADMSG with a sentence. */
int feed_create(const json_t *line, struct feed **ret_feed, struct err *err);
void feed_destroy(struct feed *feed);

/* Borrowed. */
struct sched *feed_sched(const struct feed *feed);

/* Tell or ask it what any other line says. 0; or -EBADMSG with a sentence and nothing done, for
 * what no daemon would tell. */
int feed_line(struct feed *feed, const json_t *line, struct err *err);
