/* SPDX-License-Identifier: MIT */
/* The description of simulated machines: what it says, and every way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "probe/simulated.h"

#define G INT64_C(1073741824)

static void parse(const char *text, struct gpu_report *report)
{
	struct err err = {0};

	if (simulated_parse(text, "m.topo", report, &err) < 0)
		fail_msg("%s", err.msg);
}

static void a_gpu_has_an_identity_from_its_place(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report a = {0}, b = {0};

	(void)state;
	parse("gpu\ngpu\ngpu\n", &a);
	parse("gpu\ngpu\ngpu\nabsent gpu=1\n", &b);
	assert_int_equal(a.n_gpus, 3);
	assert_int_equal(b.n_gpus, 2);
	assert_true(a.simulated && b.simulated);
	assert_string_equal(a.gpus[2].uuid, b.gpus[1].uuid);
	assert_string_not_equal(a.gpus[0].uuid, a.gpus[1].uuid);
	assert_int_equal(strncmp(a.gpus[0].uuid, "SIM-", 4), 0);
	assert_int_equal(b.gpus[1].index, 1);
	assert_string_equal(a.gpus[0].vendor, "simulated");
}

static void lines_say_what_a_gpu_is(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	const struct gpu_info *gpu;

	(void)state;
	parse("driver 1.2\nname  My GPU  # the best\nmem 16G\n"
	      "gpu bus=00000000:0A:00.0 numa=1 cpus=0-3,8 minor=5 uuid=U1\n"
	      "mem 8G\ngpu\ngpu mem=4G\n",
	      &report);
	gpu = report.gpus;
	assert_string_equal(report.driver, "1.2");
	assert_string_equal(gpu[0].name, "My GPU");
	assert_string_equal(gpu[0].bus_id, "0000:0a:00.0");
	assert_string_equal(gpu[0].cpus, "0-3,8");
	assert_string_equal(gpu[0].uuid, "U1");
	assert_int_equal(gpu[0].numa, 1);
	assert_int_equal(gpu[0].minor, 5);
	assert_true(gpu[0].mem_total_bytes == 16 * G && gpu[1].mem_total_bytes == 8 * G &&
		    gpu[2].mem_total_bytes == 4 * G);
	assert_int_equal(gpu[1].numa, -1);
}

static void links_come_from_the_matrices_and_the_numa_nodes(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};

	(void)state;
	parse("gpu numa=0\ngpu numa=0\ngpu numa=1\ngpu\n"
	      "links\nX NV2 NV1 ?\nNV4 X ? ?\nNV1 PIX X ?\n? ? ? X\n"
	      "pcie\nX PIX ? ?\nPIX X ? ?\n? ? X ?\n? ? ? X\n",
	      &report);
	assert_int_equal(gpu_report_link(&report, 0, 1)->nvlinks, 2); /* the weaker direction */
	assert_int_equal(gpu_report_link(&report, 1, 0)->nvlinks, 2);
	assert_int_equal(gpu_report_link(&report, 0, 1)->pci, PCI_LINK_PIX);
	assert_int_equal(gpu_report_link(&report, 0, 2)->nvlinks, 1);
	assert_int_equal(gpu_report_link(&report, 0, 2)->pci, PCI_LINK_SYS);
	assert_int_equal(gpu_report_link(&report, 0, 3)->pci, PCI_LINK_UNKNOWN);
}

static void processes_hold_memory(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	const struct gpu_process *process;

	(void)state;
	parse("gpu\ngpu\nprocess gpu=1 pid=812 mem=4G name=python uid=1000\n"
	      "process gpu=1 pid=813 mem=1G kind=G\nused gpu=0 mem=3G\n",
	      &report);
	assert_true(report.gpus[0].mem_used_bytes == 3 * G);
	assert_true(report.gpus[1].mem_used_bytes == 5 * G);
	assert_int_equal(report.gpus[0].n_processes, 0);
	assert_true(report.gpus[0].processes_known);
	assert_int_equal(report.gpus[1].n_processes, 2);
	process = report.gpus[1].processes;
	assert_int_equal(process[0].pid, 812);
	assert_int_equal(process[0].uid, 1000);
	assert_string_equal(process[0].name, "python");
	assert_int_equal(process[0].kind, 'C');
	assert_int_equal(process[1].kind, 'G');
	assert_true(process[1].uid == GPU_UNKNOWN);
}

static void health_is_what_the_file_says(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};

	(void)state;
	parse("gpu\ngpu\ngpu\nhealth gpu=1 state=lost reason=fell off the bus\n"
	      "health gpu=2 state=unhealthy\n",
	      &report);
	assert_int_equal(report.gpus[0].health, GPU_HEALTH_OK);
	assert_int_equal(report.gpus[1].health, GPU_HEALTH_LOST);
	assert_string_equal(report.gpus[1].health_reason, "fell off the bus");
	assert_true(report.gpus[1].mem_used_bytes == GPU_UNKNOWN);
	assert_int_equal(report.gpus[2].health, GPU_HEALTH_UNHEALTHY);
	assert_true(report.gpus[2].health_reason[0] != '\0');
}

static void instances_follow_their_gpu(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};

	(void)state;
	parse("gpu numa=1\ngpu\nlinks\nX PIX\nPIX X\nmig gpu=0 mem=5G\nmig gpu=0 uuid=MIG-x\n",
	      &report);
	assert_int_equal(report.n_gpus, 4);
	assert_true(report.gpus[0].mig_enabled);
	assert_string_equal(report.gpus[1].parent, report.gpus[0].uuid);
	assert_true(report.gpus[1].mem_total_bytes == 5 * G);
	assert_int_equal(report.gpus[1].index, -1);
	assert_int_equal(report.gpus[1].numa, 1);
	assert_string_equal(report.gpus[2].uuid, "MIG-x");
	assert_int_equal(report.gpus[3].index, 1);
	assert_int_equal(gpu_report_link(&report, 0, 3)->pci, PCI_LINK_PIX);
	assert_int_equal(gpu_report_link(&report, 1, 3)->pci, PCI_LINK_UNKNOWN);
}

static void refuses_with_file_line_and_remedy(void **state)
{
	static const struct {
		const char *text, *sentence;
	} table[] = {
		{"", "m.topo:1: no GPU described"},
		{"\nfrobnicate\n", "m.topo:2: \"frobnicate\" is no kind of line"},
		{"gpu\ngpu speed=3\n", "m.topo:2: \"speed=3\" has no meaning on a gpu line"},
		{"gpu numa=1 numa=2\n", "stands there twice"},
		{"gpu uuid=U\ngpu uuid=U\n", "m.topo:2: uuid=U: an earlier GPU has it"},
		{"gpu uuid=\n", "uuid=: must not be empty"},
		{"gpu numa=x\n", "numa=x: must be a number from 0"},
		{"gpu bus=17\n", "bus=17: write a PCI bus id like"},
		{"gpu mem=lots\n", "\"lots\" is not a size; write 16G"},
		{"mem\ngpu\n", "write one size: mem 16G"},
		{"gpu\nused gpu=1 mem=1G\n", "gpu=1: there is 1 GPU above"},
		{"gpu\nused mem=1G\n", "used: say which GPU: gpu=0"},
		{"gpu\nused gpu=0\n", "say how much"},
		{"gpu\nload gpu=0 util=101\n", "util=101: must be a number from 0 to 100"},
		{"gpu\nload gpu=0 power=3\n", "\"power=3\" has no meaning on a load line"},
		{"gpu\nprocess gpu=0\n", "say which process: pid="},
		{"gpu\nprocess gpu=0 pid=1 kind=Z\n", "kind=Z: must be C"},
		{"gpu\nhealth gpu=0\n", "must be ok, unhealthy or lost"},
		{"gpu\nhealth gpu=0 state=ill\n", "state=ill: must be ok"},
		{"links\n", "must stand once, below the gpu lines"},
		{"gpu\nlinks\nX\nlinks\nX\n", "m.topo:4: links: must stand once"},
		{"gpu\ngpu\nlinks\nX NV2\n", "the matrix ends after 1 of 2 rows"},
		{"gpu\ngpu\nlinks\nX NV2 SYS\nNV2 X\n", "has 3 words"},
		{"gpu\ngpu\nlinks\nNV2 X\nX NV2\n", "X must stand in column 0"},
		{"gpu\ngpu\nlinks\nX NV0\nNV0 X\n", "\"NV0\" is not a link"},
		{"gpu\ngpu\nlinks\nX NV\nNV X\n", "\"NV\" is not a link"},
		{"gpu\ngpu\npcie\nX NV2\nNV2 X\n", "\"NV2\" is not a link"},
		{"gpu\nmig gpu=0\nmig gpu=1\n", "gpu=1 is a MIG instance itself"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct gpu_report report = {0};
		struct err err = {0};

		assert_int_equal(simulated_parse(table[i].text, "m.topo", &report, &err), -EINVAL);
		assert_null(report.gpus);
		if (!strstr(err.msg, table[i].sentence))
			fail_msg("\"%s\" does not say \"%s\"", err.msg, table[i].sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gpu_has_an_identity_from_its_place),
		cmocka_unit_test(lines_say_what_a_gpu_is),
		cmocka_unit_test(links_come_from_the_matrices_and_the_numa_nodes),
		cmocka_unit_test(processes_hold_memory),
		cmocka_unit_test(health_is_what_the_file_says),
		cmocka_unit_test(instances_follow_their_gpu),
		cmocka_unit_test(refuses_with_file_line_and_remedy),
	};

	return cmocka_run_group_tests_name("probe_simulated", tests, NULL, NULL);
}
