/* SPDX-License-Identifier: MIT */
/*
 * A whole GPU scheduler in one file, on the pure parts of the real one. Read this first.
 *
 * Usage: tiny_scheduler [GPUS] [-]     (8 GPUs and the jobs below; with "-" jobs from stdin)
 *
 * A job is a line:  submit GPUS PRIORITY SECONDS COMMAND...
 * SECONDS is the time limit: a job that runs longer is ended; 0 is no limit. Each job runs as a
 * process that sees its own GPUs in CUDA_VISIBLE_DEVICES; the program ends when all are over.
 *
 * The shape is that of every scheduler, this one's daemon included:
 *
 *     gather what happened  ->  tell the books  ->  decide  ->  act  ->  wait for something
 *
 * Who runs next and where is decided by scheduler/core.h; nothing here knows how. Missing for real
 * use is what the rest of the project is made of: a store, so that nothing is lost when this
 * process dies; runners, so that jobs survive it; users; logs; a probe for real GPUs.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scheduler/core.h"
#include "scheduler/why_text.h"

/* What this file knows of a job besides what the scheduler does. */
struct tiny_job {
	struct job job;	   /* state, request, times */
	char command[512]; /* for the shell */
	pid_t pid;	   /* while it runs */
};

struct tiny {
	struct sched *sched;
	struct tiny_job *jobs; /* id = position + 1 */
	size_t n_jobs, capacity;
	int64_t began_ns;
};

static const char *const demo[] = {
	"submit 4 0 3 echo \"four GPUs: $CUDA_VISIBLE_DEVICES\"; sleep 0.4",
	"submit 2 0 3 echo \"a pair: $CUDA_VISIBLE_DEVICES\"; sleep 0.6",
	"submit 4 0 3 echo \"has to wait for four: $CUDA_VISIBLE_DEVICES\"; sleep 0.2",
	"submit 2 0 2 echo \"is over in time, so it passes: $CUDA_VISIBLE_DEVICES\"; sleep 0.2",
	"submit 8 9 3 echo \"all of them, and more important: $CUDA_VISIBLE_DEVICES\"",
	"submit 0 0 3 echo \"no GPU needed: '$CUDA_VISIBLE_DEVICES'\"",
};

/* One line of the log: when, and what. */
PRINTF_LIKE(2, 3)
static void say(const struct tiny *tiny, const char *fmt, ...)
{
	va_list ap;

	printf("%6.2fs  ", (double)(clock_mono_ns() - tiny->began_ns) / (double)NS_PER_S);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout); /* before anybody forks */
}

/* A made-up machine: GPUs 0-1, 2-3, ... are joined by two NVLinks, each four share a socket. */
static void add_machine(struct tiny *tiny, unsigned n)
{
	struct ledger *ledger = sched_ledger(tiny->sched);
	uint32_t node = ledger_add_node(ledger, "this machine", 0, 0);
	struct node_gpu *gpus = xcalloc(n, sizeof(*gpus)); /* taken over by the ledger */
	_cleanup_(free_ptr) struct gpu_link *links = xcalloc((size_t)n * n, sizeof(*links));
	_cleanup_(free_ptr) int *sockets = xcalloc(n, sizeof(*sockets));

	for (unsigned i = 0; i < n; i++) {
		snprintf(gpus[i].label, sizeof(gpus[i].label), "gpu%u", i);
		sockets[i] = (int)(i / 4);
		for (unsigned j = 0; j < n; j++)
			links[i * n + j] = (struct gpu_link){
				.pci = i / 4 == j / 4 ? PCI_LINK_PHB : PCI_LINK_SYS,
				.nvlinks = i / 2 == j / 2 ? 2 : 0,
			};
	}
	ledger_set_gpus(ledger, node, gpus, n, topology_create(n, links, sockets));
}

/* Take a line apart and put the job into the queue. False when it is no job. */
static bool submit(struct tiny *tiny, const char *line)
{
	struct tiny_job entry = {0};
	struct err err = {0};
	int seconds;

	job_init(&entry.job);
	if (sscanf(line, "submit %" SCNu32 " %" SCNd32 " %d %511[^\n]", &entry.job.request.num_gpus,
		   &entry.job.priority, &seconds, entry.command) != 4 ||
	    seconds < 0)
		return false;
	entry.job.id = tiny->n_jobs + 1;
	entry.job.submit_ns = clock_wall_ns();
	entry.job.limit_ns = seconds * NS_PER_S;
	if (sched_check(tiny->sched, &entry.job.request, &err) == SCHED_IMPOSSIBLE) {
		say(tiny, "refused: %s", err.msg);
		return true;
	}
	xgrow(&tiny->jobs, &tiny->capacity, tiny->n_jobs + 1, sizeof(*tiny->jobs));
	tiny->jobs[tiny->n_jobs++] = entry;
	sched_enqueue(tiny->sched, &entry.job, 1);
	say(tiny, "job %zu asks for %u GPU%s: %s", tiny->n_jobs, entry.job.request.num_gpus,
	    plural(entry.job.request.num_gpus), entry.command);
	return true;
}

static bool submit_from(struct tiny *tiny, FILE *f)
{
	char line[512];

	while (fgets(line, sizeof(line), f))
		if (!submit(tiny, line)) {
			fprintf(stderr, "not 'submit GPUS PRIORITY SECONDS COMMAND': %s", line);
			return false;
		}
	return true;
}

/* "0,1,4": the slots of a set, which here are the GPUs' indices. */
static void list_gpus(uint64_t set, char buf[256])
{
	size_t len = 0;

	buf[0] = '\0';
	for (; set; set &= set - 1)
		len += (size_t)snprintf(buf + len, 256 - len, "%s%d", len ? "," : "",
					__builtin_ctzll(set));
}

/* In the new process: see only these GPUs, and become the command. */
__attribute__((noreturn)) static void become(const struct tiny_job *entry, const char *gpus)
{
	setpgid(0, 0);					   /* to be ended with all its children */
	alarm((unsigned)(entry->job.limit_ns / NS_PER_S)); /* outlives exec; 0 is none */
	setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
	setenv("CUDA_VISIBLE_DEVICES", gpus, 1);
	execl("/bin/sh", "sh", "-c", entry->command, (char *)NULL);
	_exit(127);
}

/* Carry out one decision. Its GPUs are booked already. */
static void launch(struct tiny *tiny, struct decision *decision)
{
	struct tiny_job *entry = &tiny->jobs[decision->job - 1];
	struct job_event place = {JOB_EVENT_PLACE, clock_wall_ns(), .alloc = decision->alloc};
	struct job_event start = {.type = JOB_EVENT_START, .time_ns = place.time_ns};
	char gpus[256];

	decision->alloc = (struct allocation){0}; /* the job's from here on */
	job_apply(&entry->job, &place);
	list_gpus(entry->job.alloc.parts[0].gpus, gpus);
	say(tiny, "job %" PRIu64 " starts on %s", entry->job.id, *gpus ? gpus : "no GPU");
	entry->pid = fork();
	if (entry->pid == 0)
		become(entry, gpus);
	if (entry->pid < 0)
		abort(); /* a real one would put the job back */
	job_apply(&entry->job, &start);
}

/* The one call that decides. */
static void decide(struct tiny *tiny)
{
	_cleanup_(decisions_finish) struct decisions decisions = {0};

	sched_pass(tiny->sched, clock_wall_ns(), &decisions);
	for (size_t i = 0; i < decisions.n; i++)
		launch(tiny, &decisions.items[i]);
}

/* Say of every waiting job why it waits. */
static void explain(struct tiny *tiny)
{
	for (size_t i = 0; i < tiny->n_jobs; i++) {
		_cleanup_(buf_finish) struct buf reason = {0};
		struct why why;

		if (tiny->jobs[i].job.state != JOB_QUEUED)
			continue;
		sched_why(tiny->sched, &tiny->jobs[i].job, clock_wall_ns(), &why);
		why_summary(&why, &reason);
		say(tiny, "job %zu waits: %s", i + 1, buf_get(&reason));
	}
}

/* Wait until some job is over, fold that into it, and give its GPUs back. False when none runs. */
static bool bury_one(struct tiny *tiny)
{
	struct tiny_job *entry = tiny->jobs;
	siginfo_t over;
	int status;

	if (waitid(P_ALL, 0, &over, WEXITED | WNOWAIT) < 0)
		return false;
	kill(-over.si_pid, SIGKILL); /* what it left behind must not share the GPUs */
	waitpid(over.si_pid, &status, 0);
	while (entry->pid != over.si_pid)
		entry++;
	struct job_event end = {
		.type = status == 0 ? JOB_EVENT_FINISH : JOB_EVENT_FAIL,
		.time_ns = clock_wall_ns(),
		.cause = WIFEXITED(status)	       ? JOB_CAUSE_EXIT
			 : WTERMSIG(status) == SIGALRM ? JOB_CAUSE_TIMEOUT
						       : JOB_CAUSE_SIGNAL,
		.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};

	entry->pid = 0;
	job_apply(&entry->job, &end);
	sched_release(tiny->sched, entry->job.id, end.time_ns);
	say(tiny, "job %" PRIu64 " %s (%s)", entry->job.id, job_state_name(entry->job.state),
	    job_cause_name(entry->job.cause));
	return true;
}

int main(int argc, char **argv)
{
	struct sched_config config = {
		.policy = &policy_priority,
		.params.point_ns = 60 * NS_PER_S,
		.backfill = BACKFILL_EASY,
	};
	struct tiny tiny = {.sched = sched_create(&config), .began_ns = clock_mono_ns()};
	int64_t gpus = 8;
	bool ok = argc < 2 || parse_int64(argv[1], 0, TOPOLOGY_GPUS_MAX, &gpus) == 0;

	add_machine(&tiny, (unsigned)gpus);
	if (!ok)
		fprintf(stderr, "usage: tiny_scheduler [GPUS, 0 to 64] [-]\n");
	else if (argc > 2)
		ok = submit_from(&tiny, stdin);
	else
		for (size_t i = 0; i < ARRAY_SIZE(demo); i++)
			submit(&tiny, demo[i]);
	if (ok) {
		decide(&tiny);
		explain(&tiny);
		while (bury_one(&tiny)) /* wait for something, tell the books, decide again */
			decide(&tiny);
	}
	for (size_t i = 0; i < tiny.n_jobs; i++)
		job_finish(&tiny.jobs[i].job);
	free(tiny.jobs);
	sched_destroy(tiny.sched);
	return ok ? 0 : 1;
}
