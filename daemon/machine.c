/* SPDX-License-Identifier: MIT */
/*
 * From probe reports to the ledger: slots, conditions, who holds what.
 *
 * Invariants: a slot means one UUID for the daemon's life; the ledger's conditions are those that
 * machine_judge() gives for the last report. Deliberately not here: whether a GPU may be used
 * (machine_judge.c), what happens when one breaks (machine_fault.c), JSON for the API
 * (machine_json.c), talking to the probe (prober.c). Cost: O(GPUs x processes x running jobs) per
 * report; the ledger is told only when something changed. Read next: machine_judge.c.
 */
#include "daemon/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/duration.h"
#include "common/log.h"
#include "daemon/launch.h"
#include "daemon/machine_internal.h"
#include "daemon/prober.h"
#include "daemon/turn.h"

#define SIMULATED_CPUS_PER_GPU 16 /* so that a small machine can pretend to be a large one */

static uint64_t physical_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void machine_create(struct daemon *daemon)
{
	struct machine *machine = xcalloc(1, sizeof(*machine));

	machine->real_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	daemon->machine = machine;
	ledger_add_node(sched_ledger(daemon->sched), daemon->node_name, machine->real_cpus,
			physical_memory());
}

void machine_destroy(struct daemon *daemon)
{
	if (!daemon->machine)
		return;
	gpu_report_finish(&daemon->machine->report);
	for (unsigned i = 0; i < daemon->machine->n_slots; i++)
		free(daemon->machine->slots[i].drain_reason);
	free(daemon->machine);
	daemon->machine = NULL;
}

bool machine_is_seen(const struct daemon *daemon)
{
	return daemon->machine->seen;
}

bool machine_is_known(const struct daemon *daemon)
{
	return daemon->machine->known;
}

const struct gpu_report *machine_report(const struct daemon *daemon)
{
	return &daemon->machine->report;
}

struct node *machine_node(const struct daemon *daemon)
{
	return &sched_ledger(daemon->sched)->nodes[0];
}

const struct gpu_info *machine_gpu(const struct daemon *daemon, unsigned slot)
{
	const struct machine *machine = daemon->machine;
	int at = machine->slots[slot].report_index;

	return at >= 0 ? &machine->report.gpus[at] : NULL;
}

unsigned machine_n_slots(const struct daemon *daemon)
{
	return daemon->machine->n_slots;
}

int machine_find_gpu(const struct daemon *daemon, const char *name)
{
	const struct node *node = machine_node(daemon);
	const struct slot *slots = daemon->machine->slots;
	int64_t index = -1;
	int found = -1;

	(void)parse_int64(name, 0, INT32_MAX, &index);
	for (unsigned i = 0; i < daemon->machine->n_slots; i++) {
		if (STREQ(slots[i].uuid, name))
			return (int)i;
		if (!STREQ(node->gpus[i].label, name) && (index < 0 || index != slots[i].index))
			continue;
		/* One that has vanished leaves its index to whoever comes after it. */
		if (found < 0 || slots[found].report_index < 0)
			found = (int)i;
	}
	return found;
}

/* The slot of this UUID, a new one if need be; -1 when all slots are used up. */
int machine_slot(struct machine *machine, const char *uuid)
{
	for (unsigned i = 0; i < machine->n_slots; i++)
		if (STREQ(machine->slots[i].uuid, uuid))
			return (int)i;
	if (machine->n_slots == TOPOLOGY_GPUS_MAX)
		return -1;
	machine->slots[machine->n_slots] = (struct slot){
		.report_index = -1,
		.index = -1,
		.baseline_bytes = GPU_UNKNOWN,
		.ecc_seen = GPU_UNKNOWN,
		.idle_power_mw = GPU_UNKNOWN,
	};
	snprintf(machine->slots[machine->n_slots].uuid, sizeof(machine->slots[0].uuid), "%s", uuid);
	return (int)machine->n_slots++;
}

static void map_slots(struct machine *machine)
{
	for (unsigned i = 0; i < machine->n_slots; i++)
		machine->slots[i].report_index = -1;
	for (size_t i = 0; i < machine->report.n_gpus; i++) {
		int slot = machine_slot(machine, machine->report.gpus[i].uuid);

		if (slot < 0) {
			log_warn("more GPUs than slots, one is left out uuid=%s",
				 machine->report.gpus[i].uuid);
			continue;
		}
		machine->slots[slot].report_index = (int)i;
		machine->slots[slot].index = machine->report.gpus[i].index;
	}
}

static struct node_gpu *make_gpus(const struct daemon *daemon)
{
	const struct machine *machine = daemon->machine;
	struct node_gpu *gpus = xcalloc(machine->n_slots, sizeof(*gpus));

	for (unsigned i = 0; i < machine->n_slots; i++) {
		const struct gpu_info *gpu = machine_gpu(daemon, i);

		gpus[i].condition =
			machine_judge(daemon, i, gpus[i].reason, sizeof(gpus[i].reason));
		if (machine->slots[i].index >= 0)
			snprintf(gpus[i].label, sizeof(gpus[i].label), "gpu%d",
				 machine->slots[i].index);
		else
			snprintf(gpus[i].label, sizeof(gpus[i].label), "slot%u", i);
		if (!gpu)
			continue;
		memcpy(gpus[i].type, gpu->name, sizeof(gpus[i].type));
		gpus[i].mem_bytes = gpu->mem_total_bytes > 0 ? (uint64_t)gpu->mem_total_bytes : 0;
	}
	return gpus;
}

static struct topology *make_topology(const struct daemon *daemon)
{
	const struct machine *machine = daemon->machine;
	unsigned n = machine->n_slots;
	_cleanup_(free_ptr) struct gpu_link *links = xcalloc((size_t)n * n, sizeof(*links));
	_cleanup_(free_ptr) int *numa = xcalloc(n, sizeof(*numa));

	for (unsigned i = 0; i < n; i++) {
		int a = machine->slots[i].report_index;

		numa[i] = a >= 0 ? machine->report.gpus[a].numa : -1;
		for (unsigned j = 0; j < n; j++) {
			int b = machine->slots[j].report_index;

			if (a >= 0 && b >= 0)
				links[i * n + j] =
					*gpu_report_link(&machine->report, (size_t)a, (size_t)b);
		}
	}
	return topology_create(n, links, numa);
}

static bool same_topology(const struct topology *a, const struct topology *b)
{
	unsigned n = topology_count(a);

	if (n != topology_count(b))
		return false;
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++)
			if (topology_pair_score(a, i, j) != topology_pair_score(b, i, j))
				return false;
	return true;
}

static void log_changes(const struct daemon *daemon, const struct node_gpu *gpus, unsigned n)
{
	const struct node *node = machine_node(daemon);

	for (unsigned i = 0; i < n && daemon->machine->known; i++) {
		bool known = i < node->n_gpus;
		enum gpu_condition before = known ? node->gpus[i].condition : GPU_READY;

		if (before == gpus[i].condition)
			continue;
		if (gpus[i].condition == GPU_CLEANING ||
		    (before == GPU_CLEANING && gpus[i].condition == GPU_READY))
			continue; /* the ordinary end of a job */
		log_info("GPU is %s gpu=%s reason=\"%s\"", gpu_condition_name(gpus[i].condition),
			 gpus[i].label, gpus[i].reason);
	}
}

/* Tell the ledger what the GPUs are good for now, if that changed. */
void machine_update_ledger(struct daemon *daemon)
{
	struct node *node = machine_node(daemon);
	unsigned n = daemon->machine->n_slots;
	_cleanup_(free_ptr) struct node_gpu *gpus = make_gpus(daemon);
	struct topology *topology = make_topology(daemon);

	if (n == node->n_gpus && (n == 0 || memcmp(gpus, node->gpus, n * sizeof(*gpus)) == 0) &&
	    same_topology(topology, node->topology)) {
		topology_destroy(topology);
		return;
	}
	log_changes(daemon, gpus, n);
	ledger_set_gpus(sched_ledger(daemon->sched), 0, TAKE_PTR(gpus), n, topology);
	turn_want_pass(daemon);
}

/* What the last report means, after this one. */
static void judge_report(struct daemon *daemon, const struct gpu_report *before)
{
	struct machine *machine = daemon->machine;
	uint32_t simulated_cpus = (uint32_t)machine->report.n_gpus * SIMULATED_CPUS_PER_GPU;

	ledger_set_cpus(sched_ledger(daemon->sched), 0,
			machine->report.simulated && simulated_cpus > machine->real_cpus
				? simulated_cpus
				: machine->real_cpus);
	machine->known = true;
	machine_fold_usage(daemon, before);
	machine_fold_idle(daemon);
	machine_fold_faults(daemon);
	machine_learn(daemon);
	machine_update_ledger(daemon);
}

void machine_fold_report(struct daemon *daemon, struct gpu_report *report)
{
	struct machine *machine = daemon->machine;
	_cleanup_(gpu_report_finish) struct gpu_report before = machine->report;

	daemon->metrics.probe_reports++;
	machine->report = *report;
	*report = (struct gpu_report){0};
	machine->silent = false;
	machine->seen = true;
	map_slots(machine);
	if (machine->begun)
		judge_report(daemon, &before);
}

void machine_begin(struct daemon *daemon)
{
	static const struct gpu_report none;

	daemon->machine->begun = true;
	if (daemon->machine->seen)
		judge_report(daemon, &none);
}

void machine_fold_silence(struct daemon *daemon, const char *reason)
{
	log_warn("the GPU probe fails; GPUs that are not in use are not handed out reason=\"%s\"",
		 reason);
	daemon->metrics.probe_failures++;
	daemon->machine->silent = true;
	if (daemon->machine->begun)
		machine_update_ledger(daemon);
}

void machine_gpus_released(struct daemon *daemon, const struct allocation *alloc,
			   const struct job *job)
{
	struct machine *machine = daemon->machine;

	if (machine->report.simulated)
		return;
	for (size_t i = 0; i < alloc->n_parts; i++)
		for (uint64_t rest = alloc->parts[i].gpus; rest; rest &= rest - 1) {
			struct slot *slot = &machine->slots[__builtin_ctzll(rest)];

			slot->released_ns = clock_mono_ns(); /* what counts is what we know */
			slot->cleaning = true;
			slot->last_job = job->id;
			slot->last_uid = job->uid;
		}
	machine_update_ledger(daemon);
	if (alloc->n_parts > 0 && alloc->parts[0].gpus)
		prober_ask(daemon);
}

void machine_describe_allocation(const struct daemon *daemon, const struct allocation *alloc,
				 struct buf *out)
{
	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct node *node = &sched_ledger(daemon->sched)->nodes[alloc->parts[i].node];

		buf_printf(out, "%s%s", i ? "; " : "", node->name);
		for (uint64_t rest = alloc->parts[i].gpus; rest; rest &= rest - 1)
			buf_printf(out, " %s", node->gpus[__builtin_ctzll(rest)].label);
	}
}

json_t *machine_slots_json(const struct daemon *daemon, uint64_t slots)
{
	json_t *gpus = json_array();

	for (; slots; slots &= slots - 1) {
		const struct slot *slot = &daemon->machine->slots[__builtin_ctzll(slots)];

		json_array_append_new(
			gpus, json_pack("{s:i, s:s}", "index", slot->index, "uuid", slot->uuid));
	}
	return gpus;
}

char *machine_format_allocation(const struct daemon *daemon, const struct allocation *alloc)
{
	json_t *parts = json_array();
	char *text;

	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];

		json_array_append_new(parts,
				      json_pack("{s:s, s:I, s:I, s:o}", "node",
						sched_ledger(daemon->sched)->nodes[part->node].name,
						"cpus", (json_int_t)part->cpus, "mem",
						(json_int_t)part->mem_bytes, "gpus",
						machine_slots_json(daemon, part->gpus)));
	}
	text = json_dumps(parts, JSON_COMPACT);
	json_decref(parts);
	return text;
}

/* New slots are left for the caller to tell the ledger of. */
static int find_slots(struct daemon *daemon, const json_t *gpus, uint64_t *ret_slots)
{
	uint64_t slots = 0;
	const json_t *gpu;
	size_t i;

	json_array_foreach (gpus, i, gpu) {
		const char *uuid = json_string_value(json_object_get(gpu, "uuid"));
		int slot = uuid ? machine_slot(daemon->machine, uuid) : -1;

		if (slot < 0)
			return -EINVAL;
		if (daemon->machine->slots[slot].report_index < 0)
			daemon->machine->slots[slot].index =
				(int)json_integer_value(json_object_get(gpu, "index"));
		slots |= UINT64_C(1) << slot;
	}
	*ret_slots = slots;
	return 0;
}

int machine_parse_slots(struct daemon *daemon, const json_t *gpus, uint64_t *ret_slots)
{
	int r = json_is_array(gpus) ? find_slots(daemon, gpus, ret_slots) : -EINVAL;

	machine_update_ledger(daemon); /* new slots exist before anybody speaks of them */
	return r;
}

static int parse_part(struct daemon *daemon, json_t *object, struct allocation_part *ret_part)
{
	struct allocation_part part = {0};
	json_int_t cpus, mem;
	json_t *gpus;

	if (json_unpack(object, "{s:I, s:I, s:o}", "cpus", &cpus, "mem", &mem, "gpus", &gpus) < 0)
		return -EINVAL;
	part.cpus = (uint32_t)cpus;
	part.mem_bytes = (uint64_t)mem;
	if (find_slots(daemon, gpus, &part.gpus) < 0)
		return -EINVAL;
	*ret_part = part;
	return 0;
}

int machine_parse_allocation(struct daemon *daemon, const char *text, struct allocation *ret_alloc)
{
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	json_t *parts = json_loads(text, 0, NULL), *part;
	int r = json_array_size(parts) > 0 ? 0 : -EINVAL;
	size_t i;

	alloc.parts = xcalloc(json_array_size(parts), sizeof(*alloc.parts));
	json_array_foreach (parts, i, part) {
		if (r == 0)
			r = parse_part(daemon, part, &alloc.parts[alloc.n_parts++]);
	}
	json_decref(parts);
	if (r < 0)
		return r;
	machine_update_ledger(daemon); /* new slots exist before anything is booked on them */
	*ret_alloc = alloc;
	alloc = (struct allocation){0};
	return 0;
}
