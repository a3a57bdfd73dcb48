/* SPDX-License-Identifier: MIT */
/*
 * What a key does.
 *
 * Invariants: the help and the hints come from the table that keys are looked up in; cancelling
 * asks first and acts on the job that was asked about, wherever the selection has moved since; one
 * verb runs at a time.
 * Deliberately not: holding, releasing and the like are not done here but by tgpu itself
 * (top_verb.c). Read next: top.c.
 */
#include "cli/top_keys.h"

#include <curses.h>
#include <inttypes.h>
#include <stdlib.h>
#include <wchar.h>
#include <wctype.h>

#include "cli/field.h"
#include "common/clock.h"

#define ESCAPE	  27
#define BACKSPACE 8
#define DELETE	  127
#define FAR	  INT32_MAX /* rows: to the end */

struct key {
	int codes[3];
	const char *name, *help;
	const char *hint; /* a word for the last line of the screen; NULL: none */
	void (*act)(struct top *top, const struct key *key);
	int64_t rows;	  /* how far to move */
	const char *verb; /* which verb to run */
};

static void say(struct top *top, const char *text)
{
	snprintf(top->said, sizeof(top->said), "%s", text);
}

static void move_rows(struct top *top, int64_t rows)
{
	int64_t first = (int64_t)top->first + rows;

	if (top->mode != TOP_TEXT) {
		top_model_move(&top->model, rows);
		return;
	}
	if (first > (int64_t)top->last)
		first = (int64_t)top->last;
	top->first = first > 0 ? (size_t)first : 0;
}

static void act_move(struct top *top, const struct key *key)
{
	move_rows(top, key->rows);
}

static void act_page(struct top *top, const struct key *key)
{
	move_rows(top, key->rows * (int64_t)(top->page > 1 ? top->page - 1 : 1));
}

static void act_pane(struct top *top, const struct key *key)
{
	top->model.focus =
		(enum top_pane)((top->model.focus + TOP_PANES + (int)key->rows) % TOP_PANES);
}

/* The selected job, or an array's tasks that wait. False, and it is said, when there is none. */
static bool get_selected(struct top *top, struct idrange *ret_jobs)
{
	const struct top_row *row = top_model_selected(&top->model);

	if (!row || row->job == 0) {
		say(top, row ? "this GPU has no job" : "there is no job to select");
		return false;
	}
	*ret_jobs = (struct idrange){row->job, row->job + row->n_tasks - 1};
	return true;
}

static bool start_verb(struct top *top, const char *name, const struct idrange *jobs)
{
	struct err err = {0};

	if (top->verb.pid > 0)
		say(top, "the command before is still at work");
	else if (top_verb_start(&top->verb, top->tgpu, name, jobs, &err) < 0)
		say(top, err.msg);
	else
		return true;
	return false;
}

static void open_text(struct top *top, const char *title, const char *text)
{
	top->mode = TOP_TEXT;
	top->first = 0;
	snprintf(top->title, sizeof(top->title), "%s", title);
	buf_clear(&top->text);
	buf_puts(&top->text, text);
}

static void act_read(struct top *top, const struct key *key)
{
	struct idrange jobs;
	char title[64];

	if (!get_selected(top, &jobs))
		return;
	jobs.last = jobs.first; /* what is read is about one job */
	if (!start_verb(top, key->verb, &jobs))
		return;
	top->verb_fills_text = true;
	snprintf(title, sizeof(title), "tgpu %s %" PRIu64, key->verb, jobs.first);
	open_text(top, title, "asking ...");
}

static void act_change(struct top *top, const struct key *key)
{
	struct idrange jobs;

	if (get_selected(top, &jobs) && start_verb(top, key->verb, &jobs))
		top->verb_fills_text = false;
}

/* What is asked is kept apart from what is said: a command that ends must not hide the question. */
static void act_ask_cancel(struct top *top, const struct key *key)
{
	(void)key;
	if (!get_selected(top, &top->asked))
		return;
	top->mode = TOP_CONFIRM;
	snprintf(top->asked_name, sizeof(top->asked_name), "%s",
		 top_model_job_name(&top->model, top->asked.first));
}

static void act_follow(struct top *top, const struct key *key)
{
	(void)key;
	top->following = get_selected(top, &top->asked);
}

static void act_order(struct top *top, const struct key *key)
{
	(void)key;
	top_model_set_order(&top->model, (enum top_order)((top->model.order + 1) % TOP_ORDERS));
}

static void act_filter(struct top *top, const struct key *key)
{
	(void)key;
	top->mode = TOP_FILTER;
}

static void act_clear(struct top *top, const struct key *key)
{
	(void)key;
	top_model_set_filter(&top->model, "");
}

static void act_quit(struct top *top, const struct key *key)
{
	(void)key;
	top->quit = true;
}

static void act_help(struct top *top, const struct key *key);

static const struct key keys[] = {
	{{'q'}, "q", "leave", "quit", act_quit},
	{{'?', TOP_FUNCTION(KEY_F(1))}, "?", "this help", "help", act_help},
	{{'\t'}, "Tab", "on to GPUs, running jobs, waiting jobs", "pane", act_pane, 1},
	{{TOP_FUNCTION(KEY_BTAB)}, "Shift-Tab", "back", NULL, act_pane, -1},
	{{TOP_FUNCTION(KEY_UP), 'k'}, "Up k", "the row above", NULL, act_move, -1},
	{{TOP_FUNCTION(KEY_DOWN), 'j'}, "Down j", "the row below", NULL, act_move, 1},
	{{TOP_FUNCTION(KEY_PPAGE)}, "PgUp", "a page up", NULL, act_page, -1},
	{{TOP_FUNCTION(KEY_NPAGE)}, "PgDn", "a page down", NULL, act_page, 1},
	{{TOP_FUNCTION(KEY_HOME)}, "Home", "the first row", NULL, act_move, -FAR},
	{{TOP_FUNCTION(KEY_END)}, "End", "the last row", NULL, act_move, FAR},
	{{'w'}, "w", "why the job waits", "why", act_read, 0, "why"},
	{{'\r', '\n', TOP_FUNCTION(KEY_ENTER)},
	 "Enter",
	 "all that is known of the job",
	 NULL,
	 act_read,
	 0,
	 "show"},
	{{'l'}, "l", "follow its log; q or Ctrl-C comes back", "log", act_follow},
	{{'c'}, "c", "cancel the job, after a question", "cancel", act_ask_cancel},
	{{'h'}, "h", "hold: do not let it start", "hold", act_change, 0, "hold"},
	{{'r'}, "r", "release it again", NULL, act_change, 0, "release"},
	{{'s'}, "s", "sort jobs: as they run, by user, by time", "sort", act_order},
	{{'/'}, "/", "show only jobs with this in their name or user", "filter", act_filter},
	{{ESCAPE}, "Esc", "show all jobs again", NULL, act_clear},
};

static void act_help(struct top *top, const struct key *key)
{
	_cleanup_(buf_finish) struct buf text = {0};

	(void)key;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		buf_printf(&text, "%-10s %s\n", keys[i].name, keys[i].help);
	open_text(top, "keys", buf_get(&text));
}

/* The next key that has a hint, from the i-th on; NULL: none. */
static const struct key *next_hint(size_t *i)
{
	while (*i < ARRAY_SIZE(keys))
		if (keys[(*i)++].hint)
			return &keys[*i - 1];
	return NULL;
}

void top_key_hints(struct buf *buf, size_t width)
{
	static const char mark[] = " ...";
	size_t i = 0;
	const struct key *key = next_hint(&i), *next;

	for (; key; key = next) {
		const char *gap = buf->len > 0 ? "  " : "";
		size_t more = strlen(gap) + strlen(key->name) + 1 + strlen(key->hint);

		next = next_hint(&i);
		if (buf->len + more + (next ? strlen(mark) : 0) > width) {
			buf_puts(buf, buf->len + strlen(mark) <= width ? mark : "");
			return;
		}
		buf_printf(buf, "%s%s %s", gap, key->name, key->hint);
	}
}

static const struct key *find_key(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (size_t j = 0; j < ARRAY_SIZE(keys[i].codes); j++)
			if (code && keys[i].codes[j] == code)
				return &keys[i];
	return NULL;
}

static bool is_move(const struct key *key)
{
	return key && (key->act == act_move || key->act == act_page);
}

/* Moving scrolls, everything else closes. */
static void key_in_text(struct top *top, int code)
{
	const struct key *key = find_key(code);

	if (is_move(key)) {
		key->act(top, key);
		return;
	}
	top->mode = TOP_LISTS;
	if (top->verb.pid > 0 && top->verb_fills_text)
		top_verb_finish(&top->verb);
}

/* The filter with one character more, or one less when it is 0. */
static void edit_filter(struct top *top, wchar_t added)
{
	wchar_t text[TOP_FILTER_SIZE];
	char bytes[TOP_FILTER_SIZE] = "";
	size_t n = mbstowcs(text, top->model.filter, TOP_FILTER_SIZE - 1);

	if (n == (size_t)-1)
		n = 0;
	if (added)
		text[n++] = added;
	else if (n > 0)
		n--;
	text[n] = L'\0';
	if (n < TOP_FILTER_SIZE && wcstombs(bytes, text, sizeof(bytes)) < sizeof(bytes))
		top_model_set_filter(&top->model, bytes);
}

static void key_in_filter(struct top *top, int code)
{
	const struct key *key = find_key(code);

	if (code == '\r' || code == '\n' || code == ESCAPE || code == TOP_FUNCTION(KEY_ENTER))
		top->mode = TOP_LISTS;
	if (code == ESCAPE)
		top_model_set_filter(&top->model, "");
	else if (code == BACKSPACE || code == DELETE || code == TOP_FUNCTION(KEY_BACKSPACE))
		edit_filter(top, 0);
	else if (code > 0 && iswprint((wint_t)code))
		edit_filter(top, (wchar_t)code);
	else if (is_move(key))
		key->act(top, key);
}

static void key_in_confirm(struct top *top, int code)
{
	top->mode = TOP_LISTS;
	if (code != 'y' && code != 'Y')
		say(top, "not cancelled");
	else if (start_verb(top, "cancel", &top->asked))
		top->verb_fills_text = false;
}

static void key_in_lists(struct top *top, int code)
{
	const struct key *key = find_key(code);

	if (key)
		key->act(top, key);
}

void top_key(struct top *top, int code)
{
	static void (*const by_mode[])(struct top *, int) = {
		[TOP_LISTS] = key_in_lists,
		[TOP_TEXT] = key_in_text,
		[TOP_FILTER] = key_in_filter,
		[TOP_CONFIRM] = key_in_confirm,
	};

	top->said[0] = '\0';
	by_mode[top->mode](top, code);
}

void top_take_verb(struct top *top)
{
	const char *text = buf_get(&top->verb.text);

	if (!top->verb_fills_text)
		snprintf(top->said, sizeof(top->said), "%.*s", (int)strcspn(text, "\n"), text);
	else if (top->mode == TOP_TEXT) {
		buf_clear(&top->text);
		buf_puts(&top->text, text);
	}
}
