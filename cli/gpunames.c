/* SPDX-License-Identifier: MIT */
/*
 * From words to names of GPUs.
 *
 * Invariants: what is no range of indices is passed on as it stands, for UUIDs hold dashes as well.
 * Read next: cmd_drain.c, cmd_reserve.c.
 */
#include "cli/gpunames.h"

#include <errno.h>
#include <inttypes.h>

#include "common/scan.h"
#include "common/utf8.h"

#define RANGE_MAX 1024 /* more than any machine has */

static bool take_index(const char **at, int64_t *ret_index)
{
	scan_word(at, "gpu");
	return scan_number(at, ret_index);
}

static bool is_range(const char *piece, int64_t *ret_first, int64_t *ret_last)
{
	return take_index(&piece, ret_first) && scan_char(&piece, '-') &&
	       take_index(&piece, ret_last) && !*piece;
}

static int add_range(json_t *names, const char *piece, int64_t first, int64_t last, struct err *err)
{
	if (first > last || last - first >= RANGE_MAX)
		return err_set(err, -EINVAL, "\"%.40s\" is no range of GPUs; write for example 0-3",
			       piece);
	for (int64_t index = first; index <= last; index++)
		json_array_append_new(names, json_sprintf("%" PRId64, index));
	return 0;
}

static int add_piece(json_t *names, const char *piece, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];
	int64_t first, last;

	if (is_range(piece, &first, &last))
		return add_range(names, piece, first, last, err);
	if (!*piece || !utf8_is_valid(piece, strlen(piece)))
		return err_set(err, -EINVAL,
			       "%s is no name of a GPU; write for example 0, gpu3, 0-3 or all",
			       utf8_quote(piece, quoted));
	json_array_append_new(names, json_string(piece));
	return 0;
}

int gpunames_add(json_t *names, const char *word, struct err *err)
{
	_cleanup_(free_ptr) char *copy = xstrdup(word);
	char *rest = copy, *piece;
	int r = 0;

	while (r == 0 && (piece = strsep(&rest, ",")))
		r = add_piece(names, piece, err);
	return r;
}
