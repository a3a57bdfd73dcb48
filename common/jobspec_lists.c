/* SPDX-License-Identifier: MIT */
/*
 * Arrays and dependencies, as text.
 *
 * Invariants: what parses is bounded (tasks, ranges, conditions) and says what it seems to say; a
 * kind of dependency holds for all ids behind it up to the next. Deliberately not here: whether the
 * jobs named exist. Cost: linear. Read next: scheduler/depend.h.
 */
#include "common/jobspec_lists.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/utf8.h"

#define AFTER_MAX 1000 /* conditions of one job */

void array_spec_finish(struct array_spec *spec)
{
	idset_finish(&spec->indices);
	*spec = (struct array_spec){0};
}

static int refuse_array(const char *text, const char *what, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	return err_set(err, -EINVAL, "%s %s; write for example 0-99, 1,3,5-7 or 0-99%%4",
		       utf8_quote(text, quoted), what);
}

/* "A" or "A-B". */
static int take_indices(struct array_spec *spec, char *word)
{
	char *dash = strchr(word, '-');
	int64_t first, last;

	if (dash)
		*dash = '\0';
	if (parse_int64(word, 0, UINT32_MAX - 1, &first) < 0 ||
	    parse_int64(dash ? dash + 1 : word, 0, UINT32_MAX - 1, &last) < 0 || last < first)
		return -EINVAL;
	return idset_add(&spec->indices, (uint64_t)first + 1, (uint64_t)last + 1);
}

int array_spec_parse(const char *text, struct array_spec *ret_spec, struct err *err)
{
	_cleanup_(array_spec_finish) struct array_spec spec = {0};
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *percent = strchr(copy, '%'), *rest = copy, *word;
	int64_t limit = 0;

	if (percent)
		*percent = '\0';
	if (percent && parse_int64(percent + 1, 1, ARRAY_TASKS_MAX, &limit) < 0)
		return refuse_array(text, "has no number behind the %", err);
	while ((word = strsep(&rest, ",")))
		if (take_indices(&spec, word) < 0)
			return refuse_array(text, "is no list of indices", err);
	if (idset_count(&spec.indices) > ARRAY_TASKS_MAX)
		return refuse_array(text, "has more than 1000000 tasks", err);
	if (spec.indices.n_ranges > ARRAY_RANGES_MAX)
		return refuse_array(text, "has more than 1000 ranges", err);
	spec.limit = (uint32_t)limit;
	*ret_spec = spec;
	spec = (struct array_spec){0};
	return 0;
}

const struct after_desc after_kinds[] = {
	{"afterok", AFTER_OK, "when they have succeeded"},
	{"afterany", AFTER_ANY, "when they have ended"},
	{"afternotok", AFTER_NOT_OK, "when they have not succeeded"},
	{NULL, AFTER_OK, NULL},
};

void after_finish(struct after_list *list)
{
	free(list->items);
	*list = (struct after_list){0};
}

static int refuse_after(const char *text, const char *what, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	return err_set(
		err, -EINVAL,
		"%s %s; write for example afterok:12,13-20, afterany:3, afternotok:4 or none",
		utf8_quote(text, quoted), what);
}

static bool take_kind(const char *word, enum after_kind *kind)
{
	for (size_t i = 0; after_kinds[i].name; i++)
		if (STREQ(after_kinds[i].name, word)) {
			*kind = after_kinds[i].kind;
			return true;
		}
	return false;
}

static bool take_jobs(struct after_list *list, const char *word, enum after_kind kind)
{
	_cleanup_(idset_finish) struct idset ids = {0};

	if (idset_parse(word, &ids, NULL) < 0 || list->n == AFTER_MAX)
		return false;
	xgrow(&list->items, &list->capacity, list->n + 1, sizeof(*list->items));
	list->items[list->n++] = (struct after){kind, ids.ranges[0].first, ids.ranges[0].last};
	return true;
}

int after_parse(const char *text, struct after_list *ret_list, struct err *err)
{
	_cleanup_(after_finish) struct after_list list = {0};
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	enum after_kind kind = AFTER_OK;
	char *rest = copy, *word;
	bool wants_jobs = true; /* a kind needs at least one */

	if (STREQ(text, "none")) {
		*ret_list = list;
		return 0;
	}
	while ((word = strsep(&rest, ",:"))) {
		bool is_kind = take_kind(word, &kind);

		if (is_kind && (!wants_jobs || list.n == 0)) {
			wants_jobs = true;
			continue;
		}
		if (is_kind || !take_jobs(&list, word, kind))
			return refuse_after(text, "is no list of dependencies", err);
		wants_jobs = false;
	}
	if (wants_jobs)
		return refuse_after(text, "names no job", err);
	*ret_list = list;
	list = (struct after_list){0};
	return 0;
}
