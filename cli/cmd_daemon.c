/* SPDX-License-Identifier: MIT */
/* tgpu daemon: start, status, stop and restart of the daemon that this user's commands talk to. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/field.h"
#include "cli/format.h"
#include "common/clock.h"
#include "common/duration.h"
#include "common/suggest.h"

#define STOP_TIMEOUT_MS	 30000
#define CHECK_TIMEOUT_MS 60000

static const struct option_desc options[] = {
	{"json", 0, OPTION_FLAG, NULL, "print the status as JSON", NULL},
};

/* "3 queued, 2 running" of an object of counts; "none" when all are 0. */
static void add_counts(struct buf *text, const json_t *counts)
{
	size_t start = text->len;
	const char *name;
	json_t *count;

	json_object_foreach ((json_t *)counts, name, count)
		if (json_integer_value(count) > 0)
			buf_printf(text, "%s%" JSON_INTEGER_FORMAT " %s",
				   text->len > start ? ", " : "", json_integer_value(count), name);
	if (text->len == start)
		buf_puts(text, "none");
}

static void print_status(const json_t *status)
{
	_cleanup_(buf_finish) struct buf text = {0};
	int64_t up_ms = clock_wall_ns() / NS_PER_MS - field_int(status, "start_ms", 0);
	const char *cgroup = field_text(status, "cgroup"), *config = field_text(status, "config");
	char up[32];

	buf_printf(&text, "tgpud %s runs as %s, pid %" PRId64 ", for %s\n",
		   field_text(status, "version"), format_user((uid_t)field_int(status, "uid", 0)),
		   field_int(status, "pid", 0), format_elapsed(up_ms, up));
	buf_printf(&text, "socket  %s\nstate   %s\n", field_text(status, "socket"),
		   field_text(status, "state_dir"));
	buf_printf(&text, "config  %s\njobs    ",
		   config[0] ? config : "no file, so the defaults hold");
	add_counts(&text, json_object_get(status, "jobs"));
	buf_puts(&text, "\nGPUs    ");
	add_counts(&text, json_object_get(status, "gpus"));
	buf_printf(&text, " (%s%s)\n", field_text(status, "source"),
		   field_true(status, "simulated") ? ": they do not exist" : "");
	buf_printf(&text, "cgroup  %s\n", cgroup[0] ? cgroup : field_text(status, "cgroup_reason"));
	fputs(buf_get(&text), stdout);
}

/* A daemon that runs already has the environment of whoever started it. */
static void warn_of_other(const json_t *status, const char *variable, const char *field)
{
	const char *ours = getenv(variable), *theirs = field_text(status, field);

	if (ours && *ours && !STREQ(ours, theirs))
		fprintf(stderr,
			"tgpu daemon: the daemon that runs was started with %s=%s; yours (%s) "
			"counts "
			"after \"tgpu daemon restart\"\n",
			variable, theirs, ours);
}

static int get_status(enum client_start start, const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *status = NULL;
	int r = client_open(&client, start, err);

	if (r == 0)
		r = client_get(&client, &status, err, "/v1/status");
	if (r < 0)
		return r;
	if (options_has(opts, "json"))
		field_print_json(status);
	else
		print_status(status);
	if (start == CLIENT_START) {
		warn_of_other(status, "TGPU_GPUS", "tgpu_gpus");
		warn_of_other(status, "TGPU_CONFIG", "config");
	}
	return EXIT_DONE;
}

/* A pidfd of the daemon at the other end. The descriptor or -errno. */
static int open_peer(const struct client *client)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd;

	if (getsockopt(client_fd(client), SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	return fd < 0 ? -errno : fd;
}

/* Wait until the process is gone: only then its lock and its store are free. */
static int wait_gone(int pidfd, struct err *err)
{
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};
	int64_t end = clock_mono_ns() + STOP_TIMEOUT_MS * NS_PER_MS;
	int64_t left_ms;

	while ((left_ms = (end - clock_mono_ns()) / NS_PER_MS) > 0)
		if (poll(&gone, 1, (int)left_ms) > 0)
			return 0;
	return err_set(err, -ETIMEDOUT, "the daemon was told to stop but has not within %d s",
		       STOP_TIMEOUT_MS / 1000);
}

/* Tell the daemon at the other end to stop, and wait until it has. */
static int shut_down(struct client *client, struct err *err)
{
	_cleanup_(client_json_unref) json_t *answer = NULL;
	_cleanup_(close_fd) int pidfd = open_peer(client);
	int r = client_call(client, "POST", "/v1/shutdown", NULL, NULL, &answer, err);

	return r == 0 && pidfd >= 0 ? wait_gone(pidfd, err) : r;
}

static int stop(struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	int r = client_open(&client, CLIENT_NO_START, err);

	if (r == 0)
		r = shut_down(&client, err);
	if (r < 0)
		return r;
	puts("the daemon has stopped; running jobs go on and will be found by the next one");
	return EXIT_DONE;
}

/* Could one start again? What tgpu doctor asks, and only its failures. */
static int check_start(struct err *err)
{
	char name[] = "tgpud", option[] = "--check", *argv[] = {name, option, NULL};
	_cleanup_(client_json_unref) json_t *findings = NULL;
	_cleanup_(buf_finish) struct buf text = {0};
	const json_t *finding;
	size_t i;
	int r = doctor_run(argv, CHECK_TIMEOUT_MS, &text, err);

	if (r < 0)
		return r;
	findings = json_loads(buf_get(&text), 0, NULL);
	json_array_foreach (findings, i, finding)
		if (STREQ(field_text(finding, "level"), "fail"))
			return err_set(err, -EIO,
				       "the daemon is left as it is, for it could not start again: "
				       "%s",
				       field_text(finding, "text"));
	return 0;
}

/* Only the user's own is started from here: another would be gone for good. */
static int restart(const struct options *opts, struct err *err)
{
	_cleanup_(client_close) struct client client = {0};
	int r = client_open(&client, CLIENT_NO_START, err);

	if (r == -ENOTCONN)
		return get_status(CLIENT_START, opts, err);
	if (r < 0)
		return r;
	if (!client.own)
		return err_set(err, -EINVAL,
			       "the daemon on %s was not started by \"tgpu daemon start\"; restart "
			       "it the way it was, such as by systemctl",
			       client.socket);
	r = check_start(err);
	if (r == 0)
		r = shut_down(&client, err);
	return r < 0 ? r : get_status(CLIENT_START, opts, err);
}

static int run(const struct options *opts, struct err *err)
{
	static const char *const orders[] = {"start", "status", "stop", "restart"};
	const char *what = opts->n_words == 1 ? opts->words[0] : "", *close;

	if (STREQ(what, "start"))
		return get_status(CLIENT_START, opts, err);
	if (STREQ(what, "status"))
		return get_status(CLIENT_NO_START, opts, err);
	if (STREQ(what, "stop"))
		return stop(err);
	if (STREQ(what, "restart"))
		return restart(opts, err);
	close = suggest_closest(what, orders, ARRAY_SIZE(orders));
	if (close)
		return err_set(err, -EINVAL, "there is no \"%s\"; did you mean \"tgpu daemon %s\"?",
			       what, close);
	return err_set(err, -EINVAL,
		       "write \"tgpu daemon start\", \"status\", \"stop\" or \"restart\"");
}

const struct command command_daemon = {
	.name = "daemon",
	.usage = "[OPTIONS] start|status|stop|restart",
	.summary = "start, see, stop or restart the daemon",
	.details = "The first command of a user starts that user's own daemon when the machine has "
		   "none for all. Stopping it leaves running jobs alone, and so does a restart, "
		   "after which a changed configuration counts.",
	.examples = "  tgpu daemon status\n"
		    "  tgpu daemon restart\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.words = "start|status|stop|restart",
	.also = " server service tgpud shutdown ",
	.run = run,
};
