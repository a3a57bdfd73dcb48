/* SPDX-License-Identifier: MIT */
/*
 * One table of families, each with the function that writes its samples.
 *
 * Invariants: families are contiguous, base units only, counters end in _total; what is not known
 * has no sample; labels are states, causes and GPUs, never users or ended jobs, so the number of
 * series is bounded by the number of GPUs. The two formats differ in a header line, "# UNIT", and
 * the last line. [prometheus.io/docs/specs/om/open_metrics_spec; text format 0.0.4]
 *
 * Cost: one pass over the jobs that have not ended, one question to the scheduler per shape.
 */
#include "daemon/metrics_text.h"

#include <inttypes.h>

#include "daemon/machine_internal.h"
#include "scheduler/why.h"

#define SHAPES_MAX 64 /* beyond them, waiting jobs are of the reason "other" */

struct writer {
	struct daemon *daemon;
	enum metrics_format format;
	struct buf *out;
	const char *name; /* of the family being written */
};

/* One sample; `labels` is "" or a formatted list of name="value". */
static void sample(const struct writer *writer, const char *suffix, const char *labels,
		   double value)
{
	buf_printf(writer->out, "%s%s%s%s%s %.17g\n", writer->name, suffix, *labels ? "{" : "",
		   labels, *labels ? "}" : "", value);
}

static void labelled(const struct writer *writer, const char *suffix, double value, const char *key,
		     const char *label)
{
	_cleanup_(free_ptr) char *labels = xasprintf("%s=\"%s\"", key, label);

	sample(writer, suffix, labels, value);
}

/* Append a label's value, escaped. */
static void put_value(struct buf *out, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			buf_puts(out, "\\n");
		else if (*text == '\\' || *text == '"')
			buf_printf(out, "\\%c", *text);
		else
			buf_putc(out, *text);
}

static void write_histogram(const struct writer *writer, const struct histogram *histogram,
			    const double *bounds)
{
	uint64_t n = 0;
	char bound[32];

	for (size_t i = 0; bounds[i] > 0; i++) {
		n += histogram->buckets[i];
		snprintf(bound, sizeof(bound), "%.6g", bounds[i]);
		labelled(writer, "_bucket", (double)n, "le", bound);
	}
	labelled(writer, "_bucket", (double)histogram->n, "le", "+Inf");
	sample(writer, "_sum", "", histogram->sum);
	sample(writer, "_count", "", (double)histogram->n);
}

static void write_build(const struct writer *writer)
{
	labelled(writer, "", 1, "version", TGPU_VERSION);
}

static void write_start_time(const struct writer *writer)
{
	sample(writer, "", "", (double)writer->daemon->start_ns / NS_PER_S);
}

static void write_jobs(const struct writer *writer)
{
	struct state_counts n = writer->daemon->counts;

	n.jobs[JOB_QUEUED] -= n.held;
	labelled(writer, "", (double)n.held, "state", "held");
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		if (!job_state_is_final((enum job_state)i))
			labelled(writer, "", (double)n.jobs[i], "state",
				 job_state_name((enum job_state)i));
}

/* Why jobs of one shape wait that wait for nothing but their turn. */
struct reason {
	struct shape shape;
	enum why_code code;
};

static enum why_code reason_of(struct daemon *daemon, const struct job *job, struct reason *reasons,
			       size_t *n, int64_t now_ns)
{
	struct shape shape = {.request = job->request, .user = job->uid, .array = job->array};
	struct why why;

	for (size_t i = 0; job_is_eligible(job) && job->begin_ns <= now_ns && i < *n; i++)
		if (shape_is_same(&reasons[i].shape, &shape))
			return reasons[i].code;
	if (*n == SHAPES_MAX)
		return WHY_NOT_WAITING;
	sched_why(daemon->sched, job, now_ns, &why);
	if (job_is_eligible(job) && job->begin_ns <= now_ns)
		reasons[(*n)++] = (struct reason){shape, why.code};
	return why.code;
}

static void write_queue(const struct writer *writer)
{
	struct reason reasons[SHAPES_MAX];
	uint64_t n[WHY_CODE_COUNT] = {0};
	size_t n_reasons = 0;
	int64_t now_ns = clock_wall_ns();

	for (const struct record *record = writer->daemon->records; record;
	     record = record->hh.next)
		if (record->job.state == JOB_QUEUED)
			n[reason_of(writer->daemon, &record->job, reasons, &n_reasons, now_ns)] +=
				record->job.n_tasks;
	for (int i = 0; i < WHY_CODE_COUNT; i++)
		labelled(writer, "", (double)n[i], "reason",
			 i == WHY_NOT_WAITING ? "other" : why_code_name((enum why_code)i));
}

static void write_submitted(const struct writer *writer)
{
	sample(writer, "_total", "", (double)writer->daemon->metrics.submitted);
}

static void write_ended(const struct writer *writer)
{
	const struct metrics *metrics = &writer->daemon->metrics;

	labelled(writer, "_total", (double)metrics->finished, "result", "finished");
	for (int i = 1; i < JOB_CAUSE_COUNT; i++)
		labelled(writer, "_total", (double)metrics->ended[i], "result",
			 job_cause_name((enum job_cause)i));
}

static void write_requeued(const struct writer *writer)
{
	for (int i = 1; i < JOB_CAUSE_COUNT; i++)
		labelled(writer, "_total", (double)writer->daemon->metrics.requeued[i], "cause",
			 job_cause_name((enum job_cause)i));
}

static void write_wait(const struct writer *writer)
{
	write_histogram(writer, &writer->daemon->metrics.wait, histogram_bounds_job);
}

static void write_run(const struct writer *writer)
{
	write_histogram(writer, &writer->daemon->metrics.run, histogram_bounds_job);
}

static void write_pass(const struct writer *writer)
{
	write_histogram(writer, &writer->daemon->metrics.pass, histogram_bounds_work);
}

static void write_commit(const struct writer *writer)
{
	write_histogram(writer, &writer->daemon->metrics.commit, histogram_bounds_work);
}

static void write_answers(const struct writer *writer)
{
	static const char *const codes[] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};

	for (size_t i = 2; i < ARRAY_SIZE(codes); i++)
		if (i != 3)
			labelled(writer, "_total", (double)writer->daemon->metrics.answers[i],
				 "code", codes[i]);
}

static void write_illegal(const struct writer *writer)
{
	sample(writer, "_total", "", (double)writer->daemon->illegal_events);
}

static void write_hooks(const struct writer *writer)
{
	const struct metrics *metrics = &writer->daemon->metrics;

	labelled(writer, "_total", (double)metrics->hooks_ok, "result", "ok");
	labelled(writer, "_total", (double)metrics->hooks_failed, "result", "failed");
	labelled(writer, "_total", (double)metrics->hooks_dropped, "result", "dropped");
}

static void write_reports(const struct writer *writer)
{
	sample(writer, "_total", "", (double)writer->daemon->metrics.probe_reports);
}

static void write_probe_failures(const struct writer *writer)
{
	sample(writer, "_total", "", (double)writer->daemon->metrics.probe_failures);
}

static void write_report_time(const struct writer *writer)
{
	if (machine_is_known(writer->daemon))
		sample(writer, "", "", (double)machine_report(writer->daemon)->time_ns / NS_PER_S);
}

static void write_gpu_states(const struct writer *writer)
{
	static const char *const states[] = {"idle",	"allocated", "cleaning", "foreign",
					     "drained", "unhealthy", "lost",	 "mig"};
	unsigned n[ARRAY_SIZE(states)] = {0};

	for (unsigned slot = 0; slot < machine_n_slots(writer->daemon); slot++)
		for (size_t i = 0; i < ARRAY_SIZE(states); i++)
			n[i] += STREQ(states[i], machine_gpu_state(writer->daemon, slot));
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		labelled(writer, "", n[i], "state", states[i]);
}

/* gpu="0",uuid="GPU-...": what every sample of a GPU carries. */
static void put_gpu(const struct daemon *daemon, unsigned slot, struct buf *labels)
{
	const struct slot *at = &daemon->machine->slots[slot];

	buf_clear(labels);
	if (at->index >= 0)
		buf_printf(labels, "gpu=\"%d\",", at->index);
	buf_puts(labels, "uuid=\"");
	put_value(labels, at->uuid);
	buf_putc(labels, '"');
}

static void write_gpu_info(const struct writer *writer)
{
	_cleanup_(buf_finish) struct buf labels = {0};

	for (unsigned slot = 0; slot < machine_n_slots(writer->daemon); slot++) {
		const struct gpu_info *gpu = machine_gpu(writer->daemon, slot);

		if (!gpu)
			continue;
		put_gpu(writer->daemon, slot, &labels);
		buf_puts(&labels, ",name=\"");
		put_value(&labels, gpu->name);
		buf_printf(&labels, "\",bus_id=\"%s\",simulated=\"%s\"", gpu->bus_id,
			   machine_report(writer->daemon)->simulated ? "true" : "false");
		sample(writer, "", buf_get(&labels), 1);
	}
}

static void write_gpu_job(const struct writer *writer)
{
	_cleanup_(buf_finish) struct buf labels = {0};

	for (unsigned slot = 0; slot < machine_n_slots(writer->daemon); slot++) {
		uint64_t job = machine_job_on(writer->daemon, slot);
		const struct record *record = job ? record_find(writer->daemon, job) : NULL;

		if (!record)
			continue;
		put_gpu(writer->daemon, slot, &labels);
		/* Not "job": Prometheus gives each series a label of that name. */
		buf_printf(&labels, ",job_id=\"%" PRIu64 "\",uid=\"%" PRIu32 "\"", job,
			   record->job.uid);
		sample(writer, "", buf_get(&labels), 1);
	}
}

static void write_gpu_allocated(const struct writer *writer)
{
	_cleanup_(buf_finish) struct buf labels = {0};

	for (unsigned slot = 0; slot < machine_n_slots(writer->daemon); slot++) {
		put_gpu(writer->daemon, slot, &labels);
		sample(writer, "", buf_get(&labels), machine_job_on(writer->daemon, slot) != 0);
	}
}

/* A number of each GPU as its report has it, in base units. */
static void write_gpu_number(const struct writer *writer, size_t offset, double unit,
			     const char *suffix)
{
	_cleanup_(buf_finish) struct buf labels = {0};

	for (unsigned slot = 0; slot < machine_n_slots(writer->daemon); slot++) {
		const struct gpu_info *gpu = machine_gpu(writer->daemon, slot);
		int64_t value = gpu ? *(const int64_t *)((const char *)gpu + offset) : GPU_UNKNOWN;

		if (value == GPU_UNKNOWN)
			continue;
		put_gpu(writer->daemon, slot, &labels);
		sample(writer, suffix, buf_get(&labels), (double)value / unit);
	}
}

static void write_mem_total(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, mem_total_bytes), 1, "");
}

static void write_mem_used(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, mem_used_bytes), 1, "");
}

static void write_utilization(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, utilization_percent), 100, "");
}

static void write_power(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, power_mw), 1000, "");
}

static void write_temperature(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, temperature_c), 1, "");
}

static void write_energy(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, energy_mj), 1000, "_total");
}

static void write_ecc(const struct writer *writer)
{
	write_gpu_number(writer, offsetof(struct gpu_info, ecc_uncorrected), 1, "_total");
}

static const struct family {
	const char *name; /* of a counter without its _total */
	const char *type;
	const char *unit; /* "" : none */
	const char *help;
	void (*write)(const struct writer *writer);
} families[] = {
	{"tgpu_build_info", "gauge", "", "The version of tgpud.", write_build},
	{"tgpu_start_time_seconds", "gauge", "seconds", "When tgpud began.", write_start_time},
	{"tgpu_jobs", "gauge", "", "Jobs that have not ended.", write_jobs},
	{"tgpu_queue_jobs", "gauge", "", "Waiting jobs by what they wait for.", write_queue},
	{"tgpu_job_submissions", "counter", "", "Jobs submitted.", write_submitted},
	{"tgpu_jobs_ended", "counter", "", "Jobs that ended: finished, or the cause.", write_ended},
	{"tgpu_job_requeues", "counter", "", "Attempts that were void, by cause.", write_requeued},
	{"tgpu_job_wait_seconds", "histogram", "seconds",
	 "From submit or begin to the first start.", write_wait},
	{"tgpu_job_run_seconds", "histogram", "seconds", "From the last start to the end.",
	 write_run},
	{"tgpu_gpus", "gauge", "", "GPUs by state.", write_gpu_states},
	{"tgpu_gpu_info", "gauge", "", "What a GPU is.", write_gpu_info},
	{"tgpu_gpu_job_info", "gauge", "", "The job that holds a GPU.", write_gpu_job},
	{"tgpu_gpu_allocated", "gauge", "", "Does a job hold the GPU?", write_gpu_allocated},
	{"tgpu_gpu_memory_total_bytes", "gauge", "bytes", "Memory of the GPU.", write_mem_total},
	{"tgpu_gpu_memory_used_bytes", "gauge", "bytes", "Memory in use.", write_mem_used},
	{"tgpu_gpu_utilization_ratio", "gauge", "ratio", "Part of the time that it computes.",
	 write_utilization},
	{"tgpu_gpu_power_watts", "gauge", "watts", "Power.", write_power},
	{"tgpu_gpu_temperature_celsius", "gauge", "celsius", "Temperature.", write_temperature},
	{"tgpu_gpu_energy_joules", "counter", "joules", "Energy since the driver was loaded.",
	 write_energy},
	{"tgpu_gpu_ecc_uncorrected", "counter", "", "Memory errors since the driver was loaded.",
	 write_ecc},
	{"tgpu_scheduler_pass_seconds", "histogram", "seconds", "Deciding who starts, each time.",
	 write_pass},
	{"tgpu_store_commit_seconds", "histogram", "seconds", "Writing a turn to the disk.",
	 write_commit},
	{"tgpu_http_requests", "counter", "", "Requests answered, by status.", write_answers},
	{"tgpu_illegal_events", "counter", "", "Impossible transitions: a defect.", write_illegal},
	{"tgpu_hooks", "counter", "", "Hooks and notifications: ended well, or not, or not run.",
	 write_hooks},
	{"tgpu_probe_reports", "counter", "", "Looks at the GPUs.", write_reports},
	{"tgpu_probe_failures", "counter", "", "Probes that hung, died or did not start.",
	 write_probe_failures},
	{"tgpu_probe_last_report_time_seconds", "gauge", "seconds", "When the last look began.",
	 write_report_time},
};

enum metrics_format metrics_accept(const char *accept)
{
	return accept && strstr(accept, "application/openmetrics-text") ? METRICS_OPENMETRICS
									: METRICS_PROMETHEUS;
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

void metrics_write(struct daemon *daemon, enum metrics_format format, struct buf *out)
{
	struct writer writer = {.daemon = daemon, .format = format, .out = out};
	bool open = format == METRICS_OPENMETRICS;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct family *family = &families[i];
		const char *total = !open && STREQ(family->type, "counter") ? "_total" : "";

		writer.name = family->name;
		buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, total,
			   family->help, family->name, total, family->type);
		if (open && family->unit[0])
			buf_printf(out, "# UNIT %s %s\n", family->name, family->unit);
		family->write(&writer);
	}
	if (open)
		buf_puts(out, "# EOF\n");
}
