/* SPDX-License-Identifier: MIT */
/* scheduler/depend.h: kinds x ends, ranges, what can never be, who is told. */
#include "cluster.h"
#include "scheduler/depend.h"

/* Who was told what, in order: "5=met 7=never ". */
struct told {
	char text[256];
};

static void note(void *ctx, uint64_t job, enum depend_state state)
{
	static const char *const names[] = {
		[DEPEND_MET] = "met", [DEPEND_WAITS] = "waits", [DEPEND_NEVER] = "never"};
	struct told *told = ctx;
	size_t len = strlen(told->text);

	snprintf(told->text + len, sizeof(told->text) - len, "%d=%s ", (int)job, names[state]);
}

static void expect_end(struct depend *depend, uint64_t parent, bool ok, const char *want)
{
	struct told told = {0};

	depend_end(depend, parent, parent, ok, note, &told);
	assert_string_equal(told.text, want);
}

static enum depend_state add(struct depend *depend, uint64_t job, enum depend_kind kind,
			     uint64_t first, uint64_t last)
{
	struct depend_edge edge = {kind, first, last, last - first + 1};

	return depend_add(depend, job, &edge, 1, 0);
}

static void test_kinds_and_ends(void **state)
{
	static const struct {
		enum depend_kind kind;
		bool ok;
		const char *told;
		enum depend_state state;
	} rows[] = {
		{DEPEND_OK, true, "2=met ", DEPEND_MET},
		{DEPEND_OK, false, "2=never ", DEPEND_NEVER},
		{DEPEND_ANY, true, "2=met ", DEPEND_MET},
		{DEPEND_ANY, false, "2=met ", DEPEND_MET},
		{DEPEND_NOT_OK, true, "2=never ", DEPEND_NEVER},
		{DEPEND_NOT_OK, false, "2=met ", DEPEND_MET},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct depend *depend = depend_create();

		assert_int_equal(add(depend, 2, rows[i].kind, 1, 1), DEPEND_WAITS);
		assert_int_equal(depend_holds(rows[i].kind, rows[i].ok),
				 rows[i].state == DEPEND_MET);
		expect_end(depend, 1, rows[i].ok, rows[i].told);
		assert_int_equal(depend_state(depend, 2), rows[i].state);
		assert_int_equal(depend_count(depend), rows[i].state == DEPEND_NEVER);
		depend_destroy(depend);
	}
}

static void test_a_range_waits_for_all(void **state)
{
	struct depend *depend = depend_create();

	(void)state;
	add(depend, 9, DEPEND_OK, 3, 5);
	expect_end(depend, 2, true, "");
	expect_end(depend, 4, true, "");
	expect_end(depend, 6, true, "");
	expect_end(depend, 3, true, "");
	assert_int_equal(depend_state(depend, 9), DEPEND_WAITS);
	expect_end(depend, 5, true, "9=met ");
	depend_destroy(depend);
}

/* The tasks of an array that are cancelled together end at once. */
static void test_a_range_that_ends_at_once(void **state)
{
	struct depend *depend = depend_create();
	struct told told = {0};

	(void)state;
	add(depend, 7, DEPEND_ANY, 3, 5);
	add(depend, 8, DEPEND_NOT_OK, 5, 6);
	add(depend, 9, DEPEND_OK, 1, 2);
	depend_end(depend, 2, 5, false, note, &told);
	assert_string_equal(told.text, "7=met 9=never ");
	expect_end(depend, 6, false, "8=met ");
	depend_destroy(depend);
}

/* One failure is enough to know, and is told once; the rest changes nothing. */
static void test_never_is_told_once(void **state)
{
	struct depend *depend = depend_create();

	(void)state;
	add(depend, 9, DEPEND_OK, 3, 5);
	expect_end(depend, 4, false, "9=never ");
	expect_end(depend, 3, false, "");
	expect_end(depend, 5, true, "");
	assert_int_equal(depend_state(depend, 9), DEPEND_NEVER);
	depend_remove(depend, 9);
	assert_int_equal(depend_state(depend, 9), DEPEND_MET); /* it is not remembered */
	depend_remove(depend, 9);
	depend_destroy(depend);
}

static void test_several_edges_and_children(void **state)
{
	static const struct depend_edge edges[] = {{DEPEND_OK, 1, 1, 1}, {DEPEND_ANY, 1, 3, 3}};
	struct depend *depend = depend_create();
	size_t n;

	(void)state;
	assert_int_equal(depend_add(depend, 8, edges, 2, 0), DEPEND_WAITS);
	assert_int_equal(add(depend, 7, DEPEND_NOT_OK, 1, 1), DEPEND_WAITS);
	assert_int_equal(add(depend, 10, DEPEND_ANY, 7, 7), DEPEND_WAITS);
	assert_int_equal(depend_count(depend), 3);
	expect_end(depend, 1, true, "7=never ");
	assert_int_equal(depend_edges(depend, 8, &n)[1].open, 2);
	assert_int_equal(n, 2);
	assert_null(depend_edges(depend, 1, &n));
	assert_int_equal(n, 0);
	expect_end(depend, 2, false, "");
	expect_end(depend, 3, false, "8=met ");
	expect_end(depend, 7, false, "10=met ");
	assert_int_equal(depend_count(depend), 1); /* 7 waits for somebody to look at it */
	depend_destroy(depend);
}

static void test_what_is_settled_from_the_start(void **state)
{
	struct depend *depend = depend_create();
	struct depend_edge over = {DEPEND_OK, 1, 2, 0};

	(void)state;
	assert_int_equal(depend_add(depend, 3, &over, 1, 0), DEPEND_MET);
	assert_int_equal(depend_add(depend, 4, NULL, 0, 0), DEPEND_MET);
	assert_int_equal(depend_count(depend), 0);
	assert_int_equal(depend_add(depend, 5, &over, 1, 1), DEPEND_NEVER);
	assert_int_equal(depend_count(depend), 1);
	depend_destroy(depend);
	depend_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_and_ends),
		cmocka_unit_test(test_a_range_waits_for_all),
		cmocka_unit_test(test_a_range_that_ends_at_once),
		cmocka_unit_test(test_never_is_told_once),
		cmocka_unit_test(test_several_edges_and_children),
		cmocka_unit_test(test_what_is_settled_from_the_start),
	};

	return cmocka_run_group_tests_name("depend", tests, NULL, NULL);
}
