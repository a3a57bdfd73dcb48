/* SPDX-License-Identifier: MIT */
/*
 * What must hold of every decision, of every machine and queue.
 *
 * Where the model decides too (strict order, greedy, EASY), the same jobs start on the same GPUs in
 * the same order, with the same head and shadow time, and `why` agrees. Where several are promised
 * a start, the promises are held to. In all cases nothing is handed out twice, unready or in part,
 * limits are kept, and a second pass finds nothing that the first has left.
 */
#include <inttypes.h>
#include <math.h>

#include "run.h"
#include "scheduler/why.h"

static double share(const struct run *run, const struct naive_job *job)
{
	double gpus = 0, cpus = 0, all_gpus = 0, all_cpus = 0;

	for (unsigned n = 0; n < run->naive.n_nodes; n++) {
		gpus += __builtin_popcountll(job->place.gpus[n]);
		cpus += job->place.cpus[n];
		all_gpus += run->naive.nodes[n].n;
		all_cpus += run->naive.nodes[n].cpus;
	}
	gpus = all_gpus > 0 ? gpus / all_gpus : 0;
	return fmax(gpus, cpus / all_cpus);
}

/* What a share from start to end is worth at `now`, in seconds: the integral of 2^(-age/h). */
static double worth(const struct piece *piece, int64_t now, int64_t half_life)
{
	int64_t end = piece->end ? piece->end : now;
	double h = (double)half_life;

	if (!half_life)
		return piece->share * (double)(end - piece->start) / NS_PER_S;
	return piece->share * h / M_LN2 / NS_PER_S *
	       (exp2(-(double)(now - end) / h) - exp2(-(double)(now - piece->start) / h));
}

void check_usage(struct run *run)
{
	const struct user_limits *limits = &run->naive.limits;

	for (unsigned user = 0; user < NAIVE_USERS; user++) {
		double *usage = &run->naive.usage[user], want = 0;

		*usage = users_usage(sched_users(run->sched), user, run->now);
		for (unsigned i = 0; i < run->n_pieces; i++)
			if (run->pieces[i].user == user)
				want += worth(&run->pieces[i], run->now, run->test_case->half_life);
		if (run->naive.policy != NAIVE_FAIR && !limits->max_jobs && !limits->max_gpus)
			want = 0; /* nobody keeps account */
		if (fabs(*usage - want) > 1e-9 * want + 1e-18)
			break_off("user %u has used %g, not %g", user, want, *usage);
	}
}

/* All or nothing, nothing twice, nothing unready: by the test's own books. */
static void check_alloc(const struct run *run, const struct naive_job *job,
			const struct allocation *alloc, struct naive_place *ret_place)
{
	struct naive_place place = {0};
	unsigned gpus = 0;

	for (size_t p = 0; p < alloc->n_parts; p++) {
		const struct allocation_part *part = &alloc->parts[p];
		const struct naive_node *node = &run->naive.nodes[part->node];

		if (place.used[part->node])
			break_off("job %" PRIu64 ": two parts on a node", job->id);
		place.used[part->node] = true;
		place.gpus[part->node] = part->gpus;
		place.cpus[part->node] = part->cpus;
		gpus += (unsigned)__builtin_popcountll(part->gpus);
		for (unsigned i = 0; i < 64; i++)
			if (part->gpus >> i & 1 && (i >= node->n || node->gpus[i].owner ||
						    node->gpus[i].condition != GPU_READY ||
						    (job->type && node->gpus[i].type != job->type)))
				break_off("job %" PRIu64 ": GPU %u is not to be had", job->id, i);
		if (node->used_cpus + part->cpus > node->cpus)
			break_off("job %" PRIu64 ": CPUs are overbooked", job->id);
	}
	if (gpus != job->gpus)
		break_off("job %" PRIu64 ": %u GPUs instead of %u", job->id, gpus, job->gpus);
	*ret_place = place;
}

/* Is this a case in which promises are kept to the end? */
static bool has_promises(const struct run *run)
{
	return run->naive.mode == BACKFILL_CONSERVATIVE ? run->test_case->calm
							: run->test_case->plain;
}

static void check_promise(struct run *run, const struct naive_job *job)
{
	int64_t promised = run->promised[job->id - 1];

	if (has_promises(run) && promised && run->now > promised)
		break_off("job %" PRIu64 " starts at %" PRId64 ", promised for %" PRId64, job->id,
			  run->now, promised);
	if (run->test_case->plain && run->naive.mode == BACKFILL_NONE &&
	    job->id < run->last_started)
		break_off("job %" PRIu64 " starts after job %" PRIu64, job->id, run->last_started);
	run->last_started = job->id;
}

/* A start is promised: never later than before. */
static void note_promise(struct run *run, uint64_t id, int64_t start)
{
	int64_t *promised = &run->promised[id - 1];

	if (has_promises(run) && *promised && start > *promised)
		break_off("job %" PRIu64 ": its start moved from %" PRId64 " to %" PRId64, id,
			  *promised, start);
	*promised = start;
}

/* The job that is to start by the model, and where; or simply the one that starts. */
static struct naive_job *expected_start(struct run *run, const struct decision *decision,
					struct naive_place *ret_want)
{
	struct naive_job *job = &run->naive.jobs[decision->job - 1];

	if (decision->job == 0 || decision->job > run->naive.n_jobs ||
	    !naive_waits(job, run->now) || naive_bound(&run->naive, job) != SCHED_UNBOUND)
		break_off("job %" PRIu64 " starts, but may not", decision->job);
	if (!run_has_model(run))
		return job;
	job = naive_next(&run->naive, run->now, ret_want);
	if (!job)
		break_off("job %" PRIu64 " starts, nobody should", decision->job);
	if (job->id != decision->job)
		break_off("job %" PRIu64 " starts instead of job %" PRIu64, decision->job, job->id);
	return job;
}

static void check_start(struct run *run, const struct decision *decision)
{
	struct naive_place want, got;
	struct naive_job *job = expected_start(run, decision, &want);

	check_alloc(run, job, &decision->alloc, &got);
	for (unsigned n = 0; n < run->naive.n_nodes && run_has_model(run); n++)
		if (got.gpus[n] != want.gpus[n] || got.cpus[n] != want.cpus[n])
			break_off("job %" PRIu64 ": another place on node %u", job->id, n);
	check_promise(run, job);
	naive_start(&run->naive, job, &got, run->now);
	if (run->n_pieces == ARRAY_SIZE(run->pieces))
		break_off("no end of starts");
	job->piece = run->n_pieces++;
	run->pieces[job->piece] = (struct piece){job->user, share(run, job), run->now, 0};
	run->digest = (run->digest ^ job->id) * 31 + (uint64_t)run->now;
	for (unsigned n = 0; n < run->naive.n_nodes; n++)
		run->digest = run->digest * 31 + got.gpus[n];
}

/* Will it be gone as soon as one that is told to go now? */
static bool goes_anyway(const struct run *run, const struct naive_job *job)
{
	int64_t gone = run->now + run->test_case->preempt.grace_ns;

	return job->leaving || (job->limit && job->start + job->limit <= gone);
}

/* Would the head fit if those who go anyway were gone, and those of whom `also` says so? */
static bool fits_without(const struct run *run, const struct naive_job *head,
			 bool (*also)(const struct run *run, const struct naive_job *job))
{
	static struct naive then;
	struct naive_place unused;

	then = run->naive;
	for (unsigned i = 0; i < then.n_jobs; i++)
		if (then.jobs[i].state == NAIVE_RUNNING &&
		    (goes_anyway(run, &run->naive.jobs[i]) ||
		     (also && also(run, &run->naive.jobs[i]))))
			naive_end(&then, &then.jobs[i]);
	for (unsigned n = 0; n < then.n_nodes; n++)
		for (unsigned i = 0; i < then.nodes[n].n; i++)
			if (then.nodes[n].gpus[i].condition == GPU_CLEANING)
				then.nodes[n].gpus[i].condition = GPU_READY;
	return naive_place(&then, head, &unused);
}

static bool yields(const struct run *run, const struct naive_job *job)
{
	const struct naive_job *head = run->beneficiary;

	return job->state == NAIVE_RUNNING && job->preemptible && !goes_anyway(run, job) &&
	       job->priority < head->priority &&
	       naive_goes_before(&run->naive, head, job, run->now);
}

static bool is_victim(const struct run *run, const struct naive_job *job)
{
	return yields(run, job) && run->now >= job->start + run->test_case->preempt.immunity_ns;
}

static bool starts_soon(const struct run *run)
{
	return run->naive.shadow - run->now <= run->test_case->preempt.restart_ns;
}

/* With all victims gone the head fits, and not with one of them staying. */
static void check_wave(struct run *run)
{
	if (run->n_wave == 0 || run->wave_is_checked)
		return;
	run->wave_is_checked = true;
	if (!fits_without(run, run->beneficiary, NULL))
		break_off("job %" PRIu64 ": its victims do not suffice", run->beneficiary->id);
	for (unsigned i = 0; i < run->n_wave; i++) {
		run->wave[i]->leaving = false;
		if (fits_without(run, run->beneficiary, NULL))
			break_off("job %" PRIu64 ": job %" PRIu64 " could have stayed",
				  run->beneficiary->id, run->wave[i]->id);
		run->wave[i]->leaving = true;
	}
}

static void check_preempt(struct run *run, const struct decision *decision)
{
	const struct preempt_params *params = &run->test_case->preempt;
	struct naive_job *victim = &run->naive.jobs[decision->job - 1];
	struct naive_place unused;

	if (run->n_wave > 0 && decision->beneficiary != run->beneficiary->id) {
		check_wave(run); /* its own limit holds that one back now: there is another head */
		run->n_wave = 0;
	}
	if (run->n_wave == 0) {
		run->wave_is_checked = false;
		(void)naive_next(&run->naive, run->now, &unused);
		run->beneficiary = run->naive.head;
		if (!params->enabled || !run->naive.head || starts_soon(run) ||
		    fits_without(run, run->naive.head, NULL))
			break_off("job %" PRIu64 " is told to go for nothing", victim->id);
	}
	if (decision->beneficiary != run->beneficiary->id)
		break_off("job %" PRIu64 " makes room for another than the head", victim->id);
	if (!is_victim(run, victim))
		break_off("job %" PRIu64 " is told to go, but need not", victim->id);
	victim->leaving = true;
	victim->leaves = run->now + params->grace_ns;
	victim->gone = run->now + 1 + (int64_t)(victim->id * 7) % (2 * params->grace_ns + 1);
	run->wave[run->n_wave++] = victim;
	run->digest = (run->digest ^ victim->id) * 37;
}

void check_decision(struct run *run, const struct decision *decision)
{
	if (decision->kind == DECISION_PREEMPT) {
		check_preempt(run, decision);
		return;
	}
	check_wave(run);
	check_start(run, decision);
}

/* Whoever could make room for the head has been told to, or will lose immunity in time. */
static void check_nobody_was_spared(struct run *run)
{
	const struct preempt_params *params = &run->test_case->preempt;
	int64_t wake = sched_next_wake_ns(run->sched);

	run->beneficiary = run->naive.head;
	if (!params->enabled || !run->naive.head || starts_soon(run) ||
	    fits_without(run, run->naive.head, NULL) || run->n_wave > 0)
		return;
	if (fits_without(run, run->naive.head, is_victim))
		break_off("job %" PRIu64 ": nobody makes room for it", run->naive.head->id);
	if (!fits_without(run, run->naive.head, yields))
		return;
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *job = &run->naive.jobs[i];

		if (yields(run, job) && !is_victim(run, job) &&
		    job->start + params->immunity_ns < wake)
			break_off("sleeps over the end of the immunity of job %" PRIu64, job->id);
	}
}

static void check_head(struct run *run)
{
	const struct naive_job *head = run->naive.head;
	int64_t shadow, want = head ? run->naive.shadow : 0;

	if (want >= NAIVE_UNLIMITED)
		want = TIME_NEVER;
	if (sched_head(run->sched, &shadow) != (head ? head->id : 0))
		break_off("another head than job %" PRIu64, head ? head->id : 0);
	if (shadow != want)
		break_off("head %" PRIu64 ": shadow time %" PRId64 " instead of %" PRId64,
			  head ? head->id : 0, shadow, want);
	if (head)
		note_promise(run, head->id, shadow);
}

/* Is it the first of its entry that still waits? It speaks for the others. */
static bool is_first(const struct run *run, const struct naive_job *job)
{
	for (unsigned i = 0; i < job->id - 1; i++)
		if (run->naive.jobs[i].state == NAIVE_WAITING &&
		    run->naive.jobs[i].entry == job->entry)
			return false;
	return true;
}

static void check_promises(struct run *run)
{
	int64_t start;
	uint64_t head = sched_head(run->sched, &start);

	if (head && run->naive.mode == BACKFILL_RESERVE)
		note_promise(run, head, start);
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *job = &run->naive.jobs[i];

		if (run->naive.mode != BACKFILL_CONSERVATIVE || !naive_waits(job, run->now) ||
		    !is_first(run, job))
			continue;
		start = conservative_promised(&run->sched->conservative, job->id);
		if (start == TIME_UNKNOWN && run->test_case->calm)
			break_off("job %" PRIu64 " is promised nothing", job->id);
		if (start != TIME_UNKNOWN && start <= run->now)
			break_off("job %" PRIu64 " is promised the past", job->id);
		if (start != TIME_UNKNOWN)
			note_promise(run, job->id, start < PLAN_FAR_NS ? start : TIME_NEVER);
	}
}

/* The least that reservations may not keep from starting: what is over before the only one. */
static void check_work_conserved(struct run *run)
{
	int64_t first;
	uint64_t head = sched_head(run->sched, &first);
	struct naive_place unused;

	if (run->naive.mode == BACKFILL_CONSERVATIVE || (head && run->test_case->reservations > 1))
		return; /* others are promised something that may begin earlier */
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *job = &run->naive.jobs[i];
		bool over = job->limit && run->now + job->limit <= first;

		if (naive_waits(job, run->now) && (!head || over) &&
		    naive_bound(&run->naive, job) == SCHED_UNBOUND &&
		    naive_place(&run->naive, job, &unused))
			break_off("job %" PRIu64 " could start and be over in time", job->id);
	}
}

static enum why_code expected_why(const struct run *run, const struct naive_job *job)
{
	enum sched_bound bound = naive_bound(&run->naive, job);
	struct naive_place place;
	static struct naive then;

	if (job->begin > run->now)
		return WHY_BEGIN;
	if (bound != SCHED_UNBOUND)
		return bound == SCHED_ARRAY ? WHY_ARRAY : WHY_LIMIT;
	if (naive_place(&run->naive, job, &place))
		return WHY_ORDER; /* it fits and was not started */
	return naive_shadow(&run->naive, job, run->now, &then) == NAIVE_NEVER ? WHY_UNAVAILABLE
									      : WHY_RESOURCES;
}

static void check_why(struct run *run)
{
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *naive = &run->naive.jobs[i];
		struct job job = run_job(run, naive);
		struct why why;

		if (naive->state != NAIVE_WAITING || !is_first(run, naive))
			continue;
		sched_why(run->sched, &job, run->now, &why);
		sched_advise(run->sched, &job, run->now, &why);
		if (why.code != expected_why(run, naive) && run_has_model(run))
			break_off("job %" PRIu64 ": why says %s", job.id, why_code_name(why.code));
		if (naive->begin <= run->now &&
		    why.ahead != naive_ahead(&run->naive, naive, run->now))
			break_off("job %" PRIu64 ": %zu ahead, not %u", job.id, why.ahead,
				  naive_ahead(&run->naive, naive, run->now));
	}
}

void check_pass(struct run *run)
{
	struct naive_place unused;
	struct naive_job *job;

	check_wave(run);
	check_why(run);
	if (!run_has_model(run)) {
		check_promises(run);
		check_work_conserved(run);
		return;
	}
	job = naive_next(&run->naive, run->now, &unused);
	if (job)
		break_off("job %" PRIu64 " could start and did not", job->id);
	check_head(run);
	check_nobody_was_spared(run);
}

void check_forecast(const struct run *run, const struct forecast *foretold, int64_t since)
{
	for (unsigned i = 0; i < run->naive.n_jobs; i++) {
		const struct naive_job *job = &run->naive.jobs[i];
		int64_t told = forecast_start_ns(foretold, job->id);

		if (told != TIME_UNKNOWN && told != job->start)
			break_off("job %" PRIu64 " starts at %" PRId64 ", foretold for %" PRId64,
				  job->id, job->start, told);
		if (told == TIME_UNKNOWN && job->start > since && job->start < since + 100000)
			break_off("job %" PRIu64 " starts at %" PRId64 ", not foretold", job->id,
				  job->start);
	}
}
