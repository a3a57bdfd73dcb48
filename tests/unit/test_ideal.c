/* SPDX-License-Identifier: MIT */
/* ideal.c on clusters small enough to follow by eye. Published traces: test_ideal_oracle.c. */
#include "cluster.h"
#include "simulator/ideal.h"

#include <errno.h>

/* One job and what is expected of it, in seconds. */
struct row {
	int submit, run;
	uint32_t gpus;
	int start, end; /* -1: never */
	uint32_t preemptions;
	int overhead;
};

static void check(const struct ideal_config *config, const struct row *rows, size_t n)
{
	struct trace_job jobs[16];
	int64_t overhead_ns[16];
	struct trace trace = {.jobs = jobs, .n_jobs = n};
	struct ideal_config with_overhead = *config;
	struct outcome *outcomes;

	with_overhead.overhead_ns = overhead_ns;
	for (size_t i = 0; i < n; i++) {
		jobs[i] = (struct trace_job){.id = i + 1,
					     .submit_ns = S(rows[i].submit),
					     .run_ns = S(rows[i].run),
					     .request.num_gpus = rows[i].gpus};
		overhead_ns[i] = S(rows[i].overhead);
	}
	assert_int_equal(ideal_replay(&trace, &with_overhead, &outcomes), 0);
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];

		assert_int_equal(outcomes[i].start_ns, row->start < 0 ? TIME_NEVER : S(row->start));
		assert_int_equal(outcomes[i].end_ns, row->end < 0 ? TIME_NEVER : S(row->end));
		assert_int_equal(outcomes[i].preemptions, row->preemptions);
	}
	outcomes_destroy(outcomes, n);
}

#define CHECK(config, ...)                                 \
	check((config), (const struct row[]){__VA_ARGS__}, \
	      ARRAY_SIZE(((const struct row[]){__VA_ARGS__})))

static struct ideal_config make(enum ideal_policy policy, enum ideal_placement placement,
				uint32_t n_nodes, uint32_t gpus_per_node)
{
	return (struct ideal_config){.policy = policy,
				     .placement = placement,
				     .n_nodes = n_nodes,
				     .gpus_per_node = gpus_per_node,
				     .grain_ns = NS_PER_S};
}

static void test_fifo(void **state)
{
	const struct ideal_config config = make(IDEAL_FIFO, IDEAL_POOL, 1, 2);

	(void)state;
	/* The third would fit from 2 on, but nobody passes the second. */
	CHECK(&config, {0, 10, 1, 0, 10}, {1, 5, 2, 10, 15}, {2, 5, 1, 15, 20});
}

static void test_fjf(void **state)
{
	const struct ideal_config config = make(IDEAL_FJF, IDEAL_POOL, 1, 2);

	(void)state;
	CHECK(&config, {0, 10, 1, 0, 10}, {1, 5, 2, 12, 17}, {2, 10, 1, 2, 12});
}

static void test_srtf(void **state)
{
	const struct ideal_config config = make(IDEAL_SRTF, IDEAL_POOL, 1, 1);

	(void)state;
	/* 1 loses its place to 2, which ends with as much left as 3 has: who came first, stays. */
	CHECK(&config, {0, 10, 1, 0, 12, 1}, {1, 2, 1, 1, 3}, {3, 9, 1, 12, 21});
}

static void test_srsf(void **state)
{
	const struct ideal_config config = make(IDEAL_SRSF, IDEAL_POOL, 1, 2);

	(void)state;
	/* At 1 the pair has 2 x 9 left against 12: it loses, though it would end earlier. */
	CHECK(&config, {0, 10, 2, 0, 22, 1}, {1, 12, 1, 1, 13});
}

static void test_las(void **state)
{
	struct ideal_config config = make(IDEAL_LAS, IDEAL_POOL, 1, 1);

	(void)state;
	config.limits_gpu_s[0] = 4;
	config.n_limits = 1;
	/* 1 sinks at 4 and makes room for 2, which sinks at 8 behind it. 3 is new at 9. */
	CHECK(&config, {0, 10, 1, 0, 15, 2}, {1, 6, 1, 4, 17, 1}, {9, 1, 1, 9, 10});
}

/* A threshold of 5 GPU-seconds on 2 GPUs is 2.5 s: noticed at 3 s, or at once. */
static void test_las_grain(void **state)
{
	struct ideal_config config = make(IDEAL_LAS, IDEAL_POOL, 1, 2);

	(void)state;
	config.limits_gpu_s[0] = 5;
	config.n_limits = 1;
	CHECK(&config, {0, 10, 2, 0, 12, 1}, {1, 2, 2, 3, 5});
	config.grain_ns = NS_PER_S / 2;
	config.limits_gpu_s[0] = 6;
	CHECK(&config, {0, 10, 2, 0, 12, 1}, {1, 2, 2, 3, 5});
	config.limits_gpu_s[0] = 4;
	CHECK(&config, {0, 10, 2, 0, 12, 1}, {1, 2, 2, 2, 4});
}

static void test_las_promote(void **state)
{
	struct ideal_config config = make(IDEAL_LAS, IDEAL_POOL, 1, 1);

	(void)state;
	config.limits_gpu_s[0] = 2;
	config.n_limits = 1;
	/* New jobs of 2 s keep coming; 1 waits from 2 on until there is none. */
	CHECK(&config, {0, 4, 1, 0, 10, 1}, {1, 2, 1, 2, 4}, {2, 2, 1, 4, 6}, {3, 2, 1, 6, 8});
	/* It ran for 2 s: after waiting 1 x 2 s it counts as new, behind 3 and 4. */
	config.promote = 1;
	CHECK(&config, {0, 4, 1, 0, 10, 1}, {1, 2, 1, 2, 4}, {2, 2, 1, 4, 6}, {3, 2, 1, 6, 8},
	      {5, 2, 1, 10, 12});
	config.promote = 0;
	CHECK(&config, {0, 4, 1, 0, 12, 1}, {1, 2, 1, 2, 4}, {2, 2, 1, 4, 6}, {3, 2, 1, 6, 8},
	      {5, 2, 1, 8, 10});
}

static void test_placement(void **state)
{
	const struct row three = {0, 10, 3, 0, 10};
	struct ideal_config config = make(IDEAL_FJF, IDEAL_POOL, 2, 4);

	(void)state;
	/* Two of 3 leave two single GPUs: a pair only in a pool. */
	CHECK(&config, three, three, {0, 10, 2, 0, 10});
	config.placement = IDEAL_FIRST_FIT;
	CHECK(&config, three, three, {0, 10, 2, 10, 20});
	config.placement = IDEAL_BEST_FIT;
	CHECK(&config, three, three, {0, 10, 2, 10, 20});
	/* A pair beside 3 or in the empty node: only best fit keeps room for the 4. */
	CHECK(&config, {0, 9, 4, 0, 9}, {1, 20, 2, 1, 21}, {9, 10, 2, 9, 19}, {9, 5, 4, 9, 14});
	config.placement = IDEAL_FIRST_FIT;
	CHECK(&config, {0, 9, 4, 0, 9}, {1, 20, 2, 1, 21}, {9, 10, 2, 9, 19}, {9, 5, 4, 19, 24});
}

/* 6 GPUs of 2 x 4: one idle node, the remainder on another with room; 9 never. */
static void test_gangs(void **state)
{
	const struct ideal_config config = make(IDEAL_FJF, IDEAL_FIRST_FIT, 2, 4);

	(void)state;
	CHECK(&config, {0, 10, 2, 0, 10}, {0, 10, 6, 0, 10}, {0, 1, 9, -1, -1}, {0, 5, 1, 10, 15},
	      {0, 5, 5, 10, 15});
	CHECK(&config, {0, 10, 3, 0, 10}, {0, 10, 6, 10, 20});
}

/* Charged at 4, and at 5 for more than it had; not for the last stretch, nor who is alone. */
static void test_overhead(void **state)
{
	const struct ideal_config config = make(IDEAL_FJF, IDEAL_POOL, 1, 4);

	(void)state;
	CHECK(&config, {0, 10, 1, 0, 13, 0, .overhead = 2}, {4, 1, 1, 4, 5},
	      {20, 3, 1, 20, 23, 0, .overhead = 9});
}

/* Who runs on keeps its GPUs in a pool; the last place is told. */
static void test_allocation(void **state)
{
	struct trace_job jobs[] = {
		{.id = 1, .run_ns = S(5), .request.num_gpus = 3},
		{.id = 2, .run_ns = S(9), .request.num_gpus = 3},
		{.id = 3, .run_ns = S(1), .request.num_gpus = 3, .submit_ns = S(1)},
	};
	const struct trace trace = {.jobs = jobs, .n_jobs = ARRAY_SIZE(jobs)};
	const struct ideal_config config = make(IDEAL_FJF, IDEAL_POOL, 2, 4);
	struct outcome *outcomes;

	(void)state;
	assert_int_equal(ideal_replay(&trace, &config, &outcomes), 0);
	assert_int_equal(outcomes[1].alloc.n_parts, 2);
	assert_int_equal(outcomes[1].alloc.parts[0].gpus, 0x8);
	assert_int_equal(outcomes[1].alloc.parts[1].gpus, 0x3);
	assert_int_equal(outcomes[2].start_ns, S(5));
	assert_int_equal(outcomes[2].alloc.n_parts, 1);
	assert_int_equal(outcomes[2].alloc.parts[0].gpus, 0x7);
	outcomes_destroy(outcomes, trace.n_jobs);
}

static void test_bad_config(void **state)
{
	const struct trace trace = {0};
	struct ideal_config config = make(IDEAL_LAS, IDEAL_POOL, 1, 8);
	struct outcome *outcomes;

	(void)state;
	assert_int_equal(ideal_replay(&trace, &config, &outcomes), 0);
	outcomes_destroy(outcomes, 0);
	config.n_limits = 2;
	config.limits_gpu_s[0] = config.limits_gpu_s[1] = 5;
	assert_int_equal(ideal_replay(&trace, &config, &outcomes), -EINVAL);
	config.n_limits = 1;
	config.grain_ns = 0;
	assert_int_equal(ideal_replay(&trace, &config, &outcomes), -EINVAL);
	config = make(IDEAL_FIFO, IDEAL_POOL, 0, 8);
	assert_int_equal(ideal_replay(&trace, &config, &outcomes), -EINVAL);
	config = make(IDEAL_FIFO, IDEAL_POOL, 1, 65);
	assert_int_equal(ideal_replay(&trace, &config, &outcomes), -EINVAL);
}

static void test_names(void **state)
{
	enum ideal_policy policy;
	enum ideal_placement placement;

	(void)state;
	for (unsigned i = 0; i < IDEAL_POLICY_COUNT; i++) {
		assert_int_equal(ideal_policy_parse(ideal_policy_name(i), &policy), 0);
		assert_int_equal(policy, i);
	}
	for (unsigned i = 0; i < IDEAL_PLACEMENT_COUNT; i++) {
		assert_int_equal(ideal_placement_parse(ideal_placement_name(i), &placement), 0);
		assert_int_equal(placement, i);
	}
	assert_int_equal(ideal_policy_parse("easy", &policy), -EINVAL);
	assert_int_equal(ideal_placement_parse("", &placement), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifo),	    cmocka_unit_test(test_fjf),
		cmocka_unit_test(test_srtf),	    cmocka_unit_test(test_srsf),
		cmocka_unit_test(test_las),	    cmocka_unit_test(test_las_grain),
		cmocka_unit_test(test_las_promote), cmocka_unit_test(test_placement),
		cmocka_unit_test(test_gangs),	    cmocka_unit_test(test_overhead),
		cmocka_unit_test(test_allocation),  cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
