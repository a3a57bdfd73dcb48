/* SPDX-License-Identifier: MIT */
/*
 * The queue: one treap per shape, all nodes in one array.
 *
 * Invariants: in each tree the keys are in search-tree order and the priorities in heap order;
 * every node knows how many jobs its subtree holds and their least estimate; a shape knows its
 * first entry; a shape without entries does not exist. The priorities are a hash of the job id, so
 * the form of a tree, and with it every result, is a function of its contents alone.
 * [Seidel & Aragon, Randomized Search Trees, Algorithmica 1996] Cost: O(log n) per operation; 64
 * bytes per entry, indices instead of pointers. Deliberately not here: which shape goes first
 * (pass.c). Read next: users.c.
 */
#include "scheduler/queue.h"

#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"

#define NIL UINT32_MAX

struct entry {
	struct waiting waiting;
	int64_t least_estimate_ns; /* of the subtree */
	uint32_t left, right;	   /* left: next free entry while unused */
	uint32_t priority;
	uint32_t jobs; /* of the subtree */
};
_Static_assert(sizeof(struct entry) <= 64, "a waiting job costs at most 64 bytes here");

/* A shape as a key without padding. */
struct shape_key {
	uint64_t words[7];
};

struct group {
	struct shape shape;
	struct shape_key key;
	uint32_t root, first;
	size_t index; /* in queue.groups */
	int64_t limit_ns;
	UT_hash_handle hh;
};

struct queue {
	struct entry *entries; /* owned */
	size_t n_entries, capacity;
	uint32_t free_list;
	struct group **groups; /* owned, and so is what it points to */
	size_t n_groups, groups_capacity;
	struct group *by_shape; /* the same, hashed */
};

int queue_key_compare(const struct queue_key *a, const struct queue_key *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->submit_ns != b->submit_ns)
		return a->submit_ns < b->submit_ns ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static struct shape_key key_of(const struct shape *shape)
{
	const struct request *request = &shape->request;

	return (struct shape_key){{
		(uint64_t)request->num_gpus << 32 | request->cpus,
		request->mem_bytes,
		request->gpu_mem_bytes,
		(uint64_t)request->gpu_type << 32 | shape->user,
		shape->array,
		shape->array_limit,
		(uint64_t)shape->length,
	}};
}

bool shape_is_same(const struct shape *a, const struct shape *b)
{
	struct shape_key x = key_of(a), y = key_of(b);

	return memcmp(&x, &y, sizeof(x)) == 0;
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
	HASH_CLEAR(hh, queue->by_shape);
	for (size_t i = 0; i < queue->n_groups; i++)
		free(queue->groups[i]);
	free(queue->groups);
	free(queue->entries);
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

static uint32_t jobs_of(const struct queue *queue, uint32_t index)
{
	return index == NIL ? 0 : queue->entries[index].jobs;
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
	int64_t below = left < right ? left : right, own = entry->waiting.estimate_ns;

	entry->jobs = entry->waiting.n + jobs_of(queue, entry->left) + jobs_of(queue, entry->right);
	entry->least_estimate_ns = below < own ? below : own;
}

/* Split a tree into the entries before `key` and the others. */
static void split(struct queue *queue, uint32_t root, const struct queue_key *key,
		  uint32_t *ret_before, uint32_t *ret_rest)
{
	if (root == NIL) {
		*ret_before = *ret_rest = NIL;
		return;
	}
	if (queue_key_compare(&queue->entries[root].waiting.key, key) < 0) {
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

static struct group *find_group(const struct queue *queue, const struct shape *shape)
{
	struct shape_key key = key_of(shape);
	struct group *group;

	HASH_FIND(hh, queue->by_shape, &key, sizeof(key), group);
	return group;
}

static struct group *add_group(struct queue *queue, const struct shape *shape)
{
	struct group *group = xcalloc(1, sizeof(*group));

	*group = (struct group){
		.shape = *shape,
		.key = key_of(shape),
		.root = NIL,
		.index = queue->n_groups,
		.limit_ns = TIME_NEVER,
	};
	xgrow(&queue->groups, &queue->groups_capacity, queue->n_groups + 1, sizeof(group));
	queue->groups[queue->n_groups++] = group;
	HASH_ADD(hh, queue->by_shape, key, sizeof(group->key), group);
	return group;
}

static void remove_group(struct queue *queue, struct group *group)
{
	struct group *last = queue->groups[--queue->n_groups];

	last->index = group->index;
	queue->groups[group->index] = last;
	HASH_DEL(queue->by_shape, group);
	free(group);
}

static uint32_t first_of(const struct queue *queue, uint32_t root)
{
	while (queue->entries[root].left != NIL)
		root = queue->entries[root].left;
	return root;
}

void queue_insert(struct queue *queue, const struct shape *shape, const struct waiting *waiting)
{
	struct group *group = find_group(queue, shape);
	uint32_t index = take_entry(queue), before, rest;

	assert(waiting->n > 0);
	if (!group)
		group = add_group(queue, shape);
	queue->entries[index] = (struct entry){
		.waiting = *waiting,
		.left = NIL,
		.right = NIL,
		.priority = hash_id(waiting->key.id),
	};
	refresh(queue, index);
	split(queue, group->root, &waiting->key, &before, &rest);
	if (before == NIL)
		group->first = index;
	group->root = join(queue, join(queue, before, index), rest);
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

/* Take the entry of this key out of a shape, and the shape with its last one. */
static bool remove_from(struct queue *queue, struct group *group, const struct queue_key *key)
{
	uint32_t before, rest, found = NIL;

	split(queue, group->root, key, &before, &rest);
	if (rest != NIL &&
	    queue_key_compare(&queue->entries[first_of(queue, rest)].waiting.key, key) == 0) {
		rest = drop_first(queue, rest, &found);
		free_entry(queue, found);
	}
	group->root = join(queue, before, rest);
	if (group->root == NIL)
		remove_group(queue, group);
	else if (found == group->first)
		group->first = first_of(queue, group->root);
	return found != NIL;
}

bool queue_remove(struct queue *queue, const struct shape *shape, const struct queue_key *key)
{
	struct group *group = find_group(queue, shape);

	return group && remove_from(queue, group, key);
}

/* Let the entry of this key begin with the next id. No other stands between the two. */
static void advance(struct queue *queue, uint32_t at, const struct queue_key *key)
{
	struct entry *entry = &queue->entries[at];
	int order = queue_key_compare(key, &entry->waiting.key);

	if (order == 0) {
		entry->waiting.key.id++;
		entry->waiting.n--;
	} else {
		advance(queue, order < 0 ? entry->left : entry->right, key);
	}
	refresh(queue, at);
}

static const struct waiting *find_entry(const struct queue *queue, uint32_t at,
					const struct queue_key *key)
{
	for (;;) {
		const struct entry *entry = &queue->entries[at];
		int order = queue_key_compare(key, &entry->waiting.key);

		if (order == 0)
			return &entry->waiting;
		at = order < 0 ? entry->left : entry->right;
		assert(at != NIL);
	}
}

void queue_pop(struct queue *queue, const struct shape *shape, const struct queue_key *key)
{
	struct group *group = find_group(queue, shape);
	struct queue_key popped = *key; /* it may point into the entry */

	if (find_entry(queue, group->root, &popped)->n > 1)
		advance(queue, group->root, &popped);
	else
		remove_from(queue, group, &popped);
}

size_t queue_count(const struct queue *queue)
{
	size_t count = 0;

	for (size_t i = 0; i < queue->n_groups; i++)
		count += jobs_of(queue, queue->groups[i]->root);
	return count;
}

size_t queue_n_shapes(const struct queue *queue)
{
	return queue->n_groups;
}

const struct shape *queue_shape(const struct queue *queue, size_t index)
{
	return &queue->groups[index]->shape;
}

const struct waiting *queue_first(const struct queue *queue, size_t index)
{
	return &queue->entries[queue->groups[index]->first].waiting;
}

const struct waiting *queue_first_within(const struct queue *queue, size_t index, int64_t limit_ns)
{
	uint32_t at = queue->groups[index]->root;

	assert(limit_ns < TIME_NEVER);
	if (least_of(queue, at) > limit_ns)
		return NULL;
	for (;;) { /* somewhere below `at` there is one: prefer left, then here, then right */
		const struct entry *entry = &queue->entries[at];

		if (least_of(queue, entry->left) <= limit_ns)
			at = entry->left;
		else if (entry->waiting.estimate_ns <= limit_ns)
			return &entry->waiting;
		else
			at = entry->right;
	}
}

const struct waiting *queue_shortest(const struct queue *queue, size_t index)
{
	int64_t least = least_of(queue, queue->groups[index]->root);

	return least < TIME_NEVER ? queue_first_within(queue, index, least)
				  : queue_first(queue, index);
}

int64_t queue_limit(const struct queue *queue, size_t index)
{
	return queue->groups[index]->limit_ns;
}

void queue_set_limit(struct queue *queue, size_t index, int64_t limit_ns)
{
	queue->groups[index]->limit_ns = limit_ns;
}

void queue_clear_limits(struct queue *queue)
{
	for (size_t i = 0; i < queue->n_groups; i++)
		queue->groups[i]->limit_ns = TIME_NEVER;
}

size_t queue_count_before(const struct queue *queue, queue_before_fn *before, void *ctx)
{
	size_t count = 0;

	for (size_t i = 0; i < queue->n_groups; i++) {
		uint32_t at = queue->groups[i]->root;

		while (at != NIL) {
			const struct entry *entry = &queue->entries[at];

			if (before(ctx, &queue->groups[i]->shape, &entry->waiting.key)) {
				count += entry->waiting.n + jobs_of(queue, entry->left);
				at = entry->right;
			} else {
				at = entry->left;
			}
		}
	}
	return count;
}

/* The first entry of a tree that stands after `key`; NIL when there is none. */
static uint32_t next_after(const struct queue *queue, uint32_t at, const struct queue_key *key)
{
	uint32_t next = NIL;

	while (at != NIL) {
		if (queue_key_compare(&queue->entries[at].waiting.key, key) > 0) {
			next = at;
			at = queue->entries[at].left;
		} else {
			at = queue->entries[at].right;
		}
	}
	return next;
}

/* The shape whose entry comes next, by where each has got to; n_groups when all are through. */
static size_t next_group(const struct queue *queue, const uint32_t *at, queue_compare_fn *compare,
			 void *ctx)
{
	size_t best = queue->n_groups;

	for (size_t i = 0; i < queue->n_groups; i++)
		if (at[i] != NIL &&
		    (best == queue->n_groups ||
		     compare(ctx, queue_shape(queue, i), &queue->entries[at[i]].waiting.key,
			     queue_shape(queue, best), &queue->entries[at[best]].waiting.key) < 0))
			best = i;
	return best;
}

int queue_walk(const struct queue *queue, queue_compare_fn *compare, void *compare_ctx,
	       int (*fn)(void *ctx, const struct shape *shape, const struct waiting *waiting),
	       void *ctx)
{
	_cleanup_(free_ptr) uint32_t *at = xcalloc(queue->n_groups, sizeof(*at));
	size_t next;

	for (size_t i = 0; i < queue->n_groups; i++)
		at[i] = queue->groups[i]->first;
	while ((next = next_group(queue, at, compare, compare_ctx)) < queue->n_groups) {
		const struct waiting *waiting = &queue->entries[at[next]].waiting;
		int r = fn(ctx, queue_shape(queue, next), waiting);

		if (r)
			return r;
		at[next] = next_after(queue, queue->groups[next]->root, &waiting->key);
	}
	return 0;
}
