/* SPDX-License-Identifier: MIT */
/* GET /v1/status, /v1/gpus, /v1/nodes and POST /v1/shutdown: the daemon and its machine. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/machine.h"

int api_gpus_reply(struct request_context *request)
{
	return api_ok(request, 200, machine_gpus_json(request->daemon));
}

int api_nodes_reply(struct request_context *request)
{
	const struct ledger *ledger = sched_ledger(request->daemon->sched);
	json_t *nodes = json_array();

	for (size_t i = 0; i < ledger->n_nodes; i++) {
		const struct node *node = &ledger->nodes[i];

		json_array_append_new(
			nodes, json_pack("{s:s, s:I, s:I, s:I, s:I, s:i, s:i}", "name", node->name,
					 "cpus", (json_int_t)node->cpus, "free_cpus",
					 (json_int_t)node_free_cpus(node), "mem_bytes",
					 (json_int_t)node->mem_bytes, "free_mem_bytes",
					 (json_int_t)node_free_mem(node), "gpus", (int)node->n_gpus,
					 "free_gpus", __builtin_popcountll(node_free_gpus(node))));
	}
	return api_ok(request, 200, json_pack("{s:o}", "nodes", nodes));
}

static json_t *count_jobs(const struct daemon *daemon)
{
	const uint64_t *n = daemon->counts.jobs;
	json_t *counts = json_object();

	for (int i = 0; i < JOB_STATE_COUNT; i++)
		if (n[i] > 0)
			json_object_set_new(counts, job_state_name((enum job_state)i),
					    json_integer((json_int_t)n[i]));
	return counts;
}

static void add_machine(const struct daemon *daemon, json_t *status)
{
	const struct gpu_report *report = machine_report(daemon);
	json_t *warnings = json_array();

	for (size_t i = 0; i < report->n_warnings; i++)
		json_array_append_new(warnings, json_string(report->warnings[i]));
	json_object_set_new(status, "warnings", warnings);
	json_object_set_new(status, "source", json_string(report->source));
	json_object_set_new(status, "driver", json_string(report->driver));
	json_object_set_new(status, "simulated", json_boolean(report->simulated));
	json_object_set_new(status, "gpus", machine_counts_json(daemon));
	json_object_set_new(status, "jobs", count_jobs(daemon));
}

/* Who is told what. Not the command itself: it may hold a secret, and every user may ask. */
static void add_telling(const struct daemon *daemon, json_t *status)
{
	const struct config *config = &daemon->config;
	const struct metrics *metrics = &daemon->metrics;
	const char *hooks_dir = config->hooks_dir[0] ? config->hooks_dir : NULL;
	const char *listen = config->metrics_listen[0] ? config->metrics_listen : NULL;

	json_object_set_new(status, "notify", json_boolean(config->notify_command[0]));
	json_object_set_new(status, "hooks_dir", hooks_dir ? json_string(hooks_dir) : json_null());
	json_object_set_new(status, "hooks",
			    json_pack("{s:I, s:I, s:I}", "ok", (json_int_t)metrics->hooks_ok,
				      "failed", (json_int_t)metrics->hooks_failed, "dropped",
				      (json_int_t)metrics->hooks_dropped));
	json_object_set_new(status, "metrics_listen", listen ? json_string(listen) : json_null());
}

int api_status_reply(struct request_context *request)
{
	const struct daemon *daemon = request->daemon;
	const struct config *config = &daemon->config;
	char number[CONFIG_NUMBER_SIZE];
	json_t *status = json_pack(
		"{s:s, s:i, s:i, s:I, s:I, s:s, s:s, s:b, s:s?, s:s, s:s, s:s, s:I}", "version",
		TGPU_VERSION, "pid", (int)getpid(), "uid", (int)geteuid(), "start_ms",
		(json_int_t)(daemon->start_ns / NS_PER_MS), "revision",
		(json_int_t)daemon->revision, "state_dir", daemon->paths.state_dir, "socket",
		daemon->paths.socket, "system", (int)daemon->paths.system, "cgroup", daemon->cgroup,
		"cgroup_reason", daemon->cgroup_reason, "policy", config->sched.policy->name,
		"backfill", config_backfill(config, number), "illegal_events",
		(json_int_t)daemon->illegal_events);

	json_object_set_new(status, "config", json_string(config->file));
	json_object_set_new(status, "tgpu_gpus", json_string(getenv("TGPU_GPUS")));
	add_machine(daemon, status);
	add_telling(daemon, status);
	return api_ok(request, 200, status);
}

void api_shutdown_fold(struct request_context *request)
{
	if (request->uid != 0 && request->uid != geteuid()) {
		http_fail(request, 403, "only root and the owner of the daemon may stop it");
		return;
	}
	request->result = json_pack("{s:b, s:i}", "stopping", 1, "pid", (int)getpid());
	kill(getpid(), SIGTERM); /* taken by the loop after this turn's answers have left */
}
