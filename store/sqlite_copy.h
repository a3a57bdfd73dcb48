/* SPDX-License-Identifier: MIT */
/* A copy of a database to look into, made beside a tgpud that may be writing. */
#pragma once

#include <sqlite3.h>

#include "common/err.h"

/*
 * Copy `path` and its log into a directory of the copy's own below $TMPDIR (else /tmp), and open
 * that. 0 with a connection whose sentences name `path`, to be closed by sqlite_copy_close();
 * -ENOSPC, -EBUSY (it changes faster than it can be copied) or -errno with a sentence. Blocks for
 * as long as reading the file takes; never writes to it, never locks it.
 */
int sqlite_copy_open(const char *path, sqlite3 **ret_db, struct err *err);

/* Close and remove the copy. Accepts NULL. */
void sqlite_copy_close(sqlite3 *db);
