/* SPDX-License-Identifier: MIT */
/* Metrics as Prometheus reads them. */
#pragma once

#include "common/buf.h"
#include "daemon/daemon.h"

enum metrics_format {
	METRICS_PROMETHEUS,  /* text format 0.0.4 */
	METRICS_OPENMETRICS, /* 1.0.0 */
};

/* The format that an Accept header asks for (NULL: none was sent), and its content type. */
enum metrics_format metrics_accept(const char *accept);
const char *metrics_content_type(enum metrics_format format);

/* Append all metrics. Reads only; its length does not depend on how many jobs have been. */
void metrics_write(struct daemon *daemon, enum metrics_format format, struct buf *out);
