/* SPDX-License-Identifier: MIT */
/*
 * The two fields of a job that are small languages: array ("0-99%4") and after
 * ("afterok:12,13-20"). The spec keeps the text; who needs the meaning parses it again.
 */
#pragma once

#include "common/err.h"
#include "common/idset.h"

#define ARRAY_TASKS_MAX	 1000000
#define ARRAY_RANGES_MAX 1000

/* The tasks of an array. */
struct array_spec {
	struct idset indices; /* owned; each index is one less than the id here: they begin at 0 */
	uint32_t limit;	      /* so many may run at a time; 0: all */
};

/* Parse "0-9", "1,3,5-7", "0-99%4". 0, or -EINVAL with a sentence without the field's name. */
int array_spec_parse(const char *text, struct array_spec *ret_spec, struct err *err);
void array_spec_finish(struct array_spec *spec);

enum after_kind { AFTER_OK, AFTER_ANY, AFTER_NOT_OK };

/* What each is called, ended by a NULL name. */
extern const struct after_desc {
	const char *name;
	enum after_kind kind;
	const char *meaning; /* "when they have ended" */
} after_kinds[];

/* One condition on the end of the jobs first .. last. */
struct after {
	enum after_kind kind;
	uint64_t first, last;
};

struct after_list {
	struct after *items; /* owned */
	size_t n, capacity;
};

/*
 * Parse "afterok:12,13-20", "afterany:3,afternotok:4", "12" (afterok is meant), and Slurm's
 * "afterok:12:13"; "none" is the empty list. 0, or -EINVAL with a sentence without the field's
 * name.
 */
int after_parse(const char *text, struct after_list *ret_list, struct err *err);
void after_finish(struct after_list *list);
