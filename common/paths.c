/* SPDX-License-Identifier: MIT */
/*
 * Paths from the environment, in one place, so that the client looks where the daemon listens.
 *
 * Invariants: every path that comes out is absolute, for the two programs have different working
 * directories; a socket path that the kernel would cut off is refused. A relative XDG_* variable is
 * ignored, as the XDG base directory specification asks; a relative TGPU_* variable is an error,
 * because a person set it for us.
 * Deliberately not here: making directories, connecting.
 */
#include "common/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

/* The absolute path in a TGPU_* variable, NULL in *ret when it is unset. */
static int own_variable(const char *name, const char **ret, struct err *err)
{
	*ret = environment(name);
	if (*ret && (*ret)[0] != '/')
		return err_set(err, -EINVAL, "%s=%s is not an absolute path; write it from /", name,
			       *ret);
	return 0;
}

static const char *xdg_variable(const char *name)
{
	const char *value = environment(name);

	return value && value[0] == '/' ? value : NULL;
}

static int state_dir(bool system, const char *own, char **ret, struct err *err)
{
	const char *state_home = xdg_variable("XDG_STATE_HOME");
	const char *home = xdg_variable("HOME");

	if (own)
		*ret = xstrdup(own);
	else if (system)
		*ret = xstrdup(PATHS_SYSTEM_STATE);
	else if (state_home)
		*ret = xasprintf("%s/tgpu", state_home);
	else if (home)
		*ret = xasprintf("%s/.local/state/tgpu", home);
	else
		return err_set(err, -EINVAL,
			       "HOME is not set, so there is no place for tgpu's state; set "
			       "TGPU_STATE_DIR to a directory of yours");
	return 0;
}

static char *socket_path(bool system, const char *own, bool own_state, const char *state)
{
	const char *runtime = xdg_variable("XDG_RUNTIME_DIR");

	if (own)
		return xstrdup(own);
	if (system)
		return xstrdup(PATHS_SYSTEM_SOCKET);
	if (runtime && !own_state)
		return xasprintf("%s/tgpu.sock", runtime);
	return xasprintf("%s/tgpu.sock", state);
}

int paths_get(bool system, struct paths *ret_paths, struct err *err)
{
	_cleanup_(paths_finish) struct paths paths = {.system = system};
	const char *own_state, *own_socket;
	size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);
	int r;

	r = own_variable("TGPU_STATE_DIR", &own_state, err);
	if (r < 0)
		return r;
	r = own_variable("TGPU_SOCKET", &own_socket, err);
	if (r < 0)
		return r;
	r = state_dir(system, own_state, &paths.state_dir, err);
	if (r < 0)
		return r;
	paths.socket = socket_path(system, own_socket, own_state != NULL, paths.state_dir);
	if (strlen(paths.socket) >= room)
		return err_set(
			err, -EINVAL,
			"the socket's path has %zu bytes and the kernel takes %zu: %.100s...; "
			"set TGPU_SOCKET to a shorter one",
			strlen(paths.socket), room - 1, paths.socket);
	*ret_paths = paths;
	paths = (struct paths){0};
	return 0;
}

void paths_finish(struct paths *paths)
{
	free(paths->state_dir);
	free(paths->socket);
	*paths = (struct paths){0};
}

/* The directory of the running program's file, NULL when /proc does not tell. */
static char *own_directory(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	return xstrdup(path);
}

/* The directory of a build tree that holds the program: tgpud is daemon/, tgpu-probe is probe/. */
static const char *build_directory(const char *name)
{
	if (STREQ(name, "tgpud"))
		return "daemon";
	if (strncmp(name, "tgpu-", 5) == 0)
		return name + 5;
	return "cli";
}

static char *executable(char *path)
{
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *paths_program(const char *name)
{
	_cleanup_(free_ptr) char *here = own_directory();
	const char *own = environment("TGPU_LIBEXEC_DIR");
	char *found = NULL;

	if (own)
		return executable(xasprintf("%s/%s", own, name));
	if (here)
		found = executable(xasprintf("%s/%s", here, name));
	if (here && !found)
		found = executable(xasprintf("%s/../%s/%s", here, build_directory(name), name));
	if (here && !found)
		found = executable(xasprintf("%s/../libexec/tgpu/%s", here, name));
	if (!found)
		found = executable(xasprintf("%s/%s", TGPU_LIBEXECDIR, name));
	return found;
}

#define TAIL_MAX 80

const char *path_tail(const char *path)
{
	size_t len = strlen(path);

	return len > TAIL_MAX ? path + len - TAIL_MAX : path;
}
