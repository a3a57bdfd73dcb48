/* SPDX-License-Identifier: MIT */
/*
 * What tgpud tells tgpu-runner, and what the runner leaves behind: the contract of one attempt.
 *
 * tgpud makes the attempt's directory DIR, opens DIR/lock and takes flock(LOCK_EX) on it, and
 * spawns
 *
 *     tgpu-runner            fd 0,1 /dev/null   fd 2 the daemon's log
 *                            fd 3 a memfd with the launch record      (LAUNCH_SPEC_FD)
 *                            fd 4 the open, locked DIR/lock           (LAUNCH_LOCK_FD)
 *
 * with every signal blocked. The lock belongs to the open file, so it is held without a gap from
 * before the spawn until the last holder, the runner, is gone; the job never inherits it. Lock held
 * = an attempt is in the runner's hands; that is what a restarted daemon asks first.
 *
 * The runner writes into DIR, each file complete or absent (written aside, then renamed):
 *
 *     runner   before it forks: it exists. Absent and unlocked: nothing ran.
 *     started  the job's program is executing.
 *     status   all is over and the job's processes are gone. fsync'ed, with its directory.
 *
 * and after each sends one datagram "ID ATTEMPT FILE" to the daemon's hint socket. A hint carries
 * no truth: the files do, so a hint lost while no daemon runs costs nothing.
 *
 * Signals to the runner: SIGTERM ends the job by its signal, grace and kill; SIGINT kills it now.
 * The runner keeps the time limit by itself, whether or not a daemon lives.
 *
 * All records are text: "key=value" pieces. On the launch record a NUL ends each piece (values hold
 * newlines); in the files a newline does. libc only: tgpu-runner links nothing else.
 */
#pragma once

#include "common/err.h"
#include "common/procid.h"

#define LAUNCH_SPEC_FD 3
#define LAUNCH_LOCK_FD 4

#define LAUNCH_FILE_LOCK    "lock"
#define LAUNCH_FILE_RUNNER  "runner"
#define LAUNCH_FILE_STARTED "started"
#define LAUNCH_FILE_STATUS  "status"
#define LAUNCH_FILE_SCRIPT  "script"

#define LAUNCH_RECORD_MAX \
	(16u << 20) /* bytes of one launch record: environment and script bounds */

/* The launch record. Strings are owned after launch_decode(), borrowed for launch_encode(). */
struct launch {
	uint64_t job;
	uint32_t attempt;  /* 1 for the first start */
	char *dir;	   /* the attempt's directory, absolute */
	char *hint_socket; /* path of the daemon's datagram socket; NULL: tell nobody */
	char *cgroup;	   /* cgroup2 directory in which to make this attempt's leaf; NULL: none */
	bool drop_ids;	   /* become uid/gid/groups (the runner is root) */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary, n_groups of them */
	size_t n_groups;
	char *cwd;	       /* absolute */
	char *output;	       /* absolute path of stdout, appended to */
	char *error;	       /* of stderr; NULL: the same open file as output */
	int64_t log_max_bytes; /* of each log, about; 0: no bound */
	int64_t nofile;	       /* soft limit of open files, tgpud's own being higher; 0: leave it */
	mode_t umask;
	char **argv; /* NULL-terminated, n_argv words; argv[0] is looked up in the job's PATH */
	size_t n_argv;
	char *script; /* text to be written to DIR/script and executed with argv as arguments */
	char **env;   /* NULL-terminated "NAME=value", n_env of them: all the job gets */
	size_t n_env;
	int signal;	    /* how to ask for the end: SIGTERM, ... */
	int64_t grace_ms;   /* from that signal to the kill */
	int64_t limit_ms;   /* time limit; 0: none */
	uint64_t mem_bytes; /* memory limit where the cgroup can hold one; 0: none */
};

/* Serialise into a heap buffer of *ret_len bytes (owned by the caller). */
void launch_encode(const struct launch *launch, char **ret_data, size_t *ret_len);

/* Parse and check. 0; -EINVAL with a sentence on anything missing, doubled, malformed or unknown.
 */
int launch_decode(const char *data, size_t len, struct launch *ret_launch, struct err *err);

/* Release what launch_decode() filled in. Accepts a zeroed one. */
void launch_finish(struct launch *launch);

/* Why an attempt ended, as the runner saw it. */
enum launch_cause {
	LAUNCH_CAUSE_EXIT,    /* the job's first process exited: exit_code */
	LAUNCH_CAUSE_SIGNAL,  /* it died of a signal that the runner did not send: signal */
	LAUNCH_CAUSE_STOPPED, /* ended because the runner was told to (SIGTERM, SIGINT) */
	LAUNCH_CAUSE_TIMEOUT, /* ended because its time limit passed */
	LAUNCH_CAUSE_OOM,     /* the kernel killed a process of its cgroup for memory */
	LAUNCH_CAUSE_LAUNCH,  /* it never ran: error says why */
};

/* Name as written in the record: "exit", "signal", "stopped", "timeout", "oom", "launch"; back. */
const char *launch_cause_name(enum launch_cause cause);
int launch_cause_parse(const char *name, enum launch_cause *ret_cause);

/* DIR/runner */
struct launch_runner {
	struct procid runner;
	char *cgroup; /* the leaf, absolute directory; NULL: none was made */
};

/* DIR/started */
struct launch_started {
	pid_t job_pid;
	int64_t start_ns; /* wall clock, just after the exec succeeded */
};

/* DIR/status */
struct launch_status {
	enum launch_cause cause;
	int exit_code;	  /* -1: none (signal, launch) */
	int signal;	  /* the signal the first process died of; 0: none */
	int64_t start_ns; /* TIME_UNKNOWN when it never ran */
	int64_t end_ns;
	int64_t cpu_ns;	    /* user + system time of all its processes (without a cgroup: of all
			     * that somebody waited for); -1 unknown */
	int64_t peak_bytes; /* peak memory: cgroup, else the largest single process; -1 unknown */
	char error[256];    /* cause launch: a sentence; else "" */
};

/*
 * Write / read the three files under directory descriptor or path `dir`. Writing is atomic
 * (temporary file, rename) and, with `durable`, fsync'ed including the directory. Reading returns
 * 0, -ENOENT when the file is not there, -EINVAL with a sentence when it is not whole.
 */
int launch_runner_write(const char *dir, const struct launch_runner *runner);
int launch_runner_read(const char *dir, struct launch_runner *ret_runner, struct err *err);
void launch_runner_finish(struct launch_runner *runner);
int launch_started_write(const char *dir, const struct launch_started *started);
int launch_started_read(const char *dir, struct launch_started *ret_started, struct err *err);
int launch_status_write(const char *dir, const struct launch_status *status);
int launch_status_read(const char *dir, struct launch_status *ret_status, struct err *err);
