/* SPDX-License-Identifier: MIT */
/* The policies that a trace can be replayed under, by name. */
#pragma once

#include "simulator/replay.h"

struct preset {
	const char *name;
	const char *summary; /* one line */
	/* The engine: as replay_run(), which most of them are. */
	int (*run)(const struct preset *preset, const struct trace *trace,
		   const struct machine *machine, const struct progress *progress,
		   struct outcome **ret_outcomes, struct err *err);
	struct sched_config config; /* for the engine that is the scheduler */
	const char *ideal; /* for the one that preempts at no cost (ideal.h): its name there; else
			      NULL */
};

/* All of them; *ret_n. */
const struct preset *presets(size_t *ret_n);

/* NULL when there is none of that name. */
const struct preset *preset_by_name(const char *name);
