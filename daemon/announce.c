/* SPDX-License-Identifier: MIT */
/*
 * One line in the log per event of a job, and a hook where one is wanted.
 *
 * Invariants: nothing is told before it is durable; telling changes no job and waits for nobody.
 * Deliberately not here: how a hook is run (hook.c), streams (api_events.c), which read the store.
 */
#include "daemon/announce.h"

#include <inttypes.h>

#include "common/jobspec.h"
#include "common/log.h"
#include "daemon/hook.h"

/* Events that hooks are run for, and what of a job's `notify` they are. */
static const struct {
	const char *event;
	uint32_t notify;
} told[] = {
	{"start", JOBSPEC_EVENT_START},
	{"finish", JOBSPEC_EVENT_END},
	{"fail", JOBSPEC_EVENT_END | JOBSPEC_EVENT_FAIL},
	{"cancel", JOBSPEC_EVENT_END},
	{"requeue", 0},
	{"idle", 0},
};

/* Does its owner want to hear of it? Of idleness, whoever wants to hear of anything. */
static bool is_wanted(const struct daemon *daemon, const struct record *record, const char *event,
		      uint32_t notify)
{
	if (STREQ(event, "idle"))
		return daemon->config.idle_action >= IDLE_NOTIFY && record->notify;
	return record->notify & notify;
}

static void log_event(const struct record *record, const struct store_event *event)
{
	char tasks[32] = "";

	if (event->n_tasks > 1)
		snprintf(tasks, sizeof(tasks), " n_tasks=%" PRIu32, event->n_tasks);
	log_info("job %s job=%" PRIu64 "%s uid=%" PRIu32 " name=\"%s\" detail=\"%s\"", event->event,
		 event->job, tasks, record->job.uid, record->name, event->detail);
}

void announce_events(struct daemon *daemon, const struct store_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct store_event *event = &events[i];
		const struct record *record = record_find(daemon, event->job);

		if (!record)
			continue;
		log_event(record, event);
		for (size_t k = 0; k < ARRAY_SIZE(told); k++)
			if (STREQ(told[k].event, event->event))
				hook_run(daemon, record, event,
					 is_wanted(daemon, record, event->event, told[k].notify));
	}
}
