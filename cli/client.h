/* SPDX-License-Identifier: MIT */
/*
 * A conversation with the daemon: JSON in, JSON out, over its socket.
 *
 * Which daemon: the one at $TGPU_SOCKET; else, unless $TGPU_STATE_DIR names a place, the system's
 * when it listens; else the user's own. The user's own is started when it does not run yet.
 */
#pragma once

#include <jansson.h>

#include "cli/http.h"
#include "common/err.h"

enum client_start {
	CLIENT_START,	 /* start the user's own daemon when none listens */
	CLIENT_NO_START, /* fail with -ENOTCONN */
};

struct client {
	struct http http;
	char *socket; /* owned: where it is connected */
	bool own; /* where CLIENT_START starts a daemon: neither the system's nor just a socket */
	enum client_start start;
};

/*
 * Connect, verified: the peer is root or the caller, so a request may hold secrets. 0; -ENOTCONN
 * when no daemon answers; -EPERM when another user listens there; each with a sentence. Blocks.
 */
int client_open(struct client *client, enum client_start start, struct err *err);

/* Disconnect. Accepts a zeroed one. For _cleanup_ as well. */
void client_close(struct client *client);

/*
 * One request, one answer. A broken connection (the daemon restarted) is made anew and the request
 * repeated once: every request of the API may be repeated, a submit by its `key`. `body` and `key`
 * may be NULL. 0; an errno by the answer's status (client_errno_of_status()) with the daemon's
 * sentence. *ret_answer is a new reference.
 */
int client_call(struct client *client, const char *method, const char *target, const char *key,
		const json_t *body, json_t **ret_answer, struct err *err);

/* What a status of the API is inside tgpu: 400 -EINVAL, 403 -EPERM, 404 -ENOENT, 409 -EBUSY, 413
 * -E2BIG, 503 -EAGAIN, any other -EIO. */
int client_errno_of_status(int status);

/* GET a formatted target. */
int client_get(struct client *client, json_t **ret_answer, struct err *err, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/*
 * The two halves of a GET, for waiting on the connection (client_fd() turns readable) together with
 * other things. -ECONNRESET: the connection broke; client_open() again.
 */
int client_send_get(struct client *client, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
int client_receive(struct client *client, json_t **ret_answer, struct err *err);
int client_fd(const struct client *client);

/*
 * GET what has no end: its lines go to `fn` as they arrive. 0 when it did end; the result of `fn`
 * where that is not 0; -ECONNRESET: the daemon went; else as client_call(). Blocks.
 */
int client_stream(struct client *client, const char *target, http_line_fn *fn, void *ctx,
		  struct err *err);

/* Print an answer's "warnings" to stderr, each as a line for people. */
void client_warn(const json_t *answer);

/* json_decref() for _cleanup_. */
void client_json_unref(json_t **json);
