/* SPDX-License-Identifier: MIT */
/* The parameters of a request: those of its route, each once. */
#pragma once

#include "daemon/http.h"

/*
 * Refuse (400, with a sentence) a query with a parameter that the route does not have, with one
 * that has no value, or that comes twice. What nobody reads must not look as if it had been obeyed.
 */
void http_query_check(struct request_context *request, const struct route *route);
