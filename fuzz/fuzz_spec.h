/* SPDX-License-Identifier: MIT */
/* What the three targets that make job specifications check of what they got. */
#pragma once

#include <stdlib.h>

#include "common/clock.h"
#include "common/jobspec.h"

#define FUZZ_NOW_NS (INT64_C(1774744200) * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* A refusal is one line with something in it. */
static inline void fuzz_check_refusal(const struct err *err)
{
	fuzz_check(err->code < 0 && err->msg[0] != '\0' && !strchr(err->msg, '\n'));
}

/* A valid spec survives the way through JSON text unchanged, and can be shown. */
static inline void fuzz_check_spec(struct jobspec *spec)
{
	_cleanup_(jobspec_finish) struct jobspec again = {0};
	_cleanup_(free_ptr) char *shown = NULL, *path = NULL, *first = NULL, *second = NULL;
	struct err err = {0};
	json_t *object;

	if (jobspec_validate(spec, &err) < 0) {
		fuzz_check_refusal(&err);
		return;
	}
	shown = jobspec_describe_command(spec);
	path = jobspec_expand_path(spec, spec->output ? spec->output : "%x-%j-%A-%a",
				   &(struct jobspec_identity){.job = 12, .array = 10});
	fuzz_check(path[0] == '/' && shown[0] != '\0');
	object = jobspec_to_json(spec);
	first = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	object = json_loads(first, JSON_REJECT_DUPLICATES, NULL);
	fuzz_check(object != NULL);
	jobspec_init(&again);
	fuzz_check(jobspec_from_json(&again, object, FUZZ_NOW_NS, &err) == 0);
	json_decref(object);
	fuzz_check(jobspec_validate(&again, &err) == 0);
	object = jobspec_to_json(&again);
	second = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	fuzz_check(STREQ(first, second));
}
