/* SPDX-License-Identifier: MIT */
/*
 * HTTP on the Unix socket: libmicrohttpd driven by the libuv loop, requests answered by turns.
 *
 * A complete request is folded at once (route->fold: it may change jobs) and parked; after the
 * turn's commit its reply is made (route->reply: reads only) and leaves. So a reply never tells
 * what is not yet on disk.
 */
#pragma once

#include <jansson.h>

#include "daemon/daemon.h"

struct request_context {
	struct daemon *daemon;
	void *connection; /* struct MHD_Connection, for http_argument() */
	uint32_t uid;	  /* of the peer, by SO_PEERCRED */
	uint32_t gid;
	uint32_t *groups; /* owned: supplementary, by SO_PEERGROUPS */
	size_t n_groups;
	uint64_t id;	  /* the ID of the path; 0: none */
	const char *body; /* terminated; borrowed */
	size_t body_len;
	uint64_t wait_revision; /* reply once a job of the selection has at least this one; 0: at
				   once */
	bool expired;		/* ... or once it has waited long enough */
	uint64_t result_id;	/* for a route's fold to tell its reply: a job */
	json_t *result;		/* likewise: owned reference */
	void *state;		/* a route's own while the request lives ... */
	void (*release)(void *state);  /* ... and how it ends; NULL: there is none */
	int status;		       /* of the reply; 0 until known */
	json_t *reply;		       /* owned reference */
	struct MHD_Response *response; /* owned: instead of `reply`; NULL */
};

#define HTTP_WAIT 1 /* route->reply: nothing new yet; park again */

struct route {
	const char *method;
	const char *path;	/* "/v1/jobs/ID/why": ID stands for a number */
	const char *parameters; /* of its query, with blanks between them; "": it takes none */
	void (*fold)(struct request_context *request); /* NULL: only reads */
	int (*reply)(
		struct request_context *request); /* 0 with status and reply set, or HTTP_WAIT */
};

/* Ended by a NULL method. In api.c. */
extern const struct route routes[];

/* Listen: whoever connects from now on is answered once it has begun. 0, or -errno with a sentence.
 */
int http_create(struct daemon *daemon, struct err *err);
void http_begin(struct daemon *daemon);
void http_destroy(struct daemon *daemon);

/* Answer what can be answered; called by the turn after its commit. */
void http_reply(struct daemon *daemon);

/* Let the library look at its connections soon: one has been resumed. */
void http_run_soon(struct daemon *daemon);

/* Set an error reply. */
void http_fail(struct request_context *request, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A query parameter, a header; NULL when absent. Borrowed for the length of the request. */
const char *http_argument(const struct request_context *request, const char *name);
const char *http_header(const struct request_context *request, const char *name);
