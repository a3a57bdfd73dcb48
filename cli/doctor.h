/* SPDX-License-Identifier: MIT */
/* What this machine allows tgpu to do, and what it does not: findings with remedies. */
#pragma once

#include <jansson.h>

#include "common/gpureport.h"
#include "common/paths.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* The findings so far: an array of {"level", "text", "remedy"}. */
struct doctor {
	json_t *findings;     /* owned */
	const json_t *status; /* of the daemon; NULL: none runs */
	struct paths paths;   /* owned: of the user's own daemon */
	enum doctor_level worst;
};

/* Note a finding; `remedy` may be NULL: nothing to do. */
void doctor_say(struct doctor *doctor, enum doctor_level level, const char *remedy, const char *fmt,
		...) PRINTF_LIKE(4, 5);

struct doctor_check {
	const char *name;
	void (*run)(struct doctor *doctor);
};

/* All checks, in the order in which they are told; ended by a NULL name. */
extern const struct doctor_check doctor_checks[];

/* Run `tgpu-probe --once`, at most 20 s. 0, or -errno with a sentence. */
int doctor_probe(struct gpu_report *ret_report, struct err *err);
