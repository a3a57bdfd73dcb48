/* SPDX-License-Identifier: MIT */
/* `tgpud --check` and `--check-store DIR`, which `tgpu doctor` and `tgpu doctor --store` run. */
#pragma once

#include "daemon/arguments.h"

/*
 * Check the store of a state directory and print findings, as `tgpu doctor --json` has them: a JSON
 * array of {"level": "ok"|"warn"|"fail", "text", "remedy"}. Changes nothing, starts nothing. The
 * exit code: 0, or 1 when something is wrong.
 */
int check_store(const char *dir);

/*
 * In the same form: can a tgpud with these arguments read its configuration, and is the store one
 * that it opens? Faster than check_store(), which looks at every job.
 */
int check_start(const struct arguments *arguments);
