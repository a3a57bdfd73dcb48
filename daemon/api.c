/* SPDX-License-Identifier: MIT */
/* The table of routes, and the small change of all of them. */
#include "daemon/api.h"

const struct route routes[] = {
	{"GET", "/v1/status", "", NULL, api_status_reply},
	{"POST", "/v1/shutdown", "", api_shutdown_fold, api_result_reply},
	{"POST", "/v1/jobs", "", api_submit_fold, api_submit_reply},
	{"GET", "/v1/jobs", "ids state uid limit order fields after", NULL, api_list_reply},
	{"GET", "/v1/jobs/ID", "after", NULL, api_show_reply},
	{"GET", "/v1/jobs/ID/why", "", NULL, api_why_reply},
	{"POST", "/v1/jobs/cancel", "", api_cancel_fold, api_result_reply},
	{"POST", "/v1/jobs/hold", "", api_hold_fold, api_result_reply},
	{"POST", "/v1/jobs/release", "", api_release_fold, api_result_reply},
	{"POST", "/v1/jobs/requeue", "", api_requeue_fold, api_result_reply},
	{"POST", "/v1/jobs/update", "", api_update_fold, api_result_reply},
	{"POST", "/v1/gpus/drain", "", api_drain_fold, api_result_reply},
	{"POST", "/v1/gpus/resume", "", api_resume_fold, api_result_reply},
	{"POST", "/v1/reservations", "", api_reserve_fold, api_result_reply},
	{"GET", "/v1/reservations", "", NULL, api_reservations_reply},
	{"POST", "/v1/reservations/cancel", "", api_unreserve_fold, api_result_reply},
	{"GET", "/v1/gpus", "", NULL, api_gpus_reply},
	{"GET", "/v1/nodes", "", NULL, api_nodes_reply},
	{"GET", "/v1/events", "since since_ms jobs follow", NULL, api_events_reply},
	{"GET", "/metrics", "", NULL, api_metrics_reply},
	{"GET", "/v1/stats", "since_ms by", api_stats_fold, api_stats_reply},
	{NULL, NULL, NULL, NULL, NULL},
};

int api_ok(struct request_context *request, int status, json_t *reply)
{
	request->status = status;
	request->reply = reply;
	return 0;
}

bool api_store_failed(struct request_context *request, int r, const struct err *err)
{
	if (r >= 0)
		return false;
	trouble_reading(request->daemon, err);
	http_fail(request, 500, "%s", trouble_text(err));
	return true;
}

bool api_may_act(const struct request_context *request, uint32_t uid)
{
	return request->uid == 0 || request->uid == uid;
}

json_t *api_body(struct request_context *request)
{
	json_error_t error;
	json_t *body = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(body))
		return body;
	if (body)
		http_fail(request, 400, "the body must be a JSON object");
	else
		http_fail(request, 400, "the body is no JSON: %s (line %d, column %d)", error.text,
			  error.line, error.column);
	json_decref(body);
	return NULL;
}

/* The reply of routes whose fold has prepared it already. */
int api_result_reply(struct request_context *request)
{
	return api_ok(request, 200, json_incref(request->result));
}
