/* SPDX-License-Identifier: MIT */
/* Points in time as people write them. An unparsable one is never "now". */
#pragma once

#include "common/err.h"

/*
 * Parse a point in time, in local time where it names no zone:
 *
 *     now, now+1h30m, "now + 2 hours", +1h30m, "in 2 hours"    any duration (duration.h)
 *     14:05, 9:05, 14:05:30, 2pm, "2:30 PM", noon, midnight, teatime    the next one
 *     tomorrow, today, yesterday    when it begins; "tomorrow 9:00", "2pm tomorrow"
 *     2026-01-31, 2026-01-31T14:05[:30] or with a blank for the T
 *     2026-01-31T14:05:30Z, ...+01:00, "... UTC"
 *     @1767225600    seconds since 1970
 *
 * 0, or -EINVAL with a sentence.
 */
int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err);

/*
 * The same where the past is meant: 14:05 is the last one; "now-1h", "7d", "-7d" and "7d ago" count
 * back from now. What is yet to come is refused.
 */
int time_parse_past(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err);

/* "2026-01-31T14:05:30", local time, into buf. "-" for TIME_UNKNOWN. */
const char *time_format(int64_t ns, char buf[32]);
