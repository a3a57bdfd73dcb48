/* SPDX-License-Identifier: MIT */
/*
 * tgpu-probe: prints what it sees of this machine's GPUs, one line of JSON per report.
 *
 *     tgpu-probe [--once] [--interval SECONDS]
 *
 * A report at the start, one every interval, and one at once for every byte read from stdin; the
 * end of stdin (whoever started it is gone) ends it. A process of its own because a GPU that has
 * fallen off the bus can keep a driver call from returning for minutes, and only a process can be
 * killed then: nothing here must be kept, and nothing is lost with it.
 *
 * Exit codes: 0; 1 reports can no longer be written; 2 wrong usage or a TGPU_GPUS that cannot be
 * honoured, and then a line {"error": SENTENCE} stands in a report's place. TGPU_NVML_LIB and
 * TGPU_PROBE_ROOT point it at other libraries and trees in tests; like TGPU_GPUS they are ignored
 * in a process that runs with more rights than its caller.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/log.h"
#include "probe/probe.h"

#define INTERVAL_MS 5000
#define EXIT_USAGE  2

static const char usage[] =
	"usage: tgpu-probe [--once] [--interval SECONDS]\n"
	"Print reports about this machine's GPUs, one line of JSON each: at the start, every\n"
	"interval (default 5 s), and for every byte on standard input, whose end ends it.\n";

struct options {
	bool once;
	int64_t interval_ms;
};

/* 0 go on; 1 the help was printed; -EINVAL with a sentence. */
static int options_parse(int argc, char **argv, struct options *options, struct err *err)
{
	static const struct option table[] = {
		{"once", no_argument, NULL, 'o'},
		{"interval", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		switch (c) {
		case 'o': options->once = true; break;
		case 'i':
			if (duration_parse(optarg, &options->interval_ms, err) < 0)
				return err_wrap(err, "tgpu-probe: --interval");
			break;
		case 'h': fputs(usage, stdout); return 1;
		default: return err_set(err, -EINVAL, "tgpu-probe: see tgpu-probe --help");
		}
	}
	if (optind < argc)
		return err_set(err, -EINVAL, "tgpu-probe: takes no argument \"%s\"", argv[optind]);
	if (options->interval_ms < 1 || options->interval_ms > 86400000)
		return err_set(err, -EINVAL, "tgpu-probe: --interval: must be from 1ms to 1d");
	return 0;
}

/* The whole line in one write(2), the newline in the terminator's place. 0 or -EPIPE. */
static int write_line(char *line, struct err *err)
{
	size_t len = strlen(line);
	int r;

	line[len] = '\n';
	r = write_all(STDOUT_FILENO, line, len + 1);
	return r < 0 ? err_set(err, -EPIPE, "tgpu-probe: cannot write the report: %s", strerror(-r))
		     : 0;
}

static int report_once(struct probe *probe, struct err *err)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	_cleanup_(free_ptr) char *line = NULL;
	int r = probe_read(probe, &report, err);

	if (r < 0)
		return r;
	line = gpu_report_print(&report);
	return write_line(line, err);
}

/* Whoever reads reports is to know why none will come. */
static void report_error(const struct err *why)
{
	_cleanup_(free_ptr) char *line = gpu_report_print_error(why->msg);

	(void)write_line(line, NULL);
}

/*
 * Wait for a byte on stdin or for the deadline. 0: report now; 1: stdin has ended. Looks at stdin
 * even when the deadline has passed, or a probe slower than its interval would outlive its parent.
 */
static int wait_for_turn(int64_t deadline_ns)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int64_t left_ns;

	do {
		char byte;
		ssize_t n;

		left_ns = deadline_ns - clock_mono_ns();
		if (poll(&in, 1, left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0) <= 0)
			continue;
		n = read(STDIN_FILENO, &byte, 1);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n == 1 ? 0 : 1;
	} while (left_ns > 0);
	return 0;
}

static int loop(struct probe *probe, const struct options *options, struct err *err)
{
	for (;;) {
		int64_t deadline_ns = clock_mono_ns() + options->interval_ms * NS_PER_MS;
		int r = report_once(probe, err);

		if (r < 0 || options->once)
			return r;
		if (wait_for_turn(deadline_ns) == 1)
			return 0;
	}
}

int main(int argc, char **argv)
{
	struct options options = {.interval_ms = INTERVAL_MS};
	struct probe_setup setup = {
		.gpus = secure_getenv("TGPU_GPUS"),
		.root = secure_getenv("TGPU_PROBE_ROOT"),
		.nvml_lib = secure_getenv("TGPU_NVML_LIB"),
	};
	_cleanup_(probe_destroy) struct probe *probe = NULL;
	struct err err = {0};
	int r = options_parse(argc, argv, &options, &err);

	log_init("tgpu-probe", LOG_LEVEL_INFO);
	if (r == 0) {
		setup.root = setup.root ? setup.root : "";
		setup.nvml_lib = setup.nvml_lib ? setup.nvml_lib : "libnvidia-ml.so.1";
		if (!options.once) /* or one that is stopped would outlive its parent */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		probe = probe_create(&setup);
		r = loop(probe, &options, &err);
	}
	if (r < 0)
		log_error("%s", err.msg);
	if (r < 0 && r != -EPIPE && probe)
		report_error(&err);
	return r >= 0 ? 0 : r == -EPIPE ? 1 : EXIT_USAGE;
}
