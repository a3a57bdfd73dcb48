/* SPDX-License-Identifier: MIT */
/*
 * GET and POST /v1/reservations {"gpus": 2, "start_ms": ..., "end_ms": ..., "uid": ..., "reason":
 * ...} and POST /v1/reservations/cancel {"ids": "1,3-5"}.
 *
 * Invariants: a refused request changes nothing; what is reserved is nobody else's in that time.
 * "gpus" is a number, for the set that is worth most together, or a list as /v1/gpus/drain takes
 * it. Only root or the daemon's own user may. Read next: window.c.
 */
#include <inttypes.h>
#include <unistd.h>

#include "common/duration.h"
#include "common/idset.h"
#include "common/log.h"
#include "daemon/api.h"
#include "daemon/machine.h"
#include "daemon/window.h"

#define REASON_MAX 80 /* bytes: it is shown in a column */
#define LENGTH_MAX (INT64_C(366) * 24 * 3600 * NS_PER_S)
#define MS_MAX	   (INT64_MAX / NS_PER_MS / 2)

int api_reservations_reply(struct request_context *request)
{
	return api_ok(request, 200,
		      json_pack("{s:o}", "reservations", window_list_json(request->daemon)));
}

/* The slots in service that nobody has in that time. */
static uint64_t available(const struct daemon *daemon, const struct store_window *row)
{
	const struct node *node = &sched_ledger(daemon->sched)->nodes[0];
	uint64_t slots = 0;

	for (unsigned i = 0; i < node->n_gpus; i++) {
		uint64_t bit = UINT64_C(1) << i;
		enum gpu_condition condition = node->gpus[i].condition;

		if (condition != GPU_LOST && condition != GPU_DRAINED && condition != GPU_SPLIT &&
		    !window_overlap(daemon, bit, row->start_ns, row->end_ns))
			slots |= bit;
	}
	return slots;
}

/* The set of n that is worth most. */
static uint64_t choose(struct request_context *request, const struct store_window *row,
		       json_int_t n)
{
	const struct node *node = &sched_ledger(request->daemon->sched)->nodes[0];
	uint64_t slots = available(request->daemon, row);
	int most = __builtin_popcountll(slots);

	if (n >= 1 && n <= most)
		return placement_choose_gpus(node->topology, slots, (unsigned)n);
	if (n < 1)
		http_fail(request, 400, "gpus: reserve 1 or more");
	else
		http_fail(request, n > node->n_gpus ? 400 : 409,
			  "gpus: %lld %s asked for, but of %u GPU%s only %d %s in service and not "
			  "reserved in that time; see \"tgpu reservations\" and \"tgpu gpus\"",
			  (long long)n, n == 1 ? "is" : "are", node->n_gpus, plural(node->n_gpus),
			  most, most == 1 ? "is" : "are");
	return 0;
}

/* The slots of a list of names. */
static uint64_t look_up(struct request_context *request, const json_t *names)
{
	unsigned n_slots = machine_n_slots(request->daemon);
	const json_t *name;
	uint64_t slots = 0;
	size_t i;

	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);
		bool all = text && STREQ(text, "all");
		int slot = text && !all ? machine_find_gpu(request->daemon, text) : -1;

		if (slot >= 0)
			slots |= UINT64_C(1) << slot;
		else if (all && n_slots > 0)
			slots |= UINT64_MAX >> (64 - n_slots);
		else
			http_fail(request, 404,
				  "gpus: there is no GPU '%.64s'; write an index, a UUID or all, "
				  "as \"tgpu gpus\" shows them",
				  text ? text : "");
	}
	return slots;
}

/* The slots that the body asks for; an error is set where that cannot be. */
static uint64_t find_gpus(struct request_context *request, const struct store_window *row,
			  const json_t *gpus)
{
	const struct store_window *other;
	uint64_t slots;

	if (json_is_integer(gpus))
		return choose(request, row, json_integer_value(gpus));
	slots = look_up(request, gpus);
	other = window_overlap(request->daemon, slots, row->start_ns, row->end_ns);
	if (!request->status && !slots)
		http_fail(request, 400,
			  "gpus: write how many, or which, for example [\"0\", \"gpu3\"]");
	else if (!request->status && other)
		http_fail(request, 409,
			  "gpus: reservation %" PRIu64 " of uid %" PRIu32
			  " has some of them in that time; choose others, another time, or take "
			  "that back with \"tgpu unreserve %" PRIu64 "\"",
			  other->id, other->uid, other->id);
	return slots;
}

/* Everything but the GPUs: borrowed from the body. An error is set where it makes no sense. */
static struct store_window parse(struct request_context *request, const json_t *body)
{
	const json_t *uid = json_object_get(body, "uid");
	const char *reason = json_string_value(json_object_get(body, "reason"));
	json_int_t start_ms = json_integer_value(json_object_get(body, "start_ms"));
	json_int_t end_ms = json_integer_value(json_object_get(body, "end_ms"));
	json_int_t owner = json_is_integer(uid) ? json_integer_value(uid) : request->uid;
	struct store_window row = {
		.uid = (uint32_t)owner,
		.reason = reason ? reason : "",
		.created_by = request->uid,
		.created_ns = clock_wall_ns(),
	};

	if (start_ms <= 0 || start_ms > MS_MAX || end_ms <= start_ms || end_ms > MS_MAX) {
		http_fail(request, 400,
			  "start_ms, end_ms: write two times in ms since 1970, the first before "
			  "the second");
		return row;
	}
	row.start_ns = start_ms * NS_PER_MS;
	row.end_ns = end_ms * NS_PER_MS;
	if (row.end_ns <= row.created_ns)
		http_fail(request, 400, "end_ms: that is over already; reserve for a time to come");
	else if (row.end_ns - row.start_ns > LENGTH_MAX)
		http_fail(request, 400,
			  "end_ms: longer than 366 days; shorten it, or take the GPUs out of "
			  "service with \"tgpu drain\"");
	else if (owner < 0 || owner >= UINT32_MAX || (uid && !json_is_integer(uid)))
		http_fail(request, 400, "uid: write the number of a user");
	else if (strlen(row.reason) > REASON_MAX)
		http_fail(request, 400, "reason: longer than %d bytes; shorten it", REASON_MAX);
	else if (window_count(request->daemon) >= WINDOWS_MAX)
		http_fail(request, 409, "there are %d reservations already; take some back first",
			  WINDOWS_MAX);
	return row;
}

/* The body (new reference) of one who may; NULL with the error set. */
static json_t *permitted_body(struct request_context *request)
{
	if (api_may_act(request, geteuid()))
		return api_body(request);
	http_fail(request, 403, "only root and the daemon's own user may reserve GPUs");
	return NULL;
}

void api_reserve_fold(struct request_context *request)
{
	json_t *body = permitted_body(request);
	struct store_window row;
	uint64_t gpus = 0, id;

	if (!body)
		return;
	row = parse(request, body);
	if (!request->status)
		gpus = find_gpus(request, &row, json_object_get(body, "gpus"));
	if (!request->status) {
		id = window_add(request->daemon, &row, gpus);
		log_info("GPUs are reserved reservation=%" PRIu64 " uid=%" PRIu32 " by=%" PRIu32,
			 id, row.uid, row.created_by);
		request->result = window_json(request->daemon, id);
	}
	json_decref(body);
}

/* As with jobs: a single id that is named must exist, a range covers what there is. */
static void check_ids(struct request_context *request, const struct idset *ids)
{
	for (size_t i = 0; i < ids->n_ranges; i++)
		if (ids->ranges[i].first == ids->ranges[i].last &&
		    !window_find(request->daemon, ids->ranges[i].first))
			http_fail(request, 404,
				  "ids: there is no reservation %" PRIu64
				  "; see \"tgpu reservations\"",
				  ids->ranges[i].first);
}

static void cancel(struct request_context *request, const struct idset *ids)
{
	json_t *all = window_list_json(request->daemon), *window, *gone = json_array();
	size_t i;

	json_array_foreach (all, i, window) {
		json_int_t id = json_integer_value(json_object_get(window, "id"));

		if (!idset_has(ids, (uint64_t)id))
			continue;
		json_array_append(gone, window);
		window_remove(request->daemon, (uint64_t)id);
		log_info("a reservation is taken back reservation=%lld by=%" PRIu32, (long long)id,
			 request->uid);
	}
	request->result = json_pack("{s:o}", "results", gone);
	json_decref(all);
}

void api_unreserve_fold(struct request_context *request)
{
	json_t *body = permitted_body(request);
	const char *text = json_string_value(json_object_get(body, "ids"));
	struct idset ids = {0};
	struct err err = {0};

	if (!body)
		return;
	if (!text)
		http_fail(request, 400, "ids: write for example {\"ids\": \"1,3-5\"}");
	else if (idset_parse(text, &ids, &err) < 0)
		http_fail(request, 400, "ids: %s", err.msg);
	else
		check_ids(request, &ids);
	if (!request->status)
		cancel(request, &ids);
	idset_finish(&ids);
	json_decref(body);
}
