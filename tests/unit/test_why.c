/* SPDX-License-Identifier: MIT */
/* scheduler/why.h: for every reason the code, the few words and the sentences, word for word. */
#include "cluster.h"
#include "scheduler/why_text.h"

static void collect(void *ctx, const char *sentence)
{
	buf_printf(ctx, "%s\n", sentence);
}

/* Ask why `job` waits at now_s and compare all three answers. */
static void expect(struct sched *sched, const struct job *job, int now_s, enum why_code code,
		   const char *summary, const char *sentences)
{
	_cleanup_(buf_finish) struct buf words = {0}, text = {0};
	struct why why;

	sched_why(sched, job, S(now_s), &why);
	sched_advise(sched, job, S(now_s), &why);
	assert_string_equal(why_code_name(why.code), why_code_name(code));
	why_summary(&why, &words);
	assert_string_equal(buf_get(&words), summary);
	why_sentences(sched, &why, NULL, S(now_s), collect, &text);
	assert_string_equal(buf_get(&text), sentences);
}

static struct sched *make(enum backfill_mode backfill, unsigned gpus)
{
	struct sched *sched =
		sched_create(&(struct sched_config){.policy = &policy_fifo, .backfill = backfill});

	cluster_add(sched_ledger(sched), gpus, 8, UINT64_C(16) << 30, NULL);
	return sched;
}

static void pass(struct sched *sched, int now_s)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};

	sched_pass(sched, S(now_s), &decisions);
}

static void test_held_begin_starting_and_not_waiting(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 2);
	struct job job = cluster_job(1, 1, S(1), 0);

	(void)state;
	job.held = true;
	expect(sched, &job, 1, WHY_HELD, "held",
	       "held until somebody releases it (tgpu release)\n");
	job.held = false;
	job.begin_ns = S(3601);
	expect(sched, &job, 1, WHY_BEGIN, "begins in 1h",
	       "was asked not to begin for another 1h\n");
	job.begin_ns = TIME_UNKNOWN;
	expect(sched, &job, 1, WHY_STARTING, "about to start",
	       "nothing stands in its way: it is about to start\n");
	job.state = JOB_FINISHED;
	expect(sched, &job, 1, WHY_NOT_WAITING, "", "");
	sched_destroy(sched);
}

static void test_resources_and_order(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 4);
	struct job limited = cluster_job(1, 1, S(1), S(60)), endless = cluster_job(2, 1, S(1), 0);
	struct job head = cluster_job(3, 4, S(1), 0), next = cluster_job(4, 1, S(1), 0);
	struct job last = cluster_job(5, 3, S(1), 0);

	(void)state;
	sched_enqueue(sched, &limited, 1);
	pass(sched, 1);
	sched_enqueue(sched, &head, 1);
	sched_enqueue(sched, &next, 1);
	sched_enqueue(sched, &last, 1);
	pass(sched, 1);
	expect(sched, &head, 11, WHY_RESOURCES, "needs 4 GPUs, 3 free",
	       "needs 4 GPUs on one node; 3 of 4 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, for 50s more at most (its time limit)\n"
	       "starts in 50s at the latest, if running jobs use all of their limits\n"
	       "with 3 GPUs it would start now\n");
	expect(sched, &next, 11, WHY_ORDER, "after job 3",
	       "would fit now, but would delay job 3, which goes first\n"
	       "job 3 goes first\n"
	       "its start cannot be estimated, because job 3, which goes first, has no time limit\n"
	       "with a time limit of 50s or less it would start now\n");
	expect(sched, &head, 62, WHY_RESOURCES, "needs 4 GPUs, 3 free",
	       "needs 4 GPUs on one node; 3 of 4 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, which is past its time limit\n"
	       "with 3 GPUs it would start now\n");
	sched_dequeue(sched, &head);
	sched_enqueue(sched, &endless, 1);
	sched_dequeue(sched, &next);
	pass(sched, 62);
	expect(sched, &last, 62, WHY_RESOURCES, "needs 3 GPUs, 2 free",
	       "needs 3 GPUs on one node; 2 of 4 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, which is past its time limit\n"
	       "gpu1 is held by job 2, which has no time limit\n"
	       "with 2 GPUs it would start now\n");
	sched_destroy(sched);
}

static void test_strict_order_promises_no_passing(void **state)
{
	struct sched *sched = make(BACKFILL_NONE, 2);
	struct job first = cluster_job(1, 1, S(1), S(10)), head = cluster_job(2, 2, S(1), 0);
	struct job next = cluster_job(3, 1, S(1), S(1));

	(void)state;
	sched_enqueue(sched, &first, 1);
	sched_enqueue(sched, &head, 1);
	sched_enqueue(sched, &next, 1);
	pass(sched, 1);
	expect(sched, &next, 2, WHY_ORDER, "after job 2",
	       "would fit now, but job 2 goes first, and no job passes another (backfill is off)\n"
	       "job 2 goes first\n"
	       "its start cannot be estimated, because job 2, which goes first, has no time "
	       "limit\n");
	sched_destroy(sched);
}

static void test_unavailable_gpus_are_named(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 2);
	struct job job = cluster_job(1, 2, S(1), 0);

	(void)state;
	cluster_condition(sched_ledger(sched), 0, 1, GPU_FOREIGN,
			  "held by pid 812 (uid 1000, python)");
	sched_enqueue(sched, &job, 1);
	pass(sched, 1);
	expect(sched, &job, 1, WHY_UNAVAILABLE, "needs 2 GPUs, 1 free, others unavailable",
	       "needs 2 GPUs on one node; 1 of 2 suitable ones are free on node0\n"
	       "gpu1 is foreign: held by pid 812 (uid 1000, python)\n"
	       "even with every job gone it could not start: it waits for what is unavailable "
	       "above\n");
	cluster_condition(sched_ledger(sched), 0, 1, GPU_CLEANING, "");
	pass(sched, 1);
	expect(sched, &job, 2, WHY_RESOURCES, "needs 2 GPUs, 1 free",
	       "needs 2 GPUs on one node; 1 of 2 suitable ones are free on node0\n"
	       "gpu1 is cleaning\n"
	       "with 1 GPU it would start now\n");
	sched_destroy(sched);
}

static void test_gpus_that_are_alike_are_told_together(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 8);
	struct job job = cluster_job(1, 8, S(1), 0);

	(void)state;
	for (unsigned slot = 1; slot < 8; slot++)
		cluster_condition(sched_ledger(sched), 0, slot, GPU_DRAINED,
				  slot == 4 ? "fan" : "by uid 0");
	sched_enqueue(sched, &job, 1);
	pass(sched, 1);
	expect(sched, &job, 1, WHY_UNAVAILABLE, "needs 8 GPUs, 1 free, others unavailable",
	       "needs 8 GPUs on one node; 1 of 8 suitable ones are free on node0\n"
	       "gpu1-3, gpu5-7 are drained: by uid 0\n"
	       "\"tgpu resume gpu1-3,gpu5-7\" puts them back\n"
	       "gpu4 is drained: fan\n"
	       "\"tgpu resume gpu4\" puts it back\n"
	       "even with every job gone it could not start: it waits for what is unavailable "
	       "above\n");
	sched_destroy(sched);
}

/* What is taken from its like is no limit, and no promise is made from it. */
static void test_a_prediction_is_no_limit(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 2);
	struct job holder = cluster_job(1, 1, S(1), 0), head = cluster_job(2, 2, S(1), 0);

	(void)state;
	holder.predicted_ns = S(60);
	sched_enqueue(sched, &holder, 1);
	sched_enqueue(sched, &head, 1);
	pass(sched, 1);
	expect(sched, &head, 11, WHY_RESOURCES, "needs 2 GPUs, 1 free",
	       "needs 2 GPUs on one node; 1 of 2 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, which has no time limit; as its like it should take 50s "
	       "more\n"
	       "starts in about 50s, if those without a limit take as long as their like\n"
	       "with 1 GPU it would start now\n");
	expect(sched, &head, 62, WHY_RESOURCES, "needs 2 GPUs, 1 free",
	       "needs 2 GPUs on one node; 1 of 2 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, which has no time limit and takes longer than its like\n"
	       "with 1 GPU it would start now\n");
	sched_destroy(sched);
}

static void test_who_may_make_room_is_told(void **state)
{
	struct sched *sched = sched_create(&(struct sched_config){
		.policy = &policy_priority,
		.backfill = BACKFILL_EASY,
		.preempt = {.enabled = true, .immunity_ns = S(10)},
	});
	struct job holder = cluster_job(1, 1, S(1), 0), head = cluster_job(2, 1, S(1), 0);

	(void)state;
	cluster_add(sched_ledger(sched), 1, 8, 0, NULL);
	holder.preemptible = true;
	head.priority = 9;
	sched_enqueue(sched, &holder, 1);
	pass(sched, 1);
	sched_enqueue(sched, &head, 1);
	pass(sched, 2);
	expect(sched, &head, 3, WHY_RESOURCES, "needs 1 GPU, 0 free",
	       "needs 1 GPU on one node; 0 of 1 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, which has no time limit\n"
	       "job 1 may be told to make room in 8s\n"
	       "its start cannot be estimated, because job 1, which runs, has no time limit\n");
	sched_destroy(sched);
}

static void test_on_whom_it_depends_is_named(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 2);
	struct depend *depend = depend_create();
	struct depend_edge edges[] = {{DEPEND_OK, 3, 3, 0}, {DEPEND_ANY, 4, 6, 2}};
	struct job job = cluster_job(9, 1, S(1), 0);
	_cleanup_(buf_finish) struct buf words = {0}, more = {0};
	struct why why;

	(void)state;
	job.dependence = JOB_DEPENDENT;
	depend_add(depend, 9, edges, 2, 0);
	sched_why(sched, &job, S(1), &why);
	sched_why_depends(depend, &why);
	why_summary(&why, &words);
	assert_string_equal(buf_get(&words), "after jobs 4-6");
	depend_remove(depend, 9);
	depend_add(depend, 9, edges, 2, 3);
	job.dependence = JOB_NEVER;
	sched_why(sched, &job, S(1), &why);
	sched_why_depends(depend, &why);
	why_summary(&why, &more);
	assert_string_equal(buf_get(&more), "job 3 did not end as wanted");
	depend_destroy(depend);
	sched_destroy(sched);
}

static void test_cpus_memory_and_types(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 2);
	struct job holder = cluster_job(1, 1, S(1), 0), job = cluster_job(2, 1, S(1), 0);

	(void)state;
	holder.request.cpus = 7;
	holder.request.mem_bytes = UINT64_C(12) << 30;
	sched_enqueue(sched, &holder, 1);
	pass(sched, 1);
	job.request.cpus = 2;
	expect(sched, &job, 1, WHY_RESOURCES, "needs 2 CPUs, 1 free",
	       "needs 2 CPUs; 1 of 8 are free on node0\n"
	       "its start cannot be estimated, because job 1, which runs, has no time limit\n");
	job.request.cpus = 1;
	job.request.mem_bytes = UINT64_C(5) << 30;
	expect(sched, &job, 1, WHY_RESOURCES, "needs more memory than 4G",
	       "needs 5G of memory; 4G of 16G are free on node0\n"
	       "its start cannot be estimated, because job 1, which runs, has no time limit\n");
	job.request = (struct request){.num_gpus = 2,
				       .gpu_type = ledger_intern_type(sched_ledger(sched), "v100")};
	expect(sched, &job, 1, WHY_RESOURCES, "needs 2 GPUs, 1 free",
	       "needs 2 GPUs of type 'v100' on one node; 1 of 2 suitable ones are free on node0\n"
	       "gpu0 is held by job 1, which has no time limit\n"
	       "its start cannot be estimated, because job 1, which runs, has no time limit\n"
	       "with 1 GPU it would start now\n");
	sched_destroy(sched);
}

static void test_a_gang_and_an_empty_cluster(void **state)
{
	struct sched *sched = make(BACKFILL_EASY, 1);
	struct sched *empty = sched_create(
		&(struct sched_config){.policy = &policy_fifo, .backfill = BACKFILL_EASY});
	struct job job = cluster_job(1, 3, S(1), 0);

	(void)state;
	cluster_add(sched_ledger(sched), 1, 8, 0, NULL);
	sched_enqueue(sched, &job, 1);
	pass(sched, 1);
	expect(sched, &job, 1, WHY_UNAVAILABLE, "needs 3 GPUs, 1 free, others unavailable",
	       "needs 3 GPUs over several nodes; 1 of 1 suitable ones are free on node0\n"
	       "even with every job gone it could not start: it waits for what is unavailable "
	       "above\n");
	expect(empty, &job, 1, WHY_UNAVAILABLE, "needs 3 GPUs, 0 free, others unavailable",
	       "there are no nodes\n");
	sched_destroy(sched);
	sched_destroy(empty);
}

/* A list gives a few words about each job: they must not cost a look at all shapes. */
static void test_a_few_words_compare_with_nobody(void **state)
{
	struct job job = cluster_job(1, 1, S(1), 0);
	struct policy counting = policy_fair;
	struct sched *sched;
	struct why why;

	(void)state;
	counting.score = cluster_counting_score;
	sched = sched_create(&(struct sched_config){.policy = &counting});
	cluster_add(sched_ledger(sched), 1, 8, 0, NULL);
	for (job.id = 1; job.id <= 100; job.id++) {
		job.uid = (uint32_t)job.id;
		sched_enqueue(sched, &job, 1);
	}
	job.uid = 50;
	sched_why(sched, &job, S(1), &why);
	assert_int_equal(*cluster_n_scores(), 0);
	sched_advise(sched, &job, S(1), &why);
	assert_int_equal(why.ahead, 50);
	assert_true(*cluster_n_scores() > 0);
	sched_destroy(sched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_begin_starting_and_not_waiting),
		cmocka_unit_test(test_resources_and_order),
		cmocka_unit_test(test_strict_order_promises_no_passing),
		cmocka_unit_test(test_unavailable_gpus_are_named),
		cmocka_unit_test(test_gpus_that_are_alike_are_told_together),
		cmocka_unit_test(test_a_prediction_is_no_limit),
		cmocka_unit_test(test_who_may_make_room_is_told),
		cmocka_unit_test(test_on_whom_it_depends_is_named),
		cmocka_unit_test(test_cpus_memory_and_types),
		cmocka_unit_test(test_a_gang_and_an_empty_cluster),
		cmocka_unit_test(test_a_few_words_compare_with_nobody),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
