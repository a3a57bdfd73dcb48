/* SPDX-License-Identifier: MIT */
/*
 * tgpu events: what happened to all jobs, or what happens now.
 *
 * Invariants: with --follow a daemon that restarts is asked again from the last event on, so none
 * is left out and none printed twice.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "common/clock.h"
#include "common/timetext.h"

#define RECONNECT_MS 60000 /* for a daemon that is being restarted */
#define RETRY_MS     100

static const struct option_desc options[] = {
	{"follow", 'f', OPTION_FLAG, NULL, "go on with what happens from now on", NULL},
	{"since", 0, OPTION_VALUE, "WHEN",
	 "begin at this time (yesterday, 2h), or after this event or revision", NULL},
	{"job", 0, OPTION_VALUE, "JOBS", "only of these jobs, such as 12, 1,3-5 or last", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print each event as one line of JSON", NULL},
};

struct listening {
	bool json, follow;
	char *jobs;	  /* owned; NULL: all */
	int64_t since_ms; /* nothing that happened before */
	char since[64];	  /* the id of the last event; "" : from now on */
};

static void print_event(const json_t *event)
{
	_cleanup_(buf_finish) struct buf line = {0};
	uint64_t first = (uint64_t)field_int(event, "job", 0);
	struct idrange jobs = {first, first + (uint64_t)field_int(event, "n_tasks", 1) - 1};
	char time[32];

	buf_printf(&line, "%s  job ",
		   time_format(field_int(event, "time_ms", 0) * NS_PER_MS, time));
	idrange_format(&line, &jobs);
	buf_puts(&line, "  ");
	jobview_event(&line, event, clock_wall_ns() / NS_PER_MS);
	format_line(COLOUR_NONE, buf_get(&line));
}

static int print_data(const struct listening *listening, const char *data)
{
	_cleanup_(client_json_unref) json_t *event = json_loads(data, 0, NULL);

	if (!json_is_object(event))
		return 0;
	if (listening->json)
		puts(data);
	else
		print_event(event);
	return fflush(stdout) != 0; /* its reader has gone */
}

/* One line of the stream; the id of an event comes before its data. */
static int on_line(void *ctx, const char *line)
{
	struct listening *listening = ctx;

	if (strncmp(line, "id: ", 4) == 0)
		snprintf(listening->since, sizeof(listening->since), "%s", line + 4);
	else if (strncmp(line, "data: ", 6) == 0)
		return print_data(listening, line + 6);
	return 0;
}

/* Until the stream ends, or the daemon does. */
static int listen_once(struct client *client, struct listening *listening, struct err *err)
{
	_cleanup_(buf_finish) struct buf target = {0};

	buf_printf(&target, "/v1/events?follow=%s", listening->follow ? "yes" : "no");
	if (listening->since[0])
		buf_printf(&target, "&since=%s", listening->since);
	if (listening->since_ms)
		buf_printf(&target, "&since_ms=%" PRId64, listening->since_ms);
	if (listening->jobs)
		buf_printf(&target, "&jobs=%s", listening->jobs);
	return client_stream(client, buf_get(&target), on_line, listening, err);
}

static int reconnect(struct client *client, struct err *err)
{
	int64_t end = clock_mono_ns() + RECONNECT_MS * NS_PER_MS;
	int r;

	do {
		poll(NULL, 0, RETRY_MS);
		client_close(client);
		r = client_open(client, CLIENT_NO_START, err);
	} while (r == -ENOTCONN && clock_mono_ns() < end);
	return r;
}

/* A place in the log, "41" or "41.0", or a time of the past. */
static int parse_since(const char *text, struct listening *listening, struct err *err)
{
	int64_t at_ns;

	if (*text && text[strspn(text, "0123456789.")] == '\0') {
		snprintf(listening->since, sizeof(listening->since), "%.40s", text);
		return 0;
	}
	if (time_parse_past(text, clock_wall_ns(), &at_ns, err) < 0)
		return err_wrap(err, "--since");
	listening->since_ms = at_ns / NS_PER_MS;
	return 0;
}

/* Where to begin where nothing was said: now, or, where nothing is followed, at the beginning. With
 * the revision of now, so that what happens while the daemon restarts is not left out. */
static int find_start(struct client *client, struct listening *listening, struct err *err)
{
	_cleanup_(client_json_unref) json_t *status = NULL;
	int r = 0;

	if (listening->since[0])
		return 0;
	if (listening->follow && !listening->since_ms)
		r = client_get(client, &status, err, "/v1/status");
	snprintf(listening->since, sizeof(listening->since), "%" PRId64,
		 field_int(status, "revision", 0));
	return r;
}

static int follow(struct client *client, struct listening *listening, struct err *err)
{
	int r = find_start(client, listening, err);

	if (r == 0)
		r = listen_once(client, listening, err);
	while (listening->follow && (r == 0 || r == -ECONNRESET)) {
		r = reconnect(client, err);
		if (r == 0)
			r = listen_once(client, listening, err);
	}
	return r > 0 ? EXIT_DONE : r;
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(selector_finish) struct selector selector = {0};
	const char *jobs = options_get(opts, "job"), *since = options_get(opts, "since");
	struct listening listening = {
		.json = options_has(opts, "json"),
		.follow = options_has(opts, "follow"),
	};
	int r = jobs ? selector_parse_jobs(&selector, jobs, err) : 0;

	if (r < 0)
		return err_wrap(err, "--job");
	if (since && parse_since(since, &listening, err) < 0)
		return -EINVAL;
	r = client_open(&client, CLIENT_START, err);
	if (r == 0 && jobs)
		r = selector_check(&selector, &client, listening.follow, err);
	if (r < 0)
		return r;
	listening.jobs = jobs ? idset_format(&selector.ids) : NULL;
	r = follow(&client, &listening, err);
	free(listening.jobs);
	return r;
}

const struct command command_events = {
	.name = "events",
	.usage = "[OPTIONS]",
	.summary = "show what happened to jobs, or what happens (-f)",
	.examples = "  tgpu events --job 12\n"
		    "  tgpu events --since yesterday\n"
		    "  tgpu events -f --json | jq .event\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.also = " history ",
	.run = run,
};
