/* SPDX-License-Identifier: MIT */
/*
 * One sentence for events, hooks, the log and "tgpu show".
 *
 * A void attempt's cause is in no row once the next one has begun, so its event is the only place
 * that keeps it. Deliberately not part of the job's message, which stands beside these facts.
 */
#include "daemon/ending.h"

#include <string.h>

/* "" where the event's own name says it: what was queued again because somebody asked for it. */
static void describe_cause(const struct job_event *event, char *text, size_t size)
{
	const char *name = sigabbrev_np(event->signal); /* none of a real-time signal */

	text[0] = '\0';
	if (event->cause == JOB_CAUSE_EXIT)
		snprintf(text, size, "exit code %d", (int)event->exit_code);
	else if (event->cause == JOB_CAUSE_SIGNAL && name)
		snprintf(text, size, "signal %s", name);
	else if (event->cause == JOB_CAUSE_SIGNAL)
		snprintf(text, size, "signal %d", (int)event->signal);
	else if (event->cause != JOB_CAUSE_NONE && event->cause != JOB_CAUSE_REQUEUED)
		snprintf(text, size, "%s", job_cause_name(event->cause));
}

char *ending_detail(const struct job_event *event, const char *detail)
{
	bool is_ending = event->type == JOB_EVENT_FAIL || event->type == JOB_EVENT_REQUEUE;
	char cause[64];

	if (!is_ending)
		return xstrdup(detail);
	describe_cause(event, cause, sizeof(cause));
	return xasprintf("%s%s%s", cause, cause[0] && detail[0] ? ": " : "", detail);
}
