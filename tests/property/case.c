/* SPDX-License-Identifier: MIT */
/* Random clusters and operations. Small numbers on purpose: ties and shortages are what breaks. */
#include "case.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t draw(uint64_t *state, uint64_t bound)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % bound;
}

static void generate_node(uint64_t *state, bool mixed, struct naive_node *node)
{
	node->n = (unsigned)draw(state, NAIVE_GPUS + 1);
	node->cpus = 1 + (unsigned)draw(state, 12);
	for (unsigned i = 0; i < node->n; i++) {
		node->gpus[i].type = mixed ? 1 + (unsigned)draw(state, 2) : 1;
		for (unsigned j = 0; j < i; j++)
			node->scores[i][j] = node->scores[j][i] = 10 * (int32_t)draw(state, 4);
	}
}

static void generate_cluster(uint64_t *state, struct naive *cluster)
{
	bool mixed = draw(state, 2), equal = draw(state, 2);

	cluster->n_nodes = 1 + (unsigned)draw(state, NAIVE_NODES);
	for (unsigned n = 0; n < cluster->n_nodes; n++) {
		if (equal && n > 0)
			cluster->nodes[n] = cluster->nodes[0];
		else
			generate_node(state, mixed, &cluster->nodes[n]);
	}
	cluster->point = 1 + (int64_t)draw(state, 10);
	cluster->tau = 1 + (int64_t)draw(state, 40);
	cluster->cap = 1 + (int64_t)draw(state, 100);
}

static unsigned count_gpus(const struct naive *cluster)
{
	unsigned count = 0;

	for (unsigned n = 0; n < cluster->n_nodes; n++)
		count += cluster->nodes[n].n;
	return count;
}

static struct naive_job generate_job(uint64_t *state, const struct test_case *test_case)
{
	unsigned most = draw(state, 3) ? NAIVE_GPUS / 2 : count_gpus(&test_case->cluster);
	struct naive_job job = {
		.gpus = (unsigned)draw(state, most + 1),
		.type = (unsigned)draw(state, 6),
		.cpus = draw(state, 2) ? (unsigned)draw(state, 6) : 0,
		.priority = (int)draw(state, 7) - 3,
		.run = 1 + (int64_t)draw(state, 30),
	};

	if (job.type > 2)
		job.type = 0;
	if (draw(state, 10))
		job.limit = job.run + (draw(state, 2) ? (int64_t)draw(state, 20) : 0);
	job.user = (unsigned)draw(state, NAIVE_USERS);
	job.preemptible = draw(state, 2);
	job.tasks = draw(state, 8) ? 1 : 2 + (unsigned)draw(state, 4);
	if (!test_case->calm && draw(state, 2))
		job.array_limit = 1 + (unsigned)draw(state, 3);
	if (!test_case->plain && draw(state, 8) == 0)
		job.begin = 1 + (int64_t)draw(state, 20);
	/* Overdue: its program outlives its limit, as while it is being told to end. */
	if (!test_case->calm && job.limit && draw(state, 8) == 0)
		job.run += (int64_t)draw(state, 30);
	return job;
}

static struct op generate_op(uint64_t *state, const struct test_case *test_case)
{
	uint64_t what = draw(state, 20);
	struct op op = {.type = OP_SUBMIT, .pick = (unsigned)draw(state, 1000)};

	if (what >= 18 && test_case->calm) {
		op.type = OP_NOTHING;
	} else if (what >= 18) {
		op.type = OP_CONDITION;
		op.condition = draw(state, 2)
				       ? GPU_READY
				       : (enum gpu_condition)draw(state, GPU_CONDITION_COUNT);
	} else if (what == 17) {
		op.type = OP_END;
	} else if (what == 16) {
		op.type = OP_CANCEL;
	} else if (what >= 11) {
		op.type = OP_ADVANCE;
		op.dt = 1 + (int64_t)draw(state, 15);
	} else {
		op.job = generate_job(state, test_case);
		op.quiet = draw(state, 3) == 0;
	}
	return op;
}

static void generate_limits(uint64_t *state, struct test_case *test_case)
{
	struct user_limits *limits = &test_case->cluster.limits;

	if (draw(state, 3) == 0)
		limits->max_jobs = 1 + (uint32_t)draw(state, 4);
	if (draw(state, 3) == 0)
		limits->max_gpus = 1 + (uint32_t)draw(state, 10);
	test_case->preempt = (struct preempt_params){
		.enabled = draw(state, 2),
		.immunity_ns = (int64_t)draw(state, 10),
		.restart_ns = (int64_t)draw(state, 8),
		.grace_ns = (int64_t)draw(state, 8),
	};
}

void case_generate(uint64_t seed, struct test_case *ret_case)
{
	uint64_t state = seed;
	struct naive *cluster = &ret_case->cluster;

	*ret_case = (struct test_case){.seed = seed, .plain = draw(&state, 4) == 0};
	ret_case->calm = ret_case->plain || draw(&state, 4) == 0;
	generate_cluster(&state, cluster);
	cluster->policy = (enum naive_policy)draw(&state, NAIVE_POLICIES);
	if (ret_case->plain)
		cluster->policy = NAIVE_FIFO;
	cluster->mode = (enum backfill_mode)draw(&state, BACKFILL_MODE_COUNT);
	cluster->shortest_passes = cluster->mode == BACKFILL_EASY && draw(&state, 4) == 0;
	ret_case->reservations = 1 + (unsigned)draw(&state, 4);
	ret_case->half_life = draw(&state, 3) ? 1 + (int64_t)draw(&state, 100) : 0;
	/* An order that moves with time, or with what others use, is foretold as of now only. */
	ret_case->exact = ret_case->calm && cluster->policy < NAIVE_SHORTEST;
	if (!ret_case->calm)
		generate_limits(&state, ret_case);
	ret_case->n_ops = 5 + (unsigned)draw(&state, CASE_OPS_MAX - 5);
	for (unsigned i = 0; i < ret_case->n_ops; i++)
		ret_case->ops[i] = generate_op(&state, ret_case);
}

static const struct policy *const case_policies[NAIVE_POLICIES] = {
	[NAIVE_FIFO] = &policy_fifo, [NAIVE_PRIORITY] = &policy_priority,
	[NAIVE_SJF] = &policy_sjf,   [NAIVE_SRSF] = &policy_srsf,
	[NAIVE_FAIR] = &policy_fair, [NAIVE_SHORTEST] = &policy_shortest,
};

const struct policy *case_policy(enum naive_policy policy)
{
	return case_policies[policy];
}

static void print_node(const struct naive_node *node)
{
	printf("#   node: %u CPUs, %u GPUs of types", node->cpus, node->n);
	for (unsigned i = 0; i < node->n; i++)
		printf(" %u", node->gpus[i].type);
	printf("; pair scores");
	for (unsigned i = 0; i < node->n; i++)
		for (unsigned j = 0; j < i; j++)
			printf(" %d", node->scores[i][j]);
	printf("\n");
}

static void print_job(const struct naive_job *job)
{
	printf("#   submit gpus=%u type=%u cpus=%u priority=%d limit=%" PRId64 " run=%" PRId64
	       " begin=+%" PRId64 " user=%u%s tasks=%u at a time=%u",
	       job->gpus, job->type, job->cpus, job->priority, job->limit, job->run, job->begin,
	       job->user, job->preemptible ? " preemptible" : "", job->tasks, job->array_limit);
}

static void print_op(const struct op *op)
{
	switch (op->type) {
	case OP_SUBMIT:
		print_job(&op->job);
		printf("%s\n", op->quiet ? ", without a pass" : "");
		break;
	case OP_ADVANCE: printf("#   advance %" PRId64 "\n", op->dt); break;
	case OP_CANCEL: printf("#   cancel waiting %u\n", op->pick); break;
	case OP_END: printf("#   end running %u\n", op->pick); break;
	case OP_NOTHING: printf("#   nothing\n"); break;
	default:
		printf("#   condition of GPU %u: %s\n", op->pick,
		       gpu_condition_name(op->condition));
	}
}

void case_print(const struct test_case *test_case)
{
	static const char *const modes[] = {"none", "greedy", "easy", "reserve", "conservative"};
	const struct naive *cluster = &test_case->cluster;
	const struct preempt_params *preempt = &test_case->preempt;

	printf("# %s, %s%s, %u reservations; point %" PRId64 ", tau %" PRId64 ", cap %" PRId64
	       ", half-life %" PRId64 "\n",
	       case_policy(cluster->policy)->name, modes[cluster->mode],
	       cluster->shortest_passes ? ", shortest first" : "", test_case->reservations,
	       cluster->point, cluster->tau, cluster->cap, test_case->half_life);
	printf("# a user: %u jobs, %u GPUs; preemption %s: immunity %" PRId64 ", restart %" PRId64
	       ", grace %" PRId64 "\n",
	       cluster->limits.max_jobs, cluster->limits.max_gpus, preempt->enabled ? "on" : "off",
	       preempt->immunity_ns, preempt->restart_ns, preempt->grace_ns);
	for (unsigned n = 0; n < cluster->n_nodes; n++)
		print_node(&cluster->nodes[n]);
	for (unsigned i = 0; i < test_case->n_ops; i++)
		print_op(&test_case->ops[i]);
}
