/* SPDX-License-Identifier: MIT */
/*
 * tgpu-probe as a child: a report per line on its stdout, a byte on its stdin to ask for one.
 *
 * Invariants: at most one probe lives; a line longer than PROBE_LINE_MAX or no report within
 * probe_timeout kills it, and a new one comes after a delay, once the old one is really
 * gone: a probe stuck in the driver cannot be killed, and a second one would only get stuck beside
 * it. Read next: machine.c, which makes sense of the reports.
 */
#include "daemon/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "daemon/machine.h"

#define PROBE_LINE_MAX (16u << 20)
#define DELAY_FIRST_MS 500 /* before a new start; doubled after each that brings no report */
#define DELAY_MAX_MS   60000

struct prober {
	struct daemon *daemon;
	char *program;	   /* owned */
	pid_t pid;	   /* 0: none lives */
	pid_t killed;	   /* killed, but not yet reaped; 0: none */
	uint64_t delay_ms; /* before the next start */
	char *refusal;	   /* owned; why it cannot look, by its own word; NULL */
	bool babbles;	   /* its last line was no report: said once, and no sign of life */
	bool asked;	   /* a report was asked for and has not begun to arrive */
	struct buf line;
	uv_pipe_t in;	  /* its stdin */
	uv_pipe_t out;	  /* its stdout */
	uv_timer_t timer; /* silence, or the delay before a restart */
	char chunk[65536];
};

static void restart(uv_timer_t *timer);

static void give_up_on_probe(struct prober *prober, const char *reason)
{
	machine_fold_silence(prober->daemon, reason);
	if (prober->pid) {
		kill(prober->pid, SIGKILL);
		prober->killed = prober->pid;
		uv_close((uv_handle_t *)&prober->in, NULL);
		uv_close((uv_handle_t *)&prober->out, NULL);
	}
	prober->pid = 0;
	uv_timer_start(&prober->timer, restart, prober->delay_ms, 0);
	prober->delay_ms =
		prober->delay_ms * 2 < DELAY_MAX_MS ? prober->delay_ms * 2 : DELAY_MAX_MS;
}

static void on_silence(uv_timer_t *timer)
{
	give_up_on_probe(timer->data, "no answer from the GPU driver in time");
}

static void expect_report(struct prober *prober)
{
	const struct config *config = &prober->daemon->config;

	uv_timer_start(&prober->timer, on_silence,
		       (uint64_t)(config->probe_interval_ms + config->probe_timeout_ms), 0);
}

static void fold_line(struct prober *prober, const char *line)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	struct err err = {0};
	int r = gpu_report_parse(line, &report, &err);

	if (r == -ECANCELED) {
		replace_string(&prober->refusal, err.msg);
		return;
	}
	if (r < 0) {
		if (!prober->babbles)
			log_warn("the probe's report makes no sense error=\"%s\"", err.msg);
		prober->babbles = true;
		return;
	}
	expect_report(prober);
	prober->babbles = false;
	free(TAKE_PTR(prober->refusal));
	prober->asked = false;
	prober->delay_ms = DELAY_FIRST_MS;
	machine_fold_report(prober->daemon, &report);
}

static void fold_lines(struct prober *prober)
{
	char *start = prober->line.data, *end;
	size_t left;

	while ((end = memchr(start, '\n',
			     prober->line.len - (size_t)(start - prober->line.data)))) {
		*end = '\0';
		fold_line(prober, start);
		start = end + 1;
	}
	left = prober->line.len - (size_t)(start - prober->line.data);
	memmove(prober->line.data, start, left);
	prober->line.len = left;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct prober *prober = handle->data;

	(void)suggested;
	*ret_buf = uv_buf_init(prober->chunk, sizeof(prober->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *chunk)
{
	struct prober *prober = stream->data;

	if (n < 0) {
		give_up_on_probe(prober,
				 prober->refusal ? prober->refusal : "the probe ended by itself");
		return;
	}
	buf_append(&prober->line, chunk->base, (size_t)n);
	fold_lines(prober);
	if (prober->line.len > PROBE_LINE_MAX)
		give_up_on_probe(prober, "the probe's report has no end");
}

/* Spawn with its ends of two pipes as stdin and stdout. */
static int spawn_probe(struct prober *prober, int in, int out)
{
	char interval[32];
	char *const argv[] = {prober->program, (char *)"--interval", interval, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int r;

	snprintf(interval, sizeof(interval), "%lldms",
		 (long long)prober->daemon->config.probe_interval_ms);
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawn(&prober->pid, prober->program, &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

static int start(struct prober *prober)
{
	int to_probe[2], from_probe[2], r;

	if (pipe2(to_probe, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(from_probe, O_CLOEXEC) < 0) {
		r = -errno;
		close(to_probe[0]);
		close(to_probe[1]);
		return r;
	}
	r = spawn_probe(prober, to_probe[0], from_probe[1]);
	close(to_probe[0]);
	close(from_probe[1]);
	if (r < 0) {
		close(to_probe[1]);
		close(from_probe[0]);
		prober->pid = 0;
		return r;
	}
	uv_pipe_init(&prober->daemon->loop, &prober->in, 0);
	uv_pipe_init(&prober->daemon->loop, &prober->out, 0);
	uv_pipe_open(&prober->in, to_probe[1]);
	uv_pipe_open(&prober->out, from_probe[0]);
	prober->in.data = prober->out.data = prober;
	buf_clear(&prober->line);
	prober->asked = prober->babbles = false;
	uv_read_start((uv_stream_t *)&prober->out, on_alloc, on_read);
	expect_report(prober);
	return 0;
}

static void restart(uv_timer_t *timer)
{
	struct prober *prober = timer->data;
	int r;

	if (prober->killed && waitpid(prober->killed, NULL, WNOHANG) == 0) {
		uv_timer_start(timer, restart, DELAY_FIRST_MS, 0);
		return;
	}
	prober->killed = 0;
	r = start(prober);
	if (r < 0)
		give_up_on_probe(prober, strerror(-r));
}

int prober_create(struct daemon *daemon, struct err *err)
{
	struct prober *prober = xcalloc(1, sizeof(*prober));
	int r;

	daemon->prober = prober;
	prober->daemon = daemon;
	prober->delay_ms = DELAY_FIRST_MS;
	uv_timer_init(&daemon->loop, &prober->timer);
	prober->timer.data = prober;
	prober->program = paths_program("tgpu-probe");
	if (!prober->program)
		return err_set(err, -ENOENT,
			       "cannot find tgpu-probe; install it or set TGPU_LIBEXEC_DIR");
	r = start(prober);
	if (r < 0)
		return err_set(err, r, "cannot start %s: %s", prober->program, strerror(-r));
	return 0;
}

const char *prober_refusal(const struct daemon *daemon)
{
	return daemon->prober->refusal;
}

void prober_ask(struct daemon *daemon)
{
	struct prober *prober = daemon->prober;
	char newline = '\n';
	uv_buf_t byte = uv_buf_init(&newline, 1);

	if (!prober || !prober->pid || prober->asked)
		return;
	prober->asked = uv_try_write((uv_stream_t *)&prober->in, &byte, 1) == 1;
}

void prober_destroy(struct daemon *daemon)
{
	struct prober *prober = daemon->prober;

	if (!prober)
		return;
	if (prober->pid) { /* not waited for: it may be stuck in the driver */
		kill(prober->pid, SIGKILL);
		waitpid(prober->pid, NULL, WNOHANG);
	}
	buf_finish(&prober->line);
	free(prober->program);
	free(prober->refusal);
	free(prober);
	daemon->prober = NULL;
}
