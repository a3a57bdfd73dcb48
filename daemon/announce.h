/* SPDX-License-Identifier: MIT */
/* What happened is on disk: tell the log, hooks, and whoever wanted to be told. */
#pragma once

#include "daemon/daemon.h"

void announce_events(struct daemon *daemon, const struct store_event *events, size_t n);
