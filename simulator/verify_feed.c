/* SPDX-License-Identifier: MIT */
/*
 * A scheduler that is told what a decision log says.
 *
 * Invariants: the scheduler asserts what its callers promise, so nothing reaches it here that was
 * not checked: a job waits once or runs once, an allocation is of slots that are there and free, a
 * node's slots do not vanish. Which jobs wait is kept for that, in order of id; an entry stands for
 * n jobs with the ids that follow, as in the queue. Deliberately not here: comparing (verify.c).
 * Cost: O(log n) per line, and moving a part of an array of pointers. Read next: scheduler/core.h.
 */
#include "simulator/verify_feed.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/trace_fields.h"

#define TASKS_MAX 1000000
#define SCORE_MAX 100000
#define CPUS_MAX  UINT32_C(2000000000)

struct entry {
	struct job job; /* with the id of the first that waits still */
	uint32_t n;
};

struct feed {
	struct sched *sched;
	struct entry **waiting; /* owned, and what it points to; ascending id, without overlap */
	size_t n, capacity;
};

struct sched *feed_sched(const struct feed *feed)
{
	return feed->sched;
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	for (size_t i = 0; i < feed->n; i++)
		free(feed->waiting[i]);
	free(feed->waiting);
	sched_destroy(feed->sched);
	free(feed);
}

static int parse_backfill(const char *name, enum backfill_mode *ret_mode)
{
	for (size_t i = 0; name && i < BACKFILL_MODE_COUNT; i++)
		if (STREQ(name, trace_backfill_names[i])) {
			*ret_mode = (enum backfill_mode)i;
			return 0;
		}
	return -EBADMSG;
}

int feed_create(const json_t *line, struct feed **ret_feed, struct err *err)
{
	const char *policy = json_string_value(json_object_get(line, "policy"));
	const char *backfill = json_string_value(json_object_get(line, "backfill"));
	struct sched_config config = {0};
	int r = trace_fields_get(line, trace_config_fields, &config, err);

	if (r < 0)
		return r;
	config.policy = policy ? policy_by_name(policy) : NULL;
	if (!config.policy)
		return err_set(err, -EBADMSG, "policy: there is no such policy");
	if (parse_backfill(backfill, &config.backfill) < 0)
		return err_set(err, -EBADMSG, "backfill: there is no such backfill");
	*ret_feed = xcalloc(1, sizeof(**ret_feed));
	(*ret_feed)->sched = sched_create(&config);
	return 0;
}

/* The position of the last entry that begins at `id` or before it, plus one. */
static size_t position(const struct feed *feed, uint64_t id)
{
	size_t low = 0, high = feed->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (feed->waiting[middle]->job.id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Does any job of these ids wait or run? */
static bool is_taken(const struct feed *feed, uint64_t id, uint32_t n)
{
	size_t at = position(feed, id + n - 1), n_running;
	struct running *const *running = sched_running(feed->sched, &n_running);

	if (at > 0 && feed->waiting[at - 1]->job.id + feed->waiting[at - 1]->n > id)
		return true;
	for (size_t i = 0; i < n_running; i++)
		if (running[i]->job >= id && running[i]->job - id < n)
			return true;
	return false;
}

static void remove_entry(struct feed *feed, size_t at)
{
	free(feed->waiting[at]);
	memmove(&feed->waiting[at], &feed->waiting[at + 1],
		(--feed->n - at) * sizeof(struct entry *));
}

static void add_entry(struct feed *feed, const struct job *job, uint32_t n)
{
	size_t at = position(feed, job->id);
	struct entry *entry = xmalloc(sizeof(*entry));

	*entry = (struct entry){*job, n};
	xgrow(&feed->waiting, &feed->capacity, feed->n + 1, sizeof(struct entry *));
	memmove(&feed->waiting[at + 1], &feed->waiting[at],
		(feed->n - at) * sizeof(struct entry *));
	feed->waiting[at] = entry;
	feed->n++;
}

/* The first job of an entry was started. */
static void take_first(struct feed *feed, uint64_t id)
{
	size_t at = position(feed, id);
	struct entry *entry = at > 0 ? feed->waiting[at - 1] : NULL;

	if (!entry || entry->job.id != id)
		return;
	entry->job.id++;
	if (--entry->n == 0)
		remove_entry(feed, at - 1);
}

static int copy_text(const json_t *object, const char *name, char *ret_text, size_t size,
		     struct err *err)
{
	const json_t *text = json_object_get(object, name);

	if (text && (!json_is_string(text) || json_string_length(text) >= size))
		return err_set(err, -EBADMSG, "%s: is no text of less than %zu bytes", name, size);
	snprintf(ret_text, size, "%s", text ? json_string_value(text) : "");
	return 0;
}

static int parse_gpu(const json_t *object, struct node_gpu *gpu, struct err *err)
{
	const char *state = json_string_value(json_object_get(object, "state"));
	int64_t mem = 0;
	int r = copy_text(object, "label", gpu->label, sizeof(gpu->label), err);

	if (r == 0)
		r = copy_text(object, "type", gpu->type, sizeof(gpu->type), err);
	if (r == 0)
		r = copy_text(object, "reason", gpu->reason, sizeof(gpu->reason), err);
	if (r == 0)
		r = trace_number_get(object, "mem", 0, INT64_MAX, &mem, err);
	if (r < 0)
		return r;
	gpu->mem_bytes = (uint64_t)mem;
	for (unsigned i = 0; state && i < GPU_CONDITION_COUNT; i++)
		if (STREQ(state, gpu_condition_name((enum gpu_condition)i))) {
			gpu->condition = (enum gpu_condition)i;
			return 0;
		}
	return err_set(err, -EBADMSG, "state: there is no such state of a GPU");
}

/* The scores that the line gives, else those that the node has. */
static int32_t score_of(const json_t *rows, const struct node *node, unsigned i, unsigned j)
{
	json_int_t score;

	if (!rows)
		return node && i < node->n_gpus ? topology_pair_score(node->topology, i, j) : -1;
	score = json_integer_value(json_array_get(json_array_get(rows, i - 1), j));
	return score >= 0 && score <= SCORE_MAX ? (int32_t)score : -1;
}

static int parse_topology(const json_t *line, const struct node *node, unsigned n,
			  struct topology **ret_topology, struct err *err)
{
	const json_t *rows = json_object_get(line, "scores");
	_cleanup_(free_ptr) int32_t *scores = xcalloc((size_t)n * n, sizeof(*scores));

	for (unsigned i = 1; i < n; i++)
		for (unsigned j = 0; j < i; j++) {
			int32_t score = score_of(rows, node, i, j);

			if (score < 0)
				return err_set(err, -EBADMSG,
					       "scores: there is none of 0 to %d for GPUs %u and "
					       "%u",
					       SCORE_MAX, i, j);
			scores[i * n + j] = scores[j * n + i] = score;
		}
	*ret_topology = topology_create_scores(n, scores);
	return 0;
}

/* What is new of a node; `index` may be one more than there are. */
static int set_node(struct ledger *ledger, uint32_t index, const json_t *line, struct err *err)
{
	const json_t *list = json_object_get(line, "gpus"), *gpu;
	const char *name = json_string_value(json_object_get(line, "name"));
	struct node *node = index < ledger->n_nodes ? &ledger->nodes[index] : NULL;
	unsigned n = (unsigned)json_array_size(list);
	_cleanup_(free_ptr) struct node_gpu *gpus = xcalloc(n, sizeof(*gpus));
	struct topology *topology = NULL;
	int64_t cpus = 0, mem = 0;
	size_t i;
	int r = trace_number_get(line, "cpus", 0, CPUS_MAX, &cpus, err);

	if (r == 0)
		r = trace_number_get(line, "mem", 0, INT64_MAX, &mem, err);
	json_array_foreach (list, i, gpu)
		if (r == 0)
			r = parse_gpu(gpu, &gpus[i], err);
	if (r == 0)
		r = parse_topology(line, node, n, &topology, err);
	if (r < 0)
		return r;
	if (node)
		ledger_set_cpus(ledger, index, (uint32_t)cpus);
	else
		ledger_add_node(ledger, name ? name : "", (uint32_t)cpus, (uint64_t)mem);
	ledger_set_gpus(ledger, index, TAKE_PTR(gpus), n, topology);
	return 0;
}

static int feed_node(struct feed *feed, const json_t *line, struct err *err)
{
	struct ledger *ledger = sched_ledger(feed->sched);
	size_t n = json_array_size(json_object_get(line, "gpus"));
	int64_t index = 0, last = (int64_t)ledger->n_nodes;
	int r;

	if (last > LEDGER_NODES_MAX - 1)
		last = LEDGER_NODES_MAX - 1;
	r = trace_number_get(line, "node", 0, last, &index, err);
	if (r < 0)
		return r;
	if (n > TOPOLOGY_GPUS_MAX ||
	    ((size_t)index < ledger->n_nodes && n < ledger->nodes[index].n_gpus))
		return err_set(err, -EBADMSG,
			       "gpus: a node has at most %d, and none of them vanishes",
			       TOPOLOGY_GPUS_MAX);
	return set_node(ledger, (uint32_t)index, line, err);
}

static int parse_job(struct feed *feed, const json_t *line, struct job *job, struct err *err)
{
	const char *type = json_string_value(json_object_get(line, "gpu_type"));

	job_init(job);
	job->request.gpu_type = ledger_intern_type(sched_ledger(feed->sched), type);
	return trace_fields_get(line, trace_job_fields, job, err);
}

static int feed_enqueue(struct feed *feed, const json_t *line, struct err *err)
{
	struct job job;
	int64_t n = 0;
	int r = parse_job(feed, line, &job, err);

	if (r == 0)
		r = trace_number_get(line, "n", 1, TASKS_MAX, &n, err);
	if (r < 0)
		return r;
	if (is_taken(feed, job.id, (uint32_t)n))
		return err_set(err, -EBADMSG, "id: the job waits or runs already");
	add_entry(feed, &job, (uint32_t)n);
	sched_enqueue(feed->sched, &job, (uint32_t)n);
	return 0;
}

static int feed_dequeue(struct feed *feed, const json_t *line, struct err *err)
{
	int64_t id = 0;
	size_t at;
	int r = trace_number_get(line, "id", 1, INT64_MAX, &id, err);

	if (r < 0)
		return r;
	at = position(feed, (uint64_t)id);
	if (at == 0 || feed->waiting[at - 1]->job.id != (uint64_t)id)
		return err_set(err, -EBADMSG, "id: the job does not wait");
	sched_dequeue(feed->sched, &feed->waiting[at - 1]->job);
	remove_entry(feed, at - 1);
	return 0;
}

/* Are the slots there and free, and do the counts stay in their types? */
static int check_alloc(const struct ledger *ledger, const struct allocation *alloc, struct err *err)
{
	for (size_t i = 0; i < alloc->n_parts; i++) {
		const struct allocation_part *part = &alloc->parts[i];
		const struct node *node =
			part->node < ledger->n_nodes ? &ledger->nodes[part->node] : NULL;

		if (!node || (part->gpus & ~node->all) || (part->gpus & node->taken))
			return err_set(err, -EBADMSG, "on: a GPU is not there, or taken");
		if (part->cpus > CPUS_MAX - node->taken_cpus ||
		    part->mem_bytes > INT64_MAX - node->taken_mem_bytes)
			return err_set(err, -EBADMSG, "on: more than can be counted is taken");
		for (size_t k = 0; k < i; k++)
			if (alloc->parts[k].node == part->node)
				return err_set(err, -EBADMSG, "on: a node is there twice");
	}
	return 0;
}

static int feed_adopt(struct feed *feed, const json_t *line, struct err *err)
{
	_cleanup_(job_finish) struct job job;
	int r = parse_job(feed, line, &job, err);

	if (r == 0)
		r = trace_alloc_parse(json_object_get(line, "on"), &job.alloc, err);
	if (r == 0)
		r = check_alloc(sched_ledger(feed->sched), &job.alloc, err);
	if (r < 0)
		return r;
	if (is_taken(feed, job.id, 1))
		return err_set(err, -EBADMSG, "id: the job waits or runs already");
	job.state = json_object_get(line, "leaving") ? JOB_STOPPING : JOB_RUNNING;
	sched_adopt(feed->sched, &job);
	return 0;
}

static int feed_measure(struct feed *feed, const json_t *line, struct err *err)
{
	int64_t now_ns = 0;
	int r = trace_number_get(line, "time", 1, TIME_NEVER / 2, &now_ns, err);

	if (r == 0)
		sched_measure_shares(feed->sched, now_ns);
	return r;
}

static int feed_end(struct feed *feed, const json_t *line, struct err *err)
{
	void (*const tell)(struct sched *, uint64_t, int64_t) =
		STREQ(json_string_value(json_object_get(line, "call")), "leave") ? sched_leave
										 : sched_release;
	int64_t id = 0, now_ns = 0;
	int r = trace_number_get(line, "id", 1, INT64_MAX, &id, err);

	if (r == 0)
		r = trace_number_get(line, "time", 1, TIME_NEVER / 2, &now_ns, err);
	if (r == 0)
		tell(feed->sched, (uint64_t)id, now_ns);
	return r;
}

static int feed_charge(struct feed *feed, const json_t *line, struct err *err)
{
	const char *share = json_string_value(json_object_get(line, "share"));
	struct sched_charge charge;
	int r = trace_fields_get(line, trace_charge_fields, &charge, err);

	if (r < 0)
		return r;
	charge.share = share ? strtod(share, NULL) : -1;
	if (!(charge.share >= 0 && charge.share <= 1))
		return err_set(err, -EBADMSG, "share: is not between 0 and 1");
	sched_charge(feed->sched, &charge);
	return 0;
}

static int parse_window(const struct feed *feed, const json_t *object, struct window *window,
			struct err *err)
{
	int r = trace_fields_get(object, trace_window_fields, window, err);

	if (r == 0)
		r = trace_slots_parse(json_object_get(object, "gpus"), &window->gpus, err);
	if (r == 0 && window->node >= sched_ledger(feed->sched)->n_nodes)
		r = err_set(err, -EBADMSG, "node: there is no such node");
	return r;
}

static int feed_windows(struct feed *feed, const json_t *line, struct err *err)
{
	const json_t *list = json_object_get(line, "windows"), *object;
	size_t n = json_array_size(list), i;
	_cleanup_(free_ptr) struct window *windows = xcalloc(n, sizeof(*windows));
	int r = 0;

	if (n > 0 && !sched_config(feed->sched)->tell_users_apart)
		return err_set(err, -EBADMSG, "windows: this scheduler does not tell users apart");
	json_array_foreach (list, i, object)
		if (r == 0)
			r = parse_window(feed, object, &windows[i], err);
	if (r == 0)
		sched_set_windows(feed->sched, windows, n);
	return r;
}

static int feed_pass(struct feed *feed, const json_t *line, struct err *err)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};
	int64_t now_ns = 0;
	int r = trace_number_get(line, "time", 1, TIME_NEVER / 2, &now_ns, err);

	if (r < 0)
		return r;
	sched_pass(feed->sched, now_ns, &decisions);
	for (size_t i = 0; i < decisions.n; i++)
		if (decisions.items[i].kind == DECISION_START)
			take_first(feed, decisions.items[i].job);
	return 0;
}

int feed_line(struct feed *feed, const json_t *line, struct err *err)
{
	static int (*const feeds[SCHED_CALL_COUNT])(struct feed *, const json_t *, struct err *) = {
		[SCHED_CALL_CHARGE] = feed_charge,   [SCHED_CALL_ENQUEUE] = feed_enqueue,
		[SCHED_CALL_DEQUEUE] = feed_dequeue, [SCHED_CALL_ADOPT] = feed_adopt,
		[SCHED_CALL_RELEASE] = feed_end,     [SCHED_CALL_LEAVE] = feed_end,
		[SCHED_CALL_MEASURE] = feed_measure, [SCHED_CALL_WINDOWS] = feed_windows,
		[SCHED_CALL_PASS] = feed_pass,
	};
	const char *call = json_string_value(json_object_get(line, "call"));

	if (call && STREQ(call, "node"))
		return feed_node(feed, line, err);
	for (size_t i = 0; call && i < SCHED_CALL_COUNT; i++)
		if (STREQ(call, trace_call_names[i]))
			return feeds[i](feed, line, err);
	return err_set(err, -EBADMSG, "call: there is no such call");
}
