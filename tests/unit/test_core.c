/* SPDX-License-Identifier: MIT */
/*
 * scheduler/core.h by hand: small machines, few jobs, each promise once. What holds for all
 * machines and queues is in tests/property.
 */
#include "fixture.h"

static void test_fifo_starts_in_order_of_submit_then_id(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 2, &policy_fifo, BACKFILL_EASY);
	submit(&f, 2, 1, 900, 0);
	submit(&f, 1, 1, -900, 0);
	f.now_ns = S(2);
	submit(&f, 3, 1, 0, 0);
	expect_at(&f, 2, "1 2");
	sched_release(f.sched, 2, f.now_ns);
	expect_at(&f, 3, "3");
	finish(&f);
}

/* One point of priority is worth 60 s here. */
static void test_priority_ages(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 1, &policy_priority, BACKFILL_EASY);
	f.now_ns = S(1000);
	submit(&f, 1, 1, 0, 0);
	f.now_ns = S(1299);
	submit(&f, 2, 1, 5, 0); /* 299 s later, 300 s of credit: before job 1 */
	f.now_ns = S(1300);
	submit(&f, 3, 1, 5, 0); /* worth as much as job 1: by submit, after it */
	submit(&f, 4, 1, -1, 0);
	expect_at(&f, 1300, "2");
	sched_release(f.sched, 2, f.now_ns);
	expect_at(&f, 1301, "1");
	sched_release(f.sched, 1, f.now_ns);
	expect_at(&f, 1302, "3");
	sched_release(f.sched, 3, f.now_ns);
	expect_at(&f, 1303, "4");
	finish(&f);
}

/* A wall clock was set back: nobody has waited for less than nothing, so size decides. */
static void test_a_clock_that_is_set_back_makes_nobody_smaller(void **state)
{
	static const struct sched_config config = {
		.policy = &policy_shortest,
		.params = {.tau_ns = S(100), .cap_ns = S(5000)},
		.backfill = BACKFILL_EASY,
	};
	struct fixture f;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 1, 16, 0, NULL);
	f.now_ns = S(400);
	submit(&f, 1, 1, 0, 30); /* waits for -300 s: not -30 / 2 s long */
	f.now_ns = S(200);
	submit(&f, 2, 1, 0, 20); /* waits for -100 s: not 20 / 0 s long */
	f.now_ns = S(100);
	submit(&f, 3, 1, 0, 25);
	expect_at(&f, 100, "2");
	end_at(&f, 101, 2);
	expect_at(&f, 101, "3");
	end_at(&f, 102, 3);
	expect_at(&f, 102, "1");
	finish(&f);
}

static int64_t rank(const struct job *job, int64_t point_ns)
{
	return policy_priority.rank(job, TIME_NEVER, &(struct policy_params){.point_ns = point_ns});
}

static void test_extreme_priorities_do_not_overflow(void **state)
{
	struct job low = cluster_job(1, 1, S(1000), 0), high = cluster_job(2, 1, S(2000), 0);
	struct job middle = cluster_job(3, 1, S(1500), 0);

	(void)state;
	low.priority = -1000;
	high.priority = 1000;
	assert_true(rank(&high, INT64_MAX) < rank(&middle, 1));
	assert_true(rank(&low, INT64_MAX) > rank(&middle, 1));
	assert_int_equal(rank(&middle, INT64_MAX), S(1500));
	assert_ptr_equal(policy_by_name("priority"), &policy_priority);
	assert_ptr_equal(policy_by_name("fifo"), &policy_fifo);
	assert_null(policy_by_name("FIFO"));
}

static void test_strict_order_lets_nobody_pass(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 4, &policy_fifo, BACKFILL_NONE);
	submit(&f, 1, 2, 0, 100);
	submit(&f, 2, 4, 0, 100);
	submit(&f, 3, 1, 0, 1);
	expect_at(&f, 1, "1");
	expect_head(&f, 2, S(101));
	expect_at(&f, 2, "");
	sched_release(f.sched, 1, f.now_ns);
	expect_at(&f, 3, "2");
	expect_head(&f, 3, S(103));
	finish(&f);
}

static void test_easy_short_jobs_pass_and_the_head_starts_on_time(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 4, &policy_fifo, BACKFILL_EASY);
	submit(&f, 1, 2, 0, 100);
	submit(&f, 2, 4, 0, 100);
	submit(&f, 3, 1, 0, 101); /* over at 102, the head starts at 101 */
	submit(&f, 4, 1, 0, 100); /* over at 101, just in time */
	submit(&f, 5, 3, 0, 10);  /* does not fit */
	submit(&f, 6, 1, 0, 50);
	expect_at(&f, 1, "1 4 6");
	expect_head(&f, 2, S(101));
	sched_release(f.sched, 6, f.now_ns);
	expect_at(&f, 51, "");
	sched_release(f.sched, 1, f.now_ns);
	sched_release(f.sched, 4, f.now_ns);
	expect_at(&f, 101, "2");
	finish(&f);
}

/* The head needs 5 of 8; 3 of those that are left over then are for anybody. */
static void test_easy_long_jobs_may_take_what_the_head_leaves(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 8, &policy_fifo, BACKFILL_EASY);
	submit(&f, 1, 4, 0, 100);
	submit(&f, 2, 5, 0, 100);
	submit(&f, 3, 2, 0, 0); /* no limit: two of the three */
	submit(&f, 4, 2, 0, 0); /* two more are not left */
	submit(&f, 5, 1, 0, 0); /* one is */
	submit(&f, 6, 1, 0, 0);
	submit(&f, 7, 1, 0, 30); /* short */
	expect_at(&f, 1, "1 3 5 7");
	expect_head(&f, 2, S(101));
	sched_release(f.sched, 7, f.now_ns);
	expect_at(&f, 31, "");
	sched_release(f.sched, 1, f.now_ns);
	expect_at(&f, 101, "2");
	finish(&f);
}

/* Jobs without a limit that arrive one by one do not keep the head waiting for ever. */
static void test_unlimited_jobs_cannot_starve_the_head(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 6, &policy_fifo, BACKFILL_EASY);
	submit(&f, 1, 4, 0, 0);
	submit(&f, 2, 5, 0, 0);
	expect_at(&f, 1, "1");
	expect_head(&f, 2, TIME_NEVER);
	submit(&f, 3, 1, 0, 0);
	expect_at(&f, 2, "3"); /* the head leaves one GPU of six */
	submit(&f, 4, 1, 0, 0);
	expect_at(&f, 3, ""); /* and it is gone, though both would "never" end */
	submit(&f, 5, 1, 0, 1000000);
	expect_at(&f, 4, "5"); /* a limit, however long, is over before "never" */
	sched_release(f.sched, 5, f.now_ns);
	sched_release(f.sched, 1, f.now_ns);
	expect_at(&f, 5, "2");
	finish(&f);
}

/* The same after a restart, whatever the order in which the running jobs are adopted. */
static void test_a_restart_does_not_change_who_may_pass(void **state)
{
	struct allocation_part parts[] = {{.gpus = 0x10}, {.gpus = 0x0f}};
	struct fixture f;

	(void)state;
	open_node(&f, 6, &policy_fifo, BACKFILL_EASY);
	for (uint64_t id = 1; id <= 2; id++) { /* job 1 holds one GPU and is the younger */
		struct job job = cluster_job(id, 1, S(1), 0);

		job.state = JOB_RUNNING;
		job.place_ns = S(4 - (int)id);
		job.alloc = (struct allocation){&parts[id - 1], 1};
		sched_adopt(f.sched, &job);
	}
	submit(&f, 3, 5, 0, 0);
	submit(&f, 4, 1, 0, 0);
	expect_at(&f, 10, ""); /* job 2 goes first, then 1 + 4 GPUs are free: just enough */
	expect_head(&f, 3, TIME_NEVER);
	finish(&f);
}

static void test_overdue_jobs_may_end_at_any_moment(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 2, &policy_fifo, BACKFILL_EASY);
	submit(&f, 1, 1, 0, 10);
	submit(&f, 2, 2, 0, 10);
	expect_at(&f, 1, "1");
	submit(&f, 3, 1, 0, 5);
	expect_at(&f, 20, "");
	expect_head(&f, 2, S(20) + 1);
	finish(&f);
}

/* A GPU between two jobs is not lost: who needs it keeps the reservation. */
static void test_a_gpu_being_cleaned_keeps_the_reservation(void **state)
{
	struct fixture f;

	(void)state;
	open_node(&f, 2, &policy_fifo, BACKFILL_EASY);
	cluster_condition(sched_ledger(f.sched), 0, 0, GPU_CLEANING, "");
	submit(&f, 1, 2, 0, 10);
	submit(&f, 2, 1, 0, 10);
	expect_at(&f, 1, "");
	expect_head(&f, 1, S(1) + 1);
	cluster_condition(sched_ledger(f.sched), 0, 0, GPU_READY, "");
	expect_at(&f, 2, "1");
	finish(&f);
}

static void test_who_waits_for_the_unavailable_blocks_nobody(void **state)
{
	static const enum backfill_mode modes[] = {BACKFILL_NONE, BACKFILL_EASY};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct fixture f;

		open_node(&f, 2, &policy_fifo, modes[i]);
		cluster_condition(sched_ledger(f.sched), 0, 0, GPU_FOREIGN, "held by pid 812");
		submit(&f, 1, 2, 0, 10);
		submit(&f, 2, 1, 0, 0);
		expect_at(&f, 1, "2");
		expect_head(&f, 0, 0);
		finish(&f);
	}
}

/* A narrowed shape is looked at again after a start: another place may not be in the head's way. */
static void test_another_place_may_not_delay_the_head(void **state)
{
	struct sched_config config = {.policy = &policy_fifo, .backfill = BACKFILL_EASY};
	struct fixture f;

	(void)state;
	open_with(&f, &config);
	for (int i = 0; i < 3; i++)
		cluster_add(sched_ledger(f.sched), 4, 16, 0, NULL);
	submit(&f, 1, 4, 0, 0);
	submit(&f, 2, 3, 0, 100);
	submit(&f, 3, 2, 0, 0);
	expect_at(&f, 1, "1 2 3"); /* node 0: full; node 1: one free; node 2: two free */
	submit(&f, 4, 4, 0, 0);	   /* the head: node 1, at 101 */
	submit(&f, 5, 1, 0, 0);	   /* best fit is node 1: it would delay the head */
	submit(&f, 6, 1, 0, 50);   /* takes that GPU for a while; now job 5 goes to node 2 */
	expect_at(&f, 1, "6 5");
	assert_int_equal(f.decisions.items[0].alloc.parts[0].node, 1);
	assert_int_equal(f.decisions.items[1].alloc.parts[0].node, 2);
	expect_head(&f, 4, S(101));
	finish(&f);
}

static void test_begin_times(void **state)
{
	struct job job = cluster_job(1, 1, S(1), 0), other = cluster_job(2, 1, S(1), 0);
	struct fixture f;

	(void)state;
	open_node(&f, 4, &policy_fifo, BACKFILL_EASY);
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	job.begin_ns = S(30);
	other.begin_ns = S(20);
	sched_enqueue(f.sched, &job, 1);
	sched_enqueue(f.sched, &other, 1);
	expect_at(&f, 19, "");
	assert_true(sched_next_wake_ns(f.sched) == S(20));
	expect_at(&f, 20, "2");
	assert_true(sched_next_wake_ns(f.sched) == S(30));
	sched_dequeue(f.sched, &job);
	assert_true(sched_next_wake_ns(f.sched) == TIME_NEVER);
	expect_at(&f, 40, "");
	finish(&f);
}

static void test_dequeued_jobs_do_not_start(void **state)
{
	struct job job = cluster_job(1, 1, S(1), 0);
	struct fixture f;

	(void)state;
	open_node(&f, 1, &policy_priority, BACKFILL_EASY);
	sched_enqueue(f.sched, &job, 1);
	submit(&f, 2, 1, -1, 0);
	sched_dequeue(f.sched, &job); /* held, say */
	sched_dequeue(f.sched, &job); /* harmless */
	expect_at(&f, 1, "2");
	sched_release(f.sched, 2, f.now_ns);
	sched_enqueue(f.sched, &job, 1); /* released */
	expect_at(&f, 2, "1");
	finish(&f);
}

static void test_adopt_and_release(void **state)
{
	struct allocation_part part = {.gpus = 0x3, .cpus = 4};
	struct job job = cluster_job(7, 2, S(1), S(100));
	struct running *const *running;
	struct fixture f;
	size_t n;

	(void)state;
	open_node(&f, 4, &policy_fifo, BACKFILL_EASY);
	job.state = JOB_STARTING;
	job.place_ns = S(5);
	job.alloc = (struct allocation){&part, 1};
	sched_adopt(f.sched, &job);
	running = sched_running(f.sched, &n);
	assert_int_equal(n, 1);
	assert_int_equal(running[0]->job, 7);
	assert_true(running[0]->end_ns == S(105)); /* its start is not known: from its place on */
	sched_check_invariants(f.sched);
	submit(&f, 8, 3, 0, 0);
	expect_at(&f, 10, "");
	expect_head(&f, 8, S(105));
	submit(&f, 9, 2, 0, 10);
	expect_at(&f, 11, "9");
	assert_int_equal(gpus_of(&f, 0), 0xc);
	sched_release(f.sched, 7, f.now_ns);
	sched_release(f.sched, 7, f.now_ns); /* harmless */
	running = sched_running(f.sched, &n);
	assert_int_equal(n, 1);
	assert_int_equal(running[0]->job, 9);
	sched_release(f.sched, 9, f.now_ns);
	expect_at(&f, 12, "8");
	finish(&f);
}

/* At a restart running jobs are known before the machine is. */
static void test_adopted_jobs_are_charged_for_what_they_hold(void **state)
{
	const struct sched_config config = {.policy = &policy_fair};
	struct sched *sched = sched_create(&config);
	struct allocation_part part = {.gpus = 0x3};
	struct job job = cluster_job(7, 2, S(1), 0);
	uint32_t node = ledger_add_node(sched_ledger(sched), "here", 0, 0);

	(void)state;
	job.state = JOB_RUNNING;
	job.uid = 7;
	job.place_ns = job.start_ns = S(10);
	job.alloc = (struct allocation){&part, 1};
	sched_adopt(sched, &job);
	ledger_set_gpus(sched_ledger(sched), node, xcalloc(4, sizeof(struct node_gpu)), 4,
			cluster_flat(4));
	assert_true(users_usage(sched_users(sched), 7, S(20)) < 0.1);
	sched_measure_shares(sched, S(20));
	assert_float_equal(users_usage(sched_users(sched), 7, S(20)), 5, 1e-9); /* half, for 10 s */
	sched_measure_shares(sched, S(30));
	assert_float_equal(users_usage(sched_users(sched), 7, S(40)), 15, 1e-9);
	sched_release(sched, 7, S(40));
	assert_float_equal(users_usage(sched_users(sched), 7, S(50)), 15, 1e-9);
	sched_destroy(sched);
}

static void test_dgx1v_gets_pairs_and_quads(void **state)
{
	struct sched_config config = {.policy = &policy_fifo, .backfill = BACKFILL_EASY};
	struct fixture f;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 8, 96, 0, cluster_dgx1v());
	submit(&f, 1, 4, 0, 0);
	submit(&f, 2, 2, 0, 0);
	submit(&f, 3, 2, 0, 0);
	expect_at(&f, 1, "1 2 3");
	assert_int_equal(gpus_of(&f, 0), 0x0f); /* one of the two best quads */
	assert_int_equal(gpus_of(&f, 1), 0xc0); /* 6 and 7: NV2 */
	assert_int_equal(gpus_of(&f, 2), 0x30);
	finish(&f);
}

struct impossible {
	struct request request;
	const char *sentence; /* NULL: possible */
};

static void check_impossible(struct sched *sched, const struct impossible *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = {0};
		int r = sched_check(sched, &rows[i].request, &err);

		assert_int_equal(r, rows[i].sentence ? SCHED_IMPOSSIBLE : 0);
		if (rows[i].sentence)
			assert_string_equal(err.msg, rows[i].sentence);
	}
}

static void test_impossible_requests_on_one_node(void **state)
{
	static const struct impossible rows[] = {
		{{.num_gpus = 8, .cpus = 16, .mem_bytes = UINT64_C(64) << 30}, NULL},
		{{.num_gpus = 9},
		 "num_gpus: the job asks for 9 GPUs but the largest node has 8; lower --gpus or "
		 "see "
		 "\"tgpu gpus\""},
		{{.num_gpus = 1, .gpu_type = 1},
		 "gpu_type: no GPU here is of type 'h100'; there are: Tesla "
		 "V100-SXM2-16GB; change --gpu-type"},
		{{.num_gpus = 9, .gpu_type = 1},
		 "gpu_type: no GPU here is of type 'h100'; there are: Tesla "
		 "V100-SXM2-16GB; change --gpu-type"},
		{{.num_gpus = 9, .gpu_type = 2},
		 "num_gpus: the job asks for 9 GPUs of type 'v1' but the largest node has 8; lower "
		 "--gpus or see \"tgpu gpus\""},
		{{.num_gpus = 2, .gpu_mem_bytes = (UINT64_C(16) << 30) + 1},
		 "gpu_mem: no GPU here has 16.1 GiB of memory; the largest has 16 GiB; lower "
		 "--gpu-mem"},
		{{.num_gpus = 2, .gpu_type = 2, .gpu_mem_bytes = UINT64_C(17) << 30},
		 "gpu_mem: no GPU of type 'v1' has 17 GiB of memory; the largest has 16 GiB; lower "
		 "--gpu-mem"},
		{{.cpus = 17},
		 "cpus: the job asks for 17 CPUs but the largest node has 16; lower "
		 "--cpus"},
		{{.mem_bytes = UINT64_C(65) << 30},
		 "mem: the job asks for 65 GiB but the largest node has 64 GiB; lower --mem"},
		{{.mem_bytes = UINT64_C(9000) << 30},
		 "mem: the job asks for 9000 GiB but the largest node has 64 GiB; lower --mem"},
		{{.mem_bytes = UINT64_C(9) << 40},
		 "mem: the job asks for 9 TiB but the largest node has 64 GiB; lower --mem"},
		/* The least that is too much does not read as what there is. */
		{{.mem_bytes = (UINT64_C(64) << 30) + 1},
		 "mem: the job asks for 64.1 GiB but the largest node has 64 GiB; lower --mem"},
	};
	struct fixture f;

	(void)state;
	open_node(&f, 8, &policy_fifo, BACKFILL_EASY);
	ledger_intern_type(sched_ledger(f.sched), "h100");
	ledger_intern_type(sched_ledger(f.sched), "v1");
	submit(&f, 1, 8, 0, 0);
	expect_at(&f, 1, "1"); /* what is taken now does not matter */
	cluster_condition(sched_ledger(f.sched), 0, 3, GPU_UNHEALTHY, "");
	check_impossible(f.sched, rows, ARRAY_SIZE(rows));
	finish(&f);
}

/* Each kind once, also one whose name is the beginning of another's; no more than a sentence holds.
 */
static void test_the_kinds_that_there_are(void **state)
{
	static const char *const kinds[] = {"A100 80GB", "A100", "A100"};
	struct request request = {.num_gpus = 1, .gpu_type = 1};
	struct err err = {0};
	struct fixture f;
	struct node_gpu *gpus;

	(void)state;
	open_node(&f, 8, &policy_fifo, BACKFILL_EASY);
	gpus = sched_ledger(f.sched)->nodes[0].gpus;
	assert_int_equal(ledger_intern_type(sched_ledger(f.sched), "h100"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		strcpy(gpus[i].type, kinds[i]);
	assert_int_equal(sched_check(f.sched, &request, &err), SCHED_IMPOSSIBLE);
	assert_non_null(strstr(err.msg, "there are: A100 80GB, A100, Tesla V100-SXM2-16GB; "));
	for (size_t i = 0; i < 8; i++)
		snprintf(gpus[i].type, sizeof(gpus[i].type), "a name of some length, number %zu",
			 i);
	assert_int_equal(sched_check(f.sched, &request, &err), SCHED_IMPOSSIBLE);
	assert_non_null(strstr(err.msg, "number 0"));
	assert_non_null(strstr(err.msg, ", ...; change --gpu-type"));
	finish(&f);
}

static void test_impossible_requests_on_several_nodes(void **state)
{
	static const struct impossible rows[] = {
		{{.num_gpus = 8}, NULL},
		{{.num_gpus = 9},
		 "num_gpus: the job asks for 9 GPUs but all nodes together have 8; lower --gpus or "
		 "see \"tgpu gpus\""},
		{{.cpus = 64}, NULL},
		{{.num_gpus = 1, .cpus = 64},
		 "the job asks for more GPUs, CPUs and memory at once than any node has together; "
		 "lower --gpus, --cpus or --mem"},
		{{.num_gpus = 8, .cpus = 32},
		 "the job asks for more GPUs, CPUs and memory at once than any node has together; "
		 "lower --gpus, --cpus or --mem"},
	};
	struct sched_config config = {.policy = &policy_fifo, .backfill = BACKFILL_EASY};
	struct fixture f;

	(void)state;
	open_with(&f, &config);
	cluster_add(sched_ledger(f.sched), 4, 8, 0, NULL);
	cluster_add(sched_ledger(f.sched), 4, 8, 0, NULL);
	cluster_add(sched_ledger(f.sched), 0, 64, 0, NULL);
	check_impossible(f.sched, rows, ARRAY_SIZE(rows));
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifo_starts_in_order_of_submit_then_id),
		cmocka_unit_test(test_priority_ages),
		cmocka_unit_test(test_a_clock_that_is_set_back_makes_nobody_smaller),
		cmocka_unit_test(test_extreme_priorities_do_not_overflow),
		cmocka_unit_test(test_strict_order_lets_nobody_pass),
		cmocka_unit_test(test_easy_short_jobs_pass_and_the_head_starts_on_time),
		cmocka_unit_test(test_easy_long_jobs_may_take_what_the_head_leaves),
		cmocka_unit_test(test_unlimited_jobs_cannot_starve_the_head),
		cmocka_unit_test(test_a_restart_does_not_change_who_may_pass),
		cmocka_unit_test(test_overdue_jobs_may_end_at_any_moment),
		cmocka_unit_test(test_a_gpu_being_cleaned_keeps_the_reservation),
		cmocka_unit_test(test_who_waits_for_the_unavailable_blocks_nobody),
		cmocka_unit_test(test_another_place_may_not_delay_the_head),
		cmocka_unit_test(test_begin_times),
		cmocka_unit_test(test_dequeued_jobs_do_not_start),
		cmocka_unit_test(test_adopt_and_release),
		cmocka_unit_test(test_adopted_jobs_are_charged_for_what_they_hold),
		cmocka_unit_test(test_dgx1v_gets_pairs_and_quads),
		cmocka_unit_test(test_impossible_requests_on_one_node),
		cmocka_unit_test(test_the_kinds_that_there_are),
		cmocka_unit_test(test_impossible_requests_on_several_nodes),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
