/* SPDX-License-Identifier: MIT */
/*
 * Is the log of a replay the log that was replayed?
 *
 * Invariants: a scheduler of this program is told line by line what tgpud's was told, and its own
 * lines (daemon/trace_text.c) must be the recorded ones, byte for byte: what it was told as well as
 * what it decides, so nothing can be changed in a log unnoticed. A line that cannot be read is no
 * error where a daemon was killed: at the end of the file, and before the next one's first line.
 * Deliberately not here: what a line means (verify_feed.c). Cost: one line is held in memory, and
 * the scheduler. Read next: verify_feed.c.
 */
#include "simulator/verify.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/trace_text.h"
#include "simulator/verify_feed.h"

#define LINE_BYTES_MAX (UINT32_C(64) << 20)
#define SHOWN_MAX      4000 /* bytes of a line that differs */

struct verify {
	const char *name; /* borrowed */
	struct feed *feed;
	struct trace_text *text;
	char *version;	       /* owned: of the tgpud that wrote this section */
	struct buf recorded;   /* lines that the scheduler's own are to be compared with */
	struct buf replayed;   /* its own */
	size_t first;	       /* number of the first line of `recorded` */
	struct err unreadable; /* what is wrong with the line before; no code: nothing */
	struct verify_counts counts;
	struct buf *difference; /* borrowed */
};

static void end_section(struct verify *verify)
{
	trace_text_destroy(verify->text);
	feed_destroy(verify->feed);
	free(verify->version);
	verify->text = NULL;
	verify->feed = NULL;
	verify->version = NULL;
	buf_clear(&verify->recorded);
	buf_clear(&verify->replayed);
}

static void finish(struct verify *verify)
{
	end_section(verify);
	buf_finish(&verify->recorded);
	buf_finish(&verify->replayed);
}

static void add_replayed(void *ctx, const char *line, size_t len)
{
	struct verify *verify = ctx;

	buf_append(&verify->replayed, line, len);
	buf_putc(&verify->replayed, '\n');
}

static int bad_line(const struct verify *verify, int r, struct err *err)
{
	err_wrap(err, "%.120s:%zu", verify->name, verify->counts.lines);
	return r;
}

/* The first line that differs, of two texts that do. */
static int tell_difference(const struct verify *verify, struct err *err)
{
	const char *a = buf_get(&verify->recorded), *b = buf_get(&verify->replayed);
	size_t number = verify->first, a_len, b_len;

	for (;; number++) {
		a_len = strcspn(a, "\n");
		b_len = strcspn(b, "\n");
		if (a_len != b_len || memcmp(a, b, a_len) != 0 || !a[a_len] || !b[b_len])
			break;
		a += a_len + 1;
		b += b_len + 1;
	}
	buf_printf(verify->difference, "recorded: %.*s\nreplayed: %.*s\n",
		   (int)(a_len < SHOWN_MAX ? a_len : SHOWN_MAX), a,
		   (int)(b_len < SHOWN_MAX ? b_len : SHOWN_MAX), b);
	return err_set(err, VERIFY_DIFFERS,
		       "%.120s:%zu: the scheduler says something else (the log is of tgpud %.20s)",
		       verify->name, number, verify->version);
}

static int compare(struct verify *verify, struct err *err)
{
	if (verify->recorded.len != verify->replayed.len ||
	    memcmp(verify->recorded.data, verify->replayed.data, verify->replayed.len) != 0)
		return tell_difference(verify, err);
	buf_clear(&verify->recorded);
	buf_clear(&verify->replayed);
	return 0;
}

static int begin_section(struct verify *verify, const json_t *line, struct err *err)
{
	const char *version = json_string_value(json_object_get(line, "version"));
	int r = feed_create(line, &verify->feed, err);

	if (r < 0)
		return bad_line(verify, r, err);
	verify->counts.sections++;
	verify->version = xstrdup(version ? version : "");
	verify->text =
		trace_text_create(feed_sched(verify->feed), verify->version, add_replayed, verify);
	return compare(verify, err);
}

/* Some lines are answered together: those of nodes, with the next call that could notice. */
static int tell_line(struct verify *verify, const json_t *line, struct err *err)
{
	int r = feed_line(verify->feed, line, err);

	if (r < 0)
		return bad_line(verify, r, err);
	if (verify->replayed.len == 0)
		return 0;
	r = compare(verify, err);
	if (r == 0 && json_object_get(line, "decisions")) {
		verify->counts.passes++;
		verify->counts.decisions += json_array_size(json_object_get(line, "decisions"));
	}
	return r;
}

static int follow(struct verify *verify, const char *text, size_t len, const json_t *line,
		  struct err *err)
{
	const char *call = json_string_value(json_object_get(line, "call"));
	bool begins = call && STREQ(call, "create");

	if (begins)
		end_section(verify);
	if (!begins && verify->unreadable.code) {
		*err = verify->unreadable;
		return err->code;
	}
	verify->counts.torn += verify->unreadable.code != 0;
	verify->unreadable.code = 0;
	if (!begins && !verify->feed)
		return err_set(err, -EBADMSG,
			       "%.120s:%zu: is no line of a decision log, which begins with "
			       "\"create\"; is it the right file?",
			       verify->name, verify->counts.lines);
	if (call && STREQ(call, "end"))
		return 0;
	if (verify->recorded.len == 0)
		verify->first = verify->counts.lines;
	buf_append(&verify->recorded, text, len);
	buf_putc(&verify->recorded, '\n');
	return begins ? begin_section(verify, line, err) : tell_line(verify, line, err);
}

static int take_line(struct verify *verify, const char *text, size_t len, struct err *err)
{
	json_error_t error;
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	int r = 0;

	verify->counts.lines++;
	if (line) {
		r = follow(verify, text, len, line, err);
		json_decref(line);
		return r;
	}
	if (verify->unreadable.code) {
		*err = verify->unreadable;
		return err->code;
	}
	err_set(&verify->unreadable, -EBADMSG, "%.120s:%zu: is no JSON: %.100s", verify->name,
		verify->counts.lines, error.text);
	return 0;
}

int verify_run(FILE *in, const char *name, struct verify_counts *ret_counts,
	       struct buf *ret_difference, struct err *err)
{
	_cleanup_(finish) struct verify verify = {.name = name, .difference = ret_difference};
	_cleanup_(free_ptr) char *line = NULL;
	size_t capacity = 0;
	ssize_t len;
	int r = 0;

	while (r == 0 && (len = getline(&line, &capacity, in)) > 0) {
		len -= line[len - 1] == '\n';
		if ((size_t)len > LINE_BYTES_MAX)
			return err_set(err, -EBADMSG, "%.120s:%zu: is longer than %u MiB", name,
				       verify.counts.lines + 1, LINE_BYTES_MAX >> 20);
		r = take_line(&verify, line, (size_t)len, err);
	}
	if (r == 0 && ferror(in))
		return err_set(err, -EIO, "%.80s: cannot read it: %s", name, strerror(errno));
	if (r == 0 && verify.counts.sections == 0)
		return err_set(err, -EBADMSG, "%.80s: is no decision log of tgpud", name);
	verify.counts.torn += verify.unreadable.code != 0;
	*ret_counts = verify.counts;
	return r;
}
