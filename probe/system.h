/* SPDX-License-Identifier: MIT */
/* Small files of /proc and /sys, under a root that tests can move. */
#pragma once

#include "common/gpureport.h"

/* Contents of root + path, trailing blanks cut; heap, NULL when it cannot be read. */
char *system_text(const char *root, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The decimal integer the file holds, at least `min`; `unknown` when it holds none. */
int64_t system_number(int64_t min, int64_t unknown, const char *root, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Whether root + path is there. */
bool system_exists(const char *root, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Names in the directory root + path, in ascending order with numbers compared as numbers, at most
 * `max`; "." and ".." left out. Heap strings in a heap array; 0 names when it cannot be read.
 */
size_t system_list(const char *root, const char *path, size_t max, char ***ret_names);
void system_list_free(char **names, size_t n);

/*
 * Complete a process whose pid is set with what /proc says: name (where still ""), uid, cgroup,
 * ancestors. What cannot be read stays as it is; another user's process may hide some of it.
 */
void system_describe(const char *root, struct gpu_process *process);
