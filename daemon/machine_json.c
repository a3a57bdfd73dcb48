/* SPDX-License-Identifier: MIT */
/* What GET /v1/gpus shows. Unknown is null, and simulated GPUs are marked as such. */
#include "daemon/machine_internal.h"
#include "daemon/window.h"

static json_t *known_integer(int64_t value)
{
	return value == GPU_UNKNOWN ? json_null() : json_integer(value);
}

static json_t *known_string(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

/* A job's name or a command may hold bytes that are no text. */
static json_t *printable_string(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("?");
}

uint64_t machine_job_on(const struct daemon *daemon, unsigned slot)
{
	size_t n;
	struct running *const *running = sched_running(daemon->sched, &n);

	for (size_t i = 0; i < n; i++)
		for (size_t p = 0; p < running[i]->alloc.n_parts; p++)
			if (running[i]->alloc.parts[p].gpus & (UINT64_C(1) << slot))
				return running[i]->job;
	return 0;
}

static json_t *job_or_null(uint64_t job)
{
	return job ? json_integer((json_int_t)job) : json_null();
}

static json_t *processes_json(const struct daemon *daemon, const struct gpu_info *gpu)
{
	json_t *list = json_array();

	for (size_t i = 0; i < gpu->n_processes; i++) {
		const struct gpu_process *process = &gpu->processes[i];
		json_t *object = json_object();
		char kind[2] = {process->kind, '\0'};

		json_object_set_new(object, "pid", json_integer(process->pid));
		json_object_set_new(object, "uid", known_integer(process->uid));
		json_object_set_new(object, "name", printable_string(process->name));
		json_object_set_new(object, "kind", json_string(kind));
		json_object_set_new(object, "mem_bytes", known_integer(process->mem_bytes));
		json_object_set_new(object, "job", job_or_null(machine_job_of(daemon, process)));
		json_array_append_new(list, object);
	}
	return list;
}

static void add_attributes(json_t *object, const struct gpu_info *gpu)
{
	json_object_set_new(object, "index", known_integer(gpu->index));
	json_object_set_new(object, "minor", known_integer(gpu->minor));
	json_object_set_new(object, "name", printable_string(gpu->name));
	json_object_set_new(object, "vendor", known_string(gpu->vendor));
	json_object_set_new(object, "bus_id", known_string(gpu->bus_id));
	json_object_set_new(object, "numa", known_integer(gpu->numa));
	json_object_set_new(object, "cpus", known_string(gpu->cpus));
	json_object_set_new(object, "parent", known_string(gpu->parent));
	json_object_set_new(object, "mem_total_bytes", known_integer(gpu->mem_total_bytes));
	json_object_set_new(object, "mem_used_bytes", known_integer(gpu->mem_used_bytes));
	json_object_set_new(object, "utilization_percent", known_integer(gpu->utilization_percent));
	json_object_set_new(object, "power_mw", known_integer(gpu->power_mw));
	json_object_set_new(object, "temperature_c", known_integer(gpu->temperature_c));
	json_object_set_new(object, "energy_mj", known_integer(gpu->energy_mj));
	json_object_set_new(object, "ecc_uncorrected", known_integer(gpu->ecc_uncorrected));
	json_object_set_new(object, "xid", known_integer(gpu->xid));
}

const char *machine_gpu_state(const struct daemon *daemon, unsigned slot)
{
	const struct node *node = machine_node(daemon);

	if (node->taken & (UINT64_C(1) << slot) && node->gpus[slot].condition == GPU_READY)
		return "allocated";
	return gpu_condition_name(node->gpus[slot].condition);
}

json_t *machine_gpu_json(const struct daemon *daemon, unsigned slot)
{
	const struct gpu_info *gpu = machine_gpu(daemon, slot),
			      gone = {
				      .index = daemon->machine->slots[slot].index,
				      .minor = -1,
				      .numa = -1,
				      .mem_total_bytes = GPU_UNKNOWN,
				      .mem_used_bytes = GPU_UNKNOWN,
				      .utilization_percent = GPU_UNKNOWN,
				      .power_mw = GPU_UNKNOWN,
				      .temperature_c = GPU_UNKNOWN,
				      .energy_mj = GPU_UNKNOWN,
				      .ecc_uncorrected = GPU_UNKNOWN,
				      .xid = -1,
				      .xid_count = GPU_UNKNOWN,
			      };
	const struct node *node = machine_node(daemon);
	json_t *object = json_object();

	json_object_set_new(object, "slot", json_integer(slot));
	json_object_set_new(object, "uuid", json_string(daemon->machine->slots[slot].uuid));
	json_object_set_new(object, "state", json_string(machine_gpu_state(daemon, slot)));
	json_object_set_new(object, "reason", json_string(node->gpus[slot].reason));
	json_object_set_new(object, "job", job_or_null(machine_job_on(daemon, slot)));
	json_object_set_new(object, "reservation", window_on_json(daemon, slot));
	add_attributes(object, gpu ? gpu : &gone);
	json_object_set_new(object, "processes", processes_json(daemon, gpu ? gpu : &gone));
	return object;
}

static json_t *link_json(const struct daemon *daemon, unsigned i, unsigned j)
{
	int a = daemon->machine->slots[i].report_index, b = daemon->machine->slots[j].report_index;
	const struct gpu_link *link;

	if (i == j)
		return json_string("X");
	if (a < 0 || b < 0)
		return json_string(pci_link_name(PCI_LINK_UNKNOWN));
	link = gpu_report_link(&daemon->machine->report, (size_t)a, (size_t)b);
	return link->nvlinks ? json_sprintf("NV%u", link->nvlinks)
			     : json_string(pci_link_name((enum pci_link)link->pci));
}

static json_t *links_json(const struct daemon *daemon)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < daemon->machine->n_slots; i++) {
		json_t *row = json_array();

		for (unsigned j = 0; j < daemon->machine->n_slots; j++)
			json_array_append_new(row, link_json(daemon, i, j));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *warnings_json(const struct gpu_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->n_warnings; i++)
		json_array_append_new(list, printable_string(report->warnings[i]));
	return list;
}

json_t *machine_gpus_json(const struct daemon *daemon)
{
	const struct gpu_report *report = &daemon->machine->report;
	json_t *object = json_object(), *gpus = json_array();

	json_object_set_new(object, "source", json_string(report->source));
	json_object_set_new(object, "driver", known_string(report->driver));
	json_object_set_new(object, "simulated", json_boolean(report->simulated));
	json_object_set_new(object, "time_ms", json_integer(report->time_ns / NS_PER_MS));
	json_object_set_new(object, "node", json_string(daemon->node_name));
	json_object_set_new(object, "warnings", warnings_json(report));
	for (unsigned i = 0; i < daemon->machine->n_slots; i++)
		json_array_append_new(gpus, machine_gpu_json(daemon, i));
	json_object_set_new(object, "gpus", gpus);
	json_object_set_new(object, "links", links_json(daemon));
	return object;
}

json_t *machine_counts_json(const struct daemon *daemon)
{
	const struct node *node = machine_node(daemon);
	json_t *counts = json_object();

	for (unsigned i = 0; i < node->n_gpus; i++) {
		const char *state = machine_gpu_state(daemon, i);
		json_int_t n = json_integer_value(json_object_get(counts, state));

		json_object_set_new(counts, state, json_integer(n + 1));
	}
	return counts;
}
