/* SPDX-License-Identifier: MIT */
/* `tgpud --check-store DIR`, which `tgpu doctor --store` runs. */
#pragma once

/*
 * Check the store of a state directory and print findings, as `tgpu doctor --json` has them: a JSON
 * array of {"level": "ok"|"warn"|"fail", "text", "remedy"}. Changes nothing, starts nothing. The
 * exit code: 0, or 1 when something is wrong.
 */
int check_store(const char *dir);
