/* SPDX-License-Identifier: MIT */
/* SQLite's file system with one call that fails: the Nth, alone or with all after it. */
#pragma once

#include <stdbool.h>

#define FAULT_KILL \
	(-1) /* for `code`: the process dies in place of the call, exit status FAULT_KILLED */
#define FAULT_KILLED 42

struct fault_kind {
	int code; /* SQLITE_FULL or SQLITE_IOERR: what the call returns; the kind of EIO follows the
		     call */
	int want; /* the errno that the store makes of it */
	bool for_good; /* and every later call */
	bool reads;    /* calls that do not change the disk count, and fail, too */
};

/* Put the layer under all databases opened from now on, and take it away. */
void faulty_install(void);
void faulty_remove(void);

/* Let the `n`th call from now fail; none from now on. */
void faulty_arm(const struct fault_kind *kind, int n);
void faulty_disarm(void);

/* Has a call failed since faulty_arm()? */
bool faulty_hit(void);

/* From now on files are opened for reading only. */
void faulty_set_read_only(bool read_only);
