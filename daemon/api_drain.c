/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/gpus/drain and /v1/gpus/resume {"gpus": ["0", "gpu3"], "reason": "..."}:
 * GPUs by index, label or UUID, or ["all"].
 *
 * Invariants: a drained GPU takes no new job and its running one goes on; it stays drained across
 * restarts until somebody resumes it. Only root or the daemon's own user may.
 */
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/machine.h"

#define REASON_MAX 80 /* bytes: it is shown in a column */

struct order {
	bool drain;
	const char *reason;
};

static void give_order(struct request_context *request, const struct order *order, unsigned slot)
{
	json_t *list = json_object_get(request->result, "results");

	if (order->drain)
		machine_drain(request->daemon, slot, request->uid, order->reason);
	else
		machine_resume(request->daemon, slot, request->uid);
	json_array_append_new(list, machine_gpu_json(request->daemon, slot));
}

static void order_by_name(struct request_context *request, const struct order *order,
			  const char *name)
{
	if (!STREQ(name, "all")) {
		give_order(request, order, (unsigned)machine_find_gpu(request->daemon, name));
		return;
	}
	for (unsigned i = 0; i < machine_n_slots(request->daemon); i++)
		give_order(request, order, i);
}

/* All names are looked up before anything is done. */
static void check_names(struct request_context *request, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);

		if (!text)
			http_fail(request, 400, "gpus: write for example [\"0\", \"gpu3\"]");
		else if (!STREQ(text, "all") && machine_find_gpu(request->daemon, text) < 0)
			http_fail(request, 404,
				  "gpus: there is no GPU '%.64s'; write an index, a UUID or all, "
				  "as \"tgpu gpus\" shows them",
				  text);
	}
}

static void fold(struct request_context *request, bool drain)
{
	json_t *body = api_body(request);
	const json_t *gpus = json_object_get(body, "gpus"), *name;
	const char *reason = json_string_value(json_object_get(body, "reason"));
	struct order order = {drain, reason ? reason : ""};
	size_t i;

	if (!body)
		return;
	if (!api_may_act(request, geteuid()))
		http_fail(request, 403, "only root and the daemon's own user may drain GPUs");
	else if (json_array_size(gpus) == 0)
		http_fail(request, 400, "gpus: write for example {\"gpus\": [\"0\", \"gpu3\"]}");
	else if (strlen(order.reason) > REASON_MAX)
		http_fail(request, 400, "reason: longer than %d bytes; shorten it", REASON_MAX);
	else
		check_names(request, gpus);
	if (!request->status) {
		request->result = json_pack("{s:[]}", "results");
		json_array_foreach (gpus, i, name)
			order_by_name(request, &order, json_string_value(name));
	}
	json_decref(body);
}

void api_drain_fold(struct request_context *request)
{
	fold(request, true);
}

void api_resume_fold(struct request_context *request)
{
	fold(request, false);
}
