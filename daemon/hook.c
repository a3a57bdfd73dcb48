/* SPDX-License-Identifier: MIT */
/*
 * A queue of programs, a few of which run at a time.
 *
 * Invariants: nothing waits for a hook; at most RUNNING_MAX run and QUEUED_MAX wait, what comes
 * then is dropped and counted; each has a session of its own and is killed as a whole after
 * hook_timeout; how one ends costs its job nothing. A program that must run as another user is
 * started through setpriv(1), with the ids that the job itself has: a helper of our own would be a
 * copy of it. Deliberately no retries: what must not be missed reads /v1/events. Cost: one
 * posix_spawn per event and kind. Read next: announce.c.
 */
#include "daemon/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"

#define RUNNING_MAX 4
#define QUEUED_MAX  1000
#define ENV_MAX	    24

#define TOLD_FD	 3
#define TOLD_MAX 65536

/*
 * All programs of the directory, one after the other; what one says or does concerns no other.
 * Which one runs, and how it ended ("=9"), goes line by line to TOLD_FD, which none of them
 * inherits: so the log can name the one that failed or hangs.
 */
#define RUN_ALL                                                                                  \
	"cd \"$TGPU_HOOKS_DIR\" || { echo \"$TGPU_HOOKS_DIR\" >&3; echo =2 >&3; exit; }; cd /; " \
	"for hook in \"$TGPU_HOOKS_DIR\"/*; do if [ -f \"$hook\" ] && [ -x \"$hook\" ]; then "   \
	"echo \"$hook\" >&3; \"$hook\" 3>&-; echo \"=$?\" >&3; fi; done"

struct words {
	char *at[ENV_MAX]; /* owned, NULL-terminated */
	size_t n;
};

struct hook {
	struct daemon *daemon;
	uint64_t job;
	const char *kind; /* "hooks" or "notify", for the log */
	struct words args, env;
	int told; /* what RUN_ALL says; -1: nobody says anything */
	pid_t pid;
	int pidfd;
	bool late; /* killed by us */
	uv_poll_t poll;
	uv_timer_t timer;
	struct hook *next;
};

struct hooks {
	struct hook *running;		 /* RUNNING_MAX at most */
	struct hook *first, **last_next; /* waiting, the oldest first */
	size_t n_running, n_queued;
	bool dropping; /* has been logged */
};

static void add_word(struct words *words, char *word)
{
	if (words->n + 1 < ARRAY_SIZE(words->at))
		words->at[words->n++] = word;
	else
		free(word);
}

static void hook_free(struct hook *hook)
{
	for (size_t i = 0; i < hook->args.n; i++)
		free(hook->args.at[i]);
	for (size_t i = 0; i < hook->env.n; i++)
		free(hook->env.at[i]);
	fd_close(hook->told);
	free(hook);
}

static void start_next(struct daemon *daemon);

static void on_closed(uv_handle_t *handle)
{
	struct hook *hook = handle->data;

	close(hook->pidfd);
	hook_free(hook);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct hook *hook = handle->data;

	uv_close((uv_handle_t *)&hook->timer, on_closed);
}

static void take_out(struct hooks *hooks, const struct hook *hook)
{
	struct hook **slot = &hooks->running;

	while (*slot != hook)
		slot = &(*slot)->next;
	*slot = hook->next;
	hooks->n_running--;
}

/* One program and how it ended; a status such as 137 is a shell's way to say signal 9. */
static void log_failure(const struct hook *hook, const char *name, int status, bool late)
{
	bool signalled = status > 128 && status <= 128 + SIGRTMAX;

	log_warn("a hook failed job=%" PRIu64 " hook=\"%s\" %s=%d%s", hook->job, name,
		 signalled ? "signal" : "status", signalled ? status - 128 : status,
		 late ? " reason=\"hook_timeout\"" : "");
}

/* Log those that RUN_ALL has told of as failed. True: there were some. The one that was running at
 * the end goes to ret_last. */
static bool log_told(const struct hook *hook, char *text, const char **ret_last)
{
	bool bad = false;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (line[0] == '/') {
			*ret_last = line;
		} else if (line[0] == '=' && !STREQ(line, "=0")) {
			log_failure(hook, *ret_last, atoi(line + 1), false);
			bad = true;
		}
	}
	return bad;
}

static bool has_failed(const struct hook *hook, int code)
{
	bool all = STREQ(hook->kind, "hooks");
	const char *last = all ? hook->daemon->config.hooks_dir : "notify_command";
	_cleanup_(free_ptr) char *text = xcalloc(TOLD_MAX + 1, 1);
	bool bad = false;

	if (hook->told >= 0 && pread(hook->told, text, TOLD_MAX, 0) > 0)
		bad = log_told(hook, text, &last);
	if (code != 0)
		log_failure(hook, last, WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code),
			    hook->late);
	return bad || code != 0;
}

static void on_exit_of(uv_poll_t *poll, int status, int events)
{
	struct hook *hook = poll->data;
	struct daemon *daemon = hook->daemon;
	int code = 0;

	(void)status;
	(void)events;
	if (waitpid(hook->pid, &code, WNOHANG) == 0)
		return;
	kill(-hook->pid, SIGKILL); /* what it left in its session's group */
	if (has_failed(hook, code))
		daemon->metrics.hooks_failed++;
	else
		daemon->metrics.hooks_ok++;
	take_out(daemon->hooks, hook);
	uv_close((uv_handle_t *)&hook->poll, on_poll_closed);
	start_next(daemon);
}

static void on_timeout(uv_timer_t *timer)
{
	struct hook *hook = timer->data;

	hook->late = true;
	kill(-hook->pid, SIGKILL);
}

static int spawn(struct hook *hook)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addchdir_np(&files, "/");
	if (hook->told >= 0)
		posix_spawn_file_actions_adddup2(&files, hook->told, TOLD_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawnp(&hook->pid, hook->args.at[0], &files, &attributes, hook->args.at,
			 hook->env.at);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return r;
}

static bool start(struct hook *hook)
{
	struct daemon *daemon = hook->daemon;
	int r;

	if (STREQ(hook->kind, "hooks"))
		hook->told = memfd_create(hook->kind, MFD_CLOEXEC);
	r = spawn(hook);
	if (r == 0) {
		hook->pidfd = pidfd_open(hook->pid, 0);
		r = hook->pidfd < 0 ? errno : 0;
	}
	if (r != 0) {
		log_warn("a hook could not be started job=%" PRIu64 " kind=%s error=\"%s\"",
			 hook->job, hook->kind, strerror(r));
		if (hook->pid > 0) { /* no descriptors left to watch it by */
			kill(-hook->pid, SIGKILL);
			waitpid(hook->pid, NULL, 0);
		}
		daemon->metrics.hooks_failed++;
		hook_free(hook);
		return false;
	}
	uv_poll_init(&daemon->loop, &hook->poll, hook->pidfd);
	uv_timer_init(&daemon->loop, &hook->timer);
	hook->poll.data = hook->timer.data = hook;
	uv_poll_start(&hook->poll, UV_READABLE, on_exit_of);
	uv_timer_start(&hook->timer, on_timeout, (uint64_t)daemon->config.hook_timeout_ms, 0);
	hook->next = daemon->hooks->running;
	daemon->hooks->running = hook;
	daemon->hooks->n_running++;
	return true;
}

static void start_next(struct daemon *daemon)
{
	struct hooks *hooks = daemon->hooks;

	while (hooks->first && hooks->n_running < RUNNING_MAX) {
		struct hook *hook = hooks->first;

		hooks->first = hook->next;
		if (!hooks->first)
			hooks->last_next = &hooks->first;
		hooks->n_queued--;
		start(hook);
	}
}

static void enqueue(struct hook *hook)
{
	struct hooks *hooks = hook->daemon->hooks;

	if (hooks->n_queued == QUEUED_MAX) {
		if (!hooks->dropping)
			log_warn("hooks are slower than events; some are left out job=%" PRIu64,
				 hook->job);
		hooks->dropping = true;
		hook->daemon->metrics.hooks_dropped++;
		hook_free(hook);
		return;
	}
	hooks->dropping = false;
	*hooks->last_next = hook;
	hooks->last_next = &hook->next;
	hooks->n_queued++;
	start_next(hook->daemon);
}

/* "0,3": the indices of the GPUs it holds or last held. */
static void format_gpus(const char *alloc, struct buf *out)
{
	json_t *parts = json_loads(alloc, 0, NULL), *part, *gpu;
	size_t i, k;

	json_array_foreach (parts, i, part)
		json_array_foreach (json_object_get(part, "gpus"), k, gpu)
			buf_printf(out, "%s%" PRId64, out->len ? "," : "",
				   (int64_t)json_integer_value(json_object_get(gpu, "index")));
	json_decref(parts);
}

static void add_environment(struct hook *hook, const struct record *record,
			    const struct store_event *event)
{
	static const char *const passed[] = {"HOME", "USER", "LANG", "XDG_RUNTIME_DIR",
					     "DBUS_SESSION_BUS_ADDRESS"};
	const struct job *job = &record->job;
	_cleanup_(buf_finish) struct buf gpus = {0};
	struct words *env = &hook->env;

	format_gpus(record->alloc, &gpus);
	add_word(env, xasprintf("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"));
	for (size_t i = 0; i < ARRAY_SIZE(passed) && !hook->daemon->paths.system; i++)
		if (getenv(passed[i]))
			add_word(env, xasprintf("%s=%s", passed[i], getenv(passed[i])));
	add_word(env, xasprintf("TGPU_EVENT=%s", event->event));
	add_word(env, xasprintf("TGPU_EVENT_DETAIL=%s", event->detail));
	add_word(env, xasprintf("TGPU_EVENT_TIME=%" PRId64, event->time_ns / NS_PER_S));
	add_word(env, xasprintf("TGPU_JOB_ID=%" PRIu64, job->id));
	add_word(env, xasprintf("TGPU_JOB_N_TASKS=%" PRIu32, event->n_tasks));
	add_word(env, xasprintf("TGPU_JOB_NAME=%s", record->name));
	add_word(env, xasprintf("TGPU_JOB_UID=%" PRIu32, job->uid));
	add_word(env, xasprintf("TGPU_JOB_STATE=%s", job_state_name(job->state)));
	add_word(env, xasprintf("TGPU_JOB_CAUSE=%s", job->cause ? job_cause_name(job->cause) : ""));
	if (job->exit_code >= 0)
		add_word(env, xasprintf("TGPU_JOB_EXIT_CODE=%d", (int)job->exit_code));
	if (job->signal)
		add_word(env, xasprintf("TGPU_JOB_SIGNAL=%d", (int)job->signal));
	add_word(env, xasprintf("TGPU_JOB_GPUS=%s", buf_get(&gpus)));
	add_word(env, xasprintf("TGPU_JOB_MESSAGE=%s", record->message));
	if (hook->daemon->config.hooks_dir[0])
		add_word(env, xasprintf("TGPU_HOOKS_DIR=%s", hook->daemon->config.hooks_dir));
}

static struct hook *make(struct daemon *daemon, const struct record *record,
			 const struct store_event *event, const char *kind)
{
	struct hook *hook = xcalloc(1, sizeof(*hook));

	hook->daemon = daemon;
	hook->job = record->job.id;
	hook->kind = kind;
	hook->pidfd = hook->told = -1;
	add_environment(hook, record, event);
	return hook;
}

static void add_shell(struct hook *hook, const char *script)
{
	add_word(&hook->args, xstrdup("/bin/sh"));
	add_word(&hook->args, xstrdup("-c"));
	add_word(&hook->args, xstrdup(script));
}

/* The ids with which the job itself runs, as setpriv(1) takes them. */
static int add_identity(void *ctx, const struct store_row *row)
{
	struct words *args = &((struct hook *)ctx)->args;
	json_t *owner = json_loads(row->owner ? row->owner : "", 0, NULL), *group;
	_cleanup_(buf_finish) struct buf groups = {0};
	json_int_t uid, gid;
	json_t *list;
	size_t i;
	int r = json_unpack(owner, "{s:I, s:I, s:o}", "uid", &uid, "gid", &gid, "groups", &list);

	if (r == 0) {
		json_array_foreach (list, i, group)
			buf_printf(&groups, "%s%" PRId64, i ? "," : "",
				   (int64_t)json_integer_value(group));
		add_word(args, xstrdup("setpriv"));
		add_word(args, xasprintf("--reuid=%" PRId64, (int64_t)uid));
		add_word(args, xasprintf("--regid=%" PRId64, (int64_t)gid));
		add_word(args, groups.len ? xasprintf("--groups=%s", buf_get(&groups))
					  : xstrdup("--clear-groups"));
		add_word(args, xstrdup("--inh-caps=-all"));
		add_word(args, xstrdup("--no-new-privs"));
		add_word(args, xstrdup("--"));
	}
	json_decref(owner);
	return r;
}

/* Nothing is run for a user whose identity cannot be taken on: false, with the reason. */
static bool become_owner(struct hook *hook, const struct record *record, struct err *err)
{
	struct store_filter filter = {
		.uid = -1,
		.first_id = record->job.id,
		.last_id = record->job.id,
		.with_spec = true,
	};

	if (record->job.uid == geteuid() ||
	    (store_walk(hook->daemon->store, &filter, add_identity, hook, err) == 0 &&
	     hook->args.n > 0))
		return true;
	if (!err->msg[0])
		err_set(err, -EUCLEAN, "the store does not say who that is");
	return false;
}

void hook_run(struct daemon *daemon, const struct record *record, const struct store_event *event,
	      bool wanted)
{
	const struct config *config = &daemon->config;
	struct err err = {0};
	struct hook *hook;

	if (config->hooks_dir[0]) {
		hook = make(daemon, record, event, "hooks");
		add_shell(hook, RUN_ALL);
		enqueue(hook);
	}
	if (!config->notify_command[0] || !wanted)
		return;
	hook = make(daemon, record, event, "notify");
	if (become_owner(hook, record, &err)) {
		add_shell(hook, config->notify_command);
		enqueue(hook);
	} else {
		log_warn("cannot become the owner to notify them job=%" PRIu64 " error=\"%s\"",
			 record->job.id, err.msg);
		daemon->metrics.hooks_failed++;
		hook_free(hook);
	}
}

void hook_warn(const struct daemon *daemon, json_t *answer)
{
	if (!daemon->config.notify_command[0])
		json_object_set_new(answer, "warnings",
				    json_pack("[s]",
					      "notify: nobody will be told, for this tgpud has no "
					      "notify_command; set one in tgpu.conf"));
}

int hook_create(struct daemon *daemon, struct err *err)
{
	const char *dir = daemon->config.hooks_dir;
	struct stat st;

	daemon->hooks = xcalloc(1, sizeof(*daemon->hooks));
	daemon->hooks->last_next = &daemon->hooks->first;
	if (!dir[0])
		return 0;
	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (access(dir, R_OK | X_OK) == 0)
		return 0;
	return err_set(err, -errno,
		       "hooks_dir: cannot read %s: %s; make that directory, or write none", dir,
		       strerror(errno));
}

void hook_destroy(struct daemon *daemon)
{
	struct hooks *hooks = daemon->hooks;

	if (!hooks)
		return;
	for (struct hook *hook = hooks->running, *next; hook; hook = next) {
		next = hook->next;
		kill(-hook->pid, SIGKILL);
		waitpid(hook->pid, NULL, 0);
		close(hook->pidfd);
		hook_free(hook);
	}
	for (struct hook *hook = hooks->first, *next; hook; hook = next) {
		next = hook->next;
		hook_free(hook);
	}
	free(hooks);
	daemon->hooks = NULL;
}
