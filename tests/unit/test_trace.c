/* SPDX-License-Identifier: MIT */
/* simulator/: what each format says, every way to be wrong, machines, estimates, totals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "simulator/adjust.h"
#include "simulator/csv.h"
#include "simulator/preset.h"
#include "simulator/source.h"
#include "simulator/summary.h"

static int parse(const char *format, const char *cluster, const char *text, struct source *source,
		 struct err *err)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);

	*err = (struct err){0};
	return source_parse("t", copy, strlen(copy), trace_format_by_name(format), cluster, source,
			    err);
}

/* A trace as one text: "id submit+run/estimate gpus cpus mem user priority; ..." in nanoseconds,
 * zeros at the end left out. */
static void describe(const struct trace *trace, struct buf *out)
{
	for (size_t i = 0; i < trace->n_jobs; i++) {
		const struct trace_job *job = &trace->jobs[i];
		char submit[32], run[32], estimate[32] = "-";

		if (job->estimate_ns != TIME_NEVER)
			seconds_format(job->estimate_ns, estimate);
		buf_printf(out, "%s%llu %s+%s/%s g%u c%u m%llu u%u p%d", i > 0 ? "; " : "",
			   (unsigned long long)job->id, seconds_format(job->submit_ns, submit),
			   seconds_format(job->run_ns, run), estimate, job->request.num_gpus,
			   job->request.cpus, (unsigned long long)(job->request.mem_bytes >> 20),
			   job->user, job->priority);
	}
}

static const struct reading {
	const char *format, *cluster, *text;
	const char *want;
	size_t left_out;
} readings[] = {
	/* Processors: field 5, else 8. Estimate: field 9, else the run time; the run is cut to it.
	 */
	{"swf", NULL,
	 "; MaxProcs: 64\n; Note: x\n\n"
	 " 7 50 -1 100 4 552.21 -1 9 60 -1 0 3 1 -1 -1 1 -1 -1\r\n"
	 "8 50 -1 10.5 -1 -1 -1 9 -1 -1 0 -1 1 -1 -1 1 -1 -1\n"
	 "5 20 -1 30 1 -1 -1 1 90 -1 0 3 1 -1 -1 1 -1 -1\n"
	 "1 0 -1 0 4 -1 -1 4 60 -1 0 3 1 -1 -1 1 -1 -1\n"
	 "2 0 -1 9 -1 -1 -1 0 60 -1 0 3 1 -1 -1 1 -1 -1\n"
	 "3 -5 -1 9 4 -1 -1 4 60 -1 0 3 1 -1 -1 1 -1 -1",
	 "5 20+30/90 g0 c1 m0 u3 p0; 7 50+60/60 g0 c4 m0 u3 p0; 8 50+10.5/10.5 g0 c9 m0 u0 p0", 3},
	{"itp", "2", "cluster,job,submit_s,duration_s,gpus\n1,0,0,600,8\n2,0,5,700,1\n2,1,5,0,1\n",
	 "0 5+700/- g1 c0 m0 u0 p0", 1},
	{"philly", NULL, "job,submit_s,duration_s,gpus,vc\n0,0,9,8,a\n1,2,7,1,b\n",
	 "0 0+9/- g8 c0 m0 u0 p0; 1 2+7/- g1 c0 m0 u0 p0", 0},
	{"philly", "b", "job,submit_s,duration_s,gpus,vc\n0,0,9,8,a\n1,2,7,1,b\n",
	 "1 2+7/- g1 c0 m0 u0 p0", 0},
	/* Pods: numbered by submit; without a GPU, or never scheduled, they are no jobs. */
	{"openb", NULL,
	 "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
	 "deletion_time,scheduled_time\n"
	 "p0,6000,128,1,460,,LS,Running,30,100,40\np1,500,64,0,0,,LS,Running,1,9,2\n"
	 "p2,500,64,2,1000,,LS,Pending,1,9,\np3,500,64,8,1000,,BE,Failed,10,99,11\n",
	 "0 10+88/- g8 c500 m64 u0 p0; 1 30+60/- g1 c6000 m128 u0 p0", 2},
	{"openb", NULL,
	 "job,submit_s,duration_s,gpus,cpu_milli,mem_mib,gpu_milli,qos\n4,7,9,2,1500,64,1000,LS\n",
	 "4 7+9/- g2 c1500 m64 u0 p0", 0},
	{"tiresias", NULL,
	 "job_id,num_gpu,submit_time,iterations,model_name,duration,interval\n"
	 "3,8,30,133,vgg11,147,23\n",
	 "3 30+147/- g8 c0 m0 u0 p0", 0},
	/* 2 x 500 ms x 1.015 */
	{"muri", NULL,
	 "job,submit_ms,gpus,iterations,iter_ms,duration_ms,model\n0,1500,16,2,500,9,dqn\n",
	 "0 1.5+1.015/- g16 c0 m0 u0 p0", 0},
	/* Any order, unknown columns, users by name, fractions, empty fields. */
	{"csv", NULL,
	 "user,colour,gpus,run_s,submit_s,cpus,mem_mib,priority,estimate_s\n"
	 "ann,red,2,1.5,3,4,512,-2,60\nbob,,,5,0.25,,,,\nann,x,1,9,4,,,7,8\n",
	 "0 0.25+5/- g0 c0 m0 u2 p0; 1 3+1.5/60 g2 c4000 m512 u1 p-2; 2 4+8/8 g1 c0 m0 u1 p7", 0},
	/* The first name of a meaning counts, wherever it stands. */
	{"csv", NULL, "duration_s,submit_s,run_s\n5,0,6\n", "0 0+6/- g0 c0 m0 u0 p0", 0},
	/* Helios: dates, counted from the first; a job that never started. */
	{"csv", NULL,
	 "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration\n"
	 "9,u1,v,8,64,1,COMPLETED,2020-04-01 00:12:34,2020-04-01 00:12:40,x,3600\n"
	 "8,u2,v,1,4,1,FAILED,2020-03-31 23:59:59,None,None,\n"
	 "7,u1,v,1,4,1,CANCELLED,2020-04-01 00:00:00,None,None,5\n",
	 NULL, 0},
	{"csv", NULL,
	 "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration\n"
	 "9,u1,v,8,64,1,COMPLETED,2020-04-01 00:12:34,2020-04-01 00:12:40,2020-04-01 "
	 "01:12:40,3600\n"
	 "8,u2,v,1,4,1,FAILED,2020-03-31 23:59:59,None,None,\n"
	 "7,u1,v,1,4,1,CANCELLED,2020-04-01 00:00:00,None,None,5\n",
	 "7 0+5/- g1 c4000 m0 u1 p0; 9 754+3600/- g8 c64000 m0 u1 p0", 1},
	/* What --starts writes. */
	{"csv", NULL, "id,submit_s,start_s,end_s,nodes\n4,0.5,2,3.25,0:1 1:8\n",
	 "4 0.5+1.25/- g0 c0 m0 u0 p0", 0},
};

static void test_readings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
		const struct reading *reading = &readings[i];
		_cleanup_(source_finish) struct source source = {0};
		_cleanup_(buf_finish) struct buf text = {0};
		struct err err;
		int r = parse(reading->format, reading->cluster, reading->text, &source, &err);

		if (!reading->want) {
			assert_int_equal(r, -EBADMSG);
			continue;
		}
		if (r < 0)
			fail_msg("%zu: %s", i, err.msg);
		describe(&source.trace, &text);
		assert_string_equal(buf_get(&text), reading->want);
		assert_int_equal(source.n_left_out, reading->left_out);
	}
}

static const struct refusal {
	const char *format, *cluster, *text;
	int error;
	const char *want;
} refusals[] = {
	{"swf", NULL, ";\n1 0 -1 30 4 -1 -1 4 60\n", -EBADMSG,
	 "t:2: fields: \"9\" were found; a row has 18"},
	{"swf", NULL, "1 0 -1 30 4 -1 -1 4 60 -1 0 1 1 -1 -1 -1 -1 -1 19\n", -EBADMSG,
	 "t:1: fields: \"18 and more\" were found; a row has 18"},
	{"swf", NULL, "1 0 -1 ten 4 -1 -1 4 60 -1 0 1 1 -1 -1 -1 -1 -1\n", -EBADMSG,
	 "t:1: run time: \"ten\" is not a number"},
	{"swf", NULL, "1 0 -1 1e3 4 -1 -1 4 60 -1 0 1 1 -1 -1 -1 -1 -1\n", -EBADMSG,
	 "t:1: run time: \"1e3\" is not a number"},
	{"swf", NULL, "1 0 -1 30 4000000000 -1 -1 4 60 -1 0 1 1 -1 -1 -1 -1 -1\n", -EBADMSG,
	 "t:1: allocated processors: \"4000000000\" is out of range"},
	{"swf", NULL, "; nothing\n", -EBADMSG, "t: there is no job in it; is it the right file?"},
	{"swf", NULL,
	 "1 0 -1 30 4 -1 -1 4 60 -1 0 1 1 -1 -1 -1 -1 -1\n"
	 "1 9 -1 30 4 -1 -1 4 60 -1 0 1 1 -1 -1 -1 -1 -1\n",
	 -EBADMSG,
	 "t: job 1 is there twice; correct the file, or name one part of it with --cluster"},
	{"itp", NULL, "cluster,job,submit_s,duration_s,gpus\n1,0,0,600,8\n", -EINVAL,
	 "t: holds several clusters, each with jobs of its own; name one with --cluster"},
	{"itp", "3", "cluster,job,submit_s,duration_s,gpus\n1,0,0,600,8\n", -EBADMSG,
	 "t: there is no job in it of cluster 3"},
	{"itp", "3", "cluster,job,submit_s,gpus\n1,0,0,8\n", -EBADMSG,
	 "t:1: no column is called duration_s; is it another format than itp? See \"tgpu-sim "
	 "formats\""},
	{"csv", "3", "submit_s,run_s\n1,1\n", -EINVAL,
	 "t: --cluster 3: no column tells clusters; leave it out"},
	{"csv", NULL, "submit_s,run_s\n1,1\n1,2,3\n", -EBADMSG,
	 "t:3: the row has 3 fields, the header 2"},
	{"csv", NULL, "submit_s,run_s\n1,1\n\n1\n", -EBADMSG,
	 "t:4: the row has 1 fields, the header 2"},
	{"csv", NULL, "submit_s,run_s\n-1,1\n", -EBADMSG, "t:2: submit_s: \"-1\" is negative"},
	{"csv", NULL, "submit_s,run_s\n2020-02-40 00:00:00,1\n", -EBADMSG,
	 "t:2: submit_s: \"2020-02-40 00:00:00\" is not a number"},
	{"csv", NULL, "submit_s,run_s,gpus\n0,1,0x8\n", -EBADMSG,
	 "t:2: gpus: \"0x8\" is not a number"},
	{"csv", NULL, "submit_s,run_s\n0,99999999999999999999\n", -EBADMSG,
	 "t:2: run_s: \"99999999999999999999\" is not a number"},
	{"csv", NULL, "submit_s,run_s\n0,4000000001\n", -EBADMSG,
	 "t:2: run_s: \"4000000001\" is out of range"},
	{"muri", NULL, "job,submit_ms,gpus,iterations,iter_ms\n0,0,1,1000000000,1000000000\n",
	 -EBADMSG, "t:2: iterations: \"their time\" together is out of range"},
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct source source;
		struct err err;

		assert_int_equal(parse(refusals[i].format, refusals[i].cluster, refusals[i].text,
				       &source, &err),
				 refusals[i].error);
		assert_string_equal(err.msg, refusals[i].want);
	}
}

static void test_swf_tells_its_machine(void **state)
{
	_cleanup_(source_finish) struct source source = {0};
	struct err err;

	(void)state;
	assert_int_equal(parse("swf", NULL,
			       "; MaxNodes: 2\n;  MaxProcs: 64\n; MaxProcs: none\n"
			       "1 0 -1 30 4 -1 -1 4 60 -1 0 1 1 -1 -1 1 -1 -1\n",
			       &source, &err),
			 0);
	assert_int_equal(source.procs, 64);
}

/* The first format of the table whose layout a header satisfies, as a file without a name is read.
 */
static const char *guess(const char *header)
{
	for (size_t i = 0; trace_formats[i]; i++)
		if (trace_formats[i]->layout && csv_matches(trace_formats[i]->layout, header))
			return trace_formats[i]->name;
	return "none";
}

static void test_headers_tell_formats(void **state)
{
	(void)state;
	assert_string_equal(guess("cluster,job,submit_s,duration_s,gpus"), "itp");
	assert_string_equal(guess("job,submit_s,duration_s,gpus,vc"), "philly");
	assert_string_equal(guess("job,submit_s,duration_s,gpus,cpu_milli,mem_mib,gpu_milli,qos"),
			    "openb");
	assert_string_equal(guess("job_id,num_gpu,submit_time,iterations,model_name,duration"),
			    "tiresias");
	assert_string_equal(guess("job,submit_ms,gpus,iterations,iter_ms,duration_ms"), "muri");
	assert_string_equal(guess("submit_s,run_s"), "csv");
	assert_string_equal(guess("name,cpu_milli,memory_mib,num_gpu"), "none");
}

static void test_machines(void **state)
{
	_cleanup_(machine_finish) struct machine machine = {0}, any = {0};
	struct err err;

	(void)state;
	assert_int_equal(
		machine_parse("1x8,cpus=96,mem=384G+2x2,mem=1G,cpus=16", 1000, &machine, &err), 0);
	assert_int_equal(machine.n_nodes, 3);
	assert_int_equal(machine.nodes[0].gpus, 8);
	assert_int_equal(machine.nodes[0].cpus, 96000);
	assert_true(machine.nodes[0].mem_bytes == UINT64_C(384) << 30);
	assert_int_equal(machine.nodes[2].gpus, 2);
	assert_int_equal(machine.nodes[2].mem_bytes, 1 << 30);
	assert_int_equal(machine_gpus(&machine), 12);
	assert_int_equal(machine_cpus(&machine), 128000);
	assert_int_equal(machine_parse("20x8", 1, &any, &err), 0);
	assert_int_equal(machine_cpus(&any), 0);
	assert_int_equal(any.nodes[19].cpus, MACHINE_PLENTY_CPUS);
}

static void test_machines_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"8",
		"x8",
		"0x8",
		"1x65",
		"1x0",
		"1x8+",
		"1x8,",
		"1x8,gpus=2",
		"1x8,cpus=0",
		"1x8,mem=much",
		"1x8,cpus=1000001",
		"65536x1+1x1",
		"-1x8",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct machine machine;
		struct err err = {0};

		assert_int_equal(machine_parse(texts[i], 1, &machine, &err), -EINVAL);
		assert_memory_equal(err.msg, "--nodes", 7);
	}
}

static void test_ladder(void **state)
{
	static const int64_t minutes[][2] = {{0, 30},	   {30, 30},	   {31, 60},
					     {240, 240},   {241, 480},	   {721, 1440},
					     {1441, 2880}, {40320, 40320}, {40321, 40321}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(minutes); i++)
		assert_int_equal(predict_ladder(minutes[i][0] * 60 * NS_PER_S),
				 minutes[i][1] * 60 * NS_PER_S);
}

static void test_estimates_and_cuts(void **state)
{
	_cleanup_(source_finish) struct source source = {0};
	_cleanup_(buf_finish) struct buf text = {0};
	struct trace *trace = &source.trace;
	struct err err;

	(void)state;
	assert_int_equal(parse("csv", NULL, "submit_s,run_s,estimate_s\n1,5,9\n4,90,\n6,100,200\n",
			       &source, &err),
			 0);
	trace_begin_after(trace, 4 * NS_PER_S);
	trace_cap(trace, 95 * NS_PER_S);
	assert_string_equal(trace_estimate(trace, ESTIMATES_TRACE), "trace");
	describe(trace, &text);
	assert_string_equal(buf_get(&text), "1 0+90/90 g0 c0 m0 u0 p0; 2 2+95/95 g0 c0 m0 u0 p0");
	assert_string_equal(trace_estimate(trace, ESTIMATES_LADDER), "ladder");
	assert_int_equal(trace->jobs[1].estimate_ns, 1800 * NS_PER_S);
	assert_string_equal(trace_estimate(trace, ESTIMATES_EXACT), "exact");
	assert_int_equal(trace->jobs[1].estimate_ns, 95 * NS_PER_S);
}

/* Two GPUs; by hand: 1 runs 0-10 on both, 2 (one GPU) 10-40, 3 (two) 40-45, and under EASY 4 (one,
 * 30 s) passes 3, which then starts no later. */
#define SMALL "id,submit_s,run_s,gpus\n1,0,10,2\n2,1,30,1\n3,2,5,2\n4,3,30,1\n"

static void replay_small(const char *policy, struct source *source, struct summary *ret_summary)
{
	_cleanup_(machine_finish) struct machine machine = {0};
	struct progress nobody = {NULL, NULL};
	const struct preset *preset = preset_by_name(policy);
	struct outcome *outcomes;
	struct err err;

	assert_int_equal(parse("csv", NULL, SMALL, source, &err), 0);
	assert_string_equal(trace_estimate(&source->trace, ESTIMATES_TRACE), "exact");
	assert_int_equal(machine_parse("1x2", 1000, &machine, &err), 0);
	assert_int_equal(preset->run(preset, &source->trace, &machine, &nobody, &outcomes, &err),
			 0);
	summary_make(&source->trace, &machine, outcomes, ret_summary);
	outcomes_destroy(outcomes, source->trace.n_jobs);
}

static void test_totals(void **state)
{
	_cleanup_(source_finish) struct source first = {0}, second = {0};
	struct summary fifo, easy;

	(void)state;
	replay_small("fifo", &first, &fifo); /* waits 0, 9, 38, 42 */
	assert_true(fifo.sum_wait_s == 89 && fifo.avg_wait_s == 22.25);
	assert_true(fifo.avg_jct_s == (89 + 75) / 4.0);
	assert_true(fifo.avg_bsld == (1 + 39 / 30.0 + 43 / 10.0 + 72 / 30.0) / 4);
	assert_int_equal(fifo.p50_wait_ns, 38 * NS_PER_S);
	assert_int_equal(fifo.p95_wait_ns, 42 * NS_PER_S);
	assert_int_equal(fifo.makespan_ns, 75 * NS_PER_S);
	assert_true(fifo.utilisation == (20 + 30 + 10 + 30) / 150.0);
	/* printf '1 0\n2 10\n3 40\n4 45\n' | sha256sum */
	assert_string_equal(fifo.sha256_starts,
			    "aae64510194f856f2ed0ae6c711dad49355e8a6bd2e210966f68d97f9b165737");
	replay_small("easy", &second, &easy); /* waits 0, 9, 38, 7 */
	assert_true(easy.sum_wait_s == 54);
	assert_int_equal(easy.makespan_ns, 45 * NS_PER_S);
	/* printf '1 0:2\n2 0:1\n3 0:2\n4 0:1\n' | sha256sum */
	assert_string_equal(easy.sha256_placements,
			    "bbdce74c47ee1de6a8f4f074dd561da652db24e528fea31f6f16e8ee242636c4");
}

static void test_what_never_fits_is_dropped(void **state)
{
	_cleanup_(source_finish) struct source source = {0};
	_cleanup_(machine_finish) struct machine machine = {0};
	_cleanup_(buf_finish) struct buf text = {0};
	struct err first = {0};

	(void)state;
	assert_int_equal(parse("csv", NULL, "id,submit_s,run_s,gpus\n1,0,1,1\n2,0,1,4\n3,0,1,9\n",
			       &source, &first),
			 0);
	assert_int_equal(machine_parse("1x2", 1000, &machine, &first), 0);
	assert_int_equal(replay_drop_impossible(&source.trace, &machine, &first), 2);
	assert_memory_equal(first.msg, "job 2: ", 7);
	describe(&source.trace, &text);
	assert_string_equal(buf_get(&text), "1 0+1/- g1 c0 m0 u0 p0");
}

/* Job 1 ends and the more important job 3 arrives at 5: one pass sees both, so job 2 waits on. */
static void test_an_end_and_an_arrival_at_once(void **state)
{
	static const char text[] =
		"id,submit_s,run_s,gpus,priority\n1,0,5,2,0\n2,1,5,2,0\n3,5,5,2,100\n4,6,1,2,0\n";
	static const int64_t starts_s[] = {0, 10, 5, 15};
	_cleanup_(source_finish) struct source source = {0};
	_cleanup_(machine_finish) struct machine machine = {0};
	struct progress nobody = {NULL, NULL};
	struct outcome *outcomes;
	struct err err;

	(void)state;
	assert_int_equal(parse("csv", NULL, text, &source, &err), 0);
	assert_int_equal(machine_parse("1x2", 1000, &machine, &err), 0);
	assert_int_equal(replay_run(&source.trace, &machine, &preset_by_name("priority")->config,
				    &nobody, &outcomes, &err),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(starts_s); i++)
		assert_int_equal(outcomes[i].start_ns, starts_s[i] * NS_PER_S);
	assert_int_equal(outcomes[3].end_ns, 16 * NS_PER_S);
	outcomes_destroy(outcomes, source.trace.n_jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readings),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_swf_tells_its_machine),
		cmocka_unit_test(test_headers_tell_formats),
		cmocka_unit_test(test_machines),
		cmocka_unit_test(test_machines_refused),
		cmocka_unit_test(test_ladder),
		cmocka_unit_test(test_estimates_and_cuts),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_what_never_fits_is_dropped),
		cmocka_unit_test(test_an_end_and_an_arrival_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
