/* SPDX-License-Identifier: MIT */
/* A store that could not be read: said in the log, but not with every request that meets it. */
#pragma once

#include "common/err.h"

struct daemon;

struct trouble {
	int64_t said_ns;   /* monotonic; 0: never */
	uint64_t n_silent; /* failures since then */
};

/* Reading failed, as `err` says: a line in the log, at most one a minute. Changes no job. */
void trouble_reading(struct daemon *daemon, const struct err *err);

/* What it says, or where nobody said anything, that much. Borrowed from `err`. */
const char *trouble_text(const struct err *err);
