/* SPDX-License-Identifier: MIT */
/* Reading `nvidia-smi topo -m`, with what makes it hard to read; and PCI bus ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "probe/pci.h"
#include "probe/smi_topology.h"

static void parse(const char *text, size_t n, struct gpu_report *report)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);

	gpu_report_init(report, n);
	for (size_t i = 0; i < n; i++)
		report->gpus[i].index = (int)i;
	smi_topology_parse(copy, report);
}

static void reads_gpus_between_network_cards(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	static const char text[] = "\t\033[4mGPU0\tGPU1\tmlx5_0\tGPU2\tCPU Affinity\tNUMA "
				   "Affinity\tGPU NUMA ID\033[0m\n"
				   "GPU0\t X \tNV12\tPXB\tSYS\t0-27,56-83\t0\t\tN/A\n"
				   "GPU1\tNV12\t X \tPXB\tSYS\t0-27,56-83\t0\t\tN/A\n"
				   "mlx5_0\tPXB\tPXB\t X \tSYS\n"
				   "GPU2\tSYS\tSYS\tSYS\t X \t28-55\t1\t\tN/A\n"
				   "\nLegend:\n\n  X    = Self\n  NV#  = Connection traversing a "
				   "bonded set of # NVLinks\n";

	(void)state;
	parse(text, 3, &report);
	assert_int_equal(gpu_report_link(&report, 0, 1)->nvlinks, 12);
	assert_int_equal(gpu_report_link(&report, 0, 1)->pci, PCI_LINK_UNKNOWN);
	assert_int_equal(gpu_report_link(&report, 0, 2)->pci, PCI_LINK_SYS);
	assert_int_equal(gpu_report_link(&report, 2, 1)->pci, PCI_LINK_SYS);
}

static void a_missing_row_costs_its_pairs_only(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};

	(void)state;
	parse("     GPU0 GPU1 GPU2\nGPU0 X PIX NODE\nGPU2 NODE SOC X\n", 3, &report);
	assert_int_equal(gpu_report_link(&report, 0, 2)->pci, PCI_LINK_NODE);
	assert_int_equal(gpu_report_link(&report, 0, 1)->pci, PCI_LINK_UNKNOWN);
	assert_int_equal(gpu_report_link(&report, 1, 2)->pci, PCI_LINK_UNKNOWN);
}

static void nonsense_says_nothing(void **state)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};

	(void)state;
	parse("GPU0 GPU1\nGPU0 X\nGPU1 NVx X NV999\n\033[\nGPU\nGPU0", 2, &report);
	assert_int_equal(gpu_report_link(&report, 0, 1)->nvlinks, 0);
	assert_int_equal(gpu_report_link(&report, 0, 1)->pci, PCI_LINK_UNKNOWN);
}

static void bus_ids_have_one_form(void **state)
{
	static const struct {
		const char *text, *id;
	} table[] = {
		{"00000000:07:00.0", "0000:07:00.0"},
		{"0000:0A:00.0", "0000:0a:00.0"},
		{"00010000:C1:00.1", "10000:c1:00.1"},
		{"07:00.0", NULL},
		{"0000:07:00.0 ", NULL},
		{"", NULL},
		{"[N/A]", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char id[PCI_ID_SIZE] = "";

		assert_int_equal(pci_id_parse(table[i].text, id), table[i].id ? 0 : -EINVAL);
		assert_string_equal(id, table[i].id ? table[i].id : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_gpus_between_network_cards),
		cmocka_unit_test(a_missing_row_costs_its_pairs_only),
		cmocka_unit_test(nonsense_says_nothing),
		cmocka_unit_test(bus_ids_have_one_form),
	};

	return cmocka_run_group_tests_name("probe_smi", tests, NULL, NULL);
}
