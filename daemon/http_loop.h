/* SPDX-License-Identifier: MIT */
/* libmicrohttpd in the daemon's event loop: its sockets and its time-outs wake it, nothing else. */
#ifndef TGPU_DAEMON_HTTP_LOOP_H
#define TGPU_DAEMON_HTTP_LOOP_H

#include <microhttpd.h>
#include <uv.h>

struct http_loop {
	struct MHD_Daemon *mhd; /* borrowed */
	uv_poll_t poll;
	uv_timer_t timer; /* the library's own time-outs */
	uv_idle_t idle;	  /* while there is more to be done at once */
};

/* mhd: started with MHD_USE_EPOLL; stop it when the loop runs no more. */
void http_loop_init(struct http_loop *http_loop, uv_loop_t *loop, struct MHD_Daemon *mhd);

/* Let the library do what is due in the next iteration. */
void http_loop_run_soon(struct http_loop *http_loop);

#endif
