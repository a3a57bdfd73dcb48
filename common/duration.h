/* SPDX-License-Identifier: MIT */
/* Durations and sizes as people write them. An unparsable one is never "none". */
#pragma once

#include "common/err.h"

/*
 * Parse a duration: "90" (seconds), "90s", "15m", "15 min", "1h30m", "1h 30min", "1.5h", "2 days",
 * "1w", "500ms", Slurm's "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS". "1-0" is one day. 0
 * or -EINVAL with a sentence; no sign, no overflow. What is below a millisecond is cut off, but
 * never to 0.
 */
int duration_parse(const char *text, int64_t *ret_ms, struct err *err);

/* Format into buf, shortest exact form with at most two units: "1h30m", "2d3h", "45s", "120ms". */
const char *duration_format(int64_t ms, char buf[32]);

/* Format for people: the two units that matter, cut off below: "1h05m", "3d02h", "45s", "120ms". */
const char *duration_show(int64_t ms, char buf[32]);

/* Parse a size: "16G", "16GiB", "16GB" (all 2^30), "512M", "1T", "4096" (bytes). */
int bytes_parse(const char *text, uint64_t *ret_bytes, struct err *err);

/* "16G", "1.5G", "512M", "0" into buf. */
const char *bytes_format(uint64_t bytes, char buf[32]);
