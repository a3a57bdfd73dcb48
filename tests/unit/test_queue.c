/* SPDX-License-Identifier: MIT */
/* scheduler/queue.h against the simplest thing that can be right: one sorted array. */
#include <inttypes.h>

#include "cluster.h"

struct waiting {
	struct request shape;
	struct queue_key key;
	int64_t estimate_ns;
};

/* The model: all entries, in order. */
struct model {
	struct waiting items[512];
	size_t n;
	unsigned marks[8]; /* by num_gpus; of shapes that have entries */
};

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % bound;
}

static void model_insert(struct model *model, const struct waiting *item)
{
	size_t at = model->n++;

	while (at > 0 && queue_key_compare(&model->items[at - 1].key, &item->key) > 0) {
		model->items[at] = model->items[at - 1];
		at--;
	}
	model->items[at] = *item;
}

static void model_remove(struct model *model, size_t at)
{
	unsigned gpus = model->items[at].shape.num_gpus;

	memmove(&model->items[at], &model->items[at + 1],
		(--model->n - at) * sizeof(model->items[0]));
	for (size_t i = 0; i < model->n; i++)
		if (model->items[i].shape.num_gpus == gpus)
			return;
	model->marks[gpus] = 0; /* the shape is gone, and its mark with it */
}

/* The model's first entry of a shape with an estimate of at most limit_ns; NULL when none. */
static const struct waiting *model_first(const struct model *model, const struct request *shape,
					 int64_t limit_ns)
{
	for (size_t i = 0; i < model->n; i++)
		if (model->items[i].shape.num_gpus == shape->num_gpus &&
		    model->items[i].estimate_ns <= limit_ns)
			return &model->items[i];
	return NULL;
}

struct walker {
	const struct model *model;
	size_t at;
};

static int walk_one(void *ctx, const struct request *shape, const struct queue_key *key)
{
	struct walker *walker = ctx;
	const struct waiting *item = &walker->model->items[walker->at++];

	assert_int_equal(queue_key_compare(key, &item->key), 0);
	assert_int_equal(shape->num_gpus, item->shape.num_gpus);
	return 0;
}

static void compare_shape(const struct queue *queue, size_t shape, const struct model *model)
{
	const struct request *request = queue_shape(queue, shape);
	const struct waiting *first = model_first(model, request, TIME_NEVER);
	int64_t estimate, limits[] = {0, (int64_t)random_below(100), TIME_NEVER - 1};
	struct queue_key key;

	assert_non_null(first);
	queue_first(queue, shape, &key, &estimate);
	assert_int_equal(queue_key_compare(&key, &first->key), 0);
	assert_true(estimate == first->estimate_ns);
	assert_int_equal(queue_mark(queue, shape), model->marks[request->num_gpus]);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct waiting *within = model_first(model, request, limits[i]);

		assert_int_equal(queue_first_within(queue, shape, limits[i], &key, &estimate),
				 within != NULL);
		if (within) {
			assert_int_equal(queue_key_compare(&key, &within->key), 0);
			assert_true(estimate == within->estimate_ns);
		}
	}
}

static void compare(const struct queue *queue, const struct model *model)
{
	struct walker walker = {.model = model};

	assert_int_equal(queue_count(queue), model->n);
	for (size_t i = 0; i < queue_n_shapes(queue); i++)
		compare_shape(queue, i, model);
	assert_int_equal(queue_walk(queue, walk_one, &walker), 0);
	assert_int_equal(walker.at, model->n);
	for (size_t i = 0; i < model->n; i += 1 + random_below(20))
		assert_int_equal(queue_count_before(queue, &model->items[i].key), i);
}

static struct waiting random_item(uint64_t id)
{
	return (struct waiting){
		.shape = {.num_gpus = (uint32_t)random_below(8)},
		.key = {.rank = (int64_t)random_below(4) - 2,
			.submit_ns = (int64_t)random_below(10),
			.id = id},
		.estimate_ns = random_below(5) == 0 ? TIME_NEVER : (int64_t)random_below(100),
	};
}

static void step(struct queue *queue, struct model *model, uint64_t id)
{
	struct waiting item = random_item(id);
	uint64_t what = random_below(100);
	size_t at = model->n ? random_below(model->n) : 0;

	if (what < 2) {
		queue_clear_marks(queue);
		memset(model->marks, 0, sizeof(model->marks));
	} else if (what < 10 && queue_n_shapes(queue) > 0) {
		size_t shape = random_below(queue_n_shapes(queue));

		queue_set_mark(queue, shape, (unsigned)what);
		model->marks[queue_shape(queue, shape)->num_gpus] = (unsigned)what;
	} else if (what < 12) { /* not there */
		assert_false(queue_remove(queue, &item.shape, &item.key));
	} else if (what < 55 && model->n > 0) {
		item = model->items[at];
		assert_true(queue_remove(queue, &item.shape, &item.key));
		model_remove(model, at);
	} else if (model->n < ARRAY_SIZE(model->items)) {
		queue_insert(queue, &item.shape, &item.key, item.estimate_ns);
		model_insert(model, &item);
	}
}

static void test_random_operations(void **state)
{
	const char *given = getenv("TGPU_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 20260131;

	(void)state;
	print_message("# seed %" PRIu64 " (TGPU_TEST_SEED)\n", seed);
	for (uint64_t round = 0; round < 20; round++) {
		struct queue *queue = queue_create();
		struct model model = {0};

		random_state = seed + round;
		for (uint64_t id = 1; id <= 800; id++) {
			step(queue, &model, id);
			compare(queue, &model);
		}
		while (model.n > 0) {
			struct waiting last = model.items[model.n - 1];

			assert_true(queue_remove(queue, &last.shape, &last.key));
			model_remove(&model, model.n - 1);
		}
		assert_int_equal(queue_n_shapes(queue), 0);
		queue_destroy(queue);
	}
}

static void test_order_is_rank_then_submit_then_id(void **state)
{
	static const struct queue_key ascending[] = {{INT64_MIN, 9, 9}, {-1, 9, 9},	  {0, 0, 9},
						     {0, 1, 1},		{0, 1, 2},	  {0, 2, 1},
						     {1, 0, 0},		{INT64_MAX, 0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ascending); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ascending); j++) {
			int order = queue_key_compare(&ascending[i], &ascending[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
}

static void test_every_field_of_a_request_makes_a_shape(void **state)
{
	static const struct request shapes[] = {{0},
						{.num_gpus = 1},
						{.cpus = 1},
						{.mem_bytes = 1},
						{.gpu_mem_bytes = 1},
						{.gpu_type = 1}};
	struct queue *queue = queue_create();

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(shapes); i++)
		queue_insert(queue, &shapes[i % ARRAY_SIZE(shapes)], &(struct queue_key){.id = i},
			     1);
	assert_int_equal(queue_n_shapes(queue), ARRAY_SIZE(shapes));
	queue_destroy(queue);
}

static int stop_at_second(void *ctx, const struct request *shape, const struct queue_key *key)
{
	(void)ctx;
	(void)shape;
	return key->id == 2 ? 42 : 0;
}

static void test_walk_stops_and_an_empty_queue_is_no_special_case(void **state)
{
	struct queue *queue = queue_create();
	struct request shape = {.num_gpus = 1};

	(void)state;
	assert_int_equal(queue_walk(queue, stop_at_second, NULL), 0);
	assert_int_equal(queue_count(queue), 0);
	assert_int_equal(queue_count_before(queue, &(struct queue_key){.id = 5}), 0);
	assert_false(queue_remove(queue, &shape, &(struct queue_key){.id = 5}));
	for (uint64_t id = 3; id > 0; id--)
		queue_insert(queue, &shape, &(struct queue_key){.id = id}, 1);
	assert_int_equal(queue_walk(queue, stop_at_second, NULL), 42);
	queue_destroy(queue);
	queue_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_order_is_rank_then_submit_then_id),
		cmocka_unit_test(test_every_field_of_a_request_makes_a_shape),
		cmocka_unit_test(test_walk_stops_and_an_empty_queue_is_no_special_case),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
