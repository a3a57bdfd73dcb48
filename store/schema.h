/* SPDX-License-Identifier: MIT */
/* The versions of the schema, and the way from each to the newest. */
#pragma once

#include <sqlite3.h>

#include "common/err.h"

#define SCHEMA_APPLICATION_ID 0x74677075 /* "tgpu"; what file(1) and we know our files by */

/* One schema/NNNN_*.sql. Step i leads from version i to i + 1; never changed once released. */
struct schema_step {
	const char *name; /* "0001_first" */
	const char *sql;
};

extern const struct schema_step schema_steps[];
extern const size_t schema_n_steps;

/* Is it ours, and no newer than version `newest`? 0, or -EPROTO with a sentence. Writes nothing. */
int schema_check(sqlite3 *db, size_t newest, struct err *err);

/*
 * Bring the database to version `n` in one transaction: all of the missing steps, or, on failure,
 * none. 0, or as schema_check() and sqlite_file_error().
 */
int schema_migrate(sqlite3 *db, const struct schema_step *steps, size_t n, struct err *err);
