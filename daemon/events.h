/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/events: what happens to jobs, as it happens, as server-sent events.
 *
 * A stream has no queue: it is a place in the store's log, read from when its socket takes more. So
 * a reader that is slow, or was away, costs no memory and misses nothing; one that takes nothing
 * for a minute is disconnected and resumes by the id of the last event it got.
 */
#pragma once

#include "daemon/daemon.h"

/* Let the streams that have reached the end read on; called when there was a commit. */
void events_wake(struct daemon *daemon);

/* End all streams, for the daemon stops. */
void events_finish(struct daemon *daemon);
