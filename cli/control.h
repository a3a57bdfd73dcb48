/* SPDX-License-Identifier: MIT */
/* The verbs that act on many jobs with one request. In cmd_control.c. */
#pragma once

#include <jansson.h>

#include "common/options.h"

/*
 * POST /v1/jobs/VERB for the selected jobs with `body` (completed here), and print a line for each.
 * The exit code, or a negative errno with a sentence.
 */
int control(const char *verb, const struct options *opts, json_t *body, struct err *err);
