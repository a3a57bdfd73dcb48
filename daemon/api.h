/* SPDX-License-Identifier: MIT */
/* The routes' functions and what they share. docs/api.md is the contract. */
#pragma once

#include "daemon/http.h"

void api_submit_fold(struct request_context *request);
int api_submit_reply(struct request_context *request);
int api_list_reply(struct request_context *request);
int api_show_reply(struct request_context *request);
int api_why_reply(struct request_context *request);
void api_cancel_fold(struct request_context *request);
void api_hold_fold(struct request_context *request);
void api_release_fold(struct request_context *request);
int api_result_reply(struct request_context *request);
int api_gpus_reply(struct request_context *request);
int api_nodes_reply(struct request_context *request);
int api_status_reply(struct request_context *request);
void api_shutdown_fold(struct request_context *request);

/* A job as JSON (new reference); for a record of a waiting job with its reason. */
json_t *api_job_json(const struct store_row *row);
json_t *api_record_json(struct daemon *daemon, const struct record *record);

/* Finish a reply: takes over `reply`. Returns 0, for `return api_ok(request, 200, reply)`. */
int api_ok(struct request_context *request, int status, json_t *reply);

/* May the caller act on this user's jobs? */
bool api_may_act(const struct request_context *request, uint32_t uid);

/* The request's body as a JSON object (new reference), or NULL with the error set. */
json_t *api_body(struct request_context *request);
