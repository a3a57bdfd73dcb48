/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 as much as a client of tgpud needs: one request, one whole answer, on one descriptor. */
#pragma once

#include "common/buf.h"
#include "common/err.h"

#define HTTP_HEAD_MAX (64u << 10)  /* bytes of a status line with its headers, of one chunk line */
#define HTTP_BODY_MAX (256u << 20) /* 10000 jobs of a list, each with a long name and reason */

struct http {
	int fd;	       /* borrowed: a connected stream socket */
	struct buf in; /* received, not yet consumed from `used` on */
	size_t used;
};

struct http_answer {
	int status;
	bool close;	 /* the other side closes after this answer */
	struct buf body; /* owned */
};

void http_finish(struct http *http);
void http_answer_finish(struct http_answer *answer);

/*
 * Send a request. `key` is its Idempotency-Key, `body` its JSON; both may be NULL. Blocks until the
 * kernel took it. 0 or -errno (-EPIPE, -ECONNRESET: the connection broke).
 */
int http_send(struct http *http, const char *method, const char *target, const char *key,
	      const char *body);

/*
 * Receive one answer with its body, by Content-Length or chunked. Blocks. 0; -ECONNRESET when the
 * connection broke before the end; -EAGAIN when the socket's receive timeout passed; -EPROTO or
 * -EMSGSIZE when the answer is no HTTP or exceeds a bound.
 */
int http_receive(struct http *http, struct http_answer *ret_answer);

/* Called with a line of a body, without its end. A result other than 0 stops. */
typedef int http_line_fn(void *ctx, const char *line);

/*
 * Receive an answer whose body comes bit by bit: a 200 has its lines handed to `fn` as they arrive,
 * any other is received as by http_receive(). 0 at its end, the result of `fn`, or as above.
 */
int http_receive_lines(struct http *http, http_line_fn *fn, void *ctx,
		       struct http_answer *ret_answer);
