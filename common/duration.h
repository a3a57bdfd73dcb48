/* SPDX-License-Identifier: MIT */
/* Durations, points in time and sizes as people write them. An unparsable one is never "none". */
#pragma once

#include "common/err.h"

/*
 * Parse a duration: "90" (seconds), "90s", "15m", "1h30m", "2d", "1w", "500ms", Slurm's "MM:SS",
 * "HH:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS". "1-0" is one day. 0 or -EINVAL with a sentence; no
 * sign, no fraction, no overflow.
 */
int duration_parse(const char *text, int64_t *ret_ms, struct err *err);

/* Format into buf, shortest exact form with at most two units: "1h30m", "2d3h", "45s", "120ms". */
const char *duration_format(int64_t ms, char buf[32]);

/* Format for people: the two units that matter, cut off below: "1h05m", "3d02h", "45s", "120ms". */
const char *duration_show(int64_t ms, char buf[32]);

/*
 * Parse a point in time: "now", "now+1h30m" or "+1h30m", "14:05", "9:05" or "14:05:30" (the next
 * one), "tomorrow", "tomorrow 9:00" and so for today and yesterday, "2026-01-31",
 * "2026-01-31T14:05[:30]" or with a blank for the T, "@1767225600" (seconds since 1970). Local
 * time.
 */
int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err);

/* The same where the past is meant: "14:05" is the last one. */
int time_parse_past(const char *text, int64_t now_ns, int64_t *ret_ns, struct err *err);

/* "2026-01-31T14:05:30", local time, into buf. "-" for TIME_UNKNOWN. */
const char *time_format(int64_t ns, char buf[32]);

/* Parse a size: "16G", "16GiB", "16GB" (all 2^30), "512M", "1T", "4096" (bytes). */
int bytes_parse(const char *text, uint64_t *ret_bytes, struct err *err);

/* "16G", "1.5G", "512M", "0" into buf. */
const char *bytes_format(uint64_t bytes, char buf[32]);
