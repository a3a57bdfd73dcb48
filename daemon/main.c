/* SPDX-License-Identifier: MIT */
/*
 * tgpud: put the rooms together, run the loop, take them apart.
 *
 *     paths -> lock -> configuration -> socket -> store -> scheduler -> machine -> probe
 *     -> first look at the GPUs -> runners' remains -> answers -> loop
 *
 * Invariants: one daemon per state directory, by a lock that dies with the process; nobody is
 * answered before the past is known and the GPUs have been looked at; stopping the daemon stops no
 * job. Deliberately no daemonising: whoever starts it (systemd, or tgpu itself) has done that. Read
 * next: turn.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/arguments.h"
#include "daemon/check_store.h"
#include "daemon/daemon.h"
#include "daemon/history.h"
#include "daemon/hook.h"
#include "daemon/http.h"
#include "daemon/launch.h"
#include "daemon/machine.h"
#include "daemon/metrics_listen.h"
#include "daemon/prober.h"
#include "daemon/recover.h"
#include "daemon/trace.h"
#include "daemon/turn.h"
#include "daemon/window.h"
#include "runner/cgroup.h"

#define EXIT_USAGE 2 /* the command line is wrong */
#define FIRST_LOOK_MS \
	15000 /* how long the first probe may take before the daemon goes on without it */

/* The umask would keep the system's users from what is theirs below. */
static int make_dir(const char *path, bool system)
{
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return system && chmod(path, 0755) < 0 ? -errno : 0;
}

/* mkdir -p, the last one private (the system's may be passed through, so that users reach their
 * logs). */
static int make_state_dir(const struct paths *paths, struct err *err)
{
	_cleanup_(free_ptr) char *path = xstrdup(paths->state_dir);
	int r;

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_dir(path, paths->system);
		if (r < 0)
			return err_set(err, r, "cannot make %s: %s", path, strerror(-r));
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "cannot make %s: %s; set TGPU_STATE_DIR", path,
			       strerror(errno));
	if (chmod(path, paths->system ? 0711 : 0700) < 0)
		return err_set(err, -errno, "%s cannot be made private: %s; set TGPU_STATE_DIR",
			       path, strerror(errno));
	return 0;
}

/* Locks and write-ahead logs do not work on network file systems. */
static int refuse_network(const char *dir, struct err *err)
{
	static const struct {
		uint32_t type; /* statfs(2) */
		const char *name;
	} networks[] = {
		{0x6969, "NFS"}, {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB2"},
		{0x517B, "SMB"}, {0x01021997, "9p"},
	};
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return err_set(err, -errno, "cannot look at %s: %s", dir, strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if ((uint32_t)fs.f_type == networks[i].type)
			return err_set(err, -EINVAL,
				       "the state directory %s is on %s, where locks cannot be "
				       "trusted; set TGPU_STATE_DIR to a local disk",
				       dir, networks[i].name);
	return 0;
}

#define OPEN_FILES_MAX	 65536
#define LOCK_PATIENCE_MS 5000
#define LOCK_POLL_MS	 5

static pid_t read_pid(int fd)
{
	char text[32] = {0};

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)atoi(text) : 0;
}

/*
 * Take the lock. One whose holder is dead is free in a moment: a daemon that was killed in the
 * middle of a spawn leaves it with the child until that executes its program.
 */
static int take_lock(int fd)
{
	for (int waited_ms = 0;; waited_ms += LOCK_POLL_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || waited_ms >= LOCK_PATIENCE_MS)
			return -errno;
		if (kill(read_pid(fd), 0) == 0 || errno != ESRCH)
			return -EWOULDBLOCK;
		poll(NULL, 0, LOCK_POLL_MS);
	}
}

/* One daemon per state directory. The descriptor stays open for the life of the process. In the
 * file stand the pid and the socket, for clients that find nobody where they look
 * (cli/autostart.c). */
static int lock_state_dir(const struct paths *paths, struct err *err)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/lock", paths->state_dir), *text = NULL;
	_cleanup_(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
	if (take_lock(fd) < 0)
		return err_set(err, -EBUSY,
			       "another tgpud (pid %d) has the state directory %s; "
			       "stop it by \"tgpu daemon stop\" or set TGPU_STATE_DIR",
			       (int)read_pid(fd), paths->state_dir);
	text = xasprintf("%d\n%s\n", (int)getpid(), paths->socket);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return err_set(err, -errno,
			       "cannot write %s: %s; make room there, or set "
			       "TGPU_STATE_DIR",
			       path, strerror(errno));
	fd = -1; /* kept, and with it the lock */
	return 0;
}

static int open_store(struct daemon *daemon, struct err *err)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/tgpu.db", daemon->paths.state_dir);

	return store_sqlite_open(path, &daemon->store, err);
}

/*
 * Many clients and runners are many descriptors, so take what the hard limit allows. Jobs get the
 * soft limit back: programs that use select(2) break above 1024.
 */
static void raise_open_files(struct daemon *daemon)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max ||
	    limit.rlim_cur >= OPEN_FILES_MAX)
		return;
	daemon->nofile = (int64_t)limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max < OPEN_FILES_MAX ? limit.rlim_max : OPEN_FILES_MAX;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		daemon->nofile = 0;
}

static int set_up(struct daemon *daemon, const struct arguments *arguments, struct err *err)
{
	char host[256] = "localhost";
	int r = paths_get(arguments->system, &daemon->paths, err);

	if (r == 0)
		r = make_state_dir(&daemon->paths, err);
	if (r == 0)
		r = refuse_network(daemon->paths.state_dir, err);
	if (r == 0)
		r = lock_state_dir(&daemon->paths, err);
	if (r == 0)
		r = config_load(&daemon->config, arguments->config, arguments->system, err);
	if (r == 0)
		r = boot_id_get(daemon->boot_id);
	if (r < 0)
		return r;
	raise_open_files(daemon);
	/* From here on whoever wants something waits, instead of starting a daemon of their own. */
	r = http_create(daemon, err);
	if (r == 0)
		r = open_store(daemon, err);
	if (r < 0)
		return r;
	gethostname(host, sizeof(host) - 1);
	daemon->node_name = xstrdup(host);
	daemon->start_ns = clock_wall_ns();
	if (daemon->config.use_cgroup)
		daemon->cgroup = cgroup_base_create(daemon->paths.state_dir, daemon->cgroup_reason,
						    sizeof(daemon->cgroup_reason));
	else
		snprintf(daemon->cgroup_reason, sizeof(daemon->cgroup_reason),
			 "the configuration says cgroup = none");
	daemon->config.sched.tell_users_apart = true; /* any of them may get GPUs reserved */
	daemon->sched = sched_create(&daemon->config.sched);
	r = trace_create(daemon, arguments->trace ? arguments->trace : daemon->config.trace, err);
	if (r < 0)
		return r;
	daemon->depend = depend_create();
	r = hook_create(daemon, err);
	if (r < 0)
		return r;
	turn_create(daemon);
	machine_create(daemon);
	window_create(daemon);
	r = launch_init(daemon, err);
	if (r == 0)
		history_load_run_times(daemon);
	return r;
}

static void on_first_look_timeout(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Run the loop until the GPUs have been seen, so that they get their slots in the order of their
 * indices and the first answers are right. Fails where the probe says that it cannot ever look. */
static int take_first_look(struct daemon *daemon, struct err *err)
{
	static uv_timer_t timer;
	static bool late;

	uv_timer_init(&daemon->loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, on_first_look_timeout, FIRST_LOOK_MS, 0);
	while (!machine_is_seen(daemon) && !prober_refusal(daemon) && !late && !daemon->stopping)
		uv_run(&daemon->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	if (prober_refusal(daemon))
		return err_set(err, -EINVAL, "%s", prober_refusal(daemon));
	return 0;
}

static void on_stop_signal(uv_signal_t *handle, int signal)
{
	struct daemon *daemon = handle->data;

	daemon->stopping = true;
	log_info("stopping; jobs go on signal=%d", signal);
	machine_save_usage(handle->data);
	uv_stop(handle->loop);
}

/* One line to whoever started us: "ready", or why not. */
static void tell_starter(struct arguments *arguments, const char *line)
{
	if (arguments->ready_fd < 0)
		return;
	write_all(arguments->ready_fd, line, strlen(line));
	write_all(arguments->ready_fd, "\n", 1);
	arguments->ready_fd = fd_close(arguments->ready_fd);
}

static int serve(struct daemon *daemon, struct arguments *arguments, struct err *err)
{
	uv_signal_t term, interrupt;
	int r;

	uv_signal_init(&daemon->loop, &term);
	uv_signal_init(&daemon->loop, &interrupt);
	term.data = interrupt.data = daemon;
	uv_signal_start(&term, on_stop_signal, SIGTERM);
	uv_signal_start(&interrupt, on_stop_signal, SIGINT);
	r = prober_create(daemon, err);
	if (r == 0)
		r = take_first_look(daemon, err);
	if (r < 0 || daemon->stopping)
		return r;
	r = recover_load(daemon, err);
	if (r < 0)
		return r;
	machine_begin(daemon);
	history_load_shares(daemon);
	r = metrics_listen_create(daemon, err);
	if (r < 0)
		return r;
	http_begin(daemon);
	log_info("ready socket=%s jobs=%u gpus=%zu source=%s", daemon->paths.socket,
		 HASH_COUNT(daemon->records), machine_report(daemon)->n_gpus,
		 machine_report(daemon)->source);
	tell_starter(arguments, "ready");
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
	return 0;
}

static void tear_down(struct daemon *daemon)
{
	struct record *record, *next;

	hook_destroy(daemon);
	http_destroy(daemon);
	metrics_listen_destroy(daemon);
	prober_destroy(daemon);
	launch_finish_all(daemon);
	turn_destroy(daemon);
	window_destroy(daemon);
	machine_destroy(daemon);
	HASH_ITER (hh, daemon->records, record, next)
		record_destroy(daemon, record);
	free(daemon->arrays);
	depend_destroy(daemon->depend);
	trace_destroy(daemon);
	sched_destroy(daemon->sched);
	store_close(daemon->store);
	recover_sweep_groups(daemon);
	if (daemon->cgroup)
		cgroup_base_remove(daemon->cgroup);
	free(daemon->cgroup);
	free(daemon->node_name);
	paths_finish(&daemon->paths);
}

int main(int argc, char **argv)
{
	static struct daemon daemon = {.hint_fd = -1};
	struct arguments arguments;
	struct err err = {0};
	int code = arguments_parse(argc, argv, &arguments, &err);

	if (code == ARGUMENTS_ANSWERED)
		return fflush(stdout) != 0;
	if (code < 0) {
		fprintf(stderr, "tgpud: %s\n", err.msg);
		return EXIT_USAGE;
	}
	if (arguments.check)
		return check_start(&arguments);
	if (arguments.check_store)
		return check_store(arguments.check_store);
	log_init("tgpud", getenv("TGPU_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&daemon.loop);
	code = set_up(&daemon, &arguments, &err);
	if (code == 0)
		code = serve(&daemon, &arguments, &err);
	if (code < 0)
		log_error("%s", err.msg[0] ? err.msg : strerror(-code));
	tear_down(&daemon);
	if (code < 0)
		tell_starter(&arguments, err.msg);
	return code < 0;
}
