/* SPDX-License-Identifier: MIT */
/*
 * The decision log: a file with all that the scheduler is told and decides (trace_text.h), which
 * tgpu-sim can hold against the scheduler. It is for people: nothing depends on it.
 */
#pragma once

#include "daemon/daemon.h"

/* Begin to append to this file, before the scheduler is told anything; "": keep none. 0, or a
 * negative errno with a sentence. */
int trace_create(struct daemon *daemon, const char *path, struct err *err);
void trace_destroy(struct daemon *daemon);

/* Write what has come since the last time: at the end of each turn. */
void trace_flush(struct daemon *daemon);
