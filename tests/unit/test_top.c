/* SPDX-License-Identifier: MIT */
/* cli/top_model.h, top_table.h and top_text.h: what `tgpu top` shows, without a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/top_table.h"
#include "cli/top_text.h"

#define HOUR_MS INT64_C(3600000)

static const char machine[] =
	"{'node': 'box', 'simulated': true, 'gpus': ["
	" {'slot': 0, 'index': 0, 'name': 'NVIDIA A100', 'state': 'allocated', 'job': 2,"
	"  'mem_used_bytes': 21474836480, 'mem_total_bytes': 85899345920,"
	"  'utilization_percent': 50, 'power_mw': 299600, 'temperature_c': 65},"
	" {'slot': 1, 'index': 1, 'name': 'Simulated GPU', 'state': 'idle', 'job': null,"
	"  'mem_used_bytes': null, 'mem_total_bytes': 85899345920, 'utilization_percent': null},"
	" {'slot': 2, 'index': 2, 'state': 'foreign', 'job': null,"
	"  'processes': [{'pid': 7, 'uid': 0}]}]}";

static const char jobs[] =
	"{'revision': 9, 'more': false, 'jobs': ["
	" {'id': 2, 'name': 'train', 'uid': 4000000002, 'state': 'running', 'start_ms': 5000,"
	"  'time_limit_ms': 7200000, 'gpus': [{'index': 0, 'uuid': 'SIM-1'}, {'index': 3}]},"
	" {'id': 1, 'name': 'eval', 'uid': 0, 'state': 'stopping', 'start_ms': 1000, 'gpus': []},"
	" {'id': 9, 'name': 'over', 'uid': 0, 'state': 'finished'},"
	" {'id': 5, 'name': 'five', 'uid': 4000000001, 'state': 'queued', 'submit_ms': 30,"
	"  'num_gpus': 4, 'priority': -3, 'start_ms_estimated': 3905000,"
	"  'reason': {'text': 'needs 4 GPUs, 3 free'}},"
	" {'id': 4, 'name': 'Train-4', 'uid': 0, 'state': 'queued', 'submit_ms': 20,"
	"  'num_gpus': 0, 'held': true, 'reason': {'text': 'held'}},"
	" {'id': 6, 'name': 'six', 'uid': 0, 'state': 'queued', 'submit_ms': 10}]}";

/* JSON, written with single quotes. */
static json_t *json_of(const char *text)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	json_t *json;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	return json;
}

static void init(struct top_model *model)
{
	top_model_init(model);
	top_model_set_jobs(model, json_of(jobs));
	top_model_set_machine(model, json_of(machine));
}

/* The keys of a pane's rows, "5,4,6". */
static void assert_rows(const struct top_model *model, enum top_pane pane, const char *want)
{
	_cleanup_(buf_finish) struct buf text = {0};
	const struct top_list *list = &model->lists[pane];

	for (size_t i = 0; i < list->n; i++)
		buf_printf(&text, "%s%d", i > 0 ? "," : "", (int)list->rows[i].key);
	assert_string_equal(buf_get(&text), want);
}

static void test_lists(void **state)
{
	struct top_model model;

	(void)state;
	init(&model);
	assert_rows(&model, TOP_GPUS, "1,2,3");
	assert_rows(&model, TOP_RUNNING, "2,1");
	assert_rows(&model, TOP_WAITING, "5,4,6");
	assert_int_equal(model.lists[TOP_GPUS].rows[0].job, 2);
	assert_string_equal(model.lists[TOP_GPUS].rows[0].user, "4000000002");
	assert_int_equal(model.lists[TOP_GPUS].rows[1].job, 0);
	assert_string_equal(model.lists[TOP_GPUS].rows[1].user, "");
	assert_string_equal(model.lists[TOP_GPUS].rows[2].user, "root");
	top_model_finish(&model);
}

/* Tasks of an array that wait are one row, and as many jobs. */
static void test_arrays(void **state)
{
	_cleanup_(buf_finish) struct buf text = {0};
	_cleanup_(top_table_finish) struct top_table table = {0};
	struct top_model model;

	(void)state;
	top_model_init(&model);
	top_model_set_jobs(&model, json_of("{'jobs': [{'id': 3, 'state': 'queued'},"
					   " {'id': 5, 'n_tasks': 95, 'state': 'queued'}]}"));
	top_model_headline(&model, &text);
	assert_string_equal(buf_get(&text), "0 running, 96 waiting");
	top_table_init(&table, TOP_WAITING, model.lists[TOP_WAITING].rows, 2, 0, 0);
	assert_string_equal(buf_get(&table.cells[0].text), "3");
	assert_string_equal(buf_get(&table.cells[table.n_columns].text), "5-99");
	top_model_finish(&model);
}

static void test_nothing_known(void **state)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct top_model model;

	(void)state;
	top_model_init(&model);
	top_model_move(&model, 1);
	assert_null(top_model_selected(&model));
	top_model_headline(&model, &text);
	assert_string_equal(buf_get(&text), "0 running, 0 waiting");
	top_model_set_jobs(&model, json_of("{'jobs': [{}, {'id': 3, 'state': 'running'}]}"));
	top_model_set_machine(&model, json_of("{'gpus': [{}]}"));
	assert_int_equal(model.lists[TOP_RUNNING].n, 2);
	top_model_finish(&model);
}

static void test_order(void **state)
{
	struct top_model model;

	(void)state;
	init(&model);
	top_model_set_order(&model, TOP_BY_TIME);
	assert_rows(&model, TOP_RUNNING, "1,2");
	assert_rows(&model, TOP_WAITING, "6,4,5");
	top_model_set_order(&model, TOP_BY_USER);
	assert_rows(&model, TOP_WAITING, "5,4,6"); /* digits before letters; then as they run */
	assert_rows(&model, TOP_GPUS, "1,2,3");
	top_model_finish(&model);
}

static void test_filter(void **state)
{
	struct top_model model;

	(void)state;
	init(&model);
	top_model_set_filter(&model, "TRAIN");
	assert_rows(&model, TOP_RUNNING, "2");
	assert_rows(&model, TOP_WAITING, "4");
	assert_rows(&model, TOP_GPUS, "1,2,3");
	top_model_set_filter(&model, "root");
	assert_rows(&model, TOP_RUNNING, "1");
	assert_rows(&model, TOP_WAITING, "4,6");
	top_model_set_filter(&model, "");
	assert_rows(&model, TOP_WAITING, "5,4,6");
	top_model_finish(&model);
}

static void assert_selected(const struct top_model *model, uint64_t id)
{
	assert_non_null(top_model_selected(model));
	assert_int_equal(top_model_selected(model)->job, id);
}

static void test_selection_follows_the_job(void **state)
{
	struct top_model model;

	(void)state;
	init(&model);
	model.focus = TOP_WAITING;
	assert_selected(&model, 5);
	top_model_move(&model, 1);
	assert_selected(&model, 4);
	top_model_set_order(&model, TOP_BY_TIME);
	assert_selected(&model, 4);
	top_model_move(&model, 1);
	assert_selected(&model, 5);
	top_model_set_order(&model, TOP_BY_QUEUE);
	assert_selected(&model, 5);
	assert_int_equal(model.lists[TOP_WAITING].at, 0);
	/* One that leaves is replaced by its neighbour; an empty list forgets nothing. */
	top_model_set_filter(&model, "six");
	assert_selected(&model, 6);
	top_model_set_filter(&model, "no such thing");
	assert_null(top_model_selected(&model));
	top_model_move(&model, 3);
	top_model_set_filter(&model, "");
	assert_selected(&model, 6);
	top_model_move(&model, -INT32_MAX);
	assert_selected(&model, 5);
	top_model_move(&model, INT32_MAX);
	assert_selected(&model, 6);
	top_model_finish(&model);
}

static void test_scroll(void **state)
{
	static const struct {
		size_t n, at, first, height, want;
	} cases[] = {
		{10, 0, 0, 3, 0}, {10, 2, 0, 3, 0}, {10, 3, 0, 3, 1}, {10, 9, 0, 3, 7},
		{10, 4, 6, 3, 4}, {4, 3, 6, 3, 1},  {2, 1, 1, 5, 0},  {0, 0, 3, 5, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct top_list list = {
			.n = cases[i].n, .at = cases[i].at, .first = cases[i].first};

		top_list_scroll(&list, cases[i].height);
		assert_int_equal(list.first, cases[i].want);
	}
}

static void test_share(void **state)
{
	static const struct {
		size_t gpus, running, waiting, lines, want[TOP_PANES];
	} cases[] = {
		{8, 3, 5, 22, {9, 4, 9}},      {8, 100, 100, 22, {9, 7, 6}},
		{16, 100, 0, 22, {11, 10, 1}}, {0, 0, 0, 22, {2, 2, 18}},
		{8, 100, 2, 22, {9, 10, 3}},   {8, 3, 5, 8, {0, 8, 0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct top_model model = {.focus = TOP_RUNNING};
		size_t lines[TOP_PANES];

		model.lists[TOP_GPUS].n = cases[i].gpus;
		model.lists[TOP_RUNNING].n = cases[i].running;
		model.lists[TOP_WAITING].n = cases[i].waiting;
		top_model_share(&model, cases[i].lines, lines);
		for (size_t pane = 0; pane < TOP_PANES; pane++)
			assert_int_equal(lines[pane], cases[i].want[pane]);
	}
}

static void test_headline(void **state)
{
	_cleanup_(buf_finish) struct buf text = {0};
	struct top_model model;

	(void)state;
	init(&model);
	top_model_set_order(&model, TOP_BY_USER);
	top_model_set_filter(&model, "train");
	top_model_headline(&model, &text);
	assert_string_equal(buf_get(&text), "box: 3 GPUs (simulated), 1 idle; 2 running, 3 "
					    "waiting; by user");
	top_model_finish(&model);
}

/* The texts of a row, "2|train|...", and of bars their permille in brackets. */
static void assert_cells(const struct top_model *model, enum top_pane pane, size_t row,
			 const char *want)
{
	_cleanup_(top_table_finish) struct top_table table;
	_cleanup_(buf_finish) struct buf text = {0};

	top_table_init(&table, pane, model->lists[pane].rows, model->lists[pane].n, 0,
		       5000 + HOUR_MS / 2);
	for (size_t c = 0; c < table.n_columns; c++) {
		const struct top_cell *cell = &table.cells[row * table.n_columns + c];

		buf_printf(&text, "%s%s", c > 0 ? "|" : "", buf_get(&cell->text));
		if (cell->permille >= 0)
			buf_printf(&text, "[%d]", cell->permille);
	}
	assert_string_equal(buf_get(&text), want);
}

static void test_cells(void **state)
{
	struct top_model model;

	(void)state;
	init(&model);
	assert_cells(&model, TOP_GPUS, 0,
		     "0|A100|allocated|2|4000000002|20G/80G[250]|50%[500]|300W|65C");
	assert_cells(&model, TOP_GPUS, 1, "1|Simulated GPU|idle|-|-|-/80G|-|-|-");
	assert_cells(&model, TOP_GPUS, 2, "2||foreign|-|root|-/-|-|-|-");
	assert_cells(&model, TOP_RUNNING, 0, "2|train|4000000002|running|0,3|30m|1h30m[750]");
	assert_cells(&model, TOP_RUNNING, 1, "1|eval|root|stopping|-|30m04s|-");
	assert_cells(&model, TOP_WAITING, 0, "5|five|4000000001|-3|4|in 35m|needs 4 GPUs, 3 free");
	assert_cells(&model, TOP_WAITING, 1, "4|Train-4|root|0|0||held");
	top_model_finish(&model);
}

static size_t width_of(const struct top_table *table)
{
	size_t width = 0;

	for (size_t c = 0; c < table->n_columns; c++)
		width += table->widths[c] > 0 ? table->widths[c] + (width > 0 ? TOP_GAP : 0) : 0;
	return width;
}

static void test_widths(void **state)
{
	static const size_t widths[] = {24, 39, 60, 79, 131, 199};
	struct top_model model;

	(void)state;
	init(&model);
	for (enum top_pane pane = 0; pane < TOP_PANES; pane++)
		for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
			_cleanup_(top_table_finish) struct top_table table;

			top_table_init(&table, pane, model.lists[pane].rows, model.lists[pane].n,
				       widths[i], 6000);
			if (widths[i] > 24)
				assert_in_range(width_of(&table), 20, widths[i]);
			assert_true(table.widths[0] > 0); /* the id of a job is never left out */
			if (widths[i] >= 79)
				for (size_t c = 0; c < table.n_columns; c++)
					assert_true(table.widths[c] > 0);
		}
	top_model_finish(&model);
}

static void assert_fit(const char *text, size_t width, bool right, const char *want)
{
	_cleanup_(buf_finish) struct buf buf = {0};

	top_text_fit(&buf, text, width, right);
	assert_string_equal(buf_get(&buf), want);
}

static void test_fit(void **state)
{
	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	assert_fit("abc", 5, false, "abc  ");
	assert_fit("abc", 5, true, "  abc");
	assert_fit("abcdef", 5, false, "abcd+");
	assert_fit("Größe", 6, false, "Größe ");
	assert_fit("模型训练", 8, false, "模型训练");
	assert_fit("模型训练", 7, false, "模型训+");
	assert_fit("模型训练", 6, false, "模型+ ");
	assert_fit("a\033[1m\xff", 7, false, "a?[1m? ");
	assert_fit("a\u202eb", 4, false, "a?b ");
	assert_fit("abc", 0, false, "");
	assert_fit("模", 1, false, "+");
	assert_int_equal(top_text_width("e\u0301"), 1); /* a combining accent */
	setlocale(LC_CTYPE, "C");
	assert_fit("ö", 4, false, "??  ");
}

static void assert_bar(unsigned permille, size_t width, bool utf8, const char *want)
{
	_cleanup_(buf_finish) struct buf buf = {0};

	top_text_bar(&buf, permille, width, utf8);
	assert_string_equal(buf_get(&buf), want);
}

static void test_bar(void **state)
{
	(void)state;
	assert_bar(0, 6, false, "[    ]");
	assert_bar(500, 6, false, "[##  ]");
	assert_bar(1000, 6, false, "[####]");
	assert_bar(5000, 6, false, "[####]");
	assert_bar(1000, 2, false, "  ");
	assert_bar(0, 3, true, "░░░");
	assert_bar(1, 3, true, "▏░░");
	assert_bar(500, 3, true, "█▌░");
	assert_bar(1000, 3, true, "███");
}

static void assert_wrap(const char *text, size_t width, const char *want)
{
	_cleanup_(buf_finish) struct buf buf = {0};

	while (*text) {
		const char *start = text;
		size_t len = top_text_wrap(&text, width);

		buf_append(&buf, start, len);
		buf_putc(&buf, '|');
	}
	assert_string_equal(buf_get(&buf), want);
}

static void test_wrap(void **state)
{
	(void)state;
	setlocale(LC_CTYPE, "C.UTF-8");
	assert_wrap("one two three", 7, "one two|three|");
	assert_wrap("one two three", 8, "one two|three|");
	assert_wrap("a\n\nb\n", 8, "a||b|");
	assert_wrap("abcdefgh", 3, "abc|def|gh|");
	assert_wrap("  indented", 6, " |indent|ed|");
	assert_wrap("模型训练", 1, "模|型|训|练|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_selection_follows_the_job),
		cmocka_unit_test(test_scroll),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_headline),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
