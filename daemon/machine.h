/* SPDX-License-Identifier: MIT */
/*
 * This machine's GPUs as the daemon sees them: the last report, each GPU's slot in the ledger, and
 * whether it may be handed out.
 *
 * A GPU is known by its UUID and keeps its slot while the daemon runs; one that vanishes stays as
 * `lost`. After a job its GPUs are `cleaning` until a probe that began later sees no holder left.
 */
#pragma once

#include <jansson.h>

#include "common/buf.h"
#include "daemon/daemon.h"

void machine_create(struct daemon *daemon);
void machine_destroy(struct daemon *daemon);

/* Has a report come? */
bool machine_is_seen(const struct daemon *daemon);

/* The past is known: from now on, and first of all with the report that has come, jobs are told
 * apart from strangers and GPUs are handed out. Until then reports only give GPUs their slots. */
void machine_begin(struct daemon *daemon);

/* Has there been a report since machine_begin(), so that "more GPUs than there are" means
 * something? */
bool machine_is_known(const struct daemon *daemon);

/* Have what is known of the running jobs' use of their GPUs written with this turn. */
void machine_save_usage(struct daemon *daemon);

/* "it asked for 4 GPUs and used 1", where that is certain; else nothing. */
void machine_describe_unused(const struct daemon *daemon, const struct record *record,
			     struct buf *out);

/* A probe's report, taken over. */
void machine_fold_report(struct daemon *daemon, struct gpu_report *report);

/* The probe hangs or cannot run: GPUs that no job holds are not handed out until it answers again.
 */
void machine_fold_silence(struct daemon *daemon, const char *reason);

/* This job gave these back. */
void machine_gpus_released(struct daemon *daemon, const struct allocation *alloc,
			   const struct job *job);

/* Take a slot's GPU out of service, or put it back; committed with the turn. Its job goes on. */
void machine_drain(struct daemon *daemon, unsigned slot, uint32_t uid, const char *reason);
void machine_resume(struct daemon *daemon, unsigned slot, uint32_t uid);

/* Read from the store which GPUs are out of service. */
int machine_load_drains(struct daemon *daemon, struct err *err);

/* An allocation as JSON text that outlives a restart
 * ([{"node","cpus","mem","gpus":[{"index","uuid"}]}]), heap, owned by the caller; and back: unknown
 * UUIDs get a slot of a lost GPU. 0 or -EINVAL. */
char *machine_format_allocation(const struct daemon *daemon, const struct allocation *alloc);
int machine_parse_allocation(struct daemon *daemon, const char *text, struct allocation *ret_alloc);

/* A set of slots as such a list of GPUs (new reference), and back. 0, or -EINVAL. */
json_t *machine_slots_json(const struct daemon *daemon, uint64_t slots);
int machine_parse_slots(struct daemon *daemon, const json_t *gpus, uint64_t *ret_slots);

/* The same for people: "box gpu0 gpu3". */
void machine_describe_allocation(const struct daemon *daemon, const struct allocation *alloc,
				 struct buf *out);

/* The report's entry of a slot; NULL when the last report lacks it. */
const struct gpu_info *machine_gpu(const struct daemon *daemon, unsigned slot);

/* How many slots there are; the slot of a UUID, a label such as "gpu3" or an index, -1: none. */
unsigned machine_n_slots(const struct daemon *daemon);
int machine_find_gpu(const struct daemon *daemon, const char *name);

/* One GPU as GET /v1/gpus shows it. New reference. */
json_t *machine_gpu_json(const struct daemon *daemon, unsigned slot);

/* For the API: GET /v1/gpus and the parts of GET /v1/status. New references. */
json_t *machine_gpus_json(const struct daemon *daemon);
json_t *machine_counts_json(const struct daemon *daemon);
const struct gpu_report *machine_report(const struct daemon *daemon);
