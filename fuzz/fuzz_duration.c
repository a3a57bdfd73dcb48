/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes durations, times and sizes: a duration that is accepted prints as one that means the same,
 * and whatever is refused is refused in one line.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/timetext.h"

/* 2026-03-29T00:30 UTC: an hour before clocks change in Europe. */
#define NOW_NS (INT64_C(1774744200) * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_refusal(const struct err *err)
{
	check(err->msg[0] != '\0' && !strchr(err->msg, '\n'));
}

static void fuzz_duration(const char *text)
{
	struct err err = {0};
	int64_t ms, again;
	char printed[32];

	if (duration_parse(text, &ms, &err) < 0) {
		check_refusal(&err);
		return;
	}
	check(ms >= 0);
	check(duration_parse(duration_format(ms, printed), &again, &err) == 0);
	check(again == ms);
}

static void fuzz_time(const char *text)
{
	struct err err = {0};
	char printed[32];
	int64_t ns, again;

	if (time_parse_past(text, NOW_NS, &ns, &err) == 0)
		check(ns >= 0 && ns <= NOW_NS);
	else
		check_refusal(&err);
	if (time_parse(text, NOW_NS, &ns, &err) < 0) {
		check_refusal(&err);
		return;
	}
	check(ns >= 0);
	time_format(ns, printed);
	/* Read back it is the same to the second, but for hours that clocks show twice. */
	if (ns >= NS_PER_S && time_parse(printed, NOW_NS, &again, &err) == 0)
		check(llabs(again / NS_PER_S - ns / NS_PER_S) <= 3 * 3600);
}

static void fuzz_bytes(const char *text)
{
	struct err err = {0};
	uint64_t bytes, again;
	char printed[32];

	if (bytes_parse(text, &bytes, &err) < 0) {
		check_refusal(&err);
		return;
	}
	/* One decimal is kept, so at most a twentieth of a unit, which is at most 5%, is lost. */
	bytes_format(bytes, printed);
	if (bytes_parse(printed, &again, &err) == 0)
		check((again > bytes ? again - bytes : bytes - again) <= bytes / 20 + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free_ptr) char *text = xstrndup((const char *)data, size);

	setenv("TZ", "Europe/Berlin", 1);
	fuzz_duration(text);
	fuzz_time(text);
	fuzz_bytes(text);
	return 0;
}
