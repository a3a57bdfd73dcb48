/* SPDX-License-Identifier: MIT */
/* scheduler/running.h against an array that is sorted anew each time. */
#include "cluster.h"
#include "draw.h"
#include "scheduler/running.h"

struct model {
	struct {
		uint64_t job;
		int64_t start_ns, end_ns;
	} items[64]; /* in order of being added */
	size_t n;
};

static void expect_order(const struct runnings *runnings, struct model model)
{
	size_t n;
	struct running *const *list = runnings_list(runnings, &n);

	assert_int_equal(n, model.n);
	for (size_t i = 0; i < n; i++) {
		size_t first = 0;

		for (size_t j = 1; j < model.n; j++)
			if (model.items[j].end_ns < model.items[first].end_ns ||
			    (model.items[j].end_ns == model.items[first].end_ns &&
			     model.items[j].start_ns < model.items[first].start_ns))
				first = j;
		assert_int_equal(list[i]->job, model.items[first].job);
		assert_int_equal(list[i]->end_ns, model.items[first].end_ns);
		memmove(&model.items[first], &model.items[first + 1],
			(--model.n - first) * sizeof(model.items[0]));
	}
}

static void add(struct runnings *runnings, struct model *model, uint64_t job)
{
	struct running running = {
		.job = job,
		.start_ns = (int64_t)draw(3),
		.end_ns = draw(5) ? (int64_t)draw(4) : TIME_NEVER,
	};

	running.alloc.parts = xcalloc(1, sizeof(*running.alloc.parts));
	running.alloc.n_parts = 1;
	assert_int_equal(runnings_add(runnings, &running)->job, job);
	model->items[model->n].job = job;
	model->items[model->n].start_ns = running.start_ns;
	model->items[model->n++].end_ns = running.end_ns;
}

static void step(struct runnings *runnings, struct model *model, uint64_t id)
{
	size_t at = model->n ? draw(model->n) : 0;
	uint64_t what = draw(10);
	struct running *running = model->n ? runnings_find(runnings, model->items[at].job) : NULL;

	if (what < 5 && model->n < ARRAY_SIZE(model->items)) {
		add(runnings, model, id);
	} else if (what < 7 && running) {
		model->items[at].end_ns = (int64_t)draw(4);
		runnings_set_end(runnings, running, model->items[at].end_ns);
	} else if (running) {
		runnings_remove(runnings, running);
		assert_null(runnings_find(runnings, model->items[at].job));
		memmove(&model->items[at], &model->items[at + 1],
			(--model->n - at) * sizeof(model->items[0]));
	}
}

static void test_random_operations(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 20; round++) {
		struct runnings *runnings = runnings_create();
		struct model model = {0};

		draw_seed(round);
		for (uint64_t id = 1; id <= 300; id++) {
			step(runnings, &model, id);
			expect_order(runnings, model);
		}
		runnings_destroy(runnings); /* with what is left in it */
	}
}

static void test_an_empty_one_is_no_special_case(void **state)
{
	struct runnings *runnings = runnings_create();
	size_t n = 1;

	(void)state;
	(void)runnings_list(runnings, &n);
	assert_int_equal(n, 0);
	assert_null(runnings_find(runnings, 1));
	runnings_destroy(runnings);
	runnings_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_an_empty_one_is_no_special_case),
	};

	return cmocka_run_group_tests_name("running", tests, NULL, NULL);
}
