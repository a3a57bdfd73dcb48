/* SPDX-License-Identifier: MIT */
/* scheduler/topology.h: what a link is worth, and what a set is. */
#include "cluster.h"

static int32_t pair_of(struct gpu_link there, struct gpu_link back, int numa_a, int numa_b)
{
	struct gpu_link links[4] = {{0}, there, back, {0}};
	struct topology *topology = topology_create(2, links, (int[]){numa_a, numa_b});
	int32_t score = topology_pair_score(topology, 0, 1);

	assert_int_equal(topology_pair_score(topology, 1, 0), score);
	assert_int_equal(topology_pair_score(topology, 0, 0), 0);
	topology_destroy(topology);
	return score;
}

static void test_every_class_of_link(void **state)
{
	static const struct {
		struct gpu_link link;
		int32_t score;
	} rows[] = {
		{{PCI_LINK_UNKNOWN, 0}, 0},
		{{PCI_LINK_SYS, 0}, 10},
		{{PCI_LINK_NODE, 0}, 20},
		{{PCI_LINK_PHB, 0}, 30},
		{{PCI_LINK_PXB, 0}, 40},
		{{PCI_LINK_PIX, 0}, 50},
		{{PCI_LINK_BOARD, 0}, 60},
		{{PCI_LINK_SYS, 1}, 110},
		{{PCI_LINK_PIX, 2}, 250},
		{{PCI_LINK_NODE, 18}, 1820},
		{{200, 0}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(pair_of(rows[i].link, rows[i].link, 0, 1), rows[i].score);
}

static void test_ends_that_disagree_count_as_the_weaker(void **state)
{
	struct gpu_link two = {PCI_LINK_PHB, 2}, one = {PCI_LINK_PHB, 1}, none = {0, 0};

	(void)state;
	assert_int_equal(pair_of(two, one, 0, 1), 130);
	assert_int_equal(pair_of(one, two, 0, 1), 130);
	assert_int_equal(pair_of(two, none, 0, 1), 0);
}

/* Some machines say SYS for every pair, sockets or not. */
static void test_one_numa_node_is_at_least_node(void **state)
{
	struct gpu_link sys = {PCI_LINK_SYS, 0}, unknown = {0, 0}, phb = {PCI_LINK_PHB, 0};
	struct gpu_link nvlink = {PCI_LINK_SYS, 2};

	(void)state;
	assert_int_equal(pair_of(sys, sys, 1, 1), 20);
	assert_int_equal(pair_of(unknown, unknown, 1, 1), 20);
	assert_int_equal(pair_of(phb, phb, 1, 1), 30);
	assert_int_equal(pair_of(nvlink, nvlink, 1, 1), 220);
	assert_int_equal(pair_of(sys, sys, 0, 1), 10);
	assert_int_equal(pair_of(sys, sys, -1, -1), 10); /* both unknown is not "the same" */
}

static void test_dgx1v_pairs(void **state)
{
	static const int32_t first_row[8] = {0, 150, 130, 230, 210, 10, 10, 10};
	struct topology *topology = cluster_dgx1v();

	(void)state;
	assert_int_equal(topology_count(topology), 8);
	for (unsigned j = 0; j < 8; j++)
		assert_int_equal(topology_pair_score(topology, 0, j), first_row[j]);
	assert_int_equal(topology_pair_score(topology, 2, 3), 250);
	assert_int_equal(topology_set_score(topology, 0x0f), 150 + 130 + 230 + 230 + 130 + 250);
	assert_int_equal(topology_set_score(topology, 0xf0), 1120);
	assert_int_equal(topology_set_score(topology, 0), 0);
	assert_int_equal(topology_set_score(topology, 0x10), 0);
	topology_destroy(topology);
}

/* By table and by sum: the same, on both sides of the limit. */
static void test_set_score_is_the_sum_over_pairs(void **state)
{
	static const unsigned sizes[] = {1, 5, 16, 17, 64};

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned n = sizes[s];
		_cleanup_(free_ptr) int32_t *scores = xcalloc((size_t)n * n, sizeof(*scores));
		struct topology *topology;
		uint64_t set = UINT64_C(0x9e3779b97f4a7c15);

		for (unsigned i = 0; i < n; i++)
			for (unsigned j = 0; j < i; j++)
				scores[i * n + j] = scores[j * n + i] =
					(int32_t)((i * 31 + j * 17) % 23);
		topology = topology_create_scores(n, scores);
		for (int round = 0; round < 50; round++) {
			uint64_t members = n < 64 ? set & ((UINT64_C(1) << n) - 1) : set;
			int32_t want = 0;

			for (unsigned i = 0; i < n; i++)
				for (unsigned j = 0; j < i; j++)
					if (members >> i & 1 && members >> j & 1)
						want += scores[i * n + j];
			assert_int_equal(topology_set_score(topology, members), want);
			set = set * UINT64_C(6364136223846793005) + 1;
		}
		topology_destroy(topology);
	}
}

static void test_no_gpus_at_all(void **state)
{
	struct topology *topology = topology_create(0, NULL, NULL);

	(void)state;
	assert_int_equal(topology_count(topology), 0);
	assert_int_equal(topology_set_score(topology, 0), 0);
	topology_destroy(topology);
	topology_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_class_of_link),
		cmocka_unit_test(test_ends_that_disagree_count_as_the_weaker),
		cmocka_unit_test(test_one_numa_node_is_at_least_node),
		cmocka_unit_test(test_dgx1v_pairs),
		cmocka_unit_test(test_set_score_is_the_sum_over_pairs),
		cmocka_unit_test(test_no_gpus_at_all),
	};

	return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
