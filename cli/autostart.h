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

/*
 * The tgpud that has this state directory, though it may not listen yet or any more: a pidfd owned
 * by the caller, and its pid; -ESRCH.
 */
int autostart_find(const struct paths *paths, pid_t *ret_pid);

/* Start tgpud and wait until it listens (at most 30 s). 0, or -ENOTCONN with a sentence. */
int autostart_spawn(const struct paths *paths, struct err *err);
