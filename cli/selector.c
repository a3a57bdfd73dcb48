/* SPDX-License-Identifier: MIT */
/*
 * From words to job ids.
 *
 * Invariants: a range means those that exist, a number by itself must exist; filters narrow what
 * was named; nothing named and no filter is never "all".
 * Deliberately not here: what is done to the jobs. Cost: at most two requests.
 */
#include "cli/selector.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/field.h"
#include "cli/jobview.h"
#include "common/suggest.h"
#include "common/utf8.h"

#define RESOLVE_MAX 10000 /* the most the API lists or changes at once */

int selector_parse_user(const char *name, int64_t *ret_uid, struct err *err)
{
	const struct passwd *entry = getpwnam(name);

	if (entry) {
		*ret_uid = entry->pw_uid;
		return 0;
	}
	if (parse_int64(name, 0, UINT32_MAX, ret_uid) < 0)
		return err_set(err, -EINVAL, "there is no user \"%.64s\"", name);
	return 0;
}

static int add_range(struct selector *selector, const struct idrange *range, bool named,
		     struct err *err)
{
	int r = idset_add(&selector->ids, range->first, range->last);

	if (r == 0 && named)
		r = idset_add(&selector->named, range->first, range->last);
	return r < 0 ? err_set(err, r, "too many jobs are named; use a range") : 0;
}

/* The state that goes by this name, ours or another program's; with `near` also one that may have
 * been meant; NULL. */
static const char *find_state(const char *word, bool near)
{
	_cleanup_(free_ptr) char *blank = xasprintf(" %s ", word);
	const char *names[16], *other = NULL;
	size_t n = 0;

	for (; jobview_states[n].name; n++) {
		names[n] = jobview_states[n].name;
		if (STREQ(names[n], word))
			return names[n];
		if (strcasestr(jobview_states[n].also, blank))
			other = names[n];
	}
	return other || !near ? other : suggest_closest(word, names, n);
}

static int check_state(const char *state, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];
	const char *close = find_state(state, true);

	if (close && STREQ(close, state))
		return 0;
	utf8_quote(state, quoted);
	if (close)
		return err_set(err, -EINVAL, "--state: %s is no state; did you mean %s?", quoted,
			       close);
	return err_set(err, -EINVAL,
		       "--state: %s is no state; write for example queued,running, or failed, "
		       "active (not ended) or all",
		       quoted);
}

static int check_states(const char *states, struct err *err)
{
	_cleanup_(free_ptr) char *copy = states ? xstrdup(states) : NULL;
	char *rest = copy, *state;
	int r = 0;

	while (r == 0 && (state = strsep(&rest, ",")))
		r = check_state(state, err);
	return r;
}

/* One piece between commas: "last", "12" or "3-5". */
static int parse_piece(struct selector *selector, const char *piece, struct err *err)
{
	_cleanup_(idset_finish) struct idset set = {0};
	bool named = strchr(piece, '-') == NULL;
	int r;

	if (STREQ(piece, "last")) {
		selector->last = true;
		return 0;
	}
	if (find_state(piece, false))
		return err_set(err, -EINVAL, "\"%s\" is a state, not a job id; write --state %s",
			       piece, find_state(piece, false));
	if (suggest_closest(piece, (const char *[]){"last"}, 1))
		return err_set(err, -EINVAL, "\"%s\" is no job id; did you mean last?", piece);
	r = idset_parse(piece, &set, err);
	for (size_t i = 0; r == 0 && i < set.n_ranges; i++)
		r = add_range(selector, &set.ranges[i], named, err);
	return r;
}

static int parse_word(struct selector *selector, const char *word, struct err *err)
{
	_cleanup_(free_ptr) char *copy = xstrdup(word);
	char *rest = copy, *piece;
	int r = 0;

	while (r == 0 && (piece = strsep(&rest, ",")))
		r = parse_piece(selector, piece, err);
	return r;
}

int selector_parse_jobs(struct selector *selector, const char *word, struct err *err)
{
	*selector = (struct selector){.uid = -1};
	return parse_word(selector, word, err);
}

int selector_parse(struct selector *selector, const struct options *options, struct err *err)
{
	const char *user = options_get(options, "user");
	int r;

	*selector = (struct selector){.uid = -1, .states = options_get(options, "state")};
	r = check_states(selector->states, err);
	if (r == 0 && user)
		r = selector_parse_user(user, &selector->uid, err);
	if (r == 0 && options_has(options, "me"))
		selector->uid = geteuid();
	for (size_t i = 0; r == 0 && i < options->n_words; i++)
		r = parse_word(selector, options->words[i], err);
	return r;
}

void selector_finish(struct selector *selector)
{
	idset_finish(&selector->ids);
	idset_finish(&selector->named);
}

bool selector_is_empty(const struct selector *selector)
{
	return selector->ids.n_ranges == 0 && !selector->last && selector->uid < 0 &&
	       !selector->states;
}

void selector_query(const struct selector *selector, struct buf *query)
{
	_cleanup_(free_ptr) char *ids = idset_format(&selector->ids);

	if (ids[0])
		buf_printf(query, "%sids=%s", query->len > 0 ? "&" : "", ids);
	if (selector->uid >= 0)
		buf_printf(query, "%suid=%" PRId64, query->len > 0 ? "&" : "", selector->uid);
	if (selector->states)
		buf_printf(query, "%sstate=%s", query->len > 0 ? "&" : "", selector->states);
}

int selector_find_last(struct selector *selector, struct client *client, struct err *err)
{
	_cleanup_(client_json_unref) json_t *answer = NULL;
	const json_t *job;
	struct idrange newest;
	int64_t array;
	int r;

	if (!selector->last)
		return 0;
	r = client_get(client, &answer, err, "/v1/jobs?state=all&order=newest&uid=%u&limit=1",
		       (unsigned)geteuid());
	if (r < 0)
		return r;
	job = json_array_get(json_object_get(answer, "jobs"), 0);
	newest = jobview_range(job);
	array = field_int(job, "array", -1);
	if (newest.first == 0)
		return err_set(err, -ENOENT, "last: you have no job yet");
	selector->last = false;
	if (array < 0)
		return add_range(selector, &newest, true, err);
	newest.first = (uint64_t)array;
	return add_range(selector, &newest, false, err);
}

static int collect(const json_t *answer, struct idset *ids, struct err *err)
{
	const json_t *jobs = json_object_get(answer, "jobs");
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		struct idrange range = jobview_range(job);
		int r = idset_add(ids, range.first, range.last);

		if (r < 0)
			return err_set(err, r, "the daemon's list of jobs is not understood");
	}
	if (field_true(answer, "more"))
		return err_set(err, -E2BIG,
			       "more than %d jobs match; narrow it with a range of ids",
			       RESOLVE_MAX);
	return 0;
}

static int check_named(const struct selector *selector, const struct idset *found, struct err *err)
{
	for (size_t i = 0; i < selector->named.n_ranges; i++)
		for (uint64_t id = selector->named.ranges[i].first;
		     id <= selector->named.ranges[i].last; id++)
			if (!idset_has(found, id))
				return err_set(err, -ENOENT, "there is no job %" PRIu64, id);
	return 0;
}

int selector_check(struct selector *selector, struct client *client, bool to_come, struct err *err)
{
	_cleanup_(client_json_unref) json_t *answer = NULL;
	_cleanup_(idset_finish) struct idset found = {0};
	_cleanup_(free_ptr) char *ids = NULL;
	int r = selector_find_last(selector, client, err);
	bool named = selector->named.n_ranges > 0;

	if (r < 0 || (!named && to_come))
		return r;
	ids = idset_format(named ? &selector->named : &selector->ids);
	r = client_get(client, &answer, err, "/v1/jobs?fields=id,n_tasks&limit=%d&ids=%s",
		       named ? RESOLVE_MAX : 1, ids);
	if (r < 0)
		return r;
	if (!named)
		return json_array_size(json_object_get(answer, "jobs")) > 0
			       ? 0
			       : err_set(err, -ENOENT, "none of the jobs %.64s exists", ids);
	r = collect(answer, &found, err);
	return r < 0 ? r : check_named(selector, &found, err);
}

static bool is_single(const struct selector *selector)
{
	return selector->uid < 0 && !selector->states && selector->ids.n_ranges == 1 &&
	       selector->named.n_ranges == 1 && idset_count(&selector->ids) == 1;
}

/* The ids that exist. A single named one is taken as it is: what is done to it will tell. */
static int resolve(struct selector *selector, struct client *client, struct idset *ret_ids,
		   struct err *err)
{
	_cleanup_(client_json_unref) json_t *answer = NULL;
	_cleanup_(idset_finish) struct idset found = {0};
	_cleanup_(buf_finish) struct buf query = {0};
	bool filtered = selector->uid >= 0 || selector->states;
	int r;

	if (is_single(selector)) {
		*ret_ids = selector->ids;
		selector->ids = (struct idset){0};
		return 0;
	}
	selector_query(selector, &query);
	r = client_get(client, &answer, err, "/v1/jobs?fields=id,n_tasks&limit=%d&%s", RESOLVE_MAX,
		       buf_get(&query));
	if (r == 0)
		r = collect(answer, &found, err);
	if (r == 0 && !filtered)
		r = check_named(selector, &found, err);
	if (r < 0)
		return r;
	if (found.n_ranges == 0)
		return err_set(err, -ENOENT, "no job matches");
	*ret_ids = found;
	found = (struct idset){0};
	return 0;
}

int selector_select(const struct options *options, struct client *client, struct idset *ret_ids,
		    struct err *err)
{
	_cleanup_(selector_finish) struct selector selector = {0};
	int r = selector_parse(&selector, options, err);

	if (r == 0 && selector_is_empty(&selector))
		return err_set(err, -EINVAL,
			       "say which jobs: ids such as 12 or 3-5, last, --me or --state");
	if (r == 0)
		r = client_open(client, CLIENT_START, err);
	if (r == 0)
		r = selector_find_last(&selector, client, err);
	return r < 0 ? r : resolve(&selector, client, ret_ids, err);
}

int selector_for_each(const struct options *options,
		      int (*each)(struct client *client, uint64_t id, void *ctx, struct err *err),
		      void *ctx, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(idset_finish) struct idset ids = {0};
	int r = selector_select(options, &client, &ids, err);

	for (size_t i = 0; r == 0 && i < ids.n_ranges; i++)
		for (uint64_t id = ids.ranges[i].first; r == 0 && id <= ids.ranges[i].last; id++)
			r = each(&client, id, ctx, err);
	return r;
}
