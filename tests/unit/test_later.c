/* SPDX-License-Identifier: MIT */
/* scheduler/later.h against an array of what was put in. */
#include "cluster.h"
#include "draw.h"
#include "scheduler/later.h"

struct item {
	struct shape shape;
	struct waiting waiting;
	int64_t begin_ns;
};

static struct item items[200];
static size_t n_items;
static int64_t now_ns;

static void forget(size_t at)
{
	items[at] = items[--n_items];
}

static size_t find(uint64_t id)
{
	size_t i = 0;

	while (i < n_items && items[i].waiting.key.id != id)
		i++;
	assert_true(i < n_items);
	return i;
}

static void expect_same(const struct item *item, const struct shape *shape,
			const struct waiting *waiting)
{
	assert_true(shape_is_same(shape, &item->shape));
	assert_int_equal(queue_key_compare(&waiting->key, &item->waiting.key), 0);
	assert_true(waiting->estimate_ns == item->waiting.estimate_ns);
	assert_int_equal(waiting->n, item->waiting.n);
	assert_int_equal(waiting->priority, item->waiting.priority);
	assert_int_equal(waiting->predicted, item->waiting.predicted);
}

static void take(void *ctx, const struct shape *shape, const struct waiting *waiting)
{
	size_t at = find(waiting->key.id);

	(void)ctx;
	expect_same(&items[at], shape, waiting);
	assert_true(items[at].begin_ns <= now_ns);
	forget(at);
}

static void compare(struct later *later)
{
	const struct queue *queue = later_queue(later);
	int64_t next_ns = TIME_NEVER;
	size_t n = 0;

	for (size_t i = 0; i < n_items; i++)
		if (items[i].begin_ns < next_ns)
			next_ns = items[i].begin_ns;
	assert_true(later_next_ns(later) == next_ns);
	assert_int_equal(later_is_empty(later), n_items == 0);
	for (size_t i = 0; i < queue_n_lots(queue); i++) {
		const struct lot *lot = queue_lot(queue, i);
		const struct waiting *kept = queue_first(queue, lot);

		for (; kept; kept = queue_next(queue, lot, kept), n++) {
			const struct item *item = &items[find(kept->key.id)];
			struct waiting waiting;
			struct shape shape;

			assert_true(later_read(later, queue_shape(lot), kept, &shape, &waiting) ==
				    item->begin_ns);
			expect_same(item, &shape, &waiting);
		}
	}
	assert_int_equal(n, n_items);
}

static void insert(struct later *later, bool by_length, uint64_t id)
{
	struct item *item = &items[n_items++];
	int64_t estimate_ns = draw(4) ? 1 + (int64_t)draw(5) : TIME_NEVER;

	*item = (struct item){
		.shape = {.request.num_gpus = (uint32_t)draw(4),
			  .length = by_length ? estimate_ns : 0},
		.waiting = {.key = {.rank = (int64_t)draw(3), .id = id},
			    .estimate_ns = estimate_ns,
			    .n = 1 + (uint32_t)draw(3),
			    .priority = (int16_t)draw(9),
			    .predicted = draw(2)},
		.begin_ns = draw(20) ? now_ns + 1 + (int64_t)draw(50) : TIME_NEVER,
	};
	later_insert(later, &item->shape, &item->waiting, item->begin_ns);
}

static void step(struct later *later, bool by_length, uint64_t id)
{
	uint64_t what = draw(20);
	size_t at = n_items ? draw(n_items) : 0;

	if (what == 0) {
		now_ns += (int64_t)draw(30);
		later_take_due(later, now_ns, take, NULL);
		for (size_t i = 0; i < n_items; i++)
			assert_true(items[i].begin_ns > now_ns);
	} else if (what < 7 && n_items > 0) {
		assert_true(later_remove(later, &items[at].shape, &items[at].waiting));
		assert_false(later_remove(later, &items[at].shape, &items[at].waiting));
		forget(at);
	} else if (n_items < ARRAY_SIZE(items)) {
		insert(later, by_length, id * 10);
	}
}

static void test_random_operations(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 40; round++) {
		bool by_length = round % 2;
		struct later *later = later_create(by_length);

		draw_seed(round);
		n_items = 0;
		now_ns = 100;
		for (uint64_t id = 1; id <= 300; id++) {
			step(later, by_length, id);
			compare(later);
		}
		later_destroy(later);
	}
	later_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
	};

	return cmocka_run_group_tests_name("later", tests, NULL, NULL);
}
