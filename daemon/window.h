/* SPDX-License-Identifier: MIT */
/*
 * GPUs reserved for a time: what there is, as rows of the store and as the scheduler's windows.
 *
 * A change is made in memory at once, told to the scheduler, and written with the turn's commit.
 * What is over goes with the turn that notices.
 */
#pragma once

#include <jansson.h>

#include "daemon/daemon.h"

#define WINDOWS_MAX 1000 /* at a time */

void window_create(struct daemon *daemon);
void window_destroy(struct daemon *daemon);

/* Read from the store what is reserved. 0 or -errno with a sentence. */
int window_load(struct daemon *daemon, struct err *err);

size_t window_count(const struct daemon *daemon);

/* The window of this id; NULL. Borrowed until the next change. */
const struct store_window *window_find(const struct daemon *daemon, uint64_t id);

/* The first window that has one of these slots between those times; NULL. Borrowed until the next
 * change. */
const struct store_window *window_overlap(const struct daemon *daemon, uint64_t gpus,
					  int64_t start_ns, int64_t end_ns);

/* Reserve these slots. Of `row` all but id, gone and gpus counts, and is copied. The window's id.
 */
uint64_t window_add(struct daemon *daemon, const struct store_window *row, uint64_t gpus);

/* Take one back. False: there is none of this id. */
bool window_remove(struct daemon *daemon, uint64_t id);

/* Remove what is over at now_ns. */
void window_expire(struct daemon *daemon, int64_t now_ns);

/* One as the API shows it; all, in order of their begin; the first of those that have this slot,
 * or null. New references. */
json_t *window_json(const struct daemon *daemon, uint64_t id);
json_t *window_list_json(const struct daemon *daemon);
json_t *window_on_json(const struct daemon *daemon, unsigned slot);
