/* SPDX-License-Identifier: MIT */
/* Which jobs a command means: `12`, `1,3-5`, `last`, `--me`, `--user NAME`, `--state failed`. */
#pragma once

#include "cli/client.h"
#include "common/idset.h"
#include "common/options.h"

/* For the option tables of the commands that select jobs. */
#define SELECTOR_OPTIONS                                                             \
	{"me", 0, OPTION_FLAG, NULL, "only my jobs", NULL},                          \
		{"user", 'u', OPTION_VALUE, "USER", "only jobs of this user", NULL}, \
	{                                                                            \
		"state", 's', OPTION_VALUE, "STATES",                                \
			"only jobs in these states, or active, or all", NULL         \
	}

struct selector {
	struct idset ids;   /* every id named, alone or in a range */
	struct idset named; /* those named alone: each of them must exist */
	bool last;	    /* the caller's newest job, or all tasks of the newest array */
	int64_t uid;	    /* -1: of everyone */
	const char *states; /* borrowed from the options; NULL: not given */
};

/* Read words and options. 0, or -EINVAL with a sentence. */
int selector_parse(struct selector *selector, const struct options *options, struct err *err);
void selector_finish(struct selector *selector);

/* Read one word, such as "1,3-5,last", of an option. 0, or -EINVAL with a sentence. */
int selector_parse_jobs(struct selector *selector, const char *word, struct err *err);

/* Replace `last`, and see that each id named alone exists; of a range, unless jobs `to_come` are
 * meant as well, that there is any. 0; -ENOENT with a sentence. Asks the daemon. */
int selector_check(struct selector *selector, struct client *client, bool to_come, struct err *err);

/* A user by name or number. 0, or -EINVAL with a sentence. */
int selector_parse_user(const char *name, int64_t *ret_uid, struct err *err);

/* Was nothing said about which jobs? */
bool selector_is_empty(const struct selector *selector);

/* Append the parameters of GET /v1/jobs that select these jobs, without the leading '?'. */
void selector_query(const struct selector *selector, struct buf *query);

/* Replace `last` by its ids. 0; -ENOENT when the caller has no job. Asks the daemon. */
int selector_find_last(struct selector *selector, struct client *client, struct err *err);

/*
 * Read words and options, connect (starting the daemon), and find the ids that exist. 0; -EINVAL
 * when nothing was selected: that is never every job; -ENOENT when a named one does not exist or
 * nothing matched; each with a sentence. Asks the daemon unless one id was named.
 */
int selector_select(const struct options *options, struct client *client, struct idset *ret_ids,
		    struct err *err);

/*
 * Do something for every selected job in the order of their ids: the whole of most commands. Stops
 * at the first result that is not 0 and returns it.
 */
int selector_for_each(const struct options *options,
		      int (*each)(struct client *client, uint64_t id, void *ctx, struct err *err),
		      void *ctx, struct err *err);
