/* SPDX-License-Identifier: MIT */
/*
 * GET /metrics over TCP, for a Prometheus that cannot read a Unix socket.
 *
 * Only where the configuration says so (metrics_listen), only on the loopback interface, and
 * nothing but that one route: who is calling cannot be known there. A token may be asked for
 * (metrics_token_file).
 */
#pragma once

#include "daemon/daemon.h"

/* Listen, if that is wanted. 0, or -errno with a sentence. */
int metrics_listen_create(struct daemon *daemon, struct err *err);
void metrics_listen_destroy(struct daemon *daemon);
