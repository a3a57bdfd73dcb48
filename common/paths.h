/* SPDX-License-Identifier: MIT */
/*
 * Where tgpu keeps its state, listens, and finds its own programs: one answer for tgpu and tgpud.
 *
 *              state directory                     socket
 *     user     $TGPU_STATE_DIR, else               $TGPU_SOCKET, else
 *              $XDG_STATE_HOME/tgpu, else          $TGPU_STATE_DIR/tgpu.sock, else
 *              $HOME/.local/state/tgpu             $XDG_RUNTIME_DIR/tgpu.sock, else STATE/tgpu.sock
 *     system   $TGPU_STATE_DIR, else /var/lib/tgpu $TGPU_SOCKET, else /run/tgpu/tgpu.sock
 */
#pragma once

#include "common/err.h"

#define PATHS_SYSTEM_STATE  "/var/lib/tgpu"
#define PATHS_SYSTEM_SOCKET "/run/tgpu/tgpu.sock"

struct paths {
	char *state_dir; /* owned, absolute */
	char *socket;	 /* owned, absolute, fits in sockaddr_un */
	bool system;	 /* the daemon of the whole machine, not of one user */
};

/* Decide by the environment; touches no file. 0, or -EINVAL with a sentence naming the variable. */
int paths_get(bool system, struct paths *ret_paths, struct err *err);

/* Release the strings. Accepts a zeroed one. For _cleanup_ as well. */
void paths_finish(struct paths *paths);

/*
 * Find one of tgpu's programs ("tgpud", "tgpu-probe"): in $TGPU_LIBEXEC_DIR and nowhere else when
 * that is set; or beside the running program, in a build tree's sibling directory, in
 * ../libexec/tgpu, where it was installed, in that order. An absolute path owned by the caller;
 * NULL when there is none.
 */
char *paths_program(const char *name);

/* The last 80 bytes of a path, or all of it: enough to tell it by, and it fits into a sentence. */
const char *path_tail(const char *path);
