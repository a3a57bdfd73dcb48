/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes every reader of traces that reads text, each with the same input: what it accepts is in
 * order, numbered uniquely, runs, and can be replayed to its end; what it refuses it refuses with
 * a sentence. The description of a machine ("--nodes") is read from the same input.
 */
#include <errno.h>
#include <stdlib.h>

#include "simulator/adjust.h"
#include "simulator/preset.h"
#include "simulator/source.h"
#include "simulator/summary.h"

#define REPLAYED_MAX 200 /* jobs: a fuzzer wants many small cases */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_trace(const struct trace *trace)
{
	check(trace->n_jobs > 0);
	for (size_t i = 0; i < trace->n_jobs; i++) {
		check(trace->jobs[i].run_ns > 0 && trace->jobs[i].estimate_ns > 0);
		check(trace->jobs[i].submit_ns >= 0);
		check(i == 0 || trace->jobs[i - 1].submit_ns <= trace->jobs[i].submit_ns);
	}
}

static void check_replay(struct trace *trace, const struct machine *machine)
{
	struct progress nobody = {NULL, NULL};
	struct outcome *outcomes;
	struct summary summary;
	struct err err = {0};
	int r;

	replay_drop_impossible(trace, machine, &err);
	if (trace->n_jobs == 0 || trace->n_jobs > REPLAYED_MAX)
		return;
	trace_estimate(trace, ESTIMATES_TRACE);
	r = preset_by_name("easy")->run(preset_by_name("easy"), trace, machine, &nobody, &outcomes,
					&err);
	check(r == 0 || r == -EOVERFLOW);
	if (r < 0)
		return;
	for (size_t i = 0; i < trace->n_jobs; i++)
		check(outcomes[i].end_ns - outcomes[i].start_ns == trace->jobs[i].run_ns);
	summary_make(trace, machine, outcomes, &summary);
	outcomes_destroy(outcomes, trace->n_jobs);
}

static void try_format(const char *text, size_t size, const struct trace_format *format,
		       const char *cluster)
{
	_cleanup_(machine_finish) struct machine machine = {0};
	_cleanup_(source_finish) struct source source = {0};
	_cleanup_(free_ptr) char *copy = xmalloc(size + 1);
	struct err err = {0};

	memcpy(copy, text, size + 1);
	if (source_parse("fuzz", copy, size, format, cluster, &source, &err) < 0) {
		check(err.msg[0] && !strchr(err.msg, '\n'));
		return;
	}
	check_trace(&source.trace);
	check(machine_parse("2x4,cpus=64,mem=64G+1x8,cpus=8", format->cpu_unit, &machine, &err) ==
	      0);
	check_replay(&source.trace, &machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(machine_finish) struct machine machine = {0};
	_cleanup_(free_ptr) char *text = xmalloc(size + 1);
	struct err err = {0};

	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; trace_formats[i]; i++) {
		if (trace_formats[i]->opens_itself)
			continue;
		try_format(text, size, trace_formats[i], NULL);
		try_format(text, size, trace_formats[i], "1");
	}
	if (machine_parse(text, 1, &machine, &err) < 0)
		check(err.msg[0] != '\0');
	else
		check(machine.n_nodes > 0);
	return 0;
}
