/* SPDX-License-Identifier: MIT */
/*
 * The socket that clients connect to, and how many of them there may be.
 *
 * A client that stalls, or ten thousand of them, must not keep others out. Each user has a bound,
 * and all together have one; whoever comes when it is reached takes the place of the connection
 * that has been idle longest: of that same user, or, when all places are taken, of the user who
 * has most. A connection whose request waits for its answer is never idle. Where all are busy, the
 * newcomer is told to come again (503).
 */
#pragma once

#include "daemon/daemon.h"

struct listener;

struct connection {
	int fd; /* borrowed: the HTTP library's, which closes it */
	uint32_t uid;
	bool busy;    /* a request of it waits for its answer: http.c's to set */
	bool evicted; /* shut down; its end is yet to be noticed */
};

typedef void (*listener_accept_fn)(void *ctx, int fd);

/*
 * Listen: who connects from now on waits. Once it is begun, each connection that may stay goes to
 * `accept` with its descriptor, which is handed over. 0, or -errno with a sentence.
 */
int listener_create(struct daemon *daemon, listener_accept_fn accept, void *ctx,
		    struct listener **ret_listener, struct err *err);

/* Let in those who wait, and those who come. */
void listener_begin(struct listener *listener);

/* Stop listening and remove the socket. Connections are the HTTP library's to end, before. */
void listener_destroy(struct listener *listener);

/* The connection with this descriptor; NULL: none. */
struct connection *listener_find(struct listener *listener, int fd);

/* It has ended. */
void listener_forget(struct listener *listener, struct connection *connection);
