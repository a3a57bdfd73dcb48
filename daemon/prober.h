/* SPDX-License-Identifier: MIT */
/*
 * Keeps tgpu-probe running and hands its reports to machine.c.
 *
 * The probe is a process so that a hanging driver hangs nobody else: silent for too long, it is
 * killed and started anew.
 */
#pragma once

#include "daemon/daemon.h"

/* Start probing. 0, or -errno with a sentence when tgpu-probe cannot be found or spawned. */
int prober_create(struct daemon *daemon, struct err *err);

/* Why the probe says that it cannot look at all, as a sentence (TGPU_GPUS is wrong); NULL. Valid
 * until the loop runs again. */
const char *prober_refusal(const struct daemon *daemon);

/* Ask for a report now, because GPUs were given back. Cheap; several requests make one probe. */
void prober_ask(struct daemon *daemon);

/* Kill the probe and forget it. */
void prober_destroy(struct daemon *daemon);
