/* SPDX-License-Identifier: MIT */
/*
 * Job files: YAML documents and scripts with directives, both into the fields of jobspec.h.
 */
#pragma once

#include "common/jobspec.h"

#define JOBFILE_MAX (4u << 20) /* bytes of a job file or script */

/*
 * Read a YAML job file: one mapping whose keys are the fields of jobspec.h. Aliases, tags, several
 * documents and doubled keys are refused with their line. `filename` only for messages.
 */
int jobfile_parse_yaml(struct jobspec *spec, const char *text, size_t len, const char *filename,
		       int64_t now_ns, struct err *err);

/*
 * Read the directives at the head of a script: lines "#TGPU --gpus 2" and, where the meaning is the
 * same, "#SBATCH --gpus=2", up to the first line that is neither a comment nor blank. #TGPU wins
 * over #SBATCH, wherever it stands. A #TGPU option that is unknown is an error; an #SBATCH option
 * with no counterpart here is refused by name when it changes what would run (--array, --nodes=2,
 * ...) and otherwise (mail, account, ...) reported through `warn`, never dropped in silence. The
 * script itself becomes spec->script.
 */
int jobfile_parse_script(struct jobspec *spec, const char *text, size_t len, const char *filename,
			 int64_t now_ns, void (*warn)(void *ctx, const char *sentence), void *ctx,
			 struct err *err);

/*
 * Say what to write on tgpu's command line in place of this long option of sbatch(1), or of this
 * letter where `name` is NULL: -EINVAL with the sentence. 0: none that tgpu knows has this name, or
 * an option of tgpu's means the same (jobspec_field_by_any_name()).
 */
int jobfile_sbatch_advise(const char *name, char letter, struct err *err);
