/* SPDX-License-Identifier: MIT */
#pragma once

#include "daemon/daemon.h"

/* Tell the scheduler how long jobs ran that ended before this daemon began, for predictions: before
 * any job waits. Bounded. */
void history_load_run_times(struct daemon *daemon);

/* Tell it what users have used, where the policy asks for it, those who run included: once the
 * machine is known. Bounded. */
void history_load_shares(struct daemon *daemon);
