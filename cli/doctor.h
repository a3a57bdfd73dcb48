/* SPDX-License-Identifier: MIT */
/* What this machine allows tgpu to do, and what it does not: findings with remedies. */
#pragma once

#include <jansson.h>

#include "common/buf.h"
#include "common/paths.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* The findings so far: an array of {"level", "text", "remedy"}. */
struct doctor {
	json_t *findings;     /* owned */
	const json_t *status; /* of the daemon; NULL: none runs */
	struct paths paths;   /* owned: of the user's own daemon */
	enum doctor_level worst;
};

/* Note a finding; `remedy` may be NULL: nothing to do; or several lines. */
void doctor_say(struct doctor *doctor, enum doctor_level level, const char *remedy, const char *fmt,
		...) PRINTF_LIKE(4, 5);

/* Note findings that another program printed: a JSON array of them, which is taken over. The worst
 * of them. */
enum doctor_level doctor_take(struct doctor *doctor, json_t *findings);

struct doctor_check {
	const char *name;
	void (*run)(struct doctor *doctor);
};

/* All checks, in the order in which they are told; ended by a NULL name. */
extern const struct doctor_check doctor_checks[];

/* Who is told what: hooks, notify_command, metrics. Nothing without a daemon. */
void doctor_check_told(struct doctor *doctor);

/* The check of `tgpu doctor --store`: of the daemon's state directory, or the user's own. */
void doctor_check_store(struct doctor *doctor);

/*
 * Run argv[0], which prints findings, and take them. Where it does not, that is a finding about
 * `what`. Returns the worst of them.
 */
enum doctor_level doctor_ask(struct doctor *doctor, char *const argv[], int timeout_ms,
			     const char *what);

/*
 * Run argv[0], one of tgpu's programs, to its end, and append what it prints. 0, or -errno with a
 * sentence; -ETIMEDOUT after `timeout_ms`, and the program is killed.
 */
int doctor_run(char *const argv[], int timeout_ms, struct buf *ret_output, struct err *err);
