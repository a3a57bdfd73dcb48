/* SPDX-License-Identifier: MIT */
/*
 * The HTTP library in the loop: one descriptor (its epoll) and one timer.
 *
 * Who listens, and what is answered, is decided elsewhere (http.c, metrics_listen.c).
 */
#include "daemon/http_loop.h"

static void on_timer(uv_timer_t *timer);

/* Let the library do what is due, and remember when it wants to be called again. */
static void run_library(struct http_loop *http_loop)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(http_loop->mhd);
	if (MHD_get_timeout(http_loop->mhd, &wait_ms) == MHD_YES)
		uv_timer_start(&http_loop->timer, on_timer, wait_ms, 0);
	else
		uv_timer_stop(&http_loop->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run_library(timer->data);
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
	uv_poll_init(loop, &http_loop->poll,
		     MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD)->listen_fd);
	http_loop->poll.data = http_loop->timer.data = http_loop;
	uv_poll_start(&http_loop->poll, UV_READABLE, on_poll);
}

void http_loop_run_soon(struct http_loop *http_loop)
{
	uv_timer_start(&http_loop->timer, on_timer, 0, 0);
}
