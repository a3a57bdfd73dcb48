/* SPDX-License-Identifier: MIT */
/* scheduler/queue.h against the simplest thing that can be right: one sorted array. */
#include <inttypes.h>

#include "cluster.h"

struct item {
	struct shape shape;
	struct waiting waiting;
};

/* The model: all entries, in order. */
struct model {
	struct item items[512];
	size_t n;
};

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % bound;
}

static void model_insert(struct model *model, const struct item *item)
{
	size_t at = model->n++;

	while (at > 0 &&
	       queue_key_compare(&model->items[at - 1].waiting.key, &item->waiting.key) > 0) {
		model->items[at] = model->items[at - 1];
		at--;
	}
	model->items[at] = *item;
}

static void model_remove(struct model *model, size_t at)
{
	memmove(&model->items[at], &model->items[at + 1],
		(--model->n - at) * sizeof(model->items[0]));
}

/* The model's first entry of a shape with an estimate of at most limit_ns; NULL when none. */
static const struct waiting *model_first(const struct model *model, const struct shape *shape,
					 int64_t limit_ns)
{
	for (size_t i = 0; i < model->n; i++)
		if (shape_is_same(&model->items[i].shape, shape) &&
		    model->items[i].waiting.estimate_ns <= limit_ns)
			return &model->items[i].waiting;
	return NULL;
}

static const struct waiting *model_shortest(const struct model *model, const struct shape *shape)
{
	const struct waiting *best = NULL;

	for (size_t i = 0; i < model->n; i++)
		if (shape_is_same(&model->items[i].shape, shape) &&
		    (!best || model->items[i].waiting.estimate_ns < best->estimate_ns))
			best = &model->items[i].waiting;
	return best;
}

static void expect_same(const struct waiting *is, const struct waiting *want)
{
	assert_int_equal(is != NULL, want != NULL);
	if (!want)
		return;
	assert_int_equal(queue_key_compare(&is->key, &want->key), 0);
	assert_true(is->estimate_ns == want->estimate_ns && is->n == want->n);
}

static bool is_before(void *ctx, const struct shape *shape, const struct queue_key *key)
{
	(void)shape;
	return queue_key_compare(key, ctx) < 0;
}

/* All entries of a lot, one after the other. */
static void walk_lot(const struct queue *queue, const struct lot *lot, const struct model *model)
{
	const struct waiting *waiting = queue_first(queue, lot);

	for (size_t i = 0; i < model->n; i++) {
		if (!shape_is_same(&model->items[i].shape, queue_shape(lot)))
			continue;
		expect_same(waiting, &model->items[i].waiting);
		waiting = queue_next(queue, lot, waiting);
	}
	assert_null(waiting);
}

static void compare_lot(const struct queue *queue, const struct lot *lot, const struct model *model)
{
	const struct shape *shape = queue_shape(lot);
	int64_t limits[] = {0, (int64_t)random_below(100), TIME_NEVER - 1};

	expect_same(queue_first(queue, lot), model_first(model, shape, TIME_NEVER));
	expect_same(queue_shortest(queue, lot), model_shortest(model, shape));
	assert_ptr_equal(queue_find(queue, shape), lot);
	walk_lot(queue, lot, model);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		expect_same(queue_first_within(queue, lot, limits[i]),
			    model_first(model, shape, limits[i]));
}

static void compare(const struct queue *queue, const struct model *model)
{
	size_t jobs = 0, step = 1 + random_below(20);

	for (size_t i = 0; i < queue_n_lots(queue); i++)
		compare_lot(queue, queue_lot(queue, i), model);
	for (size_t i = 0; i < model->n; i++) {
		struct queue_key key = model->items[i].waiting.key;

		if (i % step == 0)
			assert_int_equal(queue_count_before(queue, is_before, &key), jobs);
		jobs += model->items[i].waiting.n;
	}
	assert_int_equal(queue_count(queue), jobs);
}

/* Ids leave room for the tasks of an array between them. */
static struct item random_item(uint64_t id)
{
	return (struct item){
		.shape.request.num_gpus = (uint32_t)random_below(8),
		.waiting = {.key = {.rank = (int64_t)random_below(4) - 2,
				    .submit_ns = (int64_t)random_below(10),
				    .id = id * 10},
			    .estimate_ns =
				    random_below(5) == 0 ? TIME_NEVER : (int64_t)random_below(100),
			    .n = random_below(3) == 0 ? 1 + (uint32_t)random_below(9) : 1},
	};
}

static bool has_shape(const struct model *model, const struct shape *shape)
{
	return model_first(model, shape, TIME_NEVER);
}

static void pop(struct queue *queue, struct model *model, size_t at)
{
	struct item *item = &model->items[at];
	struct shape shape = item->shape;
	bool left = queue_pop(queue, queue_find(queue, &shape), &item->waiting.key);

	if (item->waiting.n == 1) {
		model_remove(model, at);
	} else {
		item->waiting.n--;
		item->waiting.key.id++;
	}
	assert_int_equal(left, has_shape(model, &shape));
	assert_int_equal(queue_find(queue, &shape) != NULL, left);
}

static void step(struct queue *queue, struct model *model, uint64_t id)
{
	struct item item = random_item(id);
	uint64_t what = random_below(100);
	size_t at = model->n ? random_below(model->n) : 0;

	if (what < 2) { /* not there */
		assert_false(queue_remove(queue, &item.shape, &item.waiting.key));
	} else if (what < 40 && model->n > 0) {
		item = model->items[at];
		assert_true(queue_remove(queue, &item.shape, &item.waiting.key));
		model_remove(model, at);
	} else if (what < 60 && model->n > 0) {
		pop(queue, model, at);
	} else if (model->n < ARRAY_SIZE(model->items)) {
		queue_insert(queue, &item.shape, &item.waiting);
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
		while (model.n > 0)
			pop(queue, &model, model.n - 1);
		assert_int_equal(queue_n_lots(queue), 0);
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

static void insert(struct queue *queue, const struct shape *shape, uint64_t id)
{
	queue_insert(queue, shape, &(struct waiting){.key.id = id, .estimate_ns = 1, .n = 1});
}

static void test_every_field_makes_a_shape(void **state)
{
	static const struct shape shapes[] = {
		{.user = 0},
		{.request.num_gpus = 1},
		{.request.cpus = 1},
		{.request.mem_bytes = 1},
		{.request.gpu_mem_bytes = 1},
		{.request.gpu_type = 1},
		{.user = 1},
		{.array = 1},
		{.array = 1, .array_limit = 1},
		{.length = 1},
	};
	struct queue *queue = queue_create();

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(shapes); i++)
		insert(queue, &shapes[i % ARRAY_SIZE(shapes)], i);
	assert_int_equal(queue_n_lots(queue), ARRAY_SIZE(shapes));
	queue_destroy(queue);
}

static void test_an_empty_queue_is_no_special_case(void **state)
{
	struct queue *queue = queue_create();
	struct shape shape = {.request.num_gpus = 1};
	struct queue_key five = {.id = 5};

	(void)state;
	assert_int_equal(queue_count(queue), 0);
	assert_int_equal(queue_count_before(queue, is_before, &five), 0);
	assert_false(queue_remove(queue, &shape, &five));
	queue_destroy(queue);
	queue_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_order_is_rank_then_submit_then_id),
		cmocka_unit_test(test_every_field_makes_a_shape),
		cmocka_unit_test(test_an_empty_queue_is_no_special_case),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
