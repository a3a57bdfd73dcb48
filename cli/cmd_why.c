/* SPDX-License-Identifier: MIT */
/* tgpu why: what a job waits for, with numbers and names, and when it should start. */
#include <inttypes.h>

#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "common/clock.h"

static const struct option_desc options[] = {
	SELECTOR_OPTIONS,
	{"json", 0, OPTION_FLAG, NULL, "print each answer as JSON", NULL},
};

static void print_sentence(const char *sentence)
{
	_cleanup_(buf_finish) struct buf line = {0};

	buf_puts(&line, "  ");
	format_sentence(&line, sentence);
	format_line(COLOUR_NONE, buf_get(&line));
}

static void explain(const json_t *why)
{
	_cleanup_(buf_finish) struct buf head = {0};
	const json_t *sentences = json_object_get(why, "sentences");
	int64_t ahead = field_int(why, "ahead", 0);
	int64_t start_ms = field_int(why, "start_ms", 0);
	const json_t *sentence;
	char time[32];
	size_t i;

	buf_printf(&head, "job %" PRId64 " is %s", field_int(why, "id", 0),
		   field_text(why, "state"));
	if (ahead > 0)
		buf_printf(&head, ", %" PRId64 " ahead of it", ahead);
	format_line(COLOUR_BOLD, buf_get(&head));
	json_array_foreach (sentences, i, sentence)
		print_sentence(json_string_value(sentence));
	if (start_ms > 0)
		printf("  estimated start: %s\n",
		       format_time(start_ms, clock_wall_ns() / NS_PER_MS, time));
}

/* One that does not wait: what it does, or how it ended. */
static int tell(struct client *client, uint64_t id, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	_cleanup_(buf_finish) struct buf line = {0};
	int r = client_get(client, &job, err, "/v1/jobs/%" PRIu64, id);

	if (r < 0)
		return r;
	buf_printf(&line, "job %" PRIu64 " ", id);
	if (jobview_is_waiting(job)) /* again, since it was asked about */
		buf_puts(&line, "waits again");
	else
		jobview_doing(&line, job, clock_wall_ns() / NS_PER_MS);
	format_line(COLOUR_BOLD, buf_get(&line));
	return 0;
}

static int why(struct client *client, uint64_t id, void *ctx, struct err *err)
{
	_cleanup_(client_json_unref) json_t *answer = NULL;
	const bool *json = ctx;
	int r = client_get(client, &answer, err, "/v1/jobs/%" PRIu64 "/why", id);

	if (r < 0)
		return r;
	if (*json)
		field_print_json(answer);
	else if (!jobview_is_waiting(answer))
		return tell(client, id, err);
	else
		explain(answer);
	return 0;
}

static int run(const struct options *opts, struct err *err)
{
	bool json = options_has(opts, "json");

	return selector_for_each(opts, why, &json, err);
}

const struct command command_why = {
	.name = "why",
	.usage = "[OPTIONS] ID...",
	.summary = "explain why a job waits, and for whom",
	.examples = "  tgpu why 12\n"
		    "  tgpu why --me --state queued\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "ID",
	.states = "queued,held",
	.also = " explain ",
	.run = run,
};
