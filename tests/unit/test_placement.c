/* SPDX-License-Identifier: MIT */
/*
 * scheduler/placement.h: the best set by brute force, against NVIDIA's own numbers, and rule P.
 *
 * The reference tables (topo_*) are not part of the project; without them that test skips.
 */
#include <inttypes.h>

#include "cluster.h"

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % bound;
}

/* Is {a} before {b} as ascending lists of ids? The definition, by walking both. */
static bool lower_ids(uint64_t a, uint64_t b)
{
	for (unsigned i = 0; i < 64; i++)
		if ((a >> i & 1) != (b >> i & 1))
			return a >> i & 1;
	return false;
}

/* Sum over pairs, from the matrix and not from the table. */
static int32_t score_of(const struct topology *topology, uint64_t set)
{
	int32_t sum = 0;

	for (unsigned i = 0; i < topology_count(topology); i++)
		for (unsigned j = 0; j < i; j++)
			if (set >> i & 1 && set >> j & 1)
				sum += topology_pair_score(topology, i, j);
	return sum;
}

/* Try all subsets: best score, then best rest, then lowest ids. */
static uint64_t brute_force(const struct topology *topology, uint64_t free, int k)
{
	int32_t best_score = INT32_MIN, best_rest = INT32_MIN;
	uint64_t best = 0;

	for (uint64_t set = free;; set = (set - 1) & free) {
		int32_t score, rest;

		if (__builtin_popcountll(set) == k) {
			score = score_of(topology, set);
			rest = score_of(topology, free & ~set);
			if (score > best_score || (score == best_score && rest > best_rest) ||
			    (score == best_score && rest == best_rest && lower_ids(set, best))) {
				best_score = score;
				best_rest = rest;
				best = set;
			}
		}
		if (set == 0)
			return best;
	}
}

static struct topology *random_topology(unsigned n, unsigned values)
{
	int32_t scores[TOPOLOGY_GPUS_MAX * TOPOLOGY_GPUS_MAX] = {0};

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			scores[i * n + j] = scores[j * n + i] = (int32_t)random_below(values) * 10;
	return topology_create_scores(n, scores);
}

static void test_best_set_by_brute_force(void **state)
{
	const char *given = getenv("TGPU_TEST_SEED");

	(void)state;
	random_state = given ? strtoull(given, NULL, 0) : 4;
	print_message("# seed %" PRIu64 " (TGPU_TEST_SEED)\n", random_state);
	for (int round = 0; round < 1500; round++) {
		unsigned n = 1 + (unsigned)random_below(10);
		struct topology *topology = random_topology(n, 1 + (unsigned)random_below(5));
		uint64_t free = random_below(UINT64_C(1) << n);
		int k = (int)random_below((uint64_t)__builtin_popcountll(free) + 1);

		assert_int_equal(placement_choose_gpus(topology, free, (unsigned)k),
				 brute_force(topology, free, k));
		topology_destroy(topology);
	}
}

static void test_sixteen_gpus_are_exact(void **state)
{
	struct topology *topology;

	(void)state;
	random_state = 5;
	topology = random_topology(16, 4);
	for (int k = 1; k < 16; k += 3)
		assert_int_equal(placement_choose_gpus(topology, 0xffff, (unsigned)k),
				 brute_force(topology, 0xffff, k));
	topology_destroy(topology);
}

/* The pair scores of one node of topo_nodes_and_tests.json: the numbers between its brackets. */
static struct topology *read_topology(const char *json, const char *node)
{
	int32_t scores[64];
	size_t n = 0;
	const char *at = strstr(json, node);

	assert_non_null(at);
	at = strchr(at, '[');
	for (int depth = 0; *at; at++) {
		depth += (*at == '[') - (*at == ']');
		if (depth == 0)
			break;
		if (*at < '0' || *at > '9')
			continue;
		assert_true(n < ARRAY_SIZE(scores));
		scores[n++] = (int32_t)strtol(at, (char **)&at, 10);
		at--;
	}
	return topology_create_scores(n == 64 ? 8 : 4, scores);
}

static const struct topology *find_topology(const char *const *names, struct topology **topologies,
					    const char *name)
{
	for (size_t i = 0; i < 3; i++)
		if (STREQ(names[i], name))
			return topologies[i];
	fail_msg("%s", name);
	return NULL;
}

static void check_row(const struct topology *topology, const char *numbers)
{
	unsigned long free, k, want;
	long score, rest;
	uint64_t set;

	assert_int_equal(sscanf(numbers, "%lu,%lu,%lu,%ld,%ld", &free, &k, &want, &score, &rest),
			 5);
	set = placement_choose_gpus(topology, free, (unsigned)k);
	assert_int_equal(set, want);
	assert_int_equal(topology_set_score(topology, set), score);
	assert_int_equal(topology_set_score(topology, free & ~set), rest);
}

static void test_reference_tables(void **state)
{
	static const char *const names[] = {"4xRTX8000", "DGX1Pascal", "DGX1Volta"};
	const char *root = getenv("TGPU_SOURCE_ROOT");
	struct topology *topologies[3];
	_cleanup_(free_ptr) char *json = NULL;
	char path[4096], line[256];
	size_t rows = 0;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/../shared/data/oracle/topo_nodes_and_tests.json",
		 root ? root : ".");
	if (read_file(path, 1 << 20, &json, NULL) < 0) {
		print_message("# skipped: no reference data at %s\n", path);
		skip();
	}
	for (size_t i = 0; i < 3; i++)
		topologies[i] = read_topology(json, names[i]);
	snprintf(path, sizeof(path), "gzip -dc '%s/../shared/data/oracle/topo_best_sets.csv.gz'",
		 root ? root : ".");
	f = popen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f)); /* the header */
	for (; fgets(line, sizeof(line), f); rows++) {
		char *comma = strchr(line, ',');

		*comma = '\0';
		check_row(find_topology(names, topologies, line), comma + 1);
	}
	assert_int_equal(pclose(f), 0);
	assert_true(rows > 2000);
	for (size_t i = 0; i < 3; i++)
		topology_destroy(topologies[i]);
}

/* Pairs first, quads next: what a DGX-1V hands out when empty, and what stays whole. */
static void test_dgx1v_choices(void **state)
{
	struct topology *topology = cluster_dgx1v();
	uint64_t pair = placement_choose_gpus(topology, 0xff, 2), single;

	(void)state;
	assert_int_equal(pair, 0x0c); /* 2 and 3: two NVLinks and one switch */
	assert_int_equal(placement_choose_gpus(topology, 0xff, 4), 0x0f);
	assert_int_equal(placement_choose_gpus(topology, 0xff & ~0x0fu, 4), 0xf0);
	/* A single GPU comes from the broken quad, not from the whole one. */
	single = placement_choose_gpus(topology, 0xff & ~pair, 1);
	assert_true(single & 0x03);
	assert_int_equal(placement_choose_gpus(topology, 0xff, 8), 0xff);
	assert_int_equal(placement_choose_gpus(topology, 0xff, 0), 0);
	topology_destroy(topology);
}

static uint64_t lowest(uint64_t free, unsigned k)
{
	uint64_t set = 0;

	for (; k > 0; k--, free &= free - 1)
		set |= free & -free;
	return set;
}

static void test_large_nodes_get_a_sane_set(void **state)
{
	(void)state;
	random_state = 6;
	for (int round = 0; round < 300; round++) {
		unsigned n = 17 + (unsigned)random_below(48);
		struct topology *topology = random_topology(n, 5);
		uint64_t all = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
		uint64_t free = all & (random_below(UINT64_C(1) << 31) << 33 |
				       random_below(UINT64_C(1) << 31) << 2 | 3);
		unsigned k = (unsigned)random_below((uint64_t)__builtin_popcountll(free) + 1);
		uint64_t set = placement_choose_gpus(topology, free, k);

		assert_int_equal(__builtin_popcountll(set), k);
		assert_int_equal(set & ~free, 0);
		assert_int_equal(placement_choose_gpus(topology, free, k), set);
		assert_true(score_of(topology, set) >= score_of(topology, lowest(free, k)));
		topology_destroy(topology);
	}
}

/* Islands of four among 64: the greedy choice takes a whole one. */
static void test_large_node_of_islands(void **state)
{
	static int32_t scores[64 * 64];
	struct topology *topology;
	uint64_t free = UINT64_MAX & ~UINT64_C(0x1111);

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		for (unsigned j = 0; j < 64; j++)
			scores[i * 64 + j] = i == j ? 0 : i / 4 == j / 4 ? 200 : 10;
	topology = topology_create_scores(64, scores);
	assert_int_equal(placement_choose_gpus(topology, free, 4), UINT64_C(0xf0000));
	topology_destroy(topology);
}

static void take(struct ledger *ledger, uint32_t node, uint64_t gpus, uint32_t cpus)
{
	struct allocation_part part = {.node = node, .gpus = gpus, .cpus = cpus};

	ledger_take(ledger, &(struct allocation){&part, 1});
}

/* Place and expect "node:gpus node:gpus", "-" for no fit. */
static void expect(const struct ledger *ledger, struct request request, const char *want)
{
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	char got[256] = "-";
	int r = placement_find(ledger, &request, &alloc);

	assert_int_equal(placement_fits(ledger, &request), r == 0);
	for (size_t i = 0; i < alloc.n_parts; i++) {
		size_t len = i ? strlen(got) : 0;

		snprintf(got + len, sizeof(got) - len, "%s%u:%" PRIx64, i ? " " : "",
			 alloc.parts[i].node, alloc.parts[i].gpus);
	}
	assert_string_equal(got, want);
}

#define GPUS(n, ...) ((struct request){.num_gpus = (n), __VA_ARGS__})

static void test_best_fit_among_nodes(void **state)
{
	_cleanup_(ledger_finish) struct ledger ledger = {0};

	(void)state;
	for (int i = 0; i < 4; i++)
		cluster_add(&ledger, 8, 32, 1024, NULL);
	take(&ledger, 1, 0x0f, 0);
	take(&ledger, 2, 0x3f, 0);
	take(&ledger, 3, 0x3f, 0);
	expect(&ledger, GPUS(1), "2:40");
	expect(&ledger, GPUS(2), "2:c0");
	expect(&ledger, GPUS(3), "1:70");
	expect(&ledger, GPUS(5), "0:1f");
	expect(&ledger, GPUS(8), "0:ff");
	expect(&ledger, GPUS(0), "2:0"); /* needs none, so it goes where fewest are free */
	expect(&ledger, GPUS(1, .cpus = 33), "-");
	take(&ledger, 2, 0, 30);
	expect(&ledger, GPUS(2, .cpus = 3), "3:c0");
	expect(&ledger, GPUS(2, .cpus = 2), "2:c0");
	expect(&ledger, GPUS(2, .mem_bytes = 1025), "-");
}

static void test_gangs_over_nodes(void **state)
{
	_cleanup_(ledger_finish) struct ledger ledger = {0};

	(void)state;
	for (int i = 0; i < 4; i++)
		cluster_add(&ledger, 8, 32, 1024, NULL);
	expect(&ledger, GPUS(32), "0:ff 1:ff 2:ff 3:ff");
	expect(&ledger, GPUS(33), "-");
	take(&ledger, 0, 0x3f, 0);
	expect(&ledger, GPUS(32), "-");
	expect(&ledger, GPUS(16), "1:ff 2:ff");
	expect(&ledger, GPUS(18), "1:ff 2:ff 0:c0"); /* the rest by best fit */
	expect(&ledger, GPUS(19), "1:ff 2:ff 3:7");
	expect(&ledger, GPUS(26), "1:ff 2:ff 3:ff 0:c0");
	expect(&ledger, GPUS(27), "-");
	take(&ledger, 1, 0x01, 0);
	expect(&ledger, GPUS(24), "-"); /* whole nodes only: 7 + 8 + 8 + 1 would do, but not here */
	/* CPUs go with the GPUs: 3 per GPU of 16, 24 on each node, of which 32 - 16 are left. */
	expect(&ledger, GPUS(16, .cpus = 48), "2:ff 3:ff");
	take(&ledger, 2, 0, 16);
	expect(&ledger, GPUS(16, .cpus = 48), "-");
	expect(&ledger, GPUS(16, .cpus = 32), "2:ff 3:ff");
}

static void test_a_gang_gets_its_share_of_cpus_and_memory(void **state)
{
	_cleanup_(ledger_finish) struct ledger ledger = {0};
	_cleanup_(allocation_finish) struct allocation alloc = {0};
	struct request request = GPUS(10, .cpus = 29, .mem_bytes = 1000);

	(void)state;
	for (int i = 0; i < 2; i++)
		cluster_add(&ledger, 8, 32, 1024, NULL);
	assert_int_equal(placement_find(&ledger, &request, &alloc), 0);
	assert_int_equal(alloc.n_parts, 2);
	assert_int_equal(alloc.parts[0].cpus, 16); /* floor(29 / 10) per GPU */
	assert_int_equal(alloc.parts[1].cpus, 4);
	assert_int_equal(alloc.parts[0].mem_bytes, 800);
	assert_int_equal(alloc.parts[1].mem_bytes, 200);
}

static void test_type_and_memory(void **state)
{
	_cleanup_(ledger_finish) struct ledger ledger = {0};
	struct node_gpu *gpus = xcalloc(4, sizeof(*gpus));
	uint32_t v100;

	(void)state;
	ledger_init(&ledger);
	v100 = ledger_intern_type(&ledger, "v100");
	snprintf(gpus[1].type, sizeof(gpus[1].type), "Tesla V100-SXM2-16GB");
	snprintf(gpus[3].type, sizeof(gpus[3].type), "Tesla V100-SXM2-32GB");
	gpus[1].mem_bytes = UINT64_C(16) << 30;
	gpus[3].mem_bytes = UINT64_C(32) << 30;
	ledger_add_node(&ledger, "node", 8, 0);
	ledger_set_gpus(&ledger, 0, gpus, 4, cluster_flat(4));
	assert_int_equal(ledger_intern_type(&ledger, "V100"), v100);
	assert_int_equal(ledger_intern_type(&ledger, ""), 0);
	assert_string_equal(ledger_type_name(&ledger, v100), "v100");
	expect(&ledger, GPUS(2, .gpu_type = v100), "0:a");
	expect(&ledger, GPUS(3, .gpu_type = v100), "-");
	expect(&ledger, GPUS(1, .gpu_mem_bytes = UINT64_C(17) << 30), "0:8");
	expect(&ledger, GPUS(1, .gpu_mem_bytes = 1), "0:2"); /* unknown memory is not enough */
	expect(&ledger, GPUS(1, .gpu_type = ledger_intern_type(&ledger, "h100")), "-");
	expect(&ledger, GPUS(4), "0:f");
}

static void test_unready_and_taken_gpus_are_never_handed_out(void **state)
{
	(void)state;
	random_state = 7;
	for (int round = 0; round < 500; round++) {
		_cleanup_(ledger_finish) struct ledger ledger = {0};
		_cleanup_(allocation_finish) struct allocation alloc = {0};
		unsigned n = 1 + (unsigned)random_below(12);
		uint64_t usable = 0;
		struct request request;

		cluster_add(&ledger, n, 8, 0, random_topology(n, 4));
		for (unsigned i = 0; i < n; i++) {
			enum gpu_condition condition = (enum gpu_condition)random_below(10);

			if (condition < GPU_CONDITION_COUNT)
				cluster_condition(&ledger, 0, i, condition, "");
			if (condition == GPU_READY || condition >= GPU_CONDITION_COUNT)
				usable |= UINT64_C(1) << i;
			if (random_below(3) == 0) {
				take(&ledger, 0, UINT64_C(1) << i, 0);
				usable &= ~(UINT64_C(1) << i);
			}
		}
		request = GPUS((uint32_t)random_below(n + 2));
		if (placement_find(&ledger, &request, &alloc) == PLACE_NO_FIT) {
			assert_true((uint32_t)__builtin_popcountll(usable) < request.num_gpus);
			continue;
		}
		assert_int_equal(alloc.n_parts, 1);
		assert_int_equal(alloc.parts[0].gpus & ~usable, 0);
		assert_int_equal(__builtin_popcountll(alloc.parts[0].gpus), request.num_gpus);
	}
}

static void test_a_cluster_without_nodes_or_gpus(void **state)
{
	_cleanup_(ledger_finish) struct ledger ledger = {0};

	(void)state;
	expect(&ledger, GPUS(0), "-");
	expect(&ledger, GPUS(1), "-");
	ledger_add_node(&ledger, "cpus", 4, 100);
	expect(&ledger, GPUS(1), "-");
	expect(&ledger, GPUS(0, .cpus = 4), "0:0");
	expect(&ledger, GPUS(0, .cpus = 5), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_set_by_brute_force),
		cmocka_unit_test(test_sixteen_gpus_are_exact),
		cmocka_unit_test(test_reference_tables),
		cmocka_unit_test(test_dgx1v_choices),
		cmocka_unit_test(test_large_nodes_get_a_sane_set),
		cmocka_unit_test(test_large_node_of_islands),
		cmocka_unit_test(test_best_fit_among_nodes),
		cmocka_unit_test(test_gangs_over_nodes),
		cmocka_unit_test(test_a_gang_gets_its_share_of_cpus_and_memory),
		cmocka_unit_test(test_type_and_memory),
		cmocka_unit_test(test_unready_and_taken_gpus_are_never_handed_out),
		cmocka_unit_test(test_a_cluster_without_nodes_or_gpus),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
