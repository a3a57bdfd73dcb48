/* SPDX-License-Identifier: MIT */
/* Help texts, made of the command tables. */
#pragma once

#include <stdio.h>

#include "cli/command.h"

/* The first steps: what `tgpu` alone says. */
void help_first(FILE *out);

/* What tgpu is, every verb, the exit codes. */
void help_overview(FILE *out);

/* One verb with the options of `options`, which were made for it. */
void help_command(FILE *out, const struct command *command, const struct options *options);
