/* SPDX-License-Identifier: MIT */
/*
 * Files into traces: what all readers share.
 *
 * Invariants: a trace that was read is in order of submit, in the file's order among equals; its
 * ids are unique; every job runs for a positive time; all sizes were bounded before. A line that
 * is not understood is a sentence with its number, never passed over.
 * Deliberately not here: the formats. Cost: the text is held in memory once, decompressed, at most
 * SOURCE_TEXT_MAX; O(n log n) for order and ids. Read next: formats.c, csv.c, read_swf.c.
 */
#include "simulator/source.h"

#include "common/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

/* FNV: the default of uthash falls through cases in a way of which Clang warns. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>

#include "common/buf.h"
#include "common/utf8.h"
#include "simulator/csv.h"

struct name {
	char *text; /* owned */
	uint32_t number;
	UT_hash_handle hh;
};

static void forget_users(struct source *source)
{
	struct name *name = source->users, *next;

	HASH_CLEAR(hh, source->users); /* the table; the names are still a list */
	for (; name; name = next) {
		next = name->hh.next;
		free(name->text);
		free(name);
	}
}

void source_finish(struct source *source)
{
	forget_users(source);
	trace_finish(&source->trace);
}

uint32_t source_user(struct source *source, const char *text)
{
	struct name *name;

	HASH_FIND_STR(source->users, text, name);
	if (!name) {
		name = xmalloc(sizeof(*name));
		*name = (struct name){.text = xstrdup(text), .number = ++source->n_users};
		HASH_ADD_KEYPTR(hh, source->users, name->text, strlen(name->text), name);
	}
	return name->number;
}

char *source_line(struct source *source)
{
	char *line = strsep(&source->rest, "\n");
	size_t len = line ? strlen(line) : 0;

	if (!line || (!source->rest && len == 0))
		return NULL;
	source->line++;
	if (len > 0 && line[len - 1] == '\r')
		line[len - 1] = '\0';
	return line;
}

int source_bad(const struct source *source, const char *column, const char *value,
	       const char *remedy, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	return err_set(err, -EBADMSG, "%s:%u: %s: %s %s", path_tail(source->path), source->line,
		       column, utf8_quote(value, quoted), remedy);
}

/* Digits after the point as billionths; the tenth and later ones are dropped. */
static bool parse_fraction(const char *digits, int64_t *ret_billionths)
{
	int64_t value = 0;
	int n = 0;

	for (; *digits >= '0' && *digits <= '9'; digits++, n++)
		if (n < 9)
			value = value * 10 + (*digits - '0');
	for (; n < 9; n++)
		value *= 10;
	*ret_billionths = value;
	return *digits == '\0';
}

int source_number(const struct source *source, const char *column, const char *text, int64_t unit,
		  int64_t max, int64_t *ret_value, struct err *err)
{
	char whole[24];
	size_t len = strcspn(text, ".");
	int64_t value, fraction = 0;
	__int128 scaled;

	if (len >= sizeof(whole) || (text[len] && !parse_fraction(text + len + 1, &fraction)))
		return source_bad(source, column, text, "is not a number", err);
	memcpy(whole, text, len);
	whole[len] = '\0';
	if (parse_int64(whole, INT64_MIN, INT64_MAX, &value) < 0)
		return source_bad(source, column, text, "is not a number", err);
	scaled = (__int128)value * unit;
	scaled += (text[0] == '-' ? -1 : 1) * ((__int128)fraction * unit / 1000000000);
	if (scaled > max || scaled < -max)
		return source_bad(source, column, text, "is out of range", err);
	*ret_value = (int64_t)scaled;
	return 0;
}

void source_add(struct source *source, const struct trace_job *job)
{
	if (job->run_ns <= 0) {
		source->n_left_out++;
		return;
	}
	xgrow(&source->trace.jobs, &source->capacity, source->trace.n_jobs + 1,
	      sizeof(*source->trace.jobs));
	source->trace.jobs[source->trace.n_jobs++] = *job;
}

/* A job's place in the file and its key, for sorting. */
struct place {
	uint64_t key;
	size_t index;
};

static int compare_places(const void *one, const void *other)
{
	const struct place *a = one, *b = other;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* By submit; stable. */
static void sort_jobs(struct trace *trace)
{
	_cleanup_(free_ptr) struct place *places = xcalloc(trace->n_jobs, sizeof(*places));
	struct trace_job *sorted = xcalloc(trace->n_jobs, sizeof(*sorted));

	for (size_t i = 0; i < trace->n_jobs; i++)
		places[i] = (struct place){(uint64_t)trace->jobs[i].submit_ns, i};
	qsort(places, trace->n_jobs, sizeof(*places), compare_places);
	for (size_t i = 0; i < trace->n_jobs; i++)
		sorted[i] = trace->jobs[places[i].index];
	free(trace->jobs);
	trace->jobs = sorted;
}

static int check_ids(const struct source *source, struct err *err)
{
	const struct trace *trace = &source->trace;
	_cleanup_(free_ptr) struct place *places = xcalloc(trace->n_jobs, sizeof(*places));

	for (size_t i = 0; i < trace->n_jobs; i++)
		places[i] = (struct place){trace->jobs[i].id, i};
	qsort(places, trace->n_jobs, sizeof(*places), compare_places);
	for (size_t i = 1; i < trace->n_jobs; i++)
		if (places[i].key == places[i - 1].key)
			return err_set(err, -EBADMSG,
				       "%s: job %llu is there twice; correct the file, or name "
				       "one part of it with --cluster",
				       path_tail(source->path), (unsigned long long)places[i].key);
	return 0;
}

static int complete(struct source *source, struct err *err)
{
	struct trace *trace = &source->trace;

	if (trace->n_jobs == 0)
		return err_set(err, -EBADMSG, "%s: there is no job in it%s%.40s",
			       path_tail(source->path),
			       source->cluster ? " of cluster " : "; is it the right file?",
			       source->cluster ? source->cluster : "");
	sort_jobs(trace);
	if (source->dated)
		for (size_t i = trace->n_jobs; i-- > 0;)
			trace->jobs[i].submit_ns -= trace->jobs[0].submit_ns;
	for (size_t i = 0; source->unnumbered && i < trace->n_jobs; i++)
		trace->jobs[i].id = i;
	return check_ids(source, err);
}

static int run_reader(struct source *source, struct err *err)
{
	const struct trace_format *format = source->format;
	int r = format->layout ? csv_read(source, format->layout, err) : format->read(source, err);

	return r < 0 ? r : complete(source, err);
}

int source_parse(const char *path, char *text, size_t len, const struct trace_format *format,
		 const char *cluster, struct source *ret_source, struct err *err)
{
	struct source source = {.path = path, .cluster = cluster, .format = format, .rest = text};
	int r;

	if (memchr(text, '\0', len))
		return err_set(err, -EBADMSG, "%s: is no text; is it the right file?",
			       path_tail(path));
	r = run_reader(&source, err);
	if (r < 0)
		source_finish(&source);
	else
		*ret_source = source;
	return r;
}

/* A whole file, gunzipped where it is compressed. */
static int read_text(const char *path, struct buf *text, struct err *err)
{
	gzFile file = gzopen(path, "rbe");
	char chunk[65536];
	int n = 0, failed;

	if (!file)
		return err_set(err, -errno, "%s: cannot open it: %s", path_tail(path),
			       strerror(errno));
	while (text->len <= SOURCE_TEXT_MAX && (n = gzread(file, chunk, sizeof(chunk))) > 0)
		buf_append(text, chunk, (size_t)n);
	failed = n < 0 ? errno : 0;
	if (gzclose_r(file) != Z_OK || n < 0)
		return err_set(err, -EIO, "%s: cannot read it: %s", path_tail(path),
			       failed ? strerror(failed) : "the compressed data are damaged");
	if (text->len > SOURCE_TEXT_MAX)
		return err_set(err, -EFBIG, "%s: is larger than %u MiB; cut it", path_tail(path),
			       SOURCE_TEXT_MAX >> 20);
	return 0;
}

static bool has_extension(const char *path, const char *extension)
{
	size_t len = strlen(path), n = strlen(extension);

	if (len > 3 && STREQ(path + len - 3, ".gz"))
		len -= 3;
	return len >= n && strncmp(path + len - n, extension, n) == 0;
}

static const struct trace_format *guess_by_name(const char *path)
{
	for (size_t i = 0; trace_formats[i]; i++)
		if (trace_formats[i]->extension && has_extension(path, trace_formats[i]->extension))
			return trace_formats[i];
	return NULL;
}

static int guess_by_header(const char *path, const char *text, const struct trace_format **ret,
			   struct err *err)
{
	_cleanup_(free_ptr) char *header = xstrndup(text, strcspn(text, "\r\n"));

	for (size_t i = 0; trace_formats[i]; i++)
		if (trace_formats[i]->layout && csv_matches(trace_formats[i]->layout, header)) {
			*ret = trace_formats[i];
			return 0;
		}
	return err_set(err, -EINVAL,
		       "%s: its format cannot be told from its name or its first line; say it "
		       "with --format",
		       path_tail(path));
}

int source_load(const char *path, const struct trace_format *format, const char *cluster,
		struct source *ret_source, struct err *err)
{
	_cleanup_(buf_finish) struct buf text = {0};
	int r;

	if (!format)
		format = guess_by_name(path);
	if (format && format->opens_itself) {
		struct source source = {.path = path, .cluster = cluster, .format = format};

		r = run_reader(&source, err);
		if (r < 0)
			source_finish(&source);
		else
			*ret_source = source;
		return r;
	}
	r = read_text(path, &text, err);
	if (r == 0 && text.len == 0)
		r = err_set(err, -EBADMSG, "%s: is empty", path_tail(path));
	if (r == 0 && !format)
		r = guess_by_header(path, buf_get(&text), &format, err);
	if (r < 0)
		return r;
	return source_parse(path, text.data, text.len, format, cluster, ret_source, err);
}
