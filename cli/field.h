/* SPDX-License-Identifier: MIT */
/* Reading the daemon's JSON objects: a member that is absent, null or of another type is unknown.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The text of a member; "" when unknown. Borrowed. */
const char *field_text(const json_t *object, const char *key);

/* The integer of a member; `otherwise` when unknown. */
int64_t field_int(const json_t *object, const char *key, int64_t otherwise);

/* Whether the member is true. */
bool field_true(const json_t *object, const char *key);

/* Print a value on stdout, indented, with a newline. */
void field_print_json(const json_t *value);
