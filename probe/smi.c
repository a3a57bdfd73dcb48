/* SPDX-License-Identifier: MIT */
/*
 * The nvidia-smi backend: for machines where the library cannot be loaded but the program runs.
 *
 * Queries are separate commands, for one field that a driver does not know fails its whole query;
 * only the first must succeed. A cell that is not a plain number ("[N/A]", "[GPU is lost]", "ERR!")
 * is unknown. Names may hold ", ", so they stand last and take the rest of the line. A GPU that has
 * fallen off the bus has no row: the kernel's list of PCI devices tells that it is missing.
 *
 * nvidia-smi hangs on a sick GPU, so each run has a deadline.
 * Deliberately not here: MIG instances, energy; NVML is the way to those.
 * Cost: five runs of a program that takes from tens of milliseconds to seconds. Read next:
 * command.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "probe/command.h"
#include "probe/nvidia_proc.h"
#include "probe/pci.h"
#include "probe/probe.h"
#include "probe/smi_topology.h"
#include "probe/system.h"

#define TIMEOUT_MS 5000
#define OUTPUT_MAX (4u << 20)
#define FIELDS_MAX 12
#define MIB	   (INT64_C(1) << 20)

#define EXIT_NO_GPUS 6 /* "No devices were found" */

struct smi {
	struct command command;
	const char *root; /* borrowed */
};

static int smi_open(const struct probe_setup *setup, void **ret_state, struct err *err)
{
	struct smi *smi = xcalloc(1, sizeof(*smi));

	(void)err;
	smi->root = setup->root;
	*ret_state = smi;
	return 0;
}

static void smi_close(void *state)
{
	free(state);
}

/* Run nvidia-smi with up to two arguments. Positive: COMMAND_ABSENT. */
static int smi_run(struct smi *smi, const char *argument, const char *second, char **ret_text,
		   int *ret_code, struct err *err)
{
	_cleanup_(free_ptr) char *a = xstrdup(argument), *b = second ? xstrdup(second) : NULL;
	char name[] = "nvidia-smi";
	char *argv[] = {name, a, b, NULL};

	return command_run(&smi->command, argv, TIMEOUT_MS, OUTPUT_MAX, ret_text, ret_code, err);
}

static int smi_query(struct smi *smi, const char *query, char **ret_text, int *ret_code,
		     struct err *err)
{
	return smi_run(smi, query, "--format=csv,noheader,nounits", ret_text, ret_code, err);
}

/* Split a line at ", " in place into exactly n fields, the last of which takes the rest. */
static bool row_split(char *line, char **fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fields[i] = line;
		if (i + 1 == n)
			return true;
		line = strstr(line, ", ");
		if (!line)
			return false;
		*line = '\0';
		line += 2;
	}
	return true;
}

/* "72.14" times `scale`, rounded down; GPU_UNKNOWN for anything that is not such a number. */
static int64_t cell_number(const char *cell, int64_t scale)
{
	const char *at = cell;
	int64_t whole = 0, unit = scale;

	if (!isdigit((unsigned char)*at))
		return GPU_UNKNOWN;
	for (; isdigit((unsigned char)*at); at++) {
		whole = whole * 10 + (*at - '0') * scale;
		if (whole > INT64_MAX / 20)
			return GPU_UNKNOWN;
	}
	if (*at == '.' && isdigit((unsigned char)at[1]))
		for (at++; isdigit((unsigned char)*at); at++) {
			unit /= 10;
			whole += (*at - '0') * unit;
		}
	return *at == '\0' ? whole : GPU_UNKNOWN;
}

static void copy_known(char *to, size_t size, const char *cell)
{
	if (cell[0] != '[' && strlen(cell) < size)
		memcpy(to, cell, strlen(cell) + 1);
}

static const char gpu_query[] =
	"--query-gpu=index,uuid,pci.bus_id,memory.total,memory.used,utilization.gpu,"
	"temperature.gpu,power.draw,driver_version,name";

static void gpu_row(char **f, struct gpu_info *gpu, char *driver, size_t driver_size)
{
	gpu->index = (int)cell_number(f[0], 1);
	copy_known(gpu->uuid, sizeof(gpu->uuid), f[1]);
	(void)pci_id_parse(f[2], gpu->bus_id);
	gpu->mem_total_bytes = cell_number(f[3], MIB);
	gpu->mem_used_bytes = cell_number(f[4], MIB);
	gpu->utilization_percent = cell_number(f[5], 1);
	gpu->temperature_c = cell_number(f[6], 1);
	gpu->power_mw = cell_number(f[7], 1000);
	copy_known(driver, driver_size, f[8]);
	copy_known(gpu->name, sizeof(gpu->name), f[9]);
	snprintf(gpu->vendor, sizeof(gpu->vendor), "nvidia");
	if (strcasestr(f[4], "lost")) {
		gpu->health = GPU_HEALTH_LOST;
		snprintf(gpu->health_reason, sizeof(gpu->health_reason),
			 "it has fallen off the bus");
	}
}

/* The rows that are GPUs: lines of prose ("Unable to determine the device handle ...") are not. */
static size_t gpu_rows(char *text, struct gpu_info *gpus, char *driver, size_t driver_size)
{
	char *rest = text, *line;
	size_t n = 0;

	while (n < GPU_REPORT_MAX_GPUS && (line = strsep(&rest, "\n"))) {
		char *f[10];

		if (row_split(line, f, ARRAY_SIZE(f)) && strncmp(f[1], "GPU-", 4) == 0)
			gpu_row(f, &gpus[n++], driver, driver_size);
	}
	return n;
}

static struct gpu_info *find_gpu(struct gpu_report *report, const char *uuid)
{
	for (size_t i = 0; i < report->n_gpus; i++)
		if (STREQ(report->gpus[i].uuid, uuid))
			return &report->gpus[i];
	return NULL;
}

/* Call `row` for every line of an optional query that names one of our GPUs first. */
static bool each_row(struct smi *smi, struct gpu_report *report, const char *query, size_t n_fields,
		     void (*row)(const struct smi *smi, struct gpu_info *gpu, char **fields))
{
	_cleanup_(free_ptr) char *text = NULL;
	char *rest, *line, *f[FIELDS_MAX];
	struct err err = {0};
	int code;

	if (smi_query(smi, query, &text, &code, &err) != 0 || code != 0)
		return false;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		struct gpu_info *gpu;

		if (row_split(line, f, n_fields) && (gpu = find_gpu(report, f[0])))
			row(smi, gpu, f);
	}
	return true;
}

static void process_row(const struct smi *smi, struct gpu_info *gpu, char **f)
{
	const char *base = strrchr(f[3], '/');
	struct gpu_process process = {.kind = 'C', .uid = GPU_UNKNOWN};
	int64_t mib = cell_number(f[2], MIB), pid;

	if (parse_int64(f[1], 1, INT32_MAX, &pid) < 0 ||
	    gpu->n_processes == GPU_REPORT_MAX_PROCESSES)
		return;
	process.pid = (pid_t)pid;
	process.mem_bytes = mib;
	system_describe(smi->root, &process);
	if (!process.name[0] && f[3][0] != '[')
		snprintf(process.name, sizeof(process.name), "%.63s", base ? base + 1 : f[3]);
	gpu->processes = xreallocarray(gpu->processes, gpu->n_processes + 1, sizeof(process));
	gpu->processes[gpu->n_processes++] = process;
}

static void mig_row(const struct smi *smi, struct gpu_info *gpu, char **f)
{
	(void)smi;
	gpu->mig_enabled = STREQ(f[1], "Enabled");
}

static void remap_row(const struct smi *smi, struct gpu_info *gpu, char **f)
{
	bool failed = cell_number(f[2], 1) > 0 || STREQ(f[2], "Yes");
	bool pending = cell_number(f[1], 1) > 0 || STREQ(f[1], "Yes");

	(void)smi;
	if (gpu->health != GPU_HEALTH_OK || (!failed && !pending))
		return;
	gpu->health = GPU_HEALTH_UNHEALTHY;
	snprintf(gpu->health_reason, sizeof(gpu->health_reason), "%s",
		 failed ? "a faulty memory row could not be replaced; replace the GPU"
			: "a memory row is to be replaced; reset the GPU");
}

static void warn_missing(const struct smi *smi, struct gpu_report *report)
{
	char ids[GPU_REPORT_MAX_GPUS][PCI_ID_SIZE];
	size_t n = pci_list_gpus(smi->root, PCI_VENDOR_NVIDIA, GPU_REPORT_MAX_GPUS, ids);

	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t k = 0; k < report->n_gpus; k++)
			found |= STREQ(report->gpus[k].bus_id, ids[i]);
		if (!found)
			gpu_report_warn(
				report,
				"nvidia-smi: the GPU at %s is on the PCI bus but has no row; "
				"see the kernel's log for NVRM",
				ids[i]);
	}
}

static void read_topology(struct smi *smi, struct gpu_report *report)
{
	_cleanup_(free_ptr) char *text = NULL;
	struct err err = {0};
	int code;

	if (smi_run(smi, "topo", "-m", &text, &code, &err) == 0 && code == 0)
		smi_topology_parse(text, report);
	pci_describe_links(smi->root, report);
}

/* Everything but the list of GPUs itself; each part may fail without harm to the others. */
static void read_details(struct smi *smi, struct gpu_report *report)
{
	bool known =
		each_row(smi, report, "--query-compute-apps=gpu_uuid,pid,used_memory,process_name",
			 4, process_row);

	each_row(smi, report, "--query-gpu=uuid,mig.mode.current", 2, mig_row);
	each_row(smi, report, "--query-gpu=uuid,remapped_rows.pending,remapped_rows.failure", 3,
		 remap_row);
	for (size_t i = 0; i < report->n_gpus; i++) {
		report->gpus[i].processes_known = known;
		nvidia_proc_describe(smi->root, &report->gpus[i]);
		pci_describe(smi->root, &report->gpus[i]);
		if (report->gpus[i].mig_enabled)
			gpu_report_warn(report,
					"nvidia-smi: GPU %d is in MIG mode; its instances can only "
					"be found through NVML",
					report->gpus[i].index);
	}
	read_topology(smi, report);
	warn_missing(smi, report);
}

static int smi_read(void *state, struct gpu_report *report, struct err *err)
{
	struct smi *smi = state;
	_cleanup_(free_ptr) char *text = NULL;
	struct gpu_report scratch;
	size_t n;
	int code, r = smi_query(smi, gpu_query, &text, &code, err);

	if (r != 0)
		return r == COMMAND_ABSENT ? PROBE_ABSENT : r;
	gpu_report_init(&scratch, GPU_REPORT_MAX_GPUS);
	n = gpu_rows(text, scratch.gpus, scratch.driver, sizeof(scratch.driver));
	if (n == 0) {
		gpu_report_finish(&scratch);
		if (code == 0 || code == EXIT_NO_GPUS)
			return PROBE_ABSENT;
		text[strcspn(text, "\n")] = '\0';
		return err_set(err, -EIO, "nvidia-smi: shows no GPU (exit code %d): %.150s", code,
			       text);
	}
	gpu_report_init(report, n);
	memcpy(report->gpus, scratch.gpus, n * sizeof(*report->gpus));
	memcpy(report->driver, scratch.driver, sizeof(report->driver));
	gpu_report_finish(&scratch);
	qsort(report->gpus, n, sizeof(*report->gpus), pci_compare);
	read_details(smi, report);
	return 0;
}

const struct probe_ops probe_smi = {
	.name = "nvidia-smi",
	.open = smi_open,
	.read = smi_read,
	.close = smi_close,
};
