/* SPDX-License-Identifier: MIT */
/*
 * The queue: one treap per shape, all nodes in one array.
 *
 * Invariants: in each tree the keys are in search-tree order and the priorities in heap order;
 * every node knows the size and the least estimate of its subtree; a shape without entries does not
 * exist. The priorities are a hash of the job id, so the shape of a tree, and with it every result,
 * is a function of its contents alone. [Seidel & Aragon, Randomized Search Trees, Algorithmica
 * 1996] Cost: O(log n) per operation; 64 bytes per waiting job, indices instead of pointers. Read
 * next: core.c, whose pass asks "which shape has the first that fits?".
 */
#include "scheduler/queue.h"

#include <assert.h>
#include <stdlib.h>

#define NIL UINT32_MAX

struct entry {
	struct queue_key key;
	int64_t estimate_ns;
	int64_t least_estimate_ns; /* of the subtree */
	uint32_t left, right;	   /* left: next free entry while unused */
	uint32_t priority;
	uint32_t size; /* of the subtree */
};
_Static_assert(sizeof(struct entry) <= 64, "a waiting job costs at most 64 bytes here");

struct shape {
	struct request request;
	uint32_t root;
	unsigned mark;
};

struct queue {
	struct entry *entries; /* owned */
	size_t n_entries, capacity;
	uint32_t free_list;
	struct shape *shapes; /* owned */
	size_t n_shapes, shapes_capacity;
};

int queue_key_compare(const struct queue_key *a, const struct queue_key *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->submit_ns != b->submit_ns)
		return a->submit_ns < b->submit_ns ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

struct queue *queue_create(void)
{
	struct queue *queue = xcalloc(1, sizeof(*queue));

	queue->free_list = NIL;
	return queue;
}

void queue_destroy(struct queue *queue)
{
	if (!queue)
		return;
	free(queue->entries);
	free(queue->shapes);
	free(queue);
}

/* A well mixed 32-bit number from a job id. [splitmix64, Steele et al., OOPSLA 2014] */
static uint32_t hash_id(uint64_t id)
{
	uint64_t z = id + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(z >> 32);
}

static uint32_t take_entry(struct queue *queue)
{
	uint32_t index = queue->free_list;

	if (index != NIL) {
		queue->free_list = queue->entries[index].left;
		return index;
	}
	xgrow(&queue->entries, &queue->capacity, queue->n_entries + 1, sizeof(*queue->entries));
	return (uint32_t)queue->n_entries++;
}

static void free_entry(struct queue *queue, uint32_t index)
{
	queue->entries[index].left = queue->free_list;
	queue->free_list = index;
}

static uint32_t size_of(const struct queue *queue, uint32_t index)
{
	return index == NIL ? 0 : queue->entries[index].size;
}

static int64_t least_of(const struct queue *queue, uint32_t index)
{
	return index == NIL ? INT64_MAX : queue->entries[index].least_estimate_ns;
}

/* Derive what a node knows of its subtree from its children. */
static void refresh(struct queue *queue, uint32_t index)
{
	struct entry *entry = &queue->entries[index];
	int64_t left = least_of(queue, entry->left), right = least_of(queue, entry->right);
	int64_t below = left < right ? left : right;

	entry->size = 1 + size_of(queue, entry->left) + size_of(queue, entry->right);
	entry->least_estimate_ns = below < entry->estimate_ns ? below : entry->estimate_ns;
}

/* Split a tree into the entries before `key` and the others. */
static void split(struct queue *queue, uint32_t root, const struct queue_key *key,
		  uint32_t *ret_before, uint32_t *ret_rest)
{
	if (root == NIL) {
		*ret_before = *ret_rest = NIL;
		return;
	}
	if (queue_key_compare(&queue->entries[root].key, key) < 0) {
		split(queue, queue->entries[root].right, key, &queue->entries[root].right,
		      ret_rest);
		*ret_before = root;
	} else {
		split(queue, queue->entries[root].left, key, ret_before,
		      &queue->entries[root].left);
		*ret_rest = root;
	}
	refresh(queue, root);
}

/* Join two trees of which all of `a` stands before all of `b`. */
static uint32_t join(struct queue *queue, uint32_t a, uint32_t b)
{
	if (a == NIL || b == NIL)
		return a == NIL ? b : a;
	if (queue->entries[a].priority > queue->entries[b].priority) {
		queue->entries[a].right = join(queue, queue->entries[a].right, b);
		refresh(queue, a);
		return a;
	}
	queue->entries[b].left = join(queue, a, queue->entries[b].left);
	refresh(queue, b);
	return b;
}

static bool same_request(const struct request *a, const struct request *b)
{
	return a->num_gpus == b->num_gpus && a->cpus == b->cpus && a->mem_bytes == b->mem_bytes &&
	       a->gpu_mem_bytes == b->gpu_mem_bytes && a->gpu_type == b->gpu_type;
}

/* Shapes are few (tens, on real traces), so a scan of them is cheaper than a hash. */
static struct shape *find_shape(const struct queue *queue, const struct request *request)
{
	for (size_t i = 0; i < queue->n_shapes; i++)
		if (same_request(&queue->shapes[i].request, request))
			return &queue->shapes[i];
	return NULL;
}

static struct shape *add_shape(struct queue *queue, const struct request *request)
{
	xgrow(&queue->shapes, &queue->shapes_capacity, queue->n_shapes + 1, sizeof(*queue->shapes));
	queue->shapes[queue->n_shapes] = (struct shape){.request = *request, .root = NIL};
	return &queue->shapes[queue->n_shapes++];
}

void queue_insert(struct queue *queue, const struct request *request, const struct queue_key *key,
		  int64_t estimate_ns)
{
	struct shape *shape = find_shape(queue, request);
	uint32_t index = take_entry(queue), before, rest;

	if (!shape)
		shape = add_shape(queue, request);
	queue->entries[index] = (struct entry){
		.key = *key,
		.estimate_ns = estimate_ns,
		.left = NIL,
		.right = NIL,
		.priority = hash_id(key->id),
	};
	refresh(queue, index);
	split(queue, shape->root, key, &before, &rest);
	shape->root = join(queue, join(queue, before, index), rest);
}

/* Unlink the first entry of a tree. */
static uint32_t drop_first(struct queue *queue, uint32_t root, uint32_t *ret_first)
{
	if (queue->entries[root].left == NIL) {
		*ret_first = root;
		return queue->entries[root].right;
	}
	queue->entries[root].left = drop_first(queue, queue->entries[root].left, ret_first);
	refresh(queue, root);
	return root;
}

static uint32_t first_of(const struct queue *queue, uint32_t root)
{
	while (queue->entries[root].left != NIL)
		root = queue->entries[root].left;
	return root;
}

bool queue_remove(struct queue *queue, const struct request *request, const struct queue_key *key)
{
	struct shape *shape = find_shape(queue, request);
	uint32_t before, rest, found = NIL;

	if (!shape)
		return false;
	split(queue, shape->root, key, &before, &rest);
	if (rest != NIL &&
	    queue_key_compare(&queue->entries[first_of(queue, rest)].key, key) == 0) {
		rest = drop_first(queue, rest, &found);
		free_entry(queue, found);
	}
	shape->root = join(queue, before, rest);
	if (shape->root == NIL)
		*shape = queue->shapes[--queue->n_shapes];
	return found != NIL;
}

size_t queue_count(const struct queue *queue)
{
	size_t count = 0;

	for (size_t i = 0; i < queue->n_shapes; i++)
		count += size_of(queue, queue->shapes[i].root);
	return count;
}

size_t queue_n_shapes(const struct queue *queue)
{
	return queue->n_shapes;
}

const struct request *queue_shape(const struct queue *queue, size_t index)
{
	return &queue->shapes[index].request;
}

static void report(const struct queue *queue, uint32_t index, struct queue_key *ret_key,
		   int64_t *ret_estimate_ns)
{
	*ret_key = queue->entries[index].key;
	*ret_estimate_ns = queue->entries[index].estimate_ns;
}

void queue_first(const struct queue *queue, size_t index, struct queue_key *ret_key,
		 int64_t *ret_estimate_ns)
{
	report(queue, first_of(queue, queue->shapes[index].root), ret_key, ret_estimate_ns);
}

bool queue_first_within(const struct queue *queue, size_t index, int64_t limit_ns,
			struct queue_key *ret_key, int64_t *ret_estimate_ns)
{
	uint32_t at = queue->shapes[index].root;

	assert(limit_ns < TIME_NEVER);
	if (least_of(queue, at) > limit_ns)
		return false;
	for (;;) { /* somewhere below `at` there is one: prefer left, then here, then right */
		const struct entry *entry = &queue->entries[at];

		if (least_of(queue, entry->left) <= limit_ns)
			at = entry->left;
		else if (entry->estimate_ns <= limit_ns)
			break;
		else
			at = entry->right;
	}
	report(queue, at, ret_key, ret_estimate_ns);
	return true;
}

unsigned queue_mark(const struct queue *queue, size_t index)
{
	return queue->shapes[index].mark;
}

void queue_set_mark(struct queue *queue, size_t index, unsigned mark)
{
	queue->shapes[index].mark = mark;
}

void queue_clear_marks(struct queue *queue)
{
	for (size_t i = 0; i < queue->n_shapes; i++)
		queue->shapes[i].mark = 0;
}

static size_t count_before(const struct queue *queue, uint32_t at, const struct queue_key *key)
{
	size_t count = 0;

	while (at != NIL) {
		const struct entry *entry = &queue->entries[at];

		if (queue_key_compare(&entry->key, key) < 0) {
			count += 1 + size_of(queue, entry->left);
			at = entry->right;
		} else {
			at = entry->left;
		}
	}
	return count;
}

size_t queue_count_before(const struct queue *queue, const struct queue_key *key)
{
	size_t count = 0;

	for (size_t i = 0; i < queue->n_shapes; i++)
		count += count_before(queue, queue->shapes[i].root, key);
	return count;
}

/* The first entry of a tree that stands after `key`; NIL when there is none. */
static uint32_t next_after(const struct queue *queue, uint32_t at, const struct queue_key *key)
{
	uint32_t next = NIL;

	while (at != NIL) {
		if (queue_key_compare(&queue->entries[at].key, key) > 0) {
			next = at;
			at = queue->entries[at].left;
		} else {
			at = queue->entries[at].right;
		}
	}
	return next;
}

int queue_walk(const struct queue *queue,
	       int (*fn)(void *ctx, const struct request *shape, const struct queue_key *key),
	       void *ctx)
{
	struct queue_key last = {.rank = INT64_MIN};

	for (;;) {
		const struct shape *shape = NULL;
		uint32_t best = NIL;
		int r;

		for (size_t i = 0; i < queue->n_shapes; i++) {
			uint32_t next = next_after(queue, queue->shapes[i].root, &last);

			if (next == NIL ||
			    (best != NIL && queue_key_compare(&queue->entries[next].key,
							      &queue->entries[best].key) > 0))
				continue;
			best = next;
			shape = &queue->shapes[i];
		}
		if (best == NIL)
			return 0;
		last = queue->entries[best].key;
		r = fn(ctx, &shape->request, &last);
		if (r)
			return r;
	}
}
