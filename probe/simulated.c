/* SPDX-License-Identifier: MIT */
/*
 * Machines that do not exist: TGPU_GPUS=simulated:8 and TGPU_GPUS=simulated:FILE.
 *
 * A file is lines of words; '#' starts a comment; `gpu=N` counts from 0 in the order of the gpu
 * lines.
 *
 *     driver VERSION                    what `tgpu gpus` shows as the driver
 *     name TEXT                         of the gpu lines that follow
 *     mem SIZE                          likewise ("16G")
 *     gpu [bus=ID] [numa=N] [cpus=LIST] [minor=N] [uuid=U] [mem=SIZE]
 *     mig gpu=N [mem=SIZE] [uuid=U]     an instance of GPU N, which is then in MIG mode
 *     links                             then a row for each GPU above: X NV2 SYS NODE PHB PXB PIX
 * INT ? pcie                              likewise: the way through the machine under the NVLinks
 *     used gpu=N mem=SIZE               memory in use; without it the sum over its processes
 *     load gpu=N [util=PERCENT] [watts=W] [joules=J] [celsius=C]   what its sensors show
 *     process gpu=N pid=P [mem=SIZE] [kind=C|G|M] [name=TEXT] [uid=N]
 *     health gpu=N state=ok|unhealthy|lost [reason=TEXT TO THE END OF THE LINE]
 *     absent gpu=N                      as if that GPU had been pulled out; the others keep
 * identity
 *
 * A process with a name or a uid is made up; one without either is looked up in /proc, so a test
 * can let a real process hold a GPU. Where `pcie` is missing, or says '?', the NUMA nodes decide
 * (NODE or SYS). A pair whose two directions differ counts as the weaker. docs/simulated-gpus.md
 * has examples, tests/fixtures real machines.
 *
 * simulated:N is the text of such a file, written here and read like any other. The file is read
 * again at every report: replace it by rename(2) and a GPU appears, vanishes or is lost.
 *
 * Invariants: a line that is not understood is an error with file, line and remedy, never passed
 * over. Cost: linear in the file, at most 1 MiB. Read next: simulated_text.c, which reads the
 * lines.
 */
#include "probe/simulated.h"

#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"
#include "probe/probe.h"
#include "probe/system.h"

#define FILE_MAX (1u << 20)

struct simulated {
	const char *what; /* borrowed: what follows "simulated:" */
	const char *root; /* borrowed */
};

static int simulated_open(const struct probe_setup *setup, void **ret_state, struct err *err)
{
	struct simulated *simulated = xcalloc(1, sizeof(*simulated));

	(void)err;
	*simulated = (struct simulated){
		.what = strchr(setup->gpus, ':') + 1,
		.root = setup->root,
	};
	*ret_state = simulated;
	return 0;
}

static void simulated_close(void *state)
{
	free(state);
}

/*
 * Eight GPUs as they stand in many machines [a 8 x A40 server]: bridged in pairs by NV4, half of
 * the pairs on each socket; any other number likewise.
 */
static char *machine_write(unsigned n)
{
	unsigned first_socket = n < 2 ? n : (n / 2 + 1) / 2 * 2;
	struct buf text = {0};

	buf_puts(&text, "name Simulated GPU\nmem 80G\n");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text, "gpu numa=%d\n", i >= first_socket);
	buf_puts(&text, "links\n");
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < n; j++)
			buf_puts(&text, i == j					   ? "X "
					: i / 2 == j / 2			   ? "NV4 "
					: (i < first_socket) == (j < first_socket) ? "NODE "
										   : "SYS ");
		buf_putc(&text, '\n');
	}
	return buf_take(&text);
}

static int text_get(const char *what, char **ret_text, struct err *err)
{
	int64_t n;
	int r;

	if (what[strspn(what, "0123456789")] == '\0') {
		if (parse_int64(what, 1, GPU_REPORT_MAX_GPUS, &n) < 0)
			return err_set(
				err, -EINVAL,
				"TGPU_GPUS: simulated:%s: write a number from 1 to %d, or the "
				"name of a file (./%s)",
				what, GPU_REPORT_MAX_GPUS, what[0] ? what : "FILE");
		*ret_text = machine_write((unsigned)n);
		return 0;
	}
	r = read_file(what, FILE_MAX, ret_text, NULL);
	if (r < 0)
		return err_set(err, r,
			       "TGPU_GPUS: simulated:%s: cannot read the file: %s; write "
			       "simulated:8 or the path of a machine's description",
			       what, strerror(-r));
	return 0;
}

/* Processes that the text names by pid alone are real ones. */
static void describe_processes(const struct simulated *simulated, struct gpu_report *report)
{
	for (size_t i = 0; i < report->n_gpus; i++) {
		struct gpu_info *gpu = &report->gpus[i];

		for (size_t k = 0; k < gpu->n_processes; k++)
			if (!gpu->processes[k].name[0] && gpu->processes[k].uid == GPU_UNKNOWN)
				system_describe(simulated->root, &gpu->processes[k]);
	}
}

static int simulated_read(void *state, struct gpu_report *report, struct err *err)
{
	const struct simulated *simulated = state;
	_cleanup_(free_ptr) char *text = NULL;
	int r = text_get(simulated->what, &text, err);

	if (r < 0)
		return r;
	r = simulated_parse(text, simulated->what, report, err);
	if (r == 0)
		describe_processes(simulated, report);
	return r;
}

const struct probe_ops probe_simulated = {
	.name = "simulated",
	.open = simulated_open,
	.read = simulated_read,
	.close = simulated_close,
};
