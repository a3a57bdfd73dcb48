/* SPDX-License-Identifier: MIT */
/*
 * Connecting, asking, reading answers.
 *
 * Invariants: nothing is sent before SO_PEERCRED said that the listener is root or the caller; a
 * request is repeated at most once, and only after its connection broke; an answer that is no JSON
 * object is an error.
 * Cost: one connect and one round trip; the daemon answers a submit after one fsync.
 * Read next: autostart.c (the user's own daemon), http.c.
 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/autostart.h"
#include "common/clock.h"
#include "common/paths.h"

/* What a daemon that is starting or stopping is waited for, and how often it is looked for. */
#define SETTLE_TIMEOUT_MS 30000
#define SETTLE_POLL_MS	  20

/* Longer than the 30 s after which the daemon answers a long poll in any case. */
#define ANSWER_TIMEOUT_S 90

static int check_peer(int fd, const char *path, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_set(err, -errno, "cannot see who listens on %s: %s", path,
			       strerror(errno));
	if (peer.uid != 0 && peer.uid != geteuid())
		return err_set(err, -EPERM,
			       "the daemon on %s belongs to user %u, who is neither you nor root; "
			       "unset TGPU_SOCKET to use your own",
			       path, (unsigned)peer.uid);
	return 0;
}

/* A connected, verified socket; -ENOENT or -ECONNREFUSED when nobody listens. */
static int connect_to(const char *path, struct err *err)
{
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	int r;

	if (fd < 0)
		return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "the socket's path is too long: %s", path);
	strcpy(addr.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = errno == EACCES ? -EPERM : -errno;
		return err_set(err, r, "cannot connect to %s: %s", path, strerror(errno));
	}
	r = check_peer(fd, path, err);
	if (r < 0)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return err_set(err, -errno, "cannot set a timeout on %s: %s", path,
			       strerror(errno));
	return TAKE_FD(fd);
}

static bool nobody_listens(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

/* A daemon that has the state directory and listens elsewhere is neither to be awaited here nor to
 * be started. -ENOTCONN with a sentence, or 0. */
static int check_elsewhere(const struct autostart_found *found, const struct paths *paths,
			   struct err *err)
{
	if (!found->socket[0] || STREQ(found->socket, paths->socket))
		return 0;
	return err_set(err, -ENOTCONN,
		       "the daemon (pid %d) of %s listens on %s, not on %s; set TGPU_SOCKET to "
		       "that, or TGPU_STATE_DIR to another directory",
		       (int)found->pid, paths->state_dir, found->socket, paths->socket);
}

/*
 * A daemon that does not listen may be just starting, or stopping: wait for the one or the other.
 * The descriptor; -ECONNREFUSED when none is left.
 */
static int await_daemon(const struct paths *paths, struct err *err)
{
	int64_t end = clock_mono_ns() + SETTLE_TIMEOUT_MS * NS_PER_MS;
	_cleanup_(autostart_found_finish) struct autostart_found found = {.pidfd = -1};
	struct pollfd gone = {.events = POLLIN};
	int r;

	if (autostart_find(paths, &found) < 0)
		return -ECONNREFUSED;
	r = check_elsewhere(&found, paths, err);
	if (r < 0)
		return r;
	gone.fd = found.pidfd;
	for (r = -ECONNREFUSED; nobody_listens(r) && clock_mono_ns() < end;) {
		if (poll(&gone, 1, SETTLE_POLL_MS) > 0)
			return connect_to(paths->socket, err);
		r = connect_to(paths->socket, err);
	}
	if (nobody_listens(r))
		return err_set(err, -ENOTCONN,
			       "the daemon (pid %d) has not listened on %s for %d s; see %s/%s",
			       (int)found.pid, paths->socket, SETTLE_TIMEOUT_MS / 1000,
			       paths->state_dir, AUTOSTART_LOG);
	return r;
}

/* Start the daemon, unless another client just did, and connect. The descriptor or an error. */
static int start_and_connect(const struct paths *paths, struct err *err)
{
	_cleanup_(close_fd) int lock = autostart_lock(paths, err);
	int r;

	if (lock < 0)
		return lock;
	r = connect_to(paths->socket, err);
	if (nobody_listens(r))
		r = await_daemon(paths, err);
	if (!nobody_listens(r))
		return r;
	r = autostart_spawn(paths, err);
	if (r < 0)
		return r;
	r = connect_to(paths->socket, err);
	if (nobody_listens(r))
		return err_set(err, -ENOTCONN,
			       "the daemon was started but does not listen on %s; see %s/%s",
			       paths->socket, paths->state_dir, AUTOSTART_LOG);
	return r;
}

/* Nobody listens, and nobody is to be started: why is that? */
static int say_absent(const struct paths *paths, struct err *err)
{
	_cleanup_(autostart_found_finish) struct autostart_found found = {.pidfd = -1};
	int r = autostart_find(paths, &found);

	if (r < 0)
		return err_set(err, -ENOTCONN,
			       "no daemon listens on %s; start one with \"tgpu daemon start\"",
			       paths->socket);
	r = check_elsewhere(&found, paths, err);
	if (r < 0)
		return r;
	return err_set(err, -ENOTCONN,
		       "the daemon (pid %d) is just starting or stopping and does not listen on "
		       "%s; try again in a moment",
		       (int)found.pid, paths->socket);
}

/* A daemon that was started in another session may have its socket in that session's runtime
 * directory: what it says itself counts, where the user has not said otherwise. */
static void use_its_socket(struct paths *paths)
{
	_cleanup_(autostart_found_finish) struct autostart_found found = {.pidfd = -1};

	if (autostart_find(paths, &found) < 0 || !found.socket[0])
		return;
	free(paths->socket);
	paths->socket = TAKE_PTR(found.socket);
}

static int connect_or_start(struct paths *paths, bool named, bool may_start, struct err *err)
{
	int r = connect_to(paths->socket, err);

	if (nobody_listens(r) && !named) {
		use_its_socket(paths);
		r = connect_to(paths->socket, err);
	}
	if (!nobody_listens(r))
		return r;
	return may_start ? start_and_connect(paths, err) : say_absent(paths, err);
}

static int adopt(struct client *client, int fd, const char *path)
{
	if (fd < 0)
		return fd;
	client->http.fd = fd;
	client->socket = xstrdup(path);
	return 0;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

int client_open(struct client *client, enum client_start start, struct err *err)
{
	_cleanup_(paths_finish) struct paths paths = {0};
	bool named = is_set("TGPU_SOCKET"), placed = is_set("TGPU_STATE_DIR");
	bool may_start = !named || placed;
	int r;

	*client = (struct client){.http.fd = -1, .start = start};
	if (!named && !placed) {
		r = connect_to(PATHS_SYSTEM_SOCKET, err);
		if (!nobody_listens(r))
			return adopt(client, r, PATHS_SYSTEM_SOCKET);
	}
	r = paths_get(false, &paths, err);
	if (r < 0)
		return r;
	client->own = may_start;
	may_start = may_start && start == CLIENT_START;
	r = connect_or_start(&paths, named, may_start, err);
	return adopt(client, r, paths.socket);
}

void client_close(struct client *client)
{
	if (client->socket)
		client->http.fd = fd_close(client->http.fd);
	http_finish(&client->http);
	free(client->socket);
	client->socket = NULL;
}

int client_errno_of_status(int status)
{
	switch (status) {
	case 400: return -EINVAL;
	case 403: return -EPERM;
	case 404: return -ENOENT;
	case 409: return -EBUSY;
	case 413: return -E2BIG;
	case 503: return -EAGAIN;
	default: return -EIO;
	}
}

static int refused(int status, const json_t *answer, struct err *err)
{
	const char *sentence = json_string_value(json_object_get(answer, "error"));

	if (sentence)
		return err_set(err, client_errno_of_status(status), "%s", sentence);
	if (status == 414 || status == 431)
		return err_set(
			err, -E2BIG,
			"the request is too long for the daemon; name fewer jobs at a time, or "
			"ranges such as 3-500");
	return err_set(err, client_errno_of_status(status),
		       "the daemon answered with HTTP status %d", status);
}

static int receive_failed(const struct client *client, int r, struct err *err)
{
	switch (r) {
	case -EAGAIN:
		return err_set(err, -ETIMEDOUT, "the daemon on %s did not answer within %d s",
			       client->socket, ANSWER_TIMEOUT_S);
	case -EPROTO: return err_set(err, r, "what listens on %s is not tgpud", client->socket);
	case -EMSGSIZE:
		return err_set(err, r,
			       "the answer is too large; ask for less, such as --limit 100");
	default:
		return err_set(err, r == -EPIPE ? -ECONNRESET : r, "the connection to %s broke: %s",
			       client->socket, strerror(-r));
	}
}

int client_receive(struct client *client, json_t **ret_answer, struct err *err)
{
	_cleanup_(http_answer_finish) struct http_answer answer = {0};
	_cleanup_(client_json_unref) json_t *json = NULL;
	int r = http_receive(&client->http, &answer);

	if (r < 0)
		return receive_failed(client, r, err);
	json = json_loadb(buf_get(&answer.body), answer.body.len, 0, NULL);
	if (answer.status / 100 != 2)
		return refused(answer.status, json, err);
	if (!json_is_object(json))
		return receive_failed(client, -EPROTO, err);
	*ret_answer = TAKE_PTR(json);
	return 0;
}

static int exchange(struct client *client, const char *method, const char *target, const char *key,
		    const char *body, json_t **ret_answer, struct err *err)
{
	int r = http_send(&client->http, method, target, key, body);

	/* A daemon that refuses a body half-way answers first: read that before giving up. */
	if (r < 0 && r != -EPIPE)
		return receive_failed(client, r, err);
	return client_receive(client, ret_answer, err);
}

int client_call(struct client *client, const char *method, const char *target, const char *key,
		const json_t *body, json_t **ret_answer, struct err *err)
{
	_cleanup_(free_ptr) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int r;

	if (body && !text)
		return err_set(err, -EINVAL,
			       "the request cannot be written as JSON: it is not UTF-8");
	r = exchange(client, method, target, key, text, ret_answer, err);
	if (r != -ECONNRESET)
		return r;
	client_close(client);
	r = client_open(client, client->start, err);
	if (r < 0)
		return r;
	return exchange(client, method, target, key, text, ret_answer, err);
}

int client_get(struct client *client, json_t **ret_answer, struct err *err, const char *fmt, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return client_call(client, "GET", text, NULL, NULL, ret_answer, err);
}

int client_send_get(struct client *client, struct err *err, const char *fmt, ...)
{
	_cleanup_(free_ptr) char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	r = http_send(&client->http, "GET", text, NULL, NULL);
	return r < 0 ? receive_failed(client, r, err) : 0;
}

int client_stream(struct client *client, const char *target, http_line_fn *fn, void *ctx,
		  struct err *err)
{
	_cleanup_(http_answer_finish) struct http_answer answer = {0};
	_cleanup_(client_json_unref) json_t *json = NULL;
	int r = http_send(&client->http, "GET", target, NULL, NULL);

	if (r == 0)
		r = http_receive_lines(&client->http, fn, ctx, &answer);
	if (r < 0)
		return receive_failed(client, r, err);
	if (r > 0 || answer.status == 200)
		return r;
	json = json_loadb(buf_get(&answer.body), answer.body.len, 0, NULL);
	return refused(answer.status, json, err);
}

int client_fd(const struct client *client)
{
	return client->http.fd;
}

void client_warn(const json_t *answer)
{
	const json_t *warning;
	size_t i;

	json_array_foreach (json_object_get(answer, "warnings"), i, warning)
		fprintf(stderr, "tgpu: warning: %s\n", json_string_value(warning));
}

void client_json_unref(json_t **json)
{
	json_decref(*json);
}
