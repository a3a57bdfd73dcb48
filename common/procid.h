/* SPDX-License-Identifier: MIT */
/*
 * A process that cannot be mistaken for another: pid, start time, boot.
 *
 * A pid alone is reused; (boot id, pid, start time) is not. Where the process is still alive a
 * pidfd pins it. proc(5): field 22 of /proc/PID/stat, counted after the LAST ')'.
 */
#pragma once

#include <sys/types.h>

#include "common/util.h"

#define BOOT_ID_SIZE 37 /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its NUL */

struct procid {
	pid_t pid;	      /* 0: no process */
	uint64_t start_ticks; /* clock ticks since boot */
	char boot_id[BOOT_ID_SIZE];
};

/* This boot's id. 0 or -errno. */
int boot_id_get(char ret_id[BOOT_ID_SIZE]);

/* Identify the live process `pid`. 0; -ESRCH when there is none; -errno. */
int procid_get(pid_t pid, struct procid *ret_id);

/*
 * Open a pidfd (CLOEXEC) on exactly this process. The descriptor, owned by the caller; -ESRCH when
 * it is gone, when its pid means another process by now, or when it belongs to another boot.
 */
int procid_open(const struct procid *id);
