/* SPDX-License-Identifier: MIT */
/* Restart: load every job that is not over, and find out what became of those that had begun. */
#pragma once

#include "daemon/daemon.h"

/* Call once, before the loop runs. 0, or -errno with a sentence. */
int recover_load(struct daemon *daemon, struct err *err);

/* Remove the cgroups that runners have left who were killed before they could. */
void recover_sweep_groups(struct daemon *daemon);
