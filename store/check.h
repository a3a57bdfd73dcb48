/* SPDX-License-Identifier: MIT */
/* What is wrong with a store: looked for in a copy, without a lock and without a change. */
#pragma once

#include "store/store.h"

enum store_level { STORE_GOOD, STORE_DOUBTFUL, STORE_BAD };

/* Who hears of it. `remedy` is NULL or lines, among them commands to be pasted into a shell. */
struct store_checker {
	void (*say)(void *ctx, enum store_level level, const char *remedy, const char *text);
	/* Each job that can be read, with its spec, as store_walk(); not called for a bad file. */
	store_row_fn *row;
	void *ctx;
};

/*
 * Look whether a tgpud can open the store: that it is there, ours, and of a version that this tgpud
 * knows or can migrate. No row is read. Blocks for reading the file, up to some 100 MiB.
 */
void store_sqlite_look(const char *dir, const struct store_checker *checker);

/*
 * Check the SQLite store `dir`/tgpu.db, beside a running tgpud or without: that it is there, ours,
 * of a version that this tgpud knows or can migrate, whole, and that its rows can be read. Blocks
 * on the disk: some 10 ms per MiB.
 */
void store_sqlite_check(const char *dir, const struct store_checker *checker);
