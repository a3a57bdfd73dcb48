/* SPDX-License-Identifier: MIT */
/*
 * A replay in which preemption and migration are free.
 *
 * tgpud cannot schedule like this: what a job has computed since its last checkpoint is lost when
 * it loses its GPUs, starting again takes its time, and a process does not move to other GPUs at
 * all. Here a new plan for everybody is made at every event; it is a bound and nothing else.
 *
 * Invariants: `order` holds who has arrived and not ended, as the last plan ranked them; who runs
 * has its place in its outcome. Times are whole nanoseconds: the float arithmetic of the published
 * simulators needs no imitation.
 * Deliberately not here: estimates (the remaining time is known exactly, that is the ideal), CPUs
 * and memory.
 * Cost: O(jobs present + running x nodes) per event. The ranking is an insertion sort: the last
 * order is nearly right, and equals must keep it. Read next: scheduler/placement.c.
 */
#include "simulator/ideal.h"

#include <errno.h>
#include <stdlib.h>

#include "scheduler/placement.h"

/* A job from its arrival to its end. */
struct run {
	const struct trace_job *job;
	struct outcome *outcome;
	int64_t overhead_ns;
	int64_t left_ns;   /* of its running time */
	int64_t served_ns; /* in which it ran, since it last rose */
	int64_t paused_ns; /* when it last lost its place; TIME_NEVER: it never did */
	unsigned level;	   /* IDEAL_LAS; else 0 */
	bool moved;	   /* to this level, at this event */
	bool running;
	__int128 rank; /* as of the last sort; smallest first */
};

struct sim {
	const struct trace *trace;
	const struct ideal_config *config;
	struct ledger cluster; /* with nothing taken */
	struct run *runs;      /* owned, one per job */
	struct run **order;    /* owned */
	size_t n_order;
	size_t n_arrived;
	int64_t now_ns;
};

static __int128 rank_left(const struct run *run)
{
	return run->left_ns;
}

static __int128 rank_left_service(const struct run *run)
{
	return (__int128)run->left_ns * run->job->request.num_gpus;
}

/* Who comes to a level goes behind those who are there. */
static __int128 rank_level(const struct run *run)
{
	return 2 * run->level + run->moved;
}

static __int128 rank_level_running(const struct run *run)
{
	return 2 * run->level + !run->running;
}

static const struct rule {
	const char *name;
	__int128 (*before)(const struct run *run); /* order for a plan; NULL: as it is */
	__int128 (*after)(const struct run *run);  /* order in which it leaves the jobs */
	bool strict;				   /* nobody passes one that does not fit */
	bool preempts;
} rules[IDEAL_POLICY_COUNT] = {
	[IDEAL_FIFO] = {.name = "fifo", .strict = true},
	[IDEAL_FJF] = {.name = "fjf", .after = rank_level_running},
	[IDEAL_SRTF] = {.name = "srtf", .before = rank_left, .preempts = true},
	[IDEAL_SRSF] = {.name = "srsf", .before = rank_left_service, .preempts = true},
	[IDEAL_LAS] = {.name = "las",
		       .before = rank_level,
		       .after = rank_level_running,
		       .preempts = true},
};

static void add_part(struct allocation *alloc, const struct ledger *ledger, uint32_t node,
		     unsigned gpus)
{
	uint64_t free = node_free_gpus(&ledger->nodes[node]), rest = free;

	for (unsigned i = 0; i < gpus; i++)
		rest &= rest - 1;
	alloc->parts = xreallocarray(alloc->parts, alloc->n_parts + 1, sizeof(*alloc->parts));
	alloc->parts[alloc->n_parts++] =
		(struct allocation_part){.node = node, .gpus = free & ~rest};
}

static unsigned count_free(const struct ledger *ledger, uint32_t node)
{
	return (unsigned)__builtin_popcountll(node_free_gpus(&ledger->nodes[node]));
}

/* Take the allocation over when it is complete. */
static int finish_find(struct allocation *alloc, bool complete, struct allocation *ret_alloc)
{
	if (!complete) {
		allocation_finish(alloc);
		return PLACE_NO_FIT;
	}
	*ret_alloc = *alloc;
	return 0;
}

static int find_in_pool(const struct ledger *ledger, const struct request *request,
			struct allocation *ret_alloc)
{
	struct allocation alloc = {0};
	unsigned wanted = request->num_gpus;

	for (uint32_t i = 0; i < ledger->n_nodes && wanted > 0; i++) {
		unsigned free = count_free(ledger, i), take = free < wanted ? free : wanted;

		if (take > 0)
			add_part(&alloc, ledger, i, take);
		wanted -= take;
	}
	return finish_find(&alloc, wanted == 0, ret_alloc);
}

/* All nodes are alike. Idle nodes for the whole multiples of one, which come first, so that the
 * remainder may go to a node before them, but not to one of them. */
static int find_first_fit(const struct ledger *ledger, const struct request *request,
			  struct allocation *ret_alloc)
{
	unsigned size = ledger->nodes[0].n_gpus;
	unsigned whole = request->num_gpus / size, rest = request->num_gpus % size;
	struct allocation alloc = {0};
	size_t next = 0; /* of the idle nodes found */

	for (uint32_t i = 0; i < ledger->n_nodes && alloc.n_parts < whole; i++)
		if (!ledger->nodes[i].taken)
			add_part(&alloc, ledger, i, size);
	if (alloc.n_parts < whole)
		return finish_find(&alloc, false, ret_alloc);
	for (uint32_t i = 0; i < ledger->n_nodes && rest > 0; i++) {
		if (next < whole && alloc.parts[next].node == i) {
			next++;
		} else if (count_free(ledger, i) >= rest) {
			add_part(&alloc, ledger, i, rest);
			rest = 0;
		}
	}
	return finish_find(&alloc, rest == 0, ret_alloc);
}

static const struct {
	const char *name;
	int (*find)(const struct ledger *ledger, const struct request *request,
		    struct allocation *ret_alloc);
} placements[IDEAL_PLACEMENT_COUNT] = {
	[IDEAL_POOL] = {"pool", find_in_pool},
	[IDEAL_FIRST_FIT] = {"first-fit", find_first_fit},
	[IDEAL_BEST_FIT] = {"best-fit", placement_find},
};

static int find_place(const struct sim *sim, const struct ledger *ledger, const struct run *run,
		      struct allocation *ret_alloc)
{
	struct request only_gpus = {.num_gpus = run->job->request.num_gpus};

	return placements[sim->config->placement].find(ledger, &only_gpus, ret_alloc);
}

/* Running time after which it sinks to the next level; TIME_NEVER: it does not. */
static int64_t sinks_after(const struct ideal_config *config, const struct run *run)
{
	int64_t gpus = run->job->request.num_gpus;

	if (config->policy != IDEAL_LAS || run->level >= config->n_limits || gpus == 0)
		return TIME_NEVER;
	return (config->limits_gpu_s[run->level] * NS_PER_S + gpus - 1) / gpus;
}

/* When it has waited long enough to rise to level 0; TIME_NEVER: it does not. */
static int64_t rises_at(const struct ideal_config *config, const struct run *run)
{
	int64_t wait_ns;

	if (config->promote == 0 || run->running || run->level == 0 ||
	    __builtin_mul_overflow(run->served_ns, (int64_t)config->promote, &wait_ns))
		return TIME_NEVER;
	return time_add(run->paused_ns, wait_ns);
}

static void change_levels(struct sim *sim)
{
	for (size_t i = 0; i < sim->n_order; i++) {
		struct run *run = sim->order[i];

		unsigned before = run->level;

		while (run->running && run->served_ns >= sinks_after(sim->config, run))
			run->level++;
		if (sim->now_ns >= rises_at(sim->config, run)) {
			run->level = 0;
			run->served_ns = 0;
		}
		run->moved = run->level != before;
	}
}

/* When this job alone next calls for a plan. */
static int64_t next_event_of(const struct sim *sim, const struct run *run)
{
	int64_t grain = sim->config->grain_ns, sinks = sinks_after(sim->config, run);
	int64_t next;

	if (!run->running)
		return rises_at(sim->config, run);
	next = time_add(sim->now_ns, run->left_ns);
	if (sinks < TIME_NEVER) {
		int64_t looked_at = (sinks / grain + (sinks % grain > 0)) * grain;
		int64_t crossing = time_add(sim->now_ns, looked_at - run->served_ns);

		next = crossing < next ? crossing : next;
	}
	return next;
}

static int64_t next_event(const struct sim *sim)
{
	int64_t next = TIME_NEVER;

	if (sim->n_arrived < sim->trace->n_jobs)
		next = sim->trace->jobs[sim->n_arrived].submit_ns;
	for (size_t i = 0; i < sim->n_order; i++) {
		int64_t event = next_event_of(sim, sim->order[i]);

		next = event < next ? event : next;
	}
	return next;
}

/* Let time pass until the next event; who is due ends. The predicted end holds in spite of the
 * overhead, which only counts when an event interrupts. */
static void advance(struct sim *sim, int64_t to_ns)
{
	int64_t dt = to_ns - sim->now_ns;
	size_t kept = 0;

	for (size_t i = 0; i < sim->n_order; i++) {
		struct run *run = sim->order[i];

		if (run->running && run->left_ns == dt) {
			run->outcome->end_ns = to_ns;
			continue;
		}
		if (run->running) {
			run->left_ns -= dt > run->overhead_ns ? dt - run->overhead_ns : 0;
			run->served_ns += dt;
		}
		sim->order[kept++] = run;
	}
	sim->n_order = kept;
	sim->now_ns = to_ns;
}

static void arrive(struct sim *sim)
{
	for (; sim->n_arrived < sim->trace->n_jobs; sim->n_arrived++) {
		struct run *run = &sim->runs[sim->n_arrived];
		_cleanup_(allocation_finish) struct allocation alloc = {0};

		if (run->job->submit_ns > sim->now_ns)
			return;
		if (find_place(sim, &sim->cluster, run, &alloc) == 0)
			sim->order[sim->n_order++] = run;
	}
}

static void sort(struct sim *sim, __int128 (*rank)(const struct run *run))
{
	for (size_t i = 0; i < sim->n_order; i++) {
		struct run *run = sim->order[i];
		size_t hole = i;

		run->rank = rank(run);
		for (; hole > 0 && sim->order[hole - 1]->rank > run->rank; hole--)
			sim->order[hole] = sim->order[hole - 1];
		sim->order[hole] = run;
	}
}

/* May it keep the GPUs it has? In a pool that changes nothing for the others. Between nodes it
 * would (the plan fills an empty cluster), unless the policy never takes a place away. */
static bool stays(const struct sim *sim, const struct ledger *planned, const struct run *run)
{
	const struct allocation *alloc = &run->outcome->alloc;

	if (!run->running ||
	    (rules[sim->config->policy].preempts && sim->config->placement != IDEAL_POOL))
		return false;
	for (size_t i = 0; i < alloc->n_parts; i++)
		if (planned->nodes[alloc->parts[i].node].taken & alloc->parts[i].gpus)
			return false;
	return true;
}

static bool place(const struct sim *sim, struct ledger *planned, struct run *run)
{
	struct allocation alloc;

	if (!stays(sim, planned, run)) {
		if (find_place(sim, planned, run, &alloc) != 0)
			return false;
		allocation_finish(&run->outcome->alloc);
		run->outcome->alloc = alloc;
	}
	ledger_take(planned, &run->outcome->alloc);
	return true;
}

static void set_running(struct run *run, bool running, int64_t now_ns)
{
	if (running && run->outcome->start_ns == TIME_NEVER)
		run->outcome->start_ns = now_ns;
	if (run->running && !running) {
		run->outcome->preemptions++;
		run->paused_ns = now_ns;
	}
	run->running = running;
}

/* Fill the empty cluster in the jobs' order. */
static void plan(struct sim *sim)
{
	uint64_t free = (uint64_t)sim->config->n_nodes * sim->config->gpus_per_node;
	struct ledger planned;
	bool blocked = false;

	ledger_scratch_init(&planned, &sim->cluster);
	for (size_t i = 0; i < sim->n_order; i++) {
		struct run *run = sim->order[i];
		uint32_t gpus = run->job->request.num_gpus;
		bool fits = !blocked && gpus <= free && place(sim, &planned, run);

		free -= fits ? gpus : 0;
		blocked = !fits && rules[sim->config->policy].strict;
		set_running(run, fits, sim->now_ns);
	}
	ledger_scratch_finish(&planned);
}

static void replay(struct sim *sim)
{
	const struct rule *rule = &rules[sim->config->policy];
	int64_t next;

	while ((next = next_event(sim)) < TIME_NEVER) {
		advance(sim, next);
		arrive(sim);
		change_levels(sim);
		if (rule->before)
			sort(sim, rule->before);
		plan(sim);
		if (rule->after)
			sort(sim, rule->after);
	}
}

static bool makes_sense(const struct ideal_config *config)
{
	bool sound = config->policy < IDEAL_POLICY_COUNT &&
		     config->placement < IDEAL_PLACEMENT_COUNT && config->n_nodes > 0 &&
		     config->n_nodes <= LEDGER_NODES_MAX && config->gpus_per_node > 0 &&
		     config->gpus_per_node <= TOPOLOGY_GPUS_MAX;

	if (!sound || config->policy != IDEAL_LAS)
		return sound;
	if (config->n_limits > ARRAY_SIZE(config->limits_gpu_s) || config->grain_ns < 1 ||
	    config->grain_ns > 3600 * NS_PER_S)
		return false;
	for (unsigned i = 0; i < config->n_limits; i++)
		if (config->limits_gpu_s[i] <= (i > 0 ? config->limits_gpu_s[i - 1] : 0) ||
		    config->limits_gpu_s[i] > INT64_MAX / NS_PER_S / 2)
			return false;
	return true;
}

static void add_nodes(struct ledger *cluster, const struct ideal_config *config)
{
	unsigned n = config->gpus_per_node;
	static const int32_t no_scores[TOPOLOGY_GPUS_MAX * TOPOLOGY_GPUS_MAX];

	ledger_init(cluster);
	for (uint32_t i = 0; i < config->n_nodes; i++) {
		uint32_t node = ledger_add_node(cluster, "node", 0, 0);

		ledger_set_gpus(cluster, node, xcalloc(n, sizeof(struct node_gpu)), n,
				topology_create_scores(n, no_scores));
	}
}

int ideal_replay(const struct trace *trace, const struct ideal_config *config,
		 struct outcome **ret_outcomes)
{
	struct sim sim = {.trace = trace, .config = config};
	struct outcome *outcomes;

	if (!makes_sense(config))
		return -EINVAL;
	add_nodes(&sim.cluster, config);
	outcomes = xcalloc(trace->n_jobs, sizeof(*outcomes));
	sim.runs = xcalloc(trace->n_jobs, sizeof(*sim.runs));
	sim.order = xcalloc(trace->n_jobs, sizeof(struct run *));
	for (size_t i = 0; i < trace->n_jobs; i++) {
		outcomes[i] = (struct outcome){.start_ns = TIME_NEVER, .end_ns = TIME_NEVER};
		sim.runs[i] = (struct run){
			.job = &trace->jobs[i],
			.outcome = &outcomes[i],
			.overhead_ns = config->overhead_ns ? config->overhead_ns[i] : 0,
			.left_ns = trace->jobs[i].run_ns,
			.paused_ns = TIME_NEVER,
		};
	}
	replay(&sim);
	free(sim.order);
	free(sim.runs);
	ledger_finish(&sim.cluster);
	*ret_outcomes = outcomes;
	return 0;
}

const char *ideal_policy_name(enum ideal_policy policy)
{
	return rules[policy].name;
}

int ideal_policy_parse(const char *name, enum ideal_policy *ret_policy)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		if (STREQ(rules[i].name, name)) {
			*ret_policy = (enum ideal_policy)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *ideal_placement_name(enum ideal_placement placement)
{
	return placements[placement].name;
}

int ideal_placement_parse(const char *name, enum ideal_placement *ret_placement)
{
	for (unsigned i = 0; i < ARRAY_SIZE(placements); i++) {
		if (STREQ(placements[i].name, name)) {
			*ret_placement = (enum ideal_placement)i;
			return 0;
		}
	}
	return -EINVAL;
}
