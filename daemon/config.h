/* SPDX-License-Identifier: MIT */
/*
 * tgpu.conf: "key = value" lines, # comments. One table says what there is; help, docs and the
 * parser come from it. An unknown key or a bad value stops the daemon with the file and the line.
 */
#pragma once

#include <sys/socket.h>

#include "scheduler/core.h"

#define CONFIG_TEXT_MAX 1024 /* of a value that is a text, with its NUL */

/* What is done about a job whose GPUs do nothing; each includes the ones above it. */
enum idle_action {
	IDLE_WARN,    /* a line in its history and in the log */
	IDLE_NOTIFY,  /* its owner hears of it */
	IDLE_REQUEUE, /* it is ended and queued again */
};

struct config {
	char file[CONFIG_TEXT_MAX]; /* that it was read from; "": the defaults */
	struct sched_config sched;
	int64_t probe_interval_ms;  /* between two looks at the GPUs */
	int64_t probe_timeout_ms;   /* silence after which the probe is killed and started anew */
	uint64_t foreign_mem_bytes; /* memory in use without a visible holder that counts as foreign
				     */
	uint64_t
		display_mem_bytes; /* what a graphics process may use without counting as foreign */
	int64_t clean_timeout_ms;  /* after a job, from cleaning to unhealthy */
	int64_t unused_after_ms;   /* a job seen for less is not told of GPUs it left alone */
	int64_t idle_after_ms;	   /* GPUs of a job that do nothing are noticed; 0: never */
	enum idle_action idle_action;
	bool use_cgroup;	   /* one per job, where that is possible */
	bool export_uuids;	   /* CUDA_VISIBLE_DEVICES by UUID instead of by index */
	int64_t max_jobs_per_user; /* not ended */
	int64_t max_body_bytes;	   /* of one request */
	uint64_t log_max_bytes;	   /* of each log of a job that does not say; 0: no bound */
	char notify_command[CONFIG_TEXT_MAX]; /* "": none */
	char hooks_dir[CONFIG_TEXT_MAX];
	int64_t hook_timeout_ms;
	char metrics_listen[64];		 /* "": nowhere */
	struct sockaddr_storage metrics_address; /* the same */
	char metrics_token_file[CONFIG_TEXT_MAX];
	char trace[CONFIG_TEXT_MAX]; /* the decision log; "": none */
	uint64_t trace_max_bytes;
	int64_t max_connections;
	int64_t max_connections_per_user;
};

struct config_key {
	const char *name;
	const char *fallback; /* the default, as text: parsed like any value */
	const char *help;
	int (*parse)(struct config *config, const char *value, struct err *err);
};

/* The table, ended by a NULL name. */
extern const struct config_key config_keys[];

/* The value of "backfill", as it is written: a word, or a number in the caller's buffer. */
#define CONFIG_NUMBER_SIZE 16
const char *config_backfill(const struct config *config, char number[CONFIG_NUMBER_SIZE]);

/* All defaults. */
void config_init(struct config *config);

/*
 * Read a file. path NULL: $TGPU_CONFIG, else /etc/tgpu/tgpu.conf (system) or
 * $XDG_CONFIG_HOME/tgpu/tgpu.conf; such a default file may be absent. 0 or -EINVAL with a sentence.
 */
int config_load(struct config *config, const char *path, bool system, struct err *err);

/* Parse the text of a file. For tests and fuzzing; `filename` is for messages. */
int config_parse(struct config *config, const char *text, const char *filename, struct err *err);
