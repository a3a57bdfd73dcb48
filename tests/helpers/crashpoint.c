/* SPDX-License-Identifier: MIT */
/*
 * kill -9, or an error, at one chosen effect of a program: a library for LD_PRELOAD.
 *
 *     TGPU_CRASH_POINT=fdatasync:before:17
 *
 * kills the process just before its 17th fdatasync(), and "after" just after it; "full" lets that
 * one and all later ones fail as on a disk that is full, "read-only" as on one that became so.
 * Known are the calls by which tgpud changes what is outside of it: its database, its runners, its
 * files, its answers. Not inherited: the constructor takes LD_PRELOAD and the variable out of the
 * environment.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char function[32];
static int after, error;
static long countdown = -1;

__attribute__((constructor)) static void set_up(void)
{
	const char *point = getenv("TGPU_CRASH_POINT");
	const char *when = point ? strchr(point, ':') : NULL;
	const char *number = when ? strchr(when + 1, ':') : NULL;

	if (number && (size_t)(when - point) < sizeof(function)) {
		memcpy(function, point, (size_t)(when - point));
		after = when[1] == 'a';
		error = when[1] == 'f' ? ENOSPC : when[1] == 'r' ? EROFS : 0;
		countdown = strtol(number + 1, NULL, 10);
	}
	unsetenv("TGPU_CRASH_POINT");
	unsetenv("LD_PRELOAD");
}

/* Called on both sides of a call. */
static void pass(const char *name, int is_after)
{
	if (error || countdown < 0 || is_after != after || strcmp(name, function) != 0)
		return;
	if (--countdown == 0)
		kill(getpid(), SIGKILL);
}

/* Does this call fail instead of being made? */
static int fails(const char *name)
{
	if (!error || strcmp(name, function) != 0 || (countdown > 0 && --countdown > 0))
		return 0;
	errno = error;
	return 1;
}

#define WRAP(result, name, parameters, arguments)                  \
	result name parameters;                                    \
	result name parameters                                     \
	{                                                          \
		static result(*real) parameters;                   \
		result r;                                          \
                                                                   \
		if (!real)                                         \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		if (fails(#name))                                  \
			return -1;                                 \
		pass(#name, 0);                                    \
		r = real arguments;                                \
		pass(#name, 1);                                    \
		return r;                                          \
	}

WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, fsync, (int fd), (fd))
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at))
WRAP(int, posix_spawn,
     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *files,
      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
     (pid, path, files, attributes, argv, envp))
WRAP(int, pidfd_send_signal, (int fd, int number, siginfo_t *info, unsigned int flags),
     (fd, number, info, flags))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(ssize_t, send, (int fd, const void *data, size_t n, int flags), (fd, data, n, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
