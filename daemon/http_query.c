/* SPDX-License-Identifier: MIT */
/*
 * Is each parameter of a query one of its route?
 *
 * What a route takes stands in the table of routes (api.c). Deliberately not here: what a value may
 * be, which each route says itself. Cost: parameters of the query times those of the route.
 */
#include "daemon/http_query.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/suggest.h"
#include "common/utf8.h"

#define NAMES_MAX 8

struct query {
	struct request_context *request;
	const struct route *route;
	char *copy;		      /* owned: what the names point into */
	const char *names[NAMES_MAX]; /* of the route */
	bool seen[NAMES_MAX];
	size_t n;
};

static void read_names(struct query *query)
{
	char *rest = query->copy, *name;

	while ((name = strsep(&rest, " "))) {
		assert(query->n < NAMES_MAX);
		if (*name)
			query->names[query->n++] = name;
	}
}

static void refuse_unknown(const struct query *query, const char *name)
{
	const char *path = query->route->path;
	const char *close = suggest_closest(name, query->names, query->n);
	_cleanup_(buf_finish) struct buf known = {0};
	char quoted[UTF8_QUOTE_SIZE];

	utf8_quote(name, quoted);
	for (size_t i = 0; i < query->n; i++)
		buf_printf(&known, "%s%s",
			   i == 0	      ? ""
			   : i + 1 < query->n ? ", "
					      : " and ",
			   query->names[i]);
	if (query->n == 0)
		http_fail(query->request, 400, "%s: %s is unknown; it takes no parameters", path,
			  quoted);
	else if (close)
		http_fail(query->request, 400, "%s: %s is unknown; did you mean %s? It takes %s",
			  path, quoted, close, buf_get(&known));
	else
		http_fail(query->request, 400, "%s: %s is unknown; it takes %s", path, quoted,
			  buf_get(&known));
}

static enum MHD_Result check(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
			     const char *value, size_t value_len)
{
	struct query *query = cls;
	size_t i = 0;

	(void)kind;
	if (!*name && !value)
		return MHD_YES; /* what stands between "&&" */
	while (i < query->n && !STREQ(query->names[i], name))
		i++;
	if (strlen(name) != name_len || (value && strlen(value) != value_len))
		http_fail(query->request, 400, "%s: a parameter holds a NUL; take it out",
			  query->route->path);
	else if (i == query->n)
		refuse_unknown(query, name);
	else if (!value)
		http_fail(query->request, 400, "%s: %s has no value; write %s=...",
			  query->route->path, name, name);
	else if (query->seen[i])
		http_fail(query->request, 400, "%s: %s comes twice; write it once",
			  query->route->path, name);
	else
		query->seen[i] = true;
	return query->request->status ? MHD_NO : MHD_YES;
}

void http_query_check(struct request_context *request, const struct route *route)
{
	struct query query = {
		.request = request,
		.route = route,
		.copy = xstrdup(route->parameters),
	};

	read_names(&query);
	MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, check, &query);
	free(query.copy);
}
