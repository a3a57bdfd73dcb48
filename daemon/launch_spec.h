/* SPDX-License-Identifier: MIT */
/* From a job's specification and its GPUs to the record that its runner gets. */
#pragma once

#include "common/launch.h"
#include "daemon/daemon.h"

/*
 * Fill in the launch record of a placed job from the store. *ret_port is the MASTER_PORT reserved
 * for it, 0 when it got none. 0, or -errno with a sentence. Release with launch_finish().
 */
int launch_spec_make(struct daemon *daemon, const struct record *record, struct launch *ret_launch,
		     uint16_t *ret_port, struct err *err);
