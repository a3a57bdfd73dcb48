/* SPDX-License-Identifier: MIT */
/* The GPU report: print -> parse -> print is the identity, unknown stays unknown, bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/gpureport.h"

static void process_set(struct gpu_info *gpu, const char *name, const char *cgroup)
{
	gpu->processes_known = true;
	gpu->n_processes = 1;
	gpu->processes = xcalloc(1, sizeof(*gpu->processes));
	gpu->processes[0] = (struct gpu_process){
		.pid = 812,
		.mem_bytes = INT64_C(4) << 30,
		.uid = GPU_UNKNOWN,
		.kind = 'C',
		.cgroup = xstrdup(cgroup),
		.ancestors = xcalloc(2, sizeof(pid_t)),
		.n_ancestors = 2,
	};
	gpu->processes[0].ancestors[0] = 811;
	gpu->processes[0].ancestors[1] = 700;
	snprintf(gpu->processes[0].name, sizeof(gpu->processes[0].name), "%s", name);
}

static void report_make(struct gpu_report *report)
{
	gpu_report_init(report, 3);
	snprintf(report->source, sizeof(report->source), "nvml");
	snprintf(report->driver, sizeof(report->driver), "550.163.01");
	report->time_ns = INT64_C(1767225600123456789);
	report->mono_ns = INT64_C(123456789);
	for (size_t i = 0; i < 3; i++)
		snprintf(report->gpus[i].uuid, sizeof(report->gpus[i].uuid), "GPU-%zu", i);
	report->gpus[0].index = 0;
	report->gpus[0].mem_used_bytes = 0;
	report->gpus[0].mig_enabled = true;
	process_set(&report->gpus[0], "python \"x\"\n", "/user.slice/a b");
	report->gpus[1].processes_known = true;
	report->gpus[2].health = GPU_HEALTH_LOST;
	snprintf(report->gpus[2].health_reason, sizeof(report->gpus[2].health_reason), "gone");
	*gpu_report_link(report, 0, 1) = *gpu_report_link(report, 1, 0) =
		(struct gpu_link){.pci = PCI_LINK_PIX, .nvlinks = 2};
	gpu_report_warn(report, "GPU %d is warm", 1);
}

static void prints_what_it_parses(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0}, back = {0};
	_cleanup_(free_ptr) char *first = NULL, *second = NULL;
	struct err err = {0};

	(void)state;
	report_make(&report);
	first = gpu_report_print(&report);
	assert_null(strchr(first, '\n'));
	assert_int_equal(gpu_report_parse(first, &back, &err), 0);
	second = gpu_report_print(&back);
	assert_string_equal(first, second);
}

static void keeps_every_field(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0}, back = {0};
	_cleanup_(free_ptr) char *text = NULL;
	const struct gpu_process *process;
	struct err err = {0};

	(void)state;
	report_make(&report);
	text = gpu_report_print(&report);
	assert_int_equal(gpu_report_parse(text, &back, &err), 0);
	assert_int_equal(back.n_gpus, 3);
	assert_string_equal(back.driver, "550.163.01");
	assert_true(back.time_ns == report.time_ns);
	assert_true(back.mono_ns == report.mono_ns);
	assert_true(back.gpus[0].mig_enabled && !back.gpus[1].mig_enabled);
	assert_int_equal(back.gpus[2].health, GPU_HEALTH_LOST);
	assert_string_equal(back.gpus[2].health_reason, "gone");
	assert_int_equal(gpu_report_link(&back, 1, 0)->nvlinks, 2);
	assert_int_equal(gpu_report_link(&back, 0, 1)->pci, PCI_LINK_PIX);
	assert_int_equal(back.n_warnings, 1);
	assert_string_equal(back.warnings[0], "GPU 1 is warm");
	process = &back.gpus[0].processes[0];
	assert_int_equal(process->pid, 812);
	assert_true(process->mem_bytes == INT64_C(4) << 30 && process->uid == GPU_UNKNOWN);
	assert_string_equal(process->name, "python \"x\"\n");
	assert_string_equal(process->cgroup, "/user.slice/a b");
	assert_int_equal(process->n_ancestors, 2);
	assert_int_equal(process->ancestors[1], 700);
}

static void unknown_stays_unknown(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(gpu_report_parse("{\"gpus\":[{\"health\":\"ok\"},{\"health\":\"ok\","
					  "\"processes\":[],\"mem_used_bytes\":0}]}",
					  &report, &err),
			 0);
	assert_int_equal(report.gpus[0].index, -1);
	assert_int_equal(report.gpus[0].minor, -1);
	assert_int_equal(report.gpus[0].numa, -1);
	assert_true(report.gpus[0].mem_used_bytes == GPU_UNKNOWN);
	assert_true(report.gpus[0].energy_mj == GPU_UNKNOWN);
	assert_false(report.gpus[0].processes_known);
	assert_true(report.gpus[1].processes_known);
	assert_true(report.gpus[1].mem_used_bytes == 0);
	assert_int_equal(gpu_report_link(&report, 0, 1)->pci, PCI_LINK_UNKNOWN);
}

static void names_that_are_not_text_are_printed(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0}, back = {0};
	_cleanup_(free_ptr) char *text = NULL;
	struct err err = {0};

	(void)state;
	gpu_report_init(&report, 1);
	process_set(&report.gpus[0], "caf\xe9", "/ok");
	text = gpu_report_print(&report);
	assert_int_equal(gpu_report_parse(text, &back, &err), 0);
	assert_string_equal(back.gpus[0].processes[0].name, "caf?");
}

static void unknown_keys_are_passed_over(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(gpu_report_parse("{\"gpus\":[{\"health\":\"ok\",\"fans\":2}],\"new\":[]}",
					  &report, &err),
			 0);
}

static void refuses_what_is_no_report(void **state)
{
	static const struct {
		const char *text, *sentence;
	} table[] = {
		{"", "not JSON"},
		{"[]", "gpus: is missing"},
		{"{}", "gpus: is missing"},
		{"{\"gpus\":1}", "gpus: must be an array"},
		{"{\"gpus\":[1]}", "gpus[0]"},
		{"{\"gpus\":[{}]}", "gpus[0].health"},
		{"{\"gpus\":[{\"health\":\"fine\"}]}", "gpus[0].health"},
		{"{\"gpus\":[{\"health\":\"ok\",\"minor\":-1}]}", "gpus[0].minor"},
		{"{\"gpus\":[{\"health\":\"ok\",\"minor\":2147483648}]}", "gpus[0].minor"},
		{"{\"gpus\":[{\"health\":\"ok\",\"minor\":1.5}]}", "gpus[0].minor"},
		{"{\"gpus\":[{\"health\":\"ok\",\"minor\":\"1\"}]}", "gpus[0].minor"},
		{"{\"gpus\":[{\"health\":\"ok\",\"vendor\":\"0123456789abcdef\"}]}",
		 "gpus[0].vendor"},
		{"{\"gpus\":[{\"health\":\"ok\",\"mig_enabled\":1}]}", "gpus[0].mig_enabled"},
		{"{\"gpus\":[{\"health\":\"ok\",\"processes\":{}}]}", "gpus[0].processes"},
		{"{\"gpus\":[{\"health\":\"ok\",\"processes\":[{\"kind\":\"C\"}]}]}",
		 "gpus[0].processes[0].pid"},
		{"{\"gpus\":[{\"health\":\"ok\",\"processes\":[{\"pid\":1,\"kind\":\"Z\"}]}]}",
		 "gpus[0].processes[0].kind"},
		{"{\"gpus\":[{\"health\":\"ok\",\"processes\":[{\"pid\":1,\"kind\":\"C\","
		 "\"ancestors\":[0]}]}]}",
		 "ancestors"},
		{"{\"gpus\":[],\"links\":[[0,1,\"PIX\",0]]}", "links"},
		{"{\"gpus\":[{\"health\":\"ok\"}],\"links\":[[0,0,\"PIX\",0]]}", "links"},
		{"{\"gpus\":[],\"warnings\":[1]}", "warnings"},
		{"{\"gpus\":[],\"time_ns\":-5}", "time_ns"},
		{"{\"gpus\":[],\"gpus\":[]}", "not JSON"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct gpu_report report = {0};
		struct err err = {0};

		assert_int_equal(gpu_report_parse(table[i].text, &report, &err), -EINVAL);
		if (!strstr(err.msg, table[i].sentence))
			fail_msg("%s: \"%s\" does not say \"%s\"", table[i].text, err.msg,
				 table[i].sentence);
	}
}

/* {"gpus":[ELEMENT x n]} or its counterpart one level down. */
static int parse_many(const char *head, const char *element, size_t n, const char *tail)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	_cleanup_(buf_finish) struct buf text = {0};
	struct err err = {0};

	buf_puts(&text, head);
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i ? "," : "", element);
	buf_puts(&text, tail);
	return gpu_report_parse(buf_get(&text), &report, &err);
}

static void every_count_is_bounded(void **state)
{
	static const struct {
		const char *head, *element, *tail;
		size_t max;
	} table[] = {
		{"{\"gpus\":[", "{\"health\":\"ok\"}", "]}", GPU_REPORT_MAX_GPUS},
		{"{\"gpus\":[{\"health\":\"ok\",\"processes\":[", "{\"pid\":1,\"kind\":\"C\"}",
		 "]}]}", GPU_REPORT_MAX_PROCESSES},
		{"{\"gpus\":[{\"health\":\"ok\",\"processes\":[{\"pid\":1,\"kind\":\"C\","
		 "\"ancestors\":[",
		 "5", "]}]}]}", GPU_REPORT_MAX_ANCESTORS},
		{"{\"gpus\":[],\"warnings\":[", "\"w\"", "]}", 256},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(
			parse_many(table[i].head, table[i].element, table[i].max, table[i].tail),
			0);
		assert_int_equal(parse_many(table[i].head, table[i].element, table[i].max + 1,
					    table[i].tail),
				 -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_what_it_parses),
		cmocka_unit_test(keeps_every_field),
		cmocka_unit_test(unknown_stays_unknown),
		cmocka_unit_test(names_that_are_not_text_are_printed),
		cmocka_unit_test(unknown_keys_are_passed_over),
		cmocka_unit_test(refuses_what_is_no_report),
		cmocka_unit_test(every_count_is_bounded),
	};

	return cmocka_run_group_tests_name("gpureport", tests, NULL, NULL);
}
