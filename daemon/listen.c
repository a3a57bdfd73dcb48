/* SPDX-License-Identifier: MIT */
/*
 * Accepting connections, and making room for them.
 *
 * Invariants: every accepted descriptor that is handed over is in the list until the HTTP library
 * says that it has ended; who is evicted counts no longer, although its end comes a moment later.
 * An eviction is a shutdown(2): the library sees an end of file and closes the connection itself.
 * Cost: a connection that comes when there is no room walks the list once. Read next: http.c.
 */
#include "daemon/listen.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

#define BACKLOG		1024
#define ACCEPTS_AT_ONCE 64  /* then whoever sent a request is heard before more are let in */
#define PAUSE_MS	100 /* when descriptors have run out */

struct listener {
	struct daemon *daemon;
	int fd;
	uv_poll_t poll;
	uv_timer_t pause;
	listener_accept_fn accept;
	void *ctx;
	struct connection **connections; /* owned, as are they; the oldest first */
	size_t n, capacity;
	int64_t max;
};

/* Is somebody answering at this address? */
static bool is_alive(const struct sockaddr_un *address)
{
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static int make_parent(const char *path, bool system, struct err *err)
{
	_cleanup_(free_ptr) char *copy = xstrdup(path);
	const char *parent = dirname(copy);

	int r = mkdir(parent, 0700);

	if (r < 0 && errno == EEXIST)
		return 0;
	if (r == 0 && system) /* against the umask: users must get to the socket */
		r = chmod(parent, 0755);
	if (r < 0)
		return err_set(err, -errno, "cannot make %s for the socket: %s", parent,
			       strerror(errno));
	return 0;
}

/* What is in the way of the new socket: only one that nobody answers at is swept away. */
static int remove_stale(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s is in the way and no socket; set TGPU_SOCKET",
			       path);
	unlink(path);
	return 0;
}

static int open_socket(struct listener *listener, struct err *err)
{
	const struct paths *paths = &listener->daemon->paths;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = make_parent(paths->socket, paths->system, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	if (strlen(paths->socket) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "the socket's path is too long: %s; set TGPU_SOCKET", paths->socket);
	memcpy(address.sun_path, paths->socket, strlen(paths->socket) + 1);
	if (is_alive(&address))
		return err_set(err, -EADDRINUSE, "another daemon answers at %s; stop it first",
			       paths->socket);
	r = remove_stale(paths->socket, err);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, -errno, "cannot listen at %s: %s", paths->socket,
			       strerror(errno));
	if (chmod(paths->socket, paths->system ? 0666 : 0600) < 0)
		return err_set(err, -errno, "cannot set the rights of %s: %s", paths->socket,
			       strerror(errno));
	listener->fd = TAKE_FD(fd);
	return 0;
}

/* Half of the descriptors are for the jobs. */
static int64_t choose_max(const struct config *config)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 > (rlim_t)INT32_MAX)
		return config->max_connections;
	return config->max_connections < (int64_t)limit.rlim_cur / 2 ? config->max_connections
								     : (int64_t)limit.rlim_cur / 2;
}

/* How many this user has; uid -1: all. */
static int64_t count(const struct listener *listener, int64_t uid)
{
	int64_t n = 0;

	for (size_t i = 0; i < listener->n; i++) {
		const struct connection *connection = listener->connections[i];

		n += !connection->evicted && (uid < 0 || connection->uid == uid);
	}
	return n;
}

/* The user who has most; ties go to whoever has the oldest. */
static uint32_t find_greediest(const struct listener *listener)
{
	uint32_t uid = 0;
	int64_t most = 0;

	for (size_t i = 0; i < listener->n; i++) {
		uint32_t other = listener->connections[i]->uid;
		int64_t n = most > 0 && other == uid ? most : count(listener, other);

		if (n > most) {
			most = n;
			uid = other;
		}
	}
	return uid;
}

/* While a request waits for its answer, the library does not notice that its client has left. */
static bool is_deserted(const struct connection *connection)
{
	struct pollfd poll_fd = {.fd = connection->fd};

	return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & (POLLHUP | POLLERR);
}

/* Shut down the oldest idle connection of this user. False: all are busy. */
static bool evict(struct listener *listener, uint32_t uid)
{
	for (size_t i = 0; i < listener->n; i++) {
		struct connection *connection = listener->connections[i];

		if (connection->uid != uid || connection->evicted)
			continue;
		if (connection->busy && !is_deserted(connection))
			continue;
		connection->evicted = true;
		shutdown(connection->fd, SHUT_RDWR);
		return true;
	}
	return false;
}

static bool make_room(struct listener *listener, uint32_t uid)
{
	const struct config *config = &listener->daemon->config;

	if (count(listener, uid) >= config->max_connections_per_user)
		return evict(listener, uid);
	if (count(listener, -1) >= listener->max)
		return evict(listener, find_greediest(listener));
	return true;
}

static void refuse(int fd)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
				     "Content-Type: application/json\r\nContent-Length: 80\r\n\r\n"
				     "{\"error\":\"all connections are in use (max_connections); "
				     "try again in a moment\"}\n";

	(void)!send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void let_in(struct listener *listener, int fd)
{
	struct connection *connection, *stale = listener_find(listener, fd);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (stale) /* one that never reached the library */
		listener_forget(listener, stale);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    !make_room(listener, peer.uid)) {
		refuse(fd);
		return;
	}
	connection = xcalloc(1, sizeof(*connection));
	connection->fd = fd;
	connection->uid = peer.uid;
	xgrow(&listener->connections, &listener->capacity, listener->n + 1,
	      sizeof(struct connection *));
	listener->connections[listener->n++] = connection;
	listener->accept(listener->ctx, fd);
}

static void on_connect(uv_poll_t *poll, int status, int events);

static void on_pause(uv_timer_t *timer)
{
	struct listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, on_connect);
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			let_in(listener, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn("cannot accept a client error=\"%s\"", strerror(errno));
			uv_poll_stop(&listener->poll);
			uv_timer_start(&listener->pause, on_pause, PAUSE_MS, 0);
		}
		return;
	}
}

int listener_create(struct daemon *daemon, listener_accept_fn accept, void *ctx,
		    struct listener **ret_listener, struct err *err)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));
	int r;

	*listener = (struct listener){.daemon = daemon, .fd = -1, .accept = accept, .ctx = ctx};
	listener->max = choose_max(&daemon->config);
	r = open_socket(listener, err);
	if (r < 0) {
		free(listener);
		return r;
	}
	uv_poll_init(&daemon->loop, &listener->poll, listener->fd);
	uv_timer_init(&daemon->loop, &listener->pause);
	listener->poll.data = listener->pause.data = listener;
	*ret_listener = listener;
	return 0;
}

void listener_begin(struct listener *listener)
{
	uv_poll_start(&listener->poll, UV_READABLE, on_connect);
}

void listener_destroy(struct listener *listener)
{
	for (size_t i = 0; i < listener->n; i++)
		free(listener->connections[i]);
	free(listener->connections);
	close(listener->fd);
	unlink(listener->daemon->paths.socket);
	free(listener);
}

struct connection *listener_find(struct listener *listener, int fd)
{
	for (size_t i = 0; i < listener->n; i++)
		if (listener->connections[i]->fd == fd)
			return listener->connections[i];
	return NULL;
}

void listener_forget(struct listener *listener, struct connection *connection)
{
	size_t i = 0;

	while (i < listener->n && listener->connections[i] != connection)
		i++;
	if (i == listener->n)
		return;
	listener->n--;
	memmove(listener->connections + i, listener->connections + i + 1,
		(listener->n - i) * sizeof(struct connection *));
	free(connection);
}
