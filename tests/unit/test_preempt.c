/* SPDX-License-Identifier: MIT */
/*
 * scheduler/preempt.h against all subsets of those who may be told to go.
 *
 * Where only GPUs of one node are short, nobody finds a cheaper set; otherwise the set suffices,
 * and nobody in it could stay.
 */
#include "cluster.h"
#include "draw.h"
#include "scheduler/preempt.h"

#define JOBS	 10
#define NOW	 1000
#define IMMUNITY 20
#define GRACE	 3

struct fixture {
	struct ledger ledger;
	struct running runnings[JOBS], *list[JOBS];
	size_t n;
	struct shape shape; /* of the job that asks */
	struct preempt_request asked;
	struct preempt_params params;
};

/* What preempt_find() said. */
struct answer {
	int r;
	struct running **victims; /* owned */
	size_t n;
	int64_t immune_ns;
};

static void open_machine(struct fixture *f, size_t nodes, unsigned gpus, uint32_t cpus)
{
	*f = (struct fixture){
		.params = {.enabled = true,
			   .immunity_ns = IMMUNITY,
			   .restart_ns = 5,
			   .grace_ns = GRACE},
		.asked = {.key = {.id = 1}, .priority = 5, .order.policy = &policy_fifo},
	};
	f->asked.shape = &f->shape;
	ledger_init(&f->ledger);
	for (size_t i = 0; i < nodes; i++)
		cluster_add(&f->ledger, gpus, cpus, 0, NULL);
}

static void close_machine(struct fixture *f)
{
	for (size_t i = 0; i < f->n; i++)
		allocation_finish(&f->runnings[i].alloc);
	ledger_finish(&f->ledger);
}

/* A preemptible job of lower priority that has run for `ran`. False: no room. */
static bool run_job(struct fixture *f, uint32_t gpus, uint32_t cpus, int64_t ran)
{
	struct request request = {.num_gpus = gpus, .cpus = cpus};
	struct running *running = &f->runnings[f->n];

	*running = (struct running){
		.job = 10 + f->n,
		.key = {.id = 10 + f->n},
		.start_ns = NOW - ran,
		.end_ns = TIME_NEVER,
		.preemptible = true,
	};
	if (placement_find(&f->ledger, &request, &running->alloc))
		return false;
	ledger_take(&f->ledger, &running->alloc);
	f->list[f->n++] = running;
	return true;
}

static struct answer ask(const struct fixture *f)
{
	struct answer answer = {0};

	answer.r = preempt_find(&f->ledger, f->list, f->n, &f->asked, &f->params, NOW,
				&answer.victims, &answer.n, &answer.immune_ns);
	return answer;
}

/* The victims' ids, as "10 12". */
static void expect_victims(const struct fixture *f, const char *want)
{
	struct answer answer = ask(f);
	char text[64] = "";

	assert_int_equal(answer.r, *want ? 0 : PREEMPT_NONE);
	for (size_t i = 0; i < answer.n; i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%d", i ? " " : "",
			 (int)answer.victims[i]->job);
	}
	assert_string_equal(text, want);
	free(answer.victims);
}

static double cost_of(const struct fixture *f, const struct running *running)
{
	unsigned gpus = 0;

	for (size_t i = 0; i < running->alloc.n_parts; i++)
		gpus += (unsigned)__builtin_popcountll(running->alloc.parts[i].gpus);
	return (gpus ? gpus : 1) * (double)(NOW - running->start_ns + f->params.restart_ns);
}

static bool is_immune(const struct running *running)
{
	return NOW - running->start_ns < IMMUNITY;
}

static bool yields(const struct fixture *f, const struct running *running)
{
	return running->preemptible && !running->leaving && running->end_ns > NOW + GRACE &&
	       running->priority < f->asked.priority &&
	       queue_key_compare(&f->asked.key, &running->key) < 0;
}

/* Would it fit with these gone, by index, and those that go anyway? */
static bool fits_without(const struct fixture *f, unsigned gone)
{
	struct ledger scratch;
	bool fits;

	ledger_scratch_init(&scratch, &f->ledger);
	for (size_t i = 0; i < f->n; i++)
		if (gone >> i & 1 || f->runnings[i].leaving || f->runnings[i].end_ns <= NOW + GRACE)
			ledger_give(&scratch, &f->runnings[i].alloc);
	fits = placement_fits(&scratch, &f->shape.request);
	ledger_scratch_finish(&scratch);
	return fits;
}

/* The least cost of a set of victims that suffices; negative: there is none. */
static double least_cost(const struct fixture *f, unsigned *ret_fewest)
{
	double least = -1;

	for (unsigned set = 1; set < 1U << f->n; set++) {
		double cost = 0;
		bool may = true;

		for (size_t i = 0; i < f->n; i++) {
			if (!(set >> i & 1))
				continue;
			may = may && yields(f, &f->runnings[i]) && !is_immune(&f->runnings[i]);
			cost += cost_of(f, &f->runnings[i]);
		}
		if (!may || !fits_without(f, set))
			continue;
		if (least < 0 || cost < least) {
			least = cost;
			*ret_fewest = (unsigned)__builtin_popcount(set);
		} else if (cost <= least && (unsigned)__builtin_popcount(set) < *ret_fewest) {
			*ret_fewest = (unsigned)__builtin_popcount(set);
		}
	}
	return least;
}

static void check(const struct fixture *f, bool exact)
{
	struct answer answer = ask(f);
	unsigned fewest = 0, gone = 0;
	double least = fits_without(f, 0) ? -1 : least_cost(f, &fewest), cost = 0;

	assert_int_equal(answer.r, least < 0 ? PREEMPT_NONE : 0);
	for (size_t i = 0; i < answer.n; i++) {
		gone |= 1U << (answer.victims[i] - f->runnings);
		cost += cost_of(f, answer.victims[i]);
		assert_true(yields(f, answer.victims[i]) && !is_immune(answer.victims[i]));
	}
	if (answer.n > 0)
		assert_true(fits_without(f, gone));
	for (size_t i = 0; i < f->n; i++)
		if (gone >> i & 1)
			assert_false(fits_without(f, gone & ~(1U << i)));
	if (answer.n > 0 && exact) {
		assert_true(cost == least);
		assert_int_equal(answer.n, fewest);
	}
	free(answer.victims);
}

static void draw_jobs(struct fixture *f, uint32_t most_gpus, uint32_t most_cpus)
{
	while (f->n < JOBS - 1 && draw(12)) {
		struct running *running = &f->runnings[f->n];

		if (!run_job(f, (uint32_t)draw(most_gpus + 1), (uint32_t)draw(most_cpus + 1),
			     (int64_t)draw(60)))
			continue;
		running->preemptible = draw(8);
		running->priority = (int32_t)draw(7);
		running->leaving = draw(8) == 0;
		if (draw(8) == 0)
			running->end_ns = NOW + (int64_t)draw(6);
		if (draw(8) == 0)
			running->key.id = 0; /* before the job that asks */
	}
}

static void test_no_set_is_cheaper(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 1500; round++) {
		struct fixture f;

		draw_seed(round);
		open_machine(&f, 1 + draw(3), 1 + (unsigned)draw(8), 100);
		draw_jobs(&f, 4, 0);
		f.shape.request.num_gpus = 1 + (uint32_t)draw(f.ledger.nodes[0].n_gpus);
		check(&f, true);
		close_machine(&f);
	}
}

static void test_gangs_and_cpus(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 1500; round++) {
		struct fixture f;

		draw_seed(round);
		open_machine(&f, 1 + draw(3), 1 + (unsigned)draw(4), 1 + (uint32_t)draw(8));
		draw_jobs(&f, 3, 4);
		f.shape.request.num_gpus = (uint32_t)draw(10);
		f.shape.request.cpus = (uint32_t)draw(8);
		check(&f, false);
		close_machine(&f);
	}
}

static void test_the_cheapest_goes(void **state)
{
	struct fixture f;

	(void)state;
	open_machine(&f, 1, 4, 16);
	run_job(&f, 2, 0, 100); /* 10: 2 x 105 */
	run_job(&f, 1, 0, 150); /* 11: 155 */
	run_job(&f, 1, 0, 200); /* 12: 205 */
	f.shape.request.num_gpus = 1;
	expect_victims(&f, "11");
	f.shape.request.num_gpus = 2;
	expect_victims(&f, "10"); /* 210 against 360 */
	f.shape.request.num_gpus = 3;
	expect_victims(&f, "11 10");
	close_machine(&f);
}

static void test_who_need_not_go(void **state)
{
	struct fixture f;

	(void)state;
	open_machine(&f, 1, 1, 16);
	f.shape.request.num_gpus = 1;
	expect_victims(&f, ""); /* nobody is in the way */
	run_job(&f, 1, 0, IMMUNITY);
	expect_victims(&f, "10");
	f.runnings[0].preemptible = false;
	expect_victims(&f, "");
	f.runnings[0].preemptible = true;
	f.runnings[0].priority = f.asked.priority;
	expect_victims(&f, "");
	f.runnings[0].priority = f.asked.priority - 1;
	f.runnings[0].key.rank = -1; /* it would take its place back at once */
	expect_victims(&f, "");
	f.runnings[0].key.rank = 0;
	f.runnings[0].leaving = true;
	expect_victims(&f, "");
	f.runnings[0].leaving = false;
	f.runnings[0].end_ns = NOW + GRACE; /* it will be gone as soon by itself */
	expect_victims(&f, "");
	f.runnings[0].end_ns++;
	expect_victims(&f, "10");
	close_machine(&f);
}

static void test_the_end_of_immunity_is_told(void **state)
{
	struct fixture f;
	struct answer answer;

	(void)state;
	open_machine(&f, 1, 3, 16);
	run_job(&f, 1, 0, 1);
	run_job(&f, 1, 0, 5); /* the first to lose it */
	run_job(&f, 1, 0, 19);
	f.runnings[2].preemptible = false;
	f.shape.request.num_gpus = 1;
	answer = ask(&f);
	assert_int_equal(answer.r, PREEMPT_NONE);
	assert_int_equal(answer.immune_ns, NOW - 5 + IMMUNITY);
	f.runnings[0].leaving = true; /* enough: nobody need be woken */
	answer = ask(&f);
	assert_int_equal(answer.r, PREEMPT_NONE);
	assert_true(answer.immune_ns == TIME_NEVER);
	close_machine(&f);
}

/* A gang that runs on two nodes is charged once, and frees both. */
static void test_a_gang_over_nodes(void **state)
{
	struct fixture f;

	(void)state;
	open_machine(&f, 2, 2, 16);
	run_job(&f, 4, 0, 100);
	f.shape.request.num_gpus = 1;
	expect_victims(&f, "10");
	f.shape.request.num_gpus = 4;
	expect_victims(&f, "10");
	close_machine(&f);
	open_machine(&f, 2, 2, 16);
	for (int i = 0; i < 4; i++)
		run_job(&f, 1, 0, 100 + i);
	f.shape.request.num_gpus = 4;
	expect_victims(&f, "10 11 12 13");
	f.runnings[3].preemptible = false;
	expect_victims(&f, ""); /* not in part */
	close_machine(&f);
}

static void test_a_shortage_of_cpus(void **state)
{
	struct fixture f;

	(void)state;
	open_machine(&f, 1, 4, 8);
	run_job(&f, 0, 2, 100); /* cheap, and not enough */
	run_job(&f, 1, 5, 200);
	f.shape.request.num_gpus = 1;
	f.shape.request.cpus = 5;
	expect_victims(&f, "11"); /* who need not go stays */
	f.shape.request.cpus = 8;
	expect_victims(&f, "10 11");
	close_machine(&f);
}

/* What is being cleaned will be free without anybody going. */
static void test_a_gpu_that_is_being_cleaned(void **state)
{
	struct fixture f;

	(void)state;
	open_machine(&f, 1, 2, 16);
	run_job(&f, 1, 0, 100);
	cluster_condition(&f.ledger, 0, 1, GPU_CLEANING, "");
	f.shape.request.num_gpus = 1;
	expect_victims(&f, "");
	f.shape.request.num_gpus = 2;
	expect_victims(&f, "10");
	close_machine(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_set_is_cheaper),
		cmocka_unit_test(test_gangs_and_cpus),
		cmocka_unit_test(test_the_cheapest_goes),
		cmocka_unit_test(test_who_need_not_go),
		cmocka_unit_test(test_the_end_of_immunity_is_told),
		cmocka_unit_test(test_a_gang_over_nodes),
		cmocka_unit_test(test_a_shortage_of_cpus),
		cmocka_unit_test(test_a_gpu_that_is_being_cleaned),
	};

	return cmocka_run_group_tests_name("preempt", tests, NULL, NULL);
}
