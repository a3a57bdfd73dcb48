/* SPDX-License-Identifier: MIT */
/*
 * Programs that are run because something happened to a job: those in hooks_dir, as tgpud's user,
 * and notify_command, as the job's owner. Facts come to them in TGPU_* variables and never in a
 * command line.
 */
#pragma once

#include <jansson.h>

#include "daemon/daemon.h"

/* 0, or -errno with a sentence: hooks_dir is no directory that can be read. */
int hook_create(struct daemon *daemon, struct err *err);

/* What runs is ended with tgpud. */
void hook_destroy(struct daemon *daemon);

/* Run what is configured for this event; its owner's command only when that is `wanted`. */
void hook_run(struct daemon *daemon, const struct record *record, const struct store_event *event,
	      bool wanted);

/* Put the sentence for a user whose wish to be told will not be heard, as there is no
 * notify_command, into answer's "warnings". */
void hook_warn(const struct daemon *daemon, json_t *answer);
