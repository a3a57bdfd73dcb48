/* SPDX-License-Identifier: MIT */
/* scheduler/walk.h against one sorted array, and how often it compares. */
#include "cluster.h"
#include "draw.h"
#include "scheduler/walk.h"

struct item {
	struct shape shape;
	struct waiting waiting;
	bool dropped;
};

static struct item items[300];
static size_t n_items;
static unsigned n_compared;

/* By a score that users have, then by key: orders like that of policy_compare(). */
static int compare(void *ctx, const struct shape *shape_a, const struct queue_key *a,
		   const struct shape *shape_b, const struct queue_key *b)
{
	uint32_t score_a = shape_a->user % 5, score_b = shape_b->user % 5;

	(void)ctx;
	n_compared++;
	return score_a != score_b ? (int)score_a - (int)score_b : queue_key_compare(a, b);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return compare(NULL, &x->shape, &x->waiting.key, &y->shape, &y->waiting.key);
}

static void add(struct queue *queue, uint32_t user, int64_t rank, uint64_t id)
{
	struct item *item = &items[n_items++];

	*item = (struct item){
		.shape.user = user,
		.waiting = {.key = {.rank = rank, .id = id}, .estimate_ns = 1, .n = 1},
	};
	queue_insert(queue, &item->shape, &item->waiting);
}

static struct queue *fill(size_t n, uint32_t n_shapes)
{
	struct queue *queue = queue_create();

	n_items = 0;
	for (size_t i = 0; i < n; i++)
		add(queue, (uint32_t)draw(n_shapes), (int64_t)draw(8), i + 1);
	qsort(items, n_items, sizeof(items[0]), compare_items);
	return queue;
}

static void drop_from(size_t first)
{
	for (size_t i = first; i < n_items; i++)
		items[i].dropped |= shape_is_same(&items[i].shape, &items[first].shape);
}

/* Walk all of it, and leave out a shape now and then: in one of `rarely` steps, never if that is 0.
 */
static void check_walk(struct walk *walk, uint64_t rarely)
{
	const struct waiting *waiting;
	const struct shape *shape;

	for (size_t i = 0; i < n_items; i++) {
		if (items[i].dropped)
			continue;
		waiting = walk_at(walk, &shape);
		assert_non_null(waiting);
		assert_int_equal(waiting->key.id, items[i].waiting.key.id);
		assert_true(shape_is_same(shape, &items[i].shape));
		if (rarely && draw(rarely) == 0) {
			drop_from(i);
			walk_drop_shape(walk);
		} else {
			walk_next(walk);
		}
	}
	assert_null(walk_at(walk, &shape));
}

static void test_in_order_and_without_what_is_dropped(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 300; round++) {
		struct queue *queue;
		struct walk walk;

		draw_seed(round);
		queue = fill(1 + draw(ARRAY_SIZE(items)), 1 + (uint32_t)draw(60));
		walk_init(&walk, queue, compare, NULL);
		check_walk(&walk, draw(2) * 20);
		walk_finish(&walk);
		queue_destroy(queue);
	}
}

static void test_an_empty_queue_is_no_special_case(void **state)
{
	struct queue *queue = queue_create();
	const struct shape *shape;
	struct walk walk;

	(void)state;
	walk_init(&walk, queue, compare, NULL);
	assert_null(walk_at(&walk, &shape));
	walk_finish(&walk);
	queue_destroy(queue);
}

/* Two comparisons for each level of the heap: 9 levels for 256 shapes. */
static void test_many_shapes_are_not_compared_with_each_other_for_each_entry(void **state)
{
	struct queue *queue;
	struct walk walk;

	(void)state;
	draw_seed(0);
	queue = queue_create();
	n_items = 0;
	for (uint32_t i = 0; i < 256; i++)
		add(queue, i, (int64_t)draw(8), i + 1);
	n_compared = 0;
	walk_init(&walk, queue, compare, NULL);
	assert_in_range(n_compared, 255, 2 * 256);
	for (size_t i = 0; i < 256; i++)
		walk_next(&walk);
	assert_in_range(n_compared, 256, 2 * 256 + 256 * 2 * 9);
	walk_finish(&walk);
	queue_destroy(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_and_without_what_is_dropped),
		cmocka_unit_test(test_an_empty_queue_is_no_special_case),
		cmocka_unit_test(test_many_shapes_are_not_compared_with_each_other_for_each_entry),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
