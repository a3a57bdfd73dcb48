/* SPDX-License-Identifier: MIT */
/*
 * Lines of a decision log.
 *
 * Invariants: the lines are a function of what the scheduler was told, so a scheduler that is told
 * the same writes the same; all that decisions follow from is in them. What the ledger holds is
 * written when it was told anew, before the first call that could notice: so nobody who changes the
 * ledger knows of this. What is as it was is not said again: scores of a node's links, reasons of
 * those who wait. Deliberately not here: files (trace.c), reading (simulator/verify_feed.c).
 * Cost: some microseconds per call; a pass, the reasons of REASONS_MAX jobs. Read next: trace.c.
 */
#include "daemon/trace_text.h"

#include <stdlib.h>

#include "daemon/trace_fields.h"
#include "scheduler/why_text.h"

#define REASONS_MAX 20 /* waiting jobs of which a pass says why */

struct trace_text {
	struct sched *sched; /* borrowed */
	trace_line_fn *write;
	void *ctx;
	uint64_t generation; /* of the ledger that was written last */
	char **scores;	     /* owned: of each node, as written last */
	size_t n_scores;
	char *waiting; /* owned: the reasons as written last */
};

/* Write and forget it. */
static void write_line(const struct trace_text *text, json_t *line)
{
	_cleanup_(free_ptr) char *dump = json_dumps(line, JSON_COMPACT);

	json_decref(line);
	text->write(text->ctx, dump, strlen(dump));
}

/* Remember a value's text in *slot. True when it was another. */
static bool is_news(char **slot, const json_t *value)
{
	char *dump = json_dumps(value, JSON_COMPACT);
	bool news = !*slot || !STREQ(*slot, dump);

	free(*slot);
	*slot = dump;
	return news;
}

static json_t *format_gpu(const struct node_gpu *gpu)
{
	json_t *object =
		json_pack("{s:s, s:s, s:I, s:s}", "label", gpu->label, "type", gpu->type, "mem",
			  (json_int_t)gpu->mem_bytes, "state", gpu_condition_name(gpu->condition));

	if (gpu->reason[0])
		json_object_set_new(object, "reason", json_string(gpu->reason));
	return object;
}

/* One row per GPU but the first: its scores with those before it. */
static json_t *format_scores(const struct topology *topology)
{
	json_t *rows = json_array();

	for (unsigned i = 1; i < topology_count(topology); i++) {
		json_t *row = json_array();

		for (unsigned j = 0; j < i; j++)
			json_array_append_new(row,
					      json_integer(topology_pair_score(topology, i, j)));
		json_array_append_new(rows, row);
	}
	return rows;
}

static void write_node(struct trace_text *text, size_t index)
{
	const struct node *node = &sched_ledger(text->sched)->nodes[index];
	json_t *gpus = json_array(), *scores = format_scores(node->topology), *line;

	for (unsigned i = 0; i < node->n_gpus; i++)
		json_array_append_new(gpus, format_gpu(&node->gpus[i]));
	line = json_pack("{s:s, s:I, s:s, s:I, s:I, s:o}", "call", "node", "node",
			 (json_int_t)index, "name", node->name, "cpus", (json_int_t)node->cpus,
			 "mem", (json_int_t)node->mem_bytes, "gpus", gpus);
	if (is_news(&text->scores[index], scores))
		json_object_set(line, "scores", scores);
	json_decref(scores);
	write_line(text, line);
}

/* All nodes, when anything of them was told anew: rare, and most clusters are one node. */
static void write_nodes(struct trace_text *text)
{
	const struct ledger *ledger = sched_ledger(text->sched);

	if (ledger->generation == text->generation)
		return;
	text->generation = ledger->generation;
	text->scores = xreallocarray(text->scores, ledger->n_nodes, sizeof(*text->scores));
	while (text->n_scores < ledger->n_nodes)
		text->scores[text->n_scores++] = NULL;
	for (size_t i = 0; i < ledger->n_nodes; i++)
		write_node(text, i);
}

static void put_job(const struct trace_text *text, json_t *line, const struct job *job)
{
	trace_fields_put(line, trace_job_fields, job);
	if (job->request.gpu_type)
		json_object_set_new(line, "gpu_type",
				    json_string(ledger_type_name(sched_ledger(text->sched),
								 job->request.gpu_type)));
}

static void put_charge(struct trace_text *text, json_t *line, const struct sched_told *told)
{
	char share[32];

	(void)text;
	/* A text, for libraries do not agree on how to write a fraction. */
	snprintf(share, sizeof(share), "%.17g", told->charge->share);
	trace_fields_put(line, trace_charge_fields, told->charge);
	json_object_set_new(line, "share", json_string(share));
}

static void put_windows(struct trace_text *text, json_t *line, const struct sched_told *told)
{
	json_t *windows = json_array();

	(void)text;
	for (size_t i = 0; i < told->n_windows; i++) {
		json_t *window = json_object();

		trace_fields_put(window, trace_window_fields, &told->windows[i]);
		json_object_set_new(window, "gpus", trace_slots_format(told->windows[i].gpus));
		json_array_append_new(windows, window);
	}
	json_object_set_new(line, "windows", windows);
}

static void put_enqueue(struct trace_text *text, json_t *line, const struct sched_told *told)
{
	put_job(text, line, told->job);
	json_object_set_new(line, "n", json_integer(told->n));
}

static void put_adopt(struct trace_text *text, json_t *line, const struct sched_told *told)
{
	put_job(text, line, told->job);
	if (told->job->state == JOB_STOPPING)
		json_object_set_new(line, "leaving", json_true());
	json_object_set_new(line, "on", trace_alloc_format(&told->job->alloc));
}

static void put_event(struct trace_text *text, json_t *line, const struct sched_told *told)
{
	(void)text;
	if (told->id)
		json_object_set_new(line, "id", json_integer((json_int_t)told->id));
	if (told->now_ns)
		json_object_set_new(line, "time", json_integer(told->now_ns));
}

static json_t *format_decision(const struct decision *decision)
{
	if (decision->kind == DECISION_START)
		return json_pack("{s:I, s:o}", "start", (json_int_t)decision->job, "on",
				 trace_alloc_format(&decision->alloc));
	return json_pack("{s:I, s:I}", "preempt", (json_int_t)decision->job, "for",
			 (json_int_t)decision->beneficiary);
}

static json_t *format_reasons(const struct trace_text *text, int64_t now_ns)
{
	struct why whys[REASONS_MAX];
	size_t n = sched_why_first(text->sched, now_ns, REASONS_MAX, whys);
	json_t *reasons = json_array();

	for (size_t i = 0; i < n; i++) {
		_cleanup_(buf_finish) struct buf summary = {0};

		why_summary(&whys[i], &summary);
		json_array_append_new(reasons,
				      json_pack("{s:I, s:s, s:s}", "id", (json_int_t)whys[i].job,
						"why", why_code_name(whys[i].code), "summary",
						buf_get(&summary)));
	}
	return reasons;
}

static void put_pass(struct trace_text *text, json_t *line, const struct sched_told *told)
{
	json_t *decisions = json_array(), *reasons = format_reasons(text, told->now_ns);
	int64_t shadow_ns;
	uint64_t head = sched_head(text->sched, &shadow_ns);

	for (size_t i = 0; i < told->n_decisions; i++)
		json_array_append_new(decisions, format_decision(&told->decisions[i]));
	json_object_set_new(line, "time", json_integer(told->now_ns));
	json_object_set_new(line, "decisions", decisions);
	if (head)
		json_object_set_new(line, "head", json_integer((json_int_t)head));
	if (head && shadow_ns < TIME_NEVER)
		json_object_set_new(line, "shadow", json_integer(shadow_ns));
	if (is_news(&text->waiting, reasons))
		json_object_set(line, "waiting", reasons);
	json_decref(reasons);
}

static void on_told(void *ctx, const struct sched_told *told)
{
	static void (*const put[SCHED_CALL_COUNT])(struct trace_text *, json_t *,
						   const struct sched_told *) = {
		[SCHED_CALL_CHARGE] = put_charge, [SCHED_CALL_ENQUEUE] = put_enqueue,
		[SCHED_CALL_DEQUEUE] = put_event, [SCHED_CALL_ADOPT] = put_adopt,
		[SCHED_CALL_RELEASE] = put_event, [SCHED_CALL_LEAVE] = put_event,
		[SCHED_CALL_MEASURE] = put_event, [SCHED_CALL_WINDOWS] = put_windows,
		[SCHED_CALL_PASS] = put_pass,
	};
	struct trace_text *text = ctx;
	json_t *line = json_pack("{s:s}", "call", trace_call_names[told->call]);

	write_nodes(text);
	put[told->call](text, line, told);
	write_line(text, line);
}

struct trace_text *trace_text_create(struct sched *sched, const char *version, trace_line_fn *write,
				     void *ctx)
{
	struct trace_text *text = xcalloc(1, sizeof(*text));
	const struct sched_config *config = sched_config(sched);
	json_t *line =
		json_pack("{s:s, s:s, s:s, s:s}", "call", "create", "version", version, "policy",
			  config->policy->name, "backfill", trace_backfill_names[config->backfill]);

	*text = (struct trace_text){.sched = sched, .write = write, .ctx = ctx};
	trace_fields_put(line, trace_config_fields, config);
	write_line(text, line);
	sched_observe(sched, on_told, text);
	return text;
}

void trace_text_destroy(struct trace_text *text)
{
	if (!text)
		return;
	sched_observe(text->sched, NULL, NULL);
	for (size_t i = 0; i < text->n_scores; i++)
		free(text->scores[i]);
	free(text->scores);
	free(text->waiting);
	free(text);
}
