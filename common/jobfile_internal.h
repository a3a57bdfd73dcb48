/* SPDX-License-Identifier: MIT */
/* What the readers of job files share: places in messages, and the table of Slurm's options. */
#pragma once

#include "common/jobfile.h"

/* Refuse a text that is too long, holds a NUL or is not UTF-8: -EINVAL with "FILE:LINE: ...". */
int jobfile_check_text(const char *text, size_t len, const char *filename, struct err *err);

/* Put "FILE:LINE: " in front of err and return its code; `filename` is cut from its front. */
int jobfile_wrap(struct err *err, const char *filename, size_t line);

/* One option as it stood on a directive line. Strings are borrowed. */
struct jobfile_option {
	const char *name;  /* long name without "--", or NULL */
	char letter;	   /* of "-G", or 0 */
	const char *value; /* NULL: none was attached with '=' or behind the letter */
};

enum jobfile_value { JOBFILE_VALUE_NONE, JOBFILE_VALUE_REQUIRED, JOBFILE_VALUE_OPTIONAL };

/* Does this option of sbatch(1) take a value? An unknown one is refused with a sentence. */
int jobfile_sbatch_takes(const struct jobfile_option *option, enum jobfile_value *ret_value,
			 struct err *err);

#define JOBFILE_SBATCH_IGNORED 1

/*
 * Apply one option of sbatch(1) with its value. 0; JOBFILE_SBATCH_IGNORED with a sentence in `err`
 * when it has no effect here and changes nothing of what runs; -EINVAL with a sentence when it is
 * refused.
 */
int jobfile_sbatch_apply(struct jobspec *spec, const struct jobfile_option *option, int64_t now_ns,
			 struct err *err);
