/* SPDX-License-Identifier: MIT */
/*
 * Sums over jobs.
 *
 * Invariants: a job that ended outside of the window counts for no number but, for the part of it
 * within, GPU time; what of a job is not known (a start that never was, a utilisation that nobody
 * saw) is in no sum. Deliberately not here: walking the store and JSON (api_stats.c).
 */
#include "daemon/stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define SLOWDOWN_BOUND_MS 10000

double stats_slowdown(int64_t wait_ms, int64_t run_ms)
{
	double bound = (double)(run_ms > SLOWDOWN_BOUND_MS ? run_ms : SLOWDOWN_BOUND_MS);
	double slowdown = (double)(wait_ms + run_ms) / bound;

	return slowdown > 1 ? slowdown : 1;
}

void stats_init(struct stats *stats, enum stats_by by, int64_t since_ns, int64_t until_ns)
{
	*stats = (struct stats){.by = by, .since_ns = since_ns, .until_ns = until_ns};
}

static void finish_group(struct stats_group *group)
{
	sketch_finish(&group->wait_ms);
	sketch_finish(&group->run_ms);
	free(group->key);
}

void stats_finish(struct stats *stats)
{
	struct stats_group *group = stats->groups, *next;

	HASH_CLEAR(hh, stats->groups); /* the table; the groups are still linked */
	for (; group; group = next) {
		next = group->hh.next;
		finish_group(group);
		free(group);
	}
	finish_group(&stats->total);
	*stats = (struct stats){0};
}

/* The day in tgpud's own time zone. */
static void format_day(int64_t ns, char *text, size_t size)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, size, "%Y-%m-%d", &tm);
}

static struct stats_group *find_group(struct stats *stats, const char *key)
{
	struct stats_group *group;

	HASH_FIND_STR(stats->groups, key, group);
	if (group)
		return group;
	if (HASH_COUNT(stats->groups) >= STATS_GROUPS_MAX - 1 && !STREQ(key, STATS_OTHERS))
		return find_group(stats, STATS_OTHERS);
	group = xcalloc(1, sizeof(*group));
	group->key = xstrdup(key);
	HASH_ADD_KEYPTR(hh, stats->groups, group->key, strlen(group->key), group);
	return group;
}

static struct stats_group *group_of(struct stats *stats, const struct store_row *row)
{
	const struct job *job = &row->job;
	char text[32];

	switch (stats->by) {
	case STATS_BY_NAME: return find_group(stats, row->name);
	case STATS_BY_USER: snprintf(text, sizeof(text), "%" PRIu32, job->uid); break;
	case STATS_BY_DAY:
		format_day(job_state_is_final(job->state) ? job->end_ns : stats->until_ns, text,
			   sizeof(text));
		break;
	case STATS_BY_NOTHING: return NULL;
	}
	return find_group(stats, text);
}

/* GPU time within the window, of a job that runs or ran. */
static double gpu_time_ms(const struct stats *stats, const struct job *job)
{
	bool over = job_state_is_final(job->state);
	int64_t from = job->start_ns > stats->since_ns ? job->start_ns : stats->since_ns;
	int64_t to = over && job->end_ns < stats->until_ns ? job->end_ns : stats->until_ns;

	if (job->start_ns == TIME_UNKNOWN || (!over && !job_state_has_gpus(job->state)))
		return 0;
	return to > from ? (double)(to - from) / NS_PER_MS * job->request.num_gpus : 0;
}

static void add_end(struct stats_group *group, const struct job *job)
{
	int64_t ready_ns = job->begin_ns > job->submit_ns ? job->begin_ns : job->submit_ns;
	int64_t wait_ms = (job->start_ns - ready_ns) / NS_PER_MS;
	int64_t run_ms = (job->end_ns - job->start_ns) / NS_PER_MS;

	group->ends[job->state] += job->n_tasks;
	if (job->state != JOB_FINISHED)
		group->causes[job->cause] += job->n_tasks;
	if (job->start_ns == TIME_UNKNOWN)
		return;
	sketch_add(&group->run_ms, run_ms);
	if (job->attempt != 1)
		return; /* when it first started is not in its row */
	sketch_add(&group->wait_ms, wait_ms);
	group->slowdown_sum += stats_slowdown(wait_ms, run_ms);
}

static void add_to(const struct stats *stats, struct stats_group *group,
		   const struct store_row *row)
{
	const struct usage *usage = &row->usage;

	group->gpu_ms += gpu_time_ms(stats, &row->job);
	if (!job_state_is_final(row->job.state) || row->job.end_ns < stats->since_ns)
		return;
	add_end(group, &row->job);
	group->util_percent_ms += (double)usage->util_percent_ms;
	group->util_of_ms += (double)usage->util_of_ms;
	group->energy_mj += (double)usage->energy_mj;
	group->energy_of_ms += (double)usage->energy_of_ms;
}

void stats_add(struct stats *stats, const struct store_row *row)
{
	bool final = job_state_is_final(row->job.state);
	struct stats_group *group;

	if (final ? row->job.end_ns < stats->since_ns : !job_state_has_gpus(row->job.state))
		return;
	add_to(stats, &stats->total, row);
	group = group_of(stats, row);
	if (group)
		add_to(stats, group, row);
}
