/* SPDX-License-Identifier: MIT */
/* How an attempt ended, in the words that its history has. */
#pragma once

#include "daemon/daemon.h"

/*
 * The detail of an event: of an end that was no success, what it ended by, and behind it `detail`
 * where there is one: "exit code 3", "signal KILL", "timeout", "launch: no such file". Of any other
 * event it is `detail`. Heap, owned by the caller.
 */
char *ending_detail(const struct job_event *event, const char *detail);
