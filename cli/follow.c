/* SPDX-License-Identifier: MIT */
/*
 * One loop over three sources: the daemon's long poll, the growth of the logs, Ctrl-C.
 *
 * Invariants: logs are read to their end after the daemon said that the job is over, so nothing is
 * missed; a daemon that restarts is asked again, for the job does not end with it; nothing spins.
 * Deliberately not: asking the daemon for log text. The files are the user's own.
 * Cost: one request per change of the job or 30 s; one look at the logs per growth or second.
 */
#include "cli/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/field.h"
#include "cli/jobview.h"
#include "common/clock.h"

#define LOOK_MS	     1000  /* inotify does not see what other machines write over a network */
#define RECONNECT_MS 60000 /* for a daemon that is being restarted */
#define RETRY_MS     100

/* A call of follow_job() or follow_jobs(). */
struct watch {
	const struct follow *follow;
	uint64_t id; /* whose turn it is */
	struct tail out, err;
	int inotify, signals; /* -1: none */
	unsigned interrupts;
	bool placed;	/* it has been said where it runs */
	char said[256]; /* the last announcement */
};

static void watch_finish(struct watch *watch)
{
	tail_finish(&watch->out);
	tail_finish(&watch->err);
	watch->inotify = fd_close(watch->inotify);
	watch->signals = fd_close(watch->signals);
}

static int watch_init(struct watch *watch, const struct follow *follow, struct err *err)
{
	sigset_t interrupts;

	*watch = (struct watch){.follow = follow, .id = follow->id, .inotify = -1, .signals = -1};
	if (follow->copy_output || follow->copy_error)
		watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	tail_init(&watch->out, STDOUT_FILENO, watch->inotify);
	tail_init(&watch->err, STDERR_FILENO, watch->inotify);
	watch->out.last_lines = watch->err.last_lines = follow->last_lines;
	if (!follow->cancel_on_interrupt)
		return 0;
	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	sigaddset(&interrupts, SIGTERM);
	sigprocmask(SIG_BLOCK, &interrupts, NULL);
	watch->signals = signalfd(-1, &interrupts, SFD_CLOEXEC | SFD_NONBLOCK);
	return watch->signals < 0 ? err_set(err, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static void announce(struct watch *watch, const json_t *job)
{
	_cleanup_(buf_finish) struct buf line = {0}, shown = {0}, gpus = {0};

	jobview_gpus(&gpus, job);
	if (jobview_is_waiting(job))
		buf_printf(&line, "job %" PRIu64 " waits: %s", jobview_id(job),
			   field_text(json_object_get(job, "reason"), "text"));
	else if (!watch->placed && field_text(job, "node")[0] && !jobview_never_started(job))
		buf_printf(&line, "job %" PRIu64 " %s on %s%s%s", jobview_id(job),
			   field_int(job, "end_ms", 0) ? "ran" : "runs", field_text(job, "node"),
			   gpus.len > 0 ? ", GPU " : "", buf_get(&gpus));
	watch->placed = !jobview_is_waiting(job);
	format_printable(&shown, buf_get(&line));
	if (shown.len == 0 || strncmp(watch->said, buf_get(&shown), sizeof(watch->said) - 1) == 0)
		return;
	snprintf(watch->said, sizeof(watch->said), "%s", buf_get(&shown));
	fprintf(stderr, "tgpu: %s\n", buf_get(&shown));
}

static int copy_logs(struct watch *watch, struct err *err)
{
	char events[4096];
	int r;

	while (watch->inotify >= 0 && read(watch->inotify, events, sizeof(events)) > 0)
		continue;
	r = tail_copy(&watch->out, err);
	return r < 0 ? r : tail_copy(&watch->err, err);
}

/* Act on a new job object. */
static int look_at(struct watch *watch, const json_t *job, struct err *err)
{
	const struct follow *follow = watch->follow;
	const char *state = field_text(job, "state");
	int r = 0;

	if (follow->announce)
		announce(watch, job);
	if (jobview_is_waiting(job) || STREQ(state, "starting"))
		return 0;
	if (follow->copy_output)
		r = tail_set_path(&watch->out, field_text(job, "output"), err);
	if (r == 0 && follow->copy_error)
		r = tail_set_path(&watch->err, field_text(job, "error"), err);
	if (r == 0)
		r = copy_logs(watch, err);
	/* A log that could not be opened is why it did not start: its message says so. */
	return r != -EPIPE && jobview_never_started(job) ? 0 : r;
}

/* Ask for the end of all that are still to be followed, on a connection of its own: the other one
 * waits for an answer. */
static int cancel(const struct watch *watch, struct err *err)
{
	struct idrange jobs = {watch->id, watch->follow->last};
	_cleanup_(client_close) struct client client = {0};
	_cleanup_(client_json_unref) json_t *answer = NULL;
	_cleanup_(client_json_unref) json_t *body = json_object();
	_cleanup_(buf_finish) struct buf ids = {0};
	bool many = jobs.last > jobs.first;
	int r = client_open(&client, CLIENT_NO_START, err);

	idrange_format(&ids, &jobs);
	fprintf(stderr, "tgpu: job%s %s %s told to end; Ctrl-C again leaves %s alone\n",
		many ? "s" : "", buf_get(&ids), many ? "are" : "is", many ? "them" : "it");
	json_object_set_new(body, "ids", json_string(buf_get(&ids)));
	if (r == 0)
		r = client_call(&client, "POST", "/v1/jobs/cancel", NULL, body, &answer, err);
	return r;
}

static int take_interrupts(struct watch *watch, struct err *err)
{
	struct signalfd_siginfo info;

	while (watch->signals >= 0 && read(watch->signals, &info, sizeof(info)) == sizeof(info)) {
		int r = ++watch->interrupts == 1 ? cancel(watch, err) : FOLLOW_DETACHED;

		if (r != 0)
			return r;
	}
	return 0;
}

/* How long one poll may take; -1: for ever. 0: the deadline has passed. */
static int next_look_ms(const struct watch *watch)
{
	const struct follow *follow = watch->follow;
	int64_t left_ms = LOOK_MS;

	if (!follow->deadline_ns && !follow->copy_output && !follow->copy_error)
		return -1;
	if (follow->deadline_ns)
		left_ms = (follow->deadline_ns - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
	if (left_ms <= 0)
		return 0;
	return left_ms < LOOK_MS ? (int)left_ms : LOOK_MS;
}

/* Until the daemon's answer arrives: logs and interrupts. */
static int wait_answer(struct watch *watch, struct err *err)
{
	struct pollfd fds[] = {
		{.fd = client_fd(watch->follow->client), .events = POLLIN},
		{.fd = watch->inotify, .events = POLLIN},
		{.fd = watch->signals, .events = POLLIN},
	};
	int r;

	do {
		int timeout_ms = next_look_ms(watch);

		if (timeout_ms == 0)
			return err_set(err, -ETIMEDOUT, "job %" PRIu64 " is not over yet",
				       watch->id);
		if (poll(fds, ARRAY_SIZE(fds), timeout_ms) < 0 && errno != EINTR)
			return err_set(err, -errno, "poll: %s", strerror(errno));
		r = copy_logs(watch, err);
		if (r == 0)
			r = take_interrupts(watch, err);
	} while (r == 0 && fds[0].revents == 0);
	return r;
}

/* Connect again, for as long as a restart may take. */
static int reconnect(struct watch *watch, struct err *err)
{
	struct client *client = watch->follow->client;
	enum client_start start = client->start;
	int64_t end = clock_mono_ns() + RECONNECT_MS * NS_PER_MS;
	int r;

	do {
		client_close(client);
		r = client_open(client, start, err);
		if (r != -ENOTCONN)
			return r;
		poll(NULL, 0, RETRY_MS);
		r = take_interrupts(watch, err);
	} while (r == 0 && clock_mono_ns() < end);
	return r == 0 ? -ENOTCONN : r;
}

/* The job once its revision is above `revision`; one round of the long poll. */
static int next_object(struct watch *watch, int64_t revision, json_t **ret_job, struct err *err)
{
	struct client *client = watch->follow->client;
	int r = client_send_get(client, err, "/v1/jobs/%" PRIu64 "?after=%" PRId64, watch->id,
				revision);

	if (r == 0)
		r = wait_answer(watch, err);
	return r != 0 ? r : client_receive(client, ret_job, err);
}

/* Until the job whose turn it is has ended. */
static int watch_job(struct watch *watch, json_t **ret_job, struct err *err)
{
	_cleanup_(client_json_unref) json_t *job = NULL;
	int r = client_get(watch->follow->client, &job, err, "/v1/jobs/%" PRIu64, watch->id);

	while (r == 0) {
		json_t *next = NULL;

		r = look_at(watch, job, err);
		if (r != 0 || jobview_is_final(job))
			break;
		r = next_object(watch, field_int(job, "revision", 0), &next, err);
		if (r == -ECONNRESET) {
			r = reconnect(watch, err);
			continue;
		}
		if (r == 0) {
			json_decref(job);
			job = next;
		}
	}
	if (r == 0)
		*ret_job = TAKE_PTR(job);
	return r;
}

int follow_job(const struct follow *follow, json_t **ret_job, struct err *err)
{
	_cleanup_(watch_finish) struct watch watch;
	int r = watch_init(&watch, follow, err);

	return r == 0 ? watch_job(&watch, ret_job, err) : r;
}

int follow_jobs(const struct follow *follow,
		void (*ended)(void *ctx, const json_t *job, bool interrupted), void *ctx,
		struct err *err)
{
	_cleanup_(watch_finish) struct watch watch;
	int r = watch_init(&watch, follow, err);

	for (; r == 0 && watch.id <= follow->last; watch.id++) {
		_cleanup_(client_json_unref) json_t *job = NULL;

		watch.placed = false;
		watch.said[0] = '\0';
		r = watch_job(&watch, &job, err);
		if (r == 0)
			ended(ctx, job, watch.interrupts > 0);
	}
	return r;
}
