/* SPDX-License-Identifier: MIT */
/* The routes' functions and what they share. docs/api.md is the contract. */
#pragma once

#include "common/jobspec.h"
#include "daemon/http.h"

/* What a request does to each job that it names. */
struct action {
	const char *name;
	/* May it be done to those tasks of the record that begin with `id`? 0, or the HTTP status
	 * of the refusal (409: the job's state does not allow it) with a sentence. The caller may
	 * act on the record's job, which has not ended. NULL: always. */
	int (*check)(struct request_context *request, const struct record *record, uint64_t id,
		     void *ctx, struct err *err);
	/* Is it so already, and nothing to be done? NULL: never. */
	bool (*is_done)(const struct record *record);
	/* Do it to the record, which check() has just let pass and which is nothing but those
	 * tasks. */
	void (*apply)(struct request_context *request, struct record *record, void *ctx);
	void *ctx;
	size_t job_bytes; /* that it writes for each job, at most */
};

/* Carry it out on the jobs of body's "ids", each with its own result in request->result. */
void api_act_on_jobs(struct request_context *request, const json_t *body,
		     const struct action *action);

void api_submit_fold(struct request_context *request);
int api_submit_reply(struct request_context *request);
int api_list_reply(struct request_context *request);
int api_show_reply(struct request_context *request);
int api_why_reply(struct request_context *request);
void api_cancel_fold(struct request_context *request);
void api_hold_fold(struct request_context *request);
void api_release_fold(struct request_context *request);
void api_requeue_fold(struct request_context *request);
void api_update_fold(struct request_context *request);
void api_drain_fold(struct request_context *request);
void api_resume_fold(struct request_context *request);
void api_reserve_fold(struct request_context *request);
void api_unreserve_fold(struct request_context *request);
int api_reservations_reply(struct request_context *request);
int api_result_reply(struct request_context *request);
int api_gpus_reply(struct request_context *request);
int api_nodes_reply(struct request_context *request);
void api_stats_fold(struct request_context *request);
int api_stats_reply(struct request_context *request);
int api_events_reply(struct request_context *request);
int api_metrics_reply(struct request_context *request);
int api_status_reply(struct request_context *request);
void api_shutdown_fold(struct request_context *request);

/* The answer to GET /metrics in the format that an Accept header (may be NULL) asks for. Owned by
 * the caller. */
struct MHD_Response *api_metrics_response(struct daemon *daemon, const char *accept);

/* What is to be shown of a job: its row and, where it is not over, its record; of what stands for
 * several tasks, n_tasks from this id on. */
struct job_view {
	const struct store_row *row;
	struct daemon *daemon;
	const struct record *record; /* NULL: it is over */
	uint64_t id;
	uint32_t n_tasks;
};

/* These fields of it as JSON (new reference); a waiting one has its reason. `which`: a bit for each
 * field, by api_parse_fields() from "id,state": 0, or -EINVAL with a sentence. */
#define API_ALL_FIELDS UINT64_MAX
json_t *api_view_json(const struct job_view *view, uint64_t which);
int api_parse_fields(const char *text, uint64_t *ret_which, struct err *err);

/* All that a row or a record stands for, with all fields. */
json_t *api_job_json(const struct store_row *row);
json_t *api_record_json(struct daemon *daemon, const struct record *record);

/* One of the jobs that a row or record stands for, by its id; as a job by itself, whose allocation
 * is borrowed. The scheduler knows a record by its first alone: its place in line is not this
 * one's. */
struct jobspec_identity api_identity(const struct job *job, uint64_t id);
struct job api_task(const struct job *job, uint64_t id);

/* A spec as the store keeps it (heap, owned by the caller); what of it a waiting job is booked by;
 * whether this machine could ever run it: 0, or SCHED_IMPOSSIBLE with a sentence. */
char *api_spec_text(const struct jobspec *spec);
void api_fill_job(struct daemon *daemon, const struct jobspec *spec, struct job *job);
int api_check_size(struct daemon *daemon, const struct jobspec *spec, struct err *err);

/* Finish a reply: takes over `reply`. Returns 0, for `return api_ok(request, 200, reply)`. */
int api_ok(struct request_context *request, int status, json_t *reply);

/* Did a read of the store fail (r < 0, with the sentence in err)? Then the answer is 500 with it,
 * and the log is told once per burst (trouble.h). Never a 404 or a short list instead. */
bool api_store_failed(struct request_context *request, int r, const struct err *err);

/* May the caller act on this user's jobs? */
bool api_may_act(const struct request_context *request, uint32_t uid);

/* The request's body as a JSON object (new reference), or NULL with the error set. */
json_t *api_body(struct request_context *request);
