/* SPDX-License-Identifier: MIT */
/*
 * Streams of events, pulled from the store.
 *
 * Invariants: an event leaves after its commit, because it is read from there; ids are places in
 * the log ("41.0": the first event of revision 41), which grow and never come twice; a stream at
 * the end of the log is suspended and costs nothing until there is more. Deliberately not here: any
 * buffer beyond one batch. Cost: a query per stream and commit, so there are STREAMS_MAX at most.
 *
 * A client that left is noticed when something is written to it: at the latest by the next
 * heartbeat. [html.spec.whatwg.org, server-sent events]
 */
#include "daemon/events.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/idset.h"
#include "daemon/api.h"

#define STREAMS_MAX	     64
#define STREAMS_PER_USER_MAX 16
#define BATCH		     100   /* events read at a time */
#define HEARTBEAT_MS	     15000 /* so that proxies and clients know that it lives */

struct event_stream {
	struct daemon *daemon;
	struct MHD_Connection *connection;
	uint32_t uid;
	uint64_t revision, n; /* the last event that was read */
	uint64_t end;	      /* the store's revision when its end was reached */
	int64_t since_ns;     /* nothing that happened before */
	struct idset jobs;    /* only these; empty: all */
	bool follow;	      /* wait at the end for more */
	bool suspended;
	bool beat; /* say something, though nothing happened */
	struct buf out;
	size_t sent;	 /* of `out` */
	struct err *err; /* borrowed, while a batch is read */
	struct event_stream *next;
};

/* Times do not grow with the log: what ended while nobody looked is written down later. So each is
 * compared. */
static bool wants(const struct event_stream *stream, const struct store_event *event)
{
	const struct idrange range = {event->job, event->job + event->n_tasks - 1};
	struct idrange part;

	return event->time_ns >= stream->since_ns &&
	       (stream->jobs.n_ranges == 0 || idset_first_part(&stream->jobs, &range, &part));
}

/* A job ends once and stays as it ended, so its row has what the event does not keep. */
static int add_ending(void *ctx, const struct store_row *row)
{
	const struct job_view view = {.row = row, .id = row->job.id, .n_tasks = row->job.n_tasks};
	json_t *object = ctx, *ending;
	uint64_t which;

	if (api_parse_fields("cause,exit_code,signal", &which, NULL) < 0)
		return -EINVAL;
	ending = api_view_json(&view, which);
	json_object_update(object, ending);
	json_decref(ending);
	return 0;
}

static bool is_ending(const char *event)
{
	static const enum job_event_type ends[] = {JOB_EVENT_FINISH, JOB_EVENT_FAIL,
						   JOB_EVENT_CANCEL};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (STREQ(event, job_event_name(ends[i])))
			return true;
	return false;
}

static int add_event(void *ctx, const struct store_event *event)
{
	struct event_stream *stream = ctx;
	struct store_filter filter = {
		.uid = -1,
		.first_id = event->job,
		.last_id = event->job,
	};
	json_t *object;
	char *text;
	int r = 0;

	stream->revision = event->revision;
	stream->n = event->n;
	if (!wants(stream, event))
		return 0;
	object =
		json_pack("{s:I, s:I, s:I, s:I, s:s, s:s}", "revision", (json_int_t)event->revision,
			  "time_ms", (json_int_t)(event->time_ns / NS_PER_MS), "job",
			  (json_int_t)event->job, "n_tasks", (json_int_t)event->n_tasks, "event",
			  event->event, "detail", event->detail);
	if (!object) /* its detail is no text */
		return 0;
	if (is_ending(event->event))
		r = store_walk(stream->daemon->store, &filter, add_ending, object, stream->err);
	if (r == 0) {
		text = json_dumps(object, JSON_COMPACT);
		buf_printf(&stream->out, "id: %" PRIu64 ".%" PRIu64 "\ndata: %s\n\n",
			   event->revision, event->n, text);
		free(text);
	}
	json_decref(object);
	return r;
}

/* Read the next batch: `out` is empty at the end of the log. A batch of others' events is a
 * heartbeat. 0, or -errno with a sentence. */
static int refill(struct event_stream *stream, struct err *err)
{
	uint64_t revision = stream->revision, n = stream->n;
	int r;

	buf_clear(&stream->out);
	stream->sent = 0;
	stream->end = stream->daemon->revision;
	stream->err = err;
	r = store_walk_log(stream->daemon->store, revision, n, BATCH, add_event, stream, err);
	if (stream->out.len == 0 &&
	    (stream->beat || revision != stream->revision || n != stream->n))
		buf_puts(&stream->out, ":\n\n");
	stream->beat = false;
	return r;
}

/* Called by the library when the socket takes more. */
static ssize_t on_writable(void *cls, uint64_t position, char *to, size_t max)
{
	struct event_stream *stream = cls;
	struct err err = {0};
	size_t n;

	(void)position;
	if (stream->sent == stream->out.len && refill(stream, &err) < 0) {
		trouble_reading(stream->daemon, &err);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (stream->out.len == 0) {
		if (!stream->follow)
			return MHD_CONTENT_READER_END_OF_STREAM;
		stream->suspended = true;
		MHD_suspend_connection(stream->connection);
		return 0;
	}
	n = stream->out.len - stream->sent < max ? stream->out.len - stream->sent : max;
	memcpy(to, stream->out.data + stream->sent, n);
	stream->sent += n;
	return (ssize_t)n;
}

static void release_stream(void *cls)
{
	struct event_stream *stream = cls, **slot = &stream->daemon->event_streams;

	while (*slot && *slot != stream)
		slot = &(*slot)->next;
	if (*slot)
		*slot = stream->next;
	if (!stream->daemon->event_streams)
		uv_timer_stop(&stream->daemon->event_heartbeat);
	idset_finish(&stream->jobs);
	buf_finish(&stream->out);
	free(stream);
}

static void resume(struct event_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->connection);
	http_run_soon(stream->daemon);
}

void events_wake(struct daemon *daemon)
{
	for (struct event_stream *stream = daemon->event_streams; stream; stream = stream->next)
		if (stream->end < daemon->revision)
			resume(stream);
}

void events_finish(struct daemon *daemon)
{
	for (struct event_stream *stream = daemon->event_streams; stream; stream = stream->next) {
		stream->follow = false;
		resume(stream);
	}
}

static void on_heartbeat(uv_timer_t *timer)
{
	const struct daemon *daemon = timer->data;

	for (struct event_stream *stream = daemon->event_streams; stream; stream = stream->next) {
		stream->beat = true;
		resume(stream);
	}
}

/* "41" is behind all of revision 41, "41.0" behind its first event. */
static int parse_place(const char *text, struct event_stream *stream)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *dot = strchr(copy, '.');
	int64_t revision, n = INT64_MAX;

	if (dot)
		*dot++ = '\0';
	if (parse_int64(copy, 0, INT64_MAX, &revision) < 0 ||
	    (dot && parse_int64(dot, 0, INT64_MAX, &n) < 0))
		return -1;
	stream->revision = (uint64_t)revision;
	stream->n = (uint64_t)n;
	return 0;
}

/* Fill in what the request says. False with the refusal set. */
static bool read_request(struct request_context *request, struct event_stream *stream)
{
	const char *last = http_header(request, "Last-Event-ID");
	const char *since = last ? last : http_argument(request, "since");
	const char *since_ms = http_argument(request, "since_ms");
	const char *jobs = http_argument(request, "jobs"),
		   *follow = http_argument(request, "follow");
	struct err err = {0};
	int64_t ms = 0;

	if (since_ms && !since)
		stream->revision = 0; /* from the beginning of the log on */
	stream->follow = !follow || STREQ(follow, "yes");
	if (follow && !stream->follow && !STREQ(follow, "no"))
		http_fail(request, 400, "events: follow: '%.40s' is neither yes nor no", follow);
	else if (since && parse_place(since, stream) < 0)
		http_fail(request, 400,
			  "events: since: '%.40s' is no revision and no id of an event", since);
	else if (since_ms && parse_int64(since_ms, 0, INT64_MAX / NS_PER_MS, &ms) < 0)
		http_fail(request, 400, "events: since_ms: '%.40s' is no time in milliseconds",
			  since_ms);
	else if (jobs && idset_parse(jobs, &stream->jobs, &err) < 0)
		http_fail(request, 400, "events: jobs: %s", err.msg);
	stream->since_ns = ms * NS_PER_MS;
	return !request->status;
}

/* Is there room for one more of this user? */
static bool has_room(const struct request_context *request)
{
	const struct event_stream *stream = request->daemon->event_streams;
	size_t all = 0, own = 0;

	for (; stream; stream = stream->next) {
		all++;
		own += stream->uid == request->uid;
	}
	return all < STREAMS_MAX && own < STREAMS_PER_USER_MAX;
}

/* The first batch is read at once, for then a failure can still be told. False with that. */
static bool fill_first(struct request_context *request, struct event_stream *stream)
{
	struct err err = {0};

	return !api_store_failed(request, refill(stream, &err), &err);
}

static void start_stream(struct request_context *request, struct event_stream *stream)
{
	struct daemon *daemon = request->daemon;

	if (!daemon->event_heartbeat.loop)
		uv_timer_init(&daemon->loop, &daemon->event_heartbeat);
	daemon->event_heartbeat.data = daemon;
	if (!daemon->event_streams)
		uv_timer_start(&daemon->event_heartbeat, on_heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
	stream->next = daemon->event_streams;
	daemon->event_streams = stream;
	request->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_writable,
							      stream, release_stream);
	MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/event-stream");
	MHD_add_response_header(request->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	request->status = 200;
}

int api_events_reply(struct request_context *request)
{
	struct event_stream *stream;

	if (!has_room(request)) {
		http_fail(request, 503,
			  "events: too many streams are open (%d of a user, %d of all); close some",
			  STREAMS_PER_USER_MAX, STREAMS_MAX);
		return 0;
	}
	stream = xcalloc(1, sizeof(*stream));
	*stream = (struct event_stream){
		.daemon = request->daemon,
		.connection = request->connection,
		.uid = request->uid,
		.revision = request->daemon->revision,
		.n = INT64_MAX,
		.beat = true, /* the head leaves at once */
	};
	if (read_request(request, stream) && fill_first(request, stream)) {
		start_stream(request, stream);
	} else {
		idset_finish(&stream->jobs);
		buf_finish(&stream->out);
		free(stream);
	}
	return 0;
}
