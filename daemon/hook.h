/* SPDX-License-Identifier: MIT */
/*
 * Programs that are run because something happened to a job: those in hooks_dir, as tgpud's user,
 * and notify_command, as the job's owner. Facts come to them in TGPU_* variables and never in a
 * command line.
 */
#pragma once

#include "daemon/daemon.h"

void hook_create(struct daemon *daemon);

/* What runs is ended with tgpud. */
void hook_destroy(struct daemon *daemon);

/* Run what is configured for this event; its owner's command only when that is `wanted`. */
void hook_run(struct daemon *daemon, const struct record *record, const struct store_event *event,
	      bool wanted);
