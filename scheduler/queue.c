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
 * (candidates.c of a pass, walk.c of all). Read next: walk.c.
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

struct lot {
	struct shape shape;
	struct shape_key key;
	uint32_t root, first;
	size_t index; /* in queue.lots */
	UT_hash_handle hh;
};

struct queue {
	struct entry *entries; /* owned */
	size_t n_entries, capacity;
	uint32_t free_list;
	struct lot **lots; /* owned, and so is what it points to */
	size_t n_lots, lots_capacity;
	struct lot *by_shape; /* the same, hashed */
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
	for (size_t i = 0; i < queue->n_lots; i++)
		free(queue->lots[i]);
	free(queue->lots);
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

struct lot *queue_find(const struct queue *queue, const struct shape *shape)
{
	struct shape_key key = key_of(shape);
	struct lot *lot;

	HASH_FIND(hh, queue->by_shape, &key, sizeof(key), lot);
	return lot;
}

static struct lot *add_lot(struct queue *queue, const struct shape *shape)
{
	struct lot *lot = xcalloc(1, sizeof(*lot));

	*lot = (struct lot){
		.shape = *shape,
		.key = key_of(shape),
		.root = NIL,
		.index = queue->n_lots,
	};
	xgrow(&queue->lots, &queue->lots_capacity, queue->n_lots + 1, sizeof(struct lot *));
	queue->lots[queue->n_lots++] = lot;
	HASH_ADD(hh, queue->by_shape, key, sizeof(lot->key), lot);
	return lot;
}

static void remove_lot(struct queue *queue, struct lot *lot)
{
	struct lot *last = queue->lots[--queue->n_lots];

	last->index = lot->index;
	queue->lots[lot->index] = last;
	HASH_DEL(queue->by_shape, lot);
	free(lot);
}

static uint32_t first_of(const struct queue *queue, uint32_t root)
{
	while (queue->entries[root].left != NIL)
		root = queue->entries[root].left;
	return root;
}

/* Put an entry into a tree: as far down as its priority lets it sink. */
static void insert_into(struct queue *queue, uint32_t *root, uint32_t index)
{
	struct entry *entry = &queue->entries[index];
	const struct waiting *waiting = &entry->waiting;

	while (*root != NIL && queue->entries[*root].priority >= entry->priority) {
		struct entry *top = &queue->entries[*root];

		top->jobs += waiting->n;
		if (waiting->estimate_ns < top->least_estimate_ns)
			top->least_estimate_ns = waiting->estimate_ns;
		root = queue_key_compare(&waiting->key, &top->waiting.key) < 0 ? &top->left
									       : &top->right;
	}
	split(queue, *root, &waiting->key, &entry->left, &entry->right);
	refresh(queue, index);
	*root = index;
}

void queue_insert(struct queue *queue, const struct shape *shape, const struct waiting *waiting)
{
	struct lot *lot = queue_find(queue, shape);
	uint32_t index = take_entry(queue);

	assert(waiting->n > 0);
	if (!lot)
		lot = add_lot(queue, shape);
	queue->entries[index] = (struct entry){
		.waiting = *waiting,
		.priority = hash_id(waiting->key.id),
	};
	if (lot->root == NIL ||
	    queue_key_compare(&waiting->key, &queue->entries[lot->first].waiting.key) < 0)
		lot->first = index;
	insert_into(queue, &lot->root, index);
}

/* Take the first n jobs of the entry of this key out of a tree, and it with its last one.
 * *ret_found, which was NIL, is set when it is there. */
static uint32_t remove_key(struct queue *queue, uint32_t root, const struct queue_key *key,
			   uint32_t n, uint32_t *ret_found)
{
	struct entry *top;
	uint32_t *child, below;
	int order;

	if (root == NIL)
		return NIL;
	top = &queue->entries[root];
	order = queue_key_compare(key, &top->waiting.key);
	if (order == 0) {
		n = n < top->waiting.n ? n : top->waiting.n;
		*ret_found = root;
		top->jobs -= n;
		top->waiting.n -= n;
		top->waiting.key.id += n; /* no other entry stands between the two */
		return top->waiting.n > 0 ? root : join(queue, top->left, top->right);
	}
	child = order < 0 ? &top->left : &top->right;
	below = jobs_of(queue, *child);
	*child = remove_key(queue, *child, key, n, ret_found);
	top->jobs -= below - jobs_of(queue, *child);
	if (*ret_found != NIL &&
	    queue->entries[*ret_found].waiting.estimate_ns == top->least_estimate_ns)
		refresh(queue, root); /* the least may have gone: ask the other child too */
	return root;
}

/* The same with a lot, which goes with its last entry. False when there is no such entry. */
static bool remove_from(struct queue *queue, struct lot *lot, const struct queue_key *key,
			uint32_t n)
{
	uint32_t found = NIL;

	lot->root = remove_key(queue, lot->root, key, n, &found);
	if (found == NIL)
		return false;
	if (queue->entries[found].waiting.n > 0)
		return true;
	free_entry(queue, found);
	if (lot->root == NIL)
		remove_lot(queue, lot);
	else if (found == lot->first)
		lot->first = first_of(queue, lot->root);
	return true;
}

bool queue_remove(struct queue *queue, const struct shape *shape, const struct queue_key *key)
{
	struct lot *lot = queue_find(queue, shape);

	return lot && remove_from(queue, lot, key, UINT32_MAX);
}

bool queue_pop(struct queue *queue, struct lot *lot, const struct queue_key *key)
{
	bool only = queue->entries[lot->root].jobs == 1;
	bool found = remove_from(queue, lot, key, 1);

	assert(found);
	return found && !only;
}

size_t queue_count(const struct queue *queue)
{
	size_t count = 0;

	for (size_t i = 0; i < queue->n_lots; i++)
		count += jobs_of(queue, queue->lots[i]->root);
	return count;
}

size_t queue_n_lots(const struct queue *queue)
{
	return queue->n_lots;
}

struct lot *queue_lot(const struct queue *queue, size_t index)
{
	return queue->lots[index];
}

const struct shape *queue_shape(const struct lot *lot)
{
	return &lot->shape;
}

const struct waiting *queue_first(const struct queue *queue, const struct lot *lot)
{
	return &queue->entries[lot->first].waiting;
}

const struct waiting *queue_next(const struct queue *queue, const struct lot *lot,
				 const struct waiting *waiting)
{
	const struct waiting *next = NULL;
	uint32_t at = lot->root;

	while (at != NIL) {
		const struct entry *entry = &queue->entries[at];

		if (queue_key_compare(&entry->waiting.key, &waiting->key) > 0) {
			next = &entry->waiting;
			at = entry->left;
		} else {
			at = entry->right;
		}
	}
	return next;
}

const struct waiting *queue_first_within(const struct queue *queue, const struct lot *lot,
					 int64_t limit_ns)
{
	uint32_t at = lot->root;

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

const struct waiting *queue_shortest(const struct queue *queue, const struct lot *lot)
{
	int64_t least = least_of(queue, lot->root);

	return least < TIME_NEVER ? queue_first_within(queue, lot, least) : queue_first(queue, lot);
}

size_t queue_count_before(const struct queue *queue, queue_before_fn *before, void *ctx)
{
	size_t count = 0;

	for (size_t i = 0; i < queue->n_lots; i++) {
		uint32_t at = queue->lots[i]->root;

		while (at != NIL) {
			const struct entry *entry = &queue->entries[at];

			if (before(ctx, &queue->lots[i]->shape, &entry->waiting.key)) {
				count += entry->waiting.n + jobs_of(queue, entry->left);
				at = entry->right;
			} else {
				at = entry->left;
			}
		}
	}
	return count;
}
