/* SPDX-License-Identifier: MIT */
/*
 * The choice among the backends, made anew at every report.
 *
 * NVML, else nvidia-smi, else what the kernel shows in /sys and /proc, else none. A backend that
 * failed is closed and tried again at the next report: a driver that is being upgraded, or loaded
 * for the first time, needs no restart of anything. Trying costs little where there is nothing (a
 * dlopen, a search of PATH), and nobody waits for this process.
 *
 * A set TGPU_GPUS is an order: that backend alone, and what is wrong with it is an error.
 *
 * Invariants: no backend's failure keeps the next from being asked; only an open backend is read.
 * Read next: nvml.c, the backend of nearly every real machine; simulated.c for all others.
 */
#include "probe/probe.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"

/* In order of preference; the last always answers. */
static const struct probe_ops *const backends[] = {
	&probe_nvml,
	&probe_smi,
	&probe_sysfs,
	&probe_none,
};

struct probe {
	struct probe_setup setup;
	void *states[ARRAY_SIZE(backends)]; /* NULL while that backend is not open */
};

struct probe *probe_create(const struct probe_setup *setup)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));

	probe->setup = *setup;
	return probe;
}

void probe_destroy(struct probe **probe)
{
	if (!*probe)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if ((*probe)->states[i])
			backends[i]->close((*probe)->states[i]);
	free(*probe);
	*probe = NULL;
}

/* Open if need be, and read. A backend with nothing to show is closed as a failed one is. */
static int backend_read(const struct probe_ops *ops, const struct probe_setup *setup, void **state,
			struct gpu_report *report, struct err *err)
{
	int r = *state ? 0 : ops->open(setup, state, err);

	if (r != 0)
		return r;
	r = ops->read(*state, report, err);
	if (r != 0) {
		gpu_report_finish(report);
		ops->close(*state);
		*state = NULL;
		return r;
	}
	snprintf(report->source, sizeof(report->source), "%s", ops->name);
	return 0;
}

static int read_ordered(const struct probe *probe, struct gpu_report *report, struct err *err)
{
	const struct probe_ops *ops;
	void *state = NULL;
	int r;

	if (STREQ(probe->setup.gpus, "none"))
		ops = &probe_none;
	else if (strncmp(probe->setup.gpus, "simulated:", strlen("simulated:")) == 0)
		ops = &probe_simulated;
	else
		return err_set(err, -EINVAL,
			       "TGPU_GPUS: \"%s\" is not a machine; write simulated:8, "
			       "simulated:FILE or none, or unset it to use the real GPUs",
			       probe->setup.gpus);
	r = backend_read(ops, &probe->setup, &state, report, err);
	if (state)
		ops->close(state);
	return r;
}

static int read_first(struct probe *probe, struct gpu_report *report, struct err *err)
{
	_cleanup_(gpu_report_finish) struct gpu_report failures = {0};
	int r = -ENODEV;

	for (size_t i = 0; r != 0 && i < ARRAY_SIZE(backends); i++) {
		r = backend_read(backends[i], &probe->setup, &probe->states[i], report, err);
		if (r < 0)
			gpu_report_warn(&failures, "%s", err->msg);
	}
	for (size_t i = 0; r == 0 && i < failures.n_warnings; i++)
		gpu_report_warn(report, "%s", failures.warnings[i]);
	return r;
}

int probe_read(struct probe *probe, struct gpu_report *ret_report, struct err *err)
{
	struct gpu_report report = {0};
	int64_t began_ns = clock_wall_ns(), began_mono_ns = clock_mono_ns();
	int r = probe->setup.gpus ? read_ordered(probe, &report, err)
				  : read_first(probe, &report, err);

	if (r != 0)
		return r;
	report.time_ns = began_ns;
	report.mono_ns = began_mono_ns;
	*ret_report = report;
	return 0;
}
