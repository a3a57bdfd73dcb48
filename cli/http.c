/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP/1.1 client half.
 *
 * Invariants: what the peer sends is bounded before it is stored; an answer is whole or an error;
 * bytes after it stay for the next one (keep-alive).
 * Deliberately not: redirects, compression, pipelining, TLS, trailers with a meaning. The peer is
 * tgpud on a Unix socket. A library that does all of that takes several times as long to load as
 * this whole program takes to run.
 * Grammar: RFC 9112, sections 2 to 7.
 */
#include "cli/http.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#define RECEIVE_BYTES 65536

/* How the body of an answer is delimited. */
struct framing {
	bool chunked;
	bool sized;
	size_t length; /* when sized */
};

void http_finish(struct http *http)
{
	buf_finish(&http->in);
	http->used = 0;
}

void http_answer_finish(struct http_answer *answer)
{
	buf_finish(&answer->body);
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int http_send(struct http *http, const char *method, const char *target, const char *key,
	      const char *body)
{
	_cleanup_(buf_finish) struct buf out = {0};

	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: tgpu\r\n", method, target);
	if (key)
		buf_printf(&out, "Idempotency-Key: %s\r\n", key);
	if (body)
		buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			   strlen(body));
	else if (STREQ(method, "POST"))
		buf_puts(&out, "Content-Length: 0\r\n");
	buf_puts(&out, "\r\n");
	if (body)
		buf_puts(&out, body);
	return send_all(http->fd, out.data, out.len);
}

/* Bytes received and not consumed. */
static size_t pending(const struct http *http)
{
	return http->in.len - http->used;
}

static void compact(struct http *http)
{
	if (http->used == 0)
		return;
	memmove(http->in.data, http->in.data + http->used, pending(http));
	http->in.len -= http->used;
	http->in.data[http->in.len] = '\0';
	http->used = 0;
}

/* Receive some more. */
static int fill(struct http *http)
{
	_cleanup_(free_ptr) char *block = xmalloc(RECEIVE_BYTES);
	ssize_t n;

	do {
		n = recv(http->fd, block, RECEIVE_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	compact(http);
	buf_append(&http->in, block, (size_t)n);
	return 0;
}

/* Consume one line; *ret points at it without its end, valid until the next fill(). */
static int read_line(struct http *http, char **ret)
{
	for (;;) {
		char *start = http->in.data ? http->in.data + http->used : NULL;
		char *end = start ? memchr(start, '\n', pending(http)) : NULL;
		int r;

		if (end) {
			http->used = (size_t)(end + 1 - http->in.data);
			if (end > start && end[-1] == '\r')
				end--;
			*end = '\0';
			*ret = start;
			return 0;
		}
		if (pending(http) > HTTP_HEAD_MAX)
			return -EMSGSIZE;
		r = fill(http);
		if (r < 0)
			return r;
	}
}

/* Move `len` bytes of the stream to the end of `body`. */
static int read_bytes(struct http *http, size_t len, struct buf *body)
{
	if (len > HTTP_BODY_MAX || body->len > HTTP_BODY_MAX - len)
		return -EMSGSIZE;
	while (len > 0) {
		size_t n = pending(http) < len ? pending(http) : len;
		int r;

		if (n > 0) {
			buf_append(body, http->in.data + http->used, n);
			http->used += n;
			len -= n;
			continue;
		}
		r = fill(http);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An unsigned number that fills the text up to one of the characters in `ends`. */
static int parse_size(const char *text, int base, const char *ends, size_t *ret)
{
	unsigned long long value;
	char *end;

	if (!(text[0] >= '0' && text[0] <= '9') &&
	    !(base == 16 && strchr("abcdefABCDEF", text[0]) && text[0]))
		return -EPROTO;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || (*end && !strchr(ends, *end)))
		return -EPROTO;
	if (value > HTTP_BODY_MAX)
		return -EMSGSIZE;
	*ret = (size_t)value;
	return 0;
}

/* One chunk of a body, *ret_len bytes of it; 0: that was the last, and its trailers. */
static int read_chunk(struct http *http, struct buf *body, size_t *ret_len)
{
	size_t len;
	char *line;
	int r = read_line(http, &line);

	if (r == 0)
		r = parse_size(line, 16, "; \t", &len);
	if (r == 0 && len > 0)
		r = read_bytes(http, len, body);
	if (r < 0)
		return r;
	do { /* the end of the chunk; of the last one, trailers up to the empty line */
		r = read_line(http, &line);
	} while (r == 0 && len == 0 && line[0]);
	if (r == 0 && line[0])
		return -EPROTO;
	*ret_len = len;
	return r;
}

static int read_chunks(struct http *http, struct buf *body)
{
	size_t len;
	int r;

	do {
		r = read_chunk(http, body, &len);
	} while (r == 0 && len > 0);
	return r;
}

/* Hand out the whole lines of `text` and keep the rest. */
static int hand_out_lines(struct buf *text, http_line_fn *fn, void *ctx)
{
	char *start = text->data, *end;
	int r = 0;

	while (r == 0 && (end = memchr(start, '\n', text->len - (size_t)(start - text->data)))) {
		*end = '\0';
		r = fn(ctx, start);
		start = end + 1;
	}
	text->len -= (size_t)(start - text->data);
	memmove(text->data, start, text->len);
	return r;
}

static int read_lines(struct http *http, http_line_fn *fn, void *ctx)
{
	_cleanup_(buf_finish) struct buf text = {0};
	size_t len;
	int r;

	do {
		r = read_chunk(http, &text, &len);
		if (r == 0 && len > 0)
			r = hand_out_lines(&text, fn, ctx);
	} while (r == 0 && len > 0);
	return r;
}

static int parse_status(const char *line, int *ret_status)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || !line[7] || line[8] != ' ')
		return -EPROTO;
	line += 9;
	for (int i = 0; i < 3; i++)
		if (line[i] < '0' || line[i] > '9')
			return -EPROTO;
	if (line[3] != ' ' && line[3] != '\0')
		return -EPROTO;
	*ret_status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	return 0;
}

static int parse_header(char *line, struct framing *framing, struct http_answer *answer)
{
	char *value = strchr(line, ':');

	if (!value)
		return -EPROTO;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Content-Length") == 0) {
		framing->sized = true;
		return parse_size(value, 10, " \t", &framing->length);
	}
	if (strcasecmp(line, "Transfer-Encoding") == 0)
		framing->chunked = strcasestr(value, "chunked") != NULL;
	else if (strcasecmp(line, "Connection") == 0)
		answer->close = strcasestr(value, "close") != NULL;
	return 0;
}

static int read_head(struct http *http, struct framing *framing, struct http_answer *answer)
{
	size_t total = 0;
	char *line;
	int r = read_line(http, &line);

	if (r == 0)
		r = parse_status(line, &answer->status);
	while (r == 0) {
		r = read_line(http, &line);
		if (r < 0 || !line[0])
			break;
		total += strlen(line);
		r = total > HTTP_HEAD_MAX ? -EMSGSIZE : parse_header(line, framing, answer);
	}
	return r;
}

/* The head of the answer itself; 1xx are announcements of it. */
static int read_final_head(struct http *http, struct framing *framing, struct http_answer *answer)
{
	int r;

	do {
		*framing = (struct framing){0};
		r = read_head(http, framing, answer);
	} while (r == 0 && answer->status / 100 == 1);
	return r;
}

static int read_body(struct http *http, const struct framing *framing, struct http_answer *answer)
{
	if (framing->chunked)
		return read_chunks(http, &answer->body);
	if (framing->sized)
		return read_bytes(http, framing->length, &answer->body);
	if (answer->status != 204 && answer->status != 304)
		return -EPROTO; /* delimited by the end of the connection: tgpud never does that */
	return 0;
}

int http_receive(struct http *http, struct http_answer *ret_answer)
{
	return http_receive_lines(http, NULL, NULL, ret_answer);
}

int http_receive_lines(struct http *http, http_line_fn *fn, void *ctx,
		       struct http_answer *ret_answer)
{
	_cleanup_(http_answer_finish) struct http_answer answer = {0};
	struct framing framing;
	int r = read_final_head(http, &framing, &answer);

	if (r == 0 && fn && answer.status == 200 && framing.chunked)
		r = read_lines(http, fn, ctx);
	else if (r == 0)
		r = read_body(http, &framing, &answer);
	if (r != 0)
		return r;
	*ret_answer = answer;
	answer.body = (struct buf){0};
	return 0;
}
