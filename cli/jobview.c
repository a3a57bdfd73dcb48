/* SPDX-License-Identifier: MIT */
/*
 * Words for a job's state, place and end.
 *
 * Invariants: unknown stays unknown, shown as nothing or "-" and never as 0; GPUs that do not exist
 * are labelled wherever they are shown.
 * Read next: field.h, docs/api.md.
 */
#include "cli/jobview.h"

#include <signal.h>

#include "cli/exit.h"
#include "cli/field.h"
#include "cli/specview.h"

const struct jobview_state jobview_states[] = {
	{"queued", "waits for its turn, or is held", COLOUR_YELLOW, false,
	 " pending pd waiting wait eligible submitted "},
	{"held", "waits until it is released", COLOUR_YELLOW, false, " hold onhold blocked "},
	{"starting", "has its GPUs, is being started", COLOUR_CYAN, false,
	 " configuring cf launching "},
	{"running", "runs", COLOUR_GREEN, false, " r "},
	{"stopping", "was told to end", COLOUR_CYAN, false, " completing cg cancelling ending "},
	{"finished", "ended with exit code 0", COLOUR_DIM, true,
	 " completed complete cd done succeeded success ok "},
	{"failed", "ended otherwise", COLOUR_RED, true,
	 " f timeout to error node_fail nf out_of_memory oom deadline boot_fail dead "},
	{"cancelled", "was ended by somebody", COLOUR_DIM, true, " canceled ca killed aborted "},
	{"active", "all that have not ended", COLOUR_NONE, false, " alive unfinished current "},
	{"all", "every one", COLOUR_NONE, false, " any every "},
	{NULL, NULL, COLOUR_NONE, false, NULL},
};

static const struct jobview_state *state_of(const json_t *job)
{
	const char *name = field_text(job, "state");

	for (size_t i = 0; jobview_states[i].name; i++)
		if (STREQ(jobview_states[i].name, name))
			return &jobview_states[i];
	return NULL;
}

uint64_t jobview_id(const json_t *job)
{
	return (uint64_t)field_int(job, "id", 0);
}

struct idrange jobview_range(const json_t *job)
{
	uint64_t id = jobview_id(job);

	return (struct idrange){id, id + (uint64_t)field_int(job, "n_tasks", 1) - 1};
}

bool jobview_is_waiting(const json_t *job)
{
	return STREQ(field_text(job, "state"), "queued");
}

const char *jobview_state(const json_t *job)
{
	return jobview_is_waiting(job) && field_true(job, "held") ? "held"
								  : field_text(job, "state");
}

bool jobview_waits_again(const json_t *job)
{
	return jobview_is_waiting(job) && field_int(job, "attempt", 0) > 0;
}

bool jobview_never_started(const json_t *job)
{
	return jobview_is_final(job) && !json_is_integer(json_object_get(job, "start_ms"));
}

bool jobview_is_final(const json_t *job)
{
	const struct jobview_state *state = state_of(job);

	return state && state->final;
}

enum format_colour jobview_colour(const json_t *job)
{
	const struct jobview_state *state = state_of(job);

	return state ? state->colour : COLOUR_NONE;
}

int64_t jobview_elapsed_ms(const json_t *job, int64_t now_ms)
{
	int64_t start = field_int(job, "start_ms", -1);
	int64_t end = field_int(job, "end_ms", -1);

	if (start < 0 || jobview_is_waiting(job)) /* its last attempt is past */
		return -1;
	if (end < 0)
		end = now_ms;
	return end > start ? end - start : 0;
}

static bool is_simulated(const json_t *gpus)
{
	return strncmp(field_text(json_array_get(gpus, 0), "uuid"), "SIM-", 4) == 0;
}

static void add_gpus(struct buf *buf, const json_t *job, const char *prefix)
{
	const json_t *gpu;
	size_t i;

	json_array_foreach (json_object_get(job, "gpus"), i, gpu)
		buf_printf(buf, "%s%s%" JSON_INTEGER_FORMAT, i > 0 ? "," : "", prefix,
			   (json_int_t)field_int(gpu, "index", -1));
}

void jobview_gpu_ids(struct buf *buf, const json_t *job)
{
	add_gpus(buf, job, "");
}

static void add_simulated(struct buf *buf, const json_t *job)
{
	if (is_simulated(json_object_get(job, "gpus")))
		buf_puts(buf, " (simulated)");
}

void jobview_gpus(struct buf *buf, const json_t *job)
{
	add_gpus(buf, job, "");
	add_simulated(buf, job);
}

void jobview_gpu_names(struct buf *buf, const json_t *job)
{
	add_gpus(buf, job, "gpu");
	add_simulated(buf, job);
}

enum format_colour jobview_gpu_colour(const char *state)
{
	if (STREQ(state, "idle"))
		return COLOUR_GREEN;
	if (STREQ(state, "allocated"))
		return COLOUR_CYAN;
	return STREQ(state, "unhealthy") || STREQ(state, "lost") ? COLOUR_RED : COLOUR_YELLOW;
}

/* The causes of an end that say more than an exit code or a signal does. */
static const struct cause {
	const char *name, *text;
	int exit_code; /* of run and wait */
} causes[] = {
	{"timeout", "time limit", EXIT_TIMEOUT},
	{"oom", "out of memory", 128 + SIGKILL},
	{"launch", "could not start", EXIT_CANNOT_START},
	{"runner-lost", "its runner was killed", EXIT_FAILED},
	{"node-lost", "its machine went down", EXIT_FAILED},
	{"gpu-error", "its GPU broke", EXIT_FAILED},
	{"preempted", "made room for another job", EXIT_FAILED},
	{"requeued", "an order to begin again", EXIT_FAILED},
};

/* The cause whose name the first `len` bytes are; NULL: an exit code or a signal says it. */
static const struct cause *find_cause(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (strlen(causes[i].name) == len && memcmp(causes[i].name, name, len) == 0)
			return &causes[i];
	return NULL;
}

static const struct cause *cause_of(const json_t *job)
{
	const char *name = field_text(job, "cause");

	return find_cause(name, strlen(name));
}

void jobview_attempt_ending(struct buf *buf, const json_t *job)
{
	const struct cause *cause = cause_of(job);
	int64_t code = field_int(job, "exit_code", 0);
	int64_t signal = field_int(job, "signal", 0);
	int64_t by = field_int(job, "cancelled_by", -1);

	if (cause)
		buf_puts(buf, cause->text);
	else if (by >= 0)
		buf_printf(buf, "cancelled by %s", format_user((uid_t)by));
	else if (signal > 0)
		buf_printf(buf, "signal %s",
			   sigabbrev_np((int)signal) ? sigabbrev_np((int)signal) : "?");
	else if (code != 0)
		buf_printf(buf, "exit code %d", (int)code);
}

void jobview_ending(struct buf *buf, const json_t *job)
{
	if (jobview_is_final(job))
		jobview_attempt_ending(buf, job);
}

/* "was cancelled by anna"; "has failed: time limit; message". */
static void add_end(struct buf *buf, const json_t *job)
{
	_cleanup_(buf_finish) struct buf ending = {0};
	const char *state = field_text(job, "state"), *message = field_text(job, "message");
	bool cancelled = STREQ(state, "cancelled");

	jobview_ending(&ending, job);
	if (strncmp(buf_get(&ending), state, strlen(state)) == 0)
		buf_printf(buf, "was %s", buf_get(&ending));
	else
		buf_printf(buf, "%s %s%s%s", cancelled ? "was" : "has", state,
			   ending.len > 0 ? ": " : "", buf_get(&ending));
	if (message[0])
		buf_printf(buf, "; %s", message);
}

void jobview_doing(struct buf *buf, const json_t *job, int64_t now_ms)
{
	_cleanup_(buf_finish) struct buf gpus = {0};
	int64_t start_ms = field_int(job, "start_ms", 0);
	const char *state = field_text(job, "state");
	char time[32];

	if (jobview_is_final(job)) {
		add_end(buf, job);
		return;
	}
	jobview_gpu_names(&gpus, job);
	if (STREQ(state, "stopping"))
		buf_puts(buf, "was told to end and ");
	if (start_ms > 0)
		buf_printf(buf, "runs since %s", format_time(start_ms, now_ms, time));
	else
		buf_puts(buf, "is being started");
	if (gpus.len > 0)
		buf_printf(buf, " on %s", buf_get(&gpus));
}

/* The detail of an end begins with its cause: "timeout", "launch: there is no program x". */
static void add_ended_by(struct buf *buf, const char *detail)
{
	size_t len = strcspn(detail, ":");
	const struct cause *cause = find_cause(detail, len);

	buf_puts(buf, cause ? cause->text : "");
	buf_puts(buf, cause ? detail + len : detail);
}

void jobview_event(struct buf *buf, const json_t *event, int64_t now_ms)
{
	const char *name = field_text(event, "event"), *detail = field_text(event, "detail");
	_cleanup_(buf_finish) struct buf text = {0};

	if (STREQ(name, "fail") || STREQ(name, "requeue"))
		add_ended_by(&text, detail);
	else if (!STREQ(name, "update") || !specview_changes(&text, detail, now_ms))
		buf_puts(&text, detail);
	format_printable(buf, name);
	if (text.len > 0)
		buf_puts(buf, ": ");
	format_sentence(buf, buf_get(&text));
}

/* What is in brackets: that its GPUs do not exist, and how it ended. */
static void add_notes(struct buf *buf, const json_t *job)
{
	_cleanup_(buf_finish) struct buf ending = {0};

	if (is_simulated(json_object_get(job, "gpus")))
		buf_puts(buf, "simulated");
	jobview_ending(&ending, job);
	if (ending.len > 0)
		buf_printf(buf, "%s%s", buf->len > 0 ? ", " : "", buf_get(&ending));
}

void jobview_where(struct buf *buf, const json_t *job)
{
	_cleanup_(buf_finish) struct buf notes = {0};

	if (jobview_is_waiting(job))
		buf_puts(&notes, field_text(json_object_get(job, "reason"), "text"));
	else {
		jobview_gpu_ids(buf, job);
		add_notes(&notes, job);
	}
	if (notes.len > 0)
		buf_printf(buf, "%s(%s)", buf->len > 0 ? " " : "", buf_get(&notes));
	if (buf->len == 0)
		buf_putc(buf, '-');
}

int jobview_exit_code(const json_t *job)
{
	const struct cause *cause = cause_of(job);
	int64_t code = field_int(job, "exit_code", -1);
	int64_t signal = field_int(job, "signal", 0);

	if (cause && !STREQ(cause->name, "launch"))
		return cause->exit_code;
	if (signal > 0)
		return 128 + (int)(signal & 0x7f);
	if (STREQ(field_text(job, "state"), "finished"))
		return EXIT_DONE;
	if (code > 0)
		return (int)(code & 0xff);
	/* Failed or cancelled without a code of its own: never 0. */
	return cause ? cause->exit_code : EXIT_FAILED;
}
