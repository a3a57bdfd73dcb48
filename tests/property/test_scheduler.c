/* SPDX-License-Identifier: MIT */
/*
 * Random clusters, queues and operations, for every policy and every backfill mode: sched_pass()
 * against the blackboard scheduler of naive.h, and what is promised against books of the test's
 * own. What holds is in check.c. At the end every job has run, the forecast has come true where
 * everything went as planned, and a second, disturbed run comes to the same digest.
 *
 * TGPU_TEST_SEED: the first case (default 1). TGPU_PROPERTY_CASES: how many (default 5000). A case
 * that fails is shrunk by dropping operations one by one and printed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run.h"

/* Where a broken promise, or an assert() of the scheduler, goes. */
static sigjmp_buf broken;
static char broken_why[256];

void break_off(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(broken_why, sizeof(broken_why), fmt, ap);
	va_end(ap);
	siglongjmp(broken, 1);
}

static void on_abort(int signal)
{
	(void)signal;
	snprintf(broken_why, sizeof(broken_why), "an assert() of the scheduler failed");
	siglongjmp(broken, 1);
}

/* Run a case twice. True when all holds; else broken_why says what does not. */
static bool holds(const struct test_case *test_case)
{
	static struct run run;
	volatile uint64_t digest;

	if (sigsetjmp(broken, 1))
		return false; /* what it allocated is lost: a failing test may leak */
	digest = run_case(&run, test_case, false);
	if (run_case(&run, test_case, true) != digest)
		break_off("another digest at the second run");
	return true;
}

/* Drop operations for as long as the case still fails without them. */
static void shrink(struct test_case *test_case)
{
	static struct test_case smaller;
	bool dropped = true;

	while (dropped) {
		dropped = false;
		for (unsigned i = 0; i < test_case->n_ops; i++) {
			smaller = *test_case;
			memmove(&smaller.ops[i], &smaller.ops[i + 1],
				(--smaller.n_ops - i) * sizeof(smaller.ops[0]));
			if (holds(&smaller))
				continue;
			*test_case = smaller;
			dropped = true;
			i--;
		}
	}
	(void)holds(test_case); /* for the reason */
}

static void test_random_cases(void **state)
{
	const char *first_text = getenv("TGPU_TEST_SEED"), *count = getenv("TGPU_PROPERTY_CASES");
	uint64_t first = first_text ? strtoull(first_text, NULL, 0) : 1;
	uint64_t cases = count ? strtoull(count, NULL, 0) : 5000;
	static struct test_case test_case;

	(void)state;
	signal(SIGABRT, on_abort);
	for (uint64_t seed = first; seed < first + cases; seed++) {
		case_generate(seed, &test_case);
		if (holds(&test_case))
			continue;
		shrink(&test_case);
		printf("# TGPU_TEST_SEED=%" PRIu64 " TGPU_PROPERTY_CASES=1: %s\n", seed,
		       broken_why);
		case_print(&test_case);
		signal(SIGABRT, SIG_DFL);
		fail_msg("seed %" PRIu64 ": %s", seed, broken_why);
	}
	signal(SIGABRT, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_cases),
	};

	return cmocka_run_group_tests_name("scheduler properties", tests, NULL, NULL);
}
