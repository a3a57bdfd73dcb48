/* SPDX-License-Identifier: MIT */
/*
 * The HTTP library in the loop: one descriptor (its epoll) and one timer.
 *
 * Invariants: the library gets one go per iteration of the loop, however much it has to do, so that
 * a long answer keeps neither commits nor signals waiting. Who listens, and what is answered, is
 * decided elsewhere (http.c, metrics_listen.c).
 */
#include "daemon/http_loop.h"

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

/* Let the library do what is due, and remember when it wants to be called again. */
static void run_library(struct http_loop *http_loop)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(http_loop->mhd);
	uv_timer_stop(&http_loop->timer);
	uv_idle_stop(&http_loop->idle);
	if (MHD_get_timeout(http_loop->mhd, &wait_ms) != MHD_YES)
		return;
	/* A timer of 0 would run again before the loop has looked at anything else. */
	if (wait_ms == 0)
		uv_idle_start(&http_loop->idle, on_idle);
	else
		uv_timer_start(&http_loop->timer, on_timer, wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	run_library(timer->data);
}

static void on_idle(uv_idle_t *idle)
{
	run_library(idle->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run_library(poll->data);
}

void http_loop_init(struct http_loop *http_loop, uv_loop_t *loop, struct MHD_Daemon *mhd)
{
	http_loop->mhd = mhd;
	uv_timer_init(loop, &http_loop->timer);
	uv_idle_init(loop, &http_loop->idle);
	uv_poll_init(loop, &http_loop->poll,
		     MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD)->listen_fd);
	http_loop->poll.data = http_loop->timer.data = http_loop->idle.data = http_loop;
	uv_poll_start(&http_loop->poll, UV_READABLE, on_poll);
}

void http_loop_run_soon(struct http_loop *http_loop)
{
	uv_idle_start(&http_loop->idle, on_idle);
}
