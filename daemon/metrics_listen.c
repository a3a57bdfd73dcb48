/* SPDX-License-Identifier: MIT */
/*
 * A second, smaller server, in the same loop.
 *
 * Apart from http.c on purpose: no request that comes in here can reach a route that acts, whatever
 * becomes of the code there. Its answers need no turn, for counters are no promises. Bounded: 16
 * connections of 8 KiB, 10 s each. Read next: metrics_text.c.
 */
#include "daemon/metrics_listen.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/log.h"
#include "daemon/api.h"
#include "daemon/http_loop.h"

#define CONNECTIONS_MAX	 16
#define CONNECTION_BYTES 8192
#define TIMEOUT_S	 10
#define TOKEN_MAX	 4096

struct metrics_listener {
	struct daemon *daemon;
	struct MHD_Daemon *mhd;
	char *token; /* owned; NULL: none is asked for */
	struct http_loop loop;
};

/* Compare without telling by the time it takes how much of it was right. */
static bool is_equal(const char *a, const char *b)
{
	size_t len = strlen(b);
	unsigned char differs = strlen(a) != len;

	for (size_t i = 0; i < len && a[i]; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return !differs;
}

static bool may_read(const struct metrics_listener *listener, struct MHD_Connection *connection)
{
	static const char scheme[] = "Bearer ";
	const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_AUTHORIZATION);

	if (!listener->token)
		return true;
	return header && strncmp(header, scheme, strlen(scheme)) == 0 &&
	       is_equal(header + strlen(scheme), listener->token);
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
			      struct MHD_Response *response)
{
	enum MHD_Result r = MHD_queue_response(connection, status, response);

	MHD_destroy_response(response);
	return r;
}

static struct MHD_Response *make_sentence(const char *text)
{
	return MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **con_cls)
{
	const struct metrics_listener *listener = cls;
	struct MHD_Response *response;

	(void)version;
	(void)data;
	(void)data_size;
	(void)con_cls;
	if (!STREQ(url, "/metrics"))
		return answer(connection, 404, make_sentence("here is only /metrics\n"));
	if (!STREQ(method, "GET"))
		return answer(connection, 405, make_sentence("only GET\n"));
	if (!may_read(listener, connection)) {
		response = make_sentence("a token is needed: Authorization: Bearer TOKEN\n");
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
		return answer(connection, 401, response);
	}
	return answer(connection, 200,
		      api_metrics_response(listener->daemon,
					   MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
								       MHD_HTTP_HEADER_ACCEPT)));
}

/* The token is the file's first line. */
static int read_token(const char *path, char **ret_token, struct err *err)
{
	_cleanup_(free_ptr) char *text = NULL;
	int r = read_file(path, TOKEN_MAX, &text, NULL);

	if (r < 0)
		return err_set(err, r, "metrics_token_file: cannot read %s: %s", path,
			       strerror(-r));
	text[strcspn(text, "\r\n")] = '\0';
	if (!text[0])
		return err_set(err, -EINVAL, "metrics_token_file: %s holds no token", path);
	*ret_token = TAKE_PTR(text);
	return 0;
}

static int start_library(struct metrics_listener *listener, const struct sockaddr *address,
			 struct err *err)
{
	unsigned flags = MHD_USE_EPOLL | (address->sa_family == AF_INET6 ? MHD_USE_IPv6 : 0u);

	listener->mhd = MHD_start_daemon(flags, 0, NULL, NULL, on_request, listener,
					 MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT,
					 (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
					 (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
					 (size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (listener->mhd)
		return 0;
	return err_set(err, -EADDRINUSE, "metrics_listen: cannot listen at %s: %s",
		       listener->daemon->config.metrics_listen, strerror(errno));
}

int metrics_listen_create(struct daemon *daemon, struct err *err)
{
	const struct config *config = &daemon->config;
	struct metrics_listener *listener;
	int r = 0;

	if (!config->metrics_listen[0])
		return 0;
	listener = xcalloc(1, sizeof(*listener));
	listener->daemon = daemon;
	daemon->metrics_listener = listener;
	if (config->metrics_token_file[0])
		r = read_token(config->metrics_token_file, &listener->token, err);
	if (r == 0)
		r = start_library(listener, (const struct sockaddr *)&config->metrics_address, err);
	if (r < 0)
		return r;
	http_loop_init(&listener->loop, &daemon->loop, listener->mhd);
	log_info("metrics are served address=%s token=%s", config->metrics_listen,
		 listener->token ? "yes" : "no");
	return 0;
}

void metrics_listen_destroy(struct daemon *daemon)
{
	struct metrics_listener *listener = daemon->metrics_listener;

	if (!listener)
		return;
	if (listener->mhd)
		MHD_stop_daemon(listener->mhd);
	free(listener->token);
	free(listener);
	daemon->metrics_listener = NULL;
}
