/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd inside the libuv loop.
 *
 * The library owns connections and parsing; its epoll descriptor is one more thing the loop polls,
 * so there is no thread. A complete request is folded and its connection suspended; http_reply()
 * resumes it with an answer. Requests that wait for a change (`after`) stay parked until there is
 * one, or 30 seconds.
 *
 * Invariants: an answer is made after the commit of the turn that folded its request; every parked
 * request is answered, at the latest when the daemon stops; bodies are bounded by configuration,
 * headers by the library's memory per connection, connections by listen.c.
 * Deliberately not here: what any route means (api_*.c).
 * Read next: api.c.
 */
#include "daemon/http.h"

#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "daemon/events.h"
#include "daemon/http_loop.h"
#include "daemon/http_query.h"
#include "daemon/listen.h"

#define WAIT_MS		    30000
#define IDLE_TIMEOUT_S	    60
#define CONNECTION_BYTES    (32 * 1024)
#define LIBRARY_CONNECTIONS 1000000 /* the listener's bounds are the ones that count */
#define GROUPS_MAX	    65536
#define STOPPING	    "the daemon is stopping; its jobs go on"

/* A request from its first line to its answer. */
struct pending {
	struct request_context context;
	const struct route *route;
	struct buf body;
	bool folded;
	bool answered;
	int64_t deadline_ms;		 /* loop time */
	struct pending *previous, *next; /* while parked */
};

struct http {
	struct daemon *daemon;
	struct MHD_Daemon *mhd;
	struct pending *parked; /* newest first; order does not matter */
	struct http_loop loop;
	uv_timer_t deadline; /* of the parked request that waits longest */
	struct listener *listener;
	bool stopping; /* nothing is folded any more, for nothing would be committed */
};

void http_fail(struct request_context *request, int status, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_decref(request->reply);
	request->status = status;
	request->reply = json_pack("{s:s}", "error", text);
	if (!request->reply) /* what was quoted is no text */
		request->reply =
			json_pack("{s:s}", "error", "the request holds bytes that are not UTF-8");
}

const char *http_argument(const struct request_context *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct request_context *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* Who is at the other end: the kernel's word, not the client's. */
static int identify(struct request_context *request)
{
	int fd = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			 ->connect_fd;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	request->uid = peer.uid;
	request->gid = peer.gid;
	len = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE ||
	    len > GROUPS_MAX * sizeof(*request->groups))
		return 0; /* no supplementary groups */
	request->groups = xmalloc(len);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, request->groups, &len) < 0)
		return -errno;
	request->n_groups = len / sizeof(*request->groups);
	return 0;
}

/* Match "/v1/jobs/ID/why" against a path; the number goes to *ret_id. */
static bool path_matches(const char *pattern, const char *path, uint64_t *ret_id)
{
	for (; *pattern && *path; pattern++, path++) {
		char *end;

		if (strncmp(pattern, "ID", 2) != 0) {
			if (*pattern != *path)
				return false;
			continue;
		}
		if (*path < '1' || *path > '9')
			return false;
		*ret_id = strtoull(path, &end, 10);
		pattern++;
		path = end - 1;
	}
	return *pattern == *path;
}

static void find_route(struct pending *pending, const char *method, const char *path)
{
	bool path_exists = false;

	for (const struct route *route = routes; route->method; route++) {
		uint64_t id = 0;

		if (!path_matches(route->path, path, &id))
			continue;
		path_exists = true;
		if (!STREQ(route->method, method))
			continue;
		pending->route = route;
		pending->context.id = id;
		return;
	}
	if (path_exists)
		http_fail(&pending->context, 405, "%s does not know the method %s; see docs/api.md",
			  path, method);
	else
		http_fail(&pending->context, 404, "there is no %s; see docs/api.md", path);
}

static void parse_after(struct request_context *request)
{
	const char *text = http_argument(request, "after");
	int64_t after;

	if (!text)
		return;
	if (parse_int64(text, 0, INT64_MAX, &after) < 0)
		http_fail(request, 400, "after: '%s' is not a revision; write a whole number",
			  text);
	else
		request->wait_revision = (uint64_t)after + 1;
}

static bool may_connect(const struct request_context *request)
{
	return request->daemon->paths.system || request->uid == 0 || request->uid == geteuid();
}

static void begin(struct pending *pending, const char *method, const char *path)
{
	struct request_context *context = &pending->context;

	if (identify(context) < 0)
		http_fail(context, 403, "cannot tell who is calling");
	else if (!may_connect(context))
		http_fail(context, 403, "this daemon serves user %u only", (unsigned)geteuid());
	else
		find_route(pending, method, path);
	if (!context->status)
		http_query_check(context, pending->route);
	if (!context->status)
		parse_after(context);
}

static void receive(struct pending *pending, const char *data, size_t len)
{
	struct request_context *context = &pending->context;

	if (context->status)
		return;
	if (pending->body.len + len > (size_t)context->daemon->config.max_body_bytes) {
		buf_finish(&pending->body);
		http_fail(context, 413, "the request is larger than %lld bytes (max_body)",
			  (long long)context->daemon->config.max_body_bytes);
		return;
	}
	buf_append(&pending->body, data, len);
}

static struct connection *connection_of(const struct pending *pending)
{
	return MHD_get_connection_info(pending->context.connection,
				       MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

static void park(struct http *http, struct pending *pending)
{
	struct request_context *context = &pending->context;
	struct connection *connection = connection_of(pending);

	pending->folded = true;
	context->body = buf_get(&pending->body);
	context->body_len = pending->body.len;
	if (!context->status && pending->route->fold)
		pending->route->fold(context);
	pending->deadline_ms = (int64_t)uv_now(&http->daemon->loop) + WAIT_MS;
	pending->next = http->parked;
	if (http->parked)
		http->parked->previous = pending;
	http->parked = pending;
	if (connection)
		connection->busy = true;
	MHD_suspend_connection(context->connection);
}

static void unpark(struct http *http, struct pending *pending)
{
	struct connection *connection = connection_of(pending);

	if (connection)
		connection->busy = false;
	if (pending->previous)
		pending->previous->next = pending->next;
	else
		http->parked = pending->next;
	if (pending->next)
		pending->next->previous = pending->previous;
	pending->previous = pending->next = NULL;
	pending->answered = true;
	MHD_resume_connection(pending->context.connection);
}

/* What every double has: one more digit would write 0.3 as 0.29999999999999999. */
#define DIGITS JSON_REAL_PRECISION(15)

/* The reply as text. A path or a name of this machine's may hold what is no text. */
static char *reply_text(struct request_context *context)
{
	char *text = json_dumps(context->reply, JSON_COMPACT | DIGITS);

	if (text)
		return text;
	http_fail(context, 500, "the answer holds bytes that are not UTF-8");
	return json_dumps(context->reply, JSON_COMPACT);
}

static struct MHD_Response *json_response(struct request_context *context)
{
	char *text = reply_text(context);
	struct MHD_Response *response;
	size_t len;

	len = strlen(text);
	text = xreallocarray(text, len + 2, 1);
	memcpy(text + len, "\n", 2);
	response = MHD_create_response_from_buffer(len + 1, text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return response;
}

static enum MHD_Result send_answer(struct pending *pending)
{
	struct request_context *context = &pending->context;
	struct MHD_Response *response = TAKE_PTR(context->response);
	unsigned hundreds;
	enum MHD_Result r;

	if (!response)
		response = json_response(context);
	hundreds = (unsigned)context->status / 100;
	if (hundreds < ARRAY_SIZE(context->daemon->metrics.answers))
		context->daemon->metrics.answers[hundreds]++;
	r = MHD_queue_response(context->connection, (unsigned)context->status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result refuse(struct pending *pending)
{
	http_fail(&pending->context, 503, STOPPING);
	return send_answer(pending);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **con_cls)
{
	struct http *http = cls;
	struct pending *pending = *con_cls;

	(void)version;
	if (!pending) {
		pending = xcalloc(1, sizeof(*pending));
		pending->context.daemon = http->daemon;
		pending->context.connection = connection;
		*con_cls = pending;
		begin(pending, method, url);
	} else if (*upload_data_size > 0) {
		receive(pending, upload_data, *upload_data_size);
		*upload_data_size = 0;
	} else if (!pending->folded && http->stopping) {
		return refuse(pending);
	} else if (!pending->folded) {
		park(http, pending);
	} else if (pending->answered) {
		return send_answer(pending);
	}
	return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct pending *pending = *con_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (!pending)
		return;
	json_decref(pending->context.reply);
	json_decref(pending->context.result);
	if (pending->context.response) /* its client left before */
		MHD_destroy_response(pending->context.response);
	if (pending->context.release)
		pending->context.release(pending->context.state);
	free(pending->context.groups);
	buf_finish(&pending->body);
	free(pending);
	*con_cls = NULL;
}

static void on_deadline(uv_timer_t *timer)
{
	(void)timer; /* the turn that follows answers what has expired */
}

/* Make the answer if there is one by now. */
static bool can_answer(struct http *http, struct pending *pending)
{
	struct request_context *context = &pending->context;
	const struct connection *connection = connection_of(pending);

	if (!context->status && connection && connection->evicted)
		http_fail(context, 503, "its client has left");
	context->expired = (int64_t)uv_now(&http->daemon->loop) >= pending->deadline_ms;
	if (context->status)
		return true;
	return pending->route->reply(context) == 0;
}

void http_run_soon(struct daemon *daemon)
{
	http_loop_run_soon(&daemon->http->loop);
}

void http_reply(struct daemon *daemon)
{
	struct http *http = daemon->http;
	int64_t first_ms = INT64_MAX, now_ms = (int64_t)uv_now(&daemon->loop);
	bool resumed = false;

	if (http)
		events_wake(daemon);
	if (!http || !http->parked)
		return;
	for (struct pending *pending = http->parked, *next; pending; pending = next) {
		next = pending->next;
		if (can_answer(http, pending)) {
			unpark(http, pending);
			resumed = true;
		} else if (pending->deadline_ms < first_ms) {
			first_ms = pending->deadline_ms;
		}
	}
	if (first_ms < INT64_MAX)
		uv_timer_start(&http->deadline, on_deadline,
			       first_ms > now_ms ? (uint64_t)(first_ms - now_ms) : 0, 0);
	if (resumed)
		http_run_soon(daemon);
}

static void on_accept(void *ctx, int fd)
{
	struct http *http = ctx;

	(void)MHD_add_connection(http->mhd, fd, NULL, 0); /* closes it where it fails */
	http_loop_run_soon(&http->loop);
}

/* Tie the library's connection to the listener's. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = cls;
	int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_context = listener_find(http->listener, fd);
	else if (*socket_context)
		listener_forget(http->listener, *socket_context);
}

int http_create(struct daemon *daemon, struct err *err)
{
	struct http *http = xcalloc(1, sizeof(*http));
	int r;

	http->daemon = daemon;
	daemon->http = http;
	uv_timer_init(&daemon->loop, &http->deadline);
	http->deadline.data = http;
	r = listener_create(daemon, on_accept, http, &http->listener, err);
	if (r < 0)
		return r;
	http->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		on_request, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)LIBRARY_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (!http->mhd)
		return err_set(err, -EIO, "the HTTP library did not start");
	http_loop_init(&http->loop, &daemon->loop, http->mhd);
	return 0;
}

void http_begin(struct daemon *daemon)
{
	listener_begin(daemon->http->listener);
}

void http_destroy(struct daemon *daemon)
{
	struct http *http = daemon->http;

	if (!http)
		return;
	http->stopping = true;
	events_finish(daemon);
	while (http->parked) {
		http_fail(&http->parked->context, 503, STOPPING);
		unpark(http, http->parked);
	}
	if (http->mhd) {
		MHD_run(http->mhd); /* let the last answers leave */
		MHD_run(http->mhd);
		MHD_stop_daemon(http->mhd);
	}
	if (http->listener)
		listener_destroy(http->listener);
	free(http);
	daemon->http = NULL;
}
