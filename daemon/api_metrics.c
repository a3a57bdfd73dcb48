/* SPDX-License-Identifier: MIT */
/* GET /metrics. */
#include <microhttpd.h>

#include "daemon/api.h"
#include "daemon/metrics_text.h"

struct MHD_Response *api_metrics_response(struct daemon *daemon, const char *accept)
{
	enum metrics_format format = metrics_accept(accept);
	struct buf text = {0};
	size_t len;
	struct MHD_Response *response;

	metrics_write(daemon, format, &text);
	len = text.len;
	response = MHD_create_response_from_buffer(len, buf_take(&text), MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				metrics_content_type(format));
	return response;
}

int api_metrics_reply(struct request_context *request)
{
	request->status = 200;
	request->response = api_metrics_response(request->daemon, http_header(request, "Accept"));
	return 0;
}
