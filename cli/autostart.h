/* SPDX-License-Identifier: MIT */
/*
 * Starting the user's own daemon on first use, as tmux starts its server.
 *
 * tgpud gets `--ready-fd 3` and writes one line there: "ready" once it listens, or the sentence
 * that says why it will not. It has its own session, / as working directory and its log in the
 * state directory, so it outlives the terminal it was started from.
 */
#pragma once

#include <sys/types.h>

#include "common/paths.h"

#define AUTOSTART_LOG "tgpud.log" /* in the state directory */

/*
 * Make the state directory and take the lock under which daemons are started, waiting for a client
 * that is starting one. Connect once more before starting. The locked descriptor, owned by the
 * caller; or -ENOTCONN with a sentence.
 */
int autostart_lock(const struct paths *paths, struct err *err);

/* The tgpud that has a state directory, though it may not listen yet or any more. */
struct autostart_found {
	int pidfd; /* owned */
	pid_t pid;
	char *socket; /* owned: where it listens, or will; "": it does not say */
};

/* Find it. 0, or -ESRCH: there is none, or its process has ended. */
int autostart_find(const struct paths *paths, struct autostart_found *ret_found);

/* Accepts one that was not filled in, with pidfd -1. For _cleanup_ as well. */
void autostart_found_finish(struct autostart_found *found);

/* Start tgpud and wait until it listens (at most 30 s). 0, or -ENOTCONN with a sentence. */
int autostart_spawn(const struct paths *paths, struct err *err);
