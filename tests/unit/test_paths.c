/* SPDX-License-Identifier: MIT */
/* common/paths.h: which directory, which socket, which program, for every kind of environment. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/paths.h"

static const char *const variables[] = {"TGPU_STATE_DIR",  "TGPU_SOCKET", "XDG_STATE_HOME",
					"XDG_RUNTIME_DIR", "HOME",	  "TGPU_LIBEXEC_DIR"};

/* One environment and what must come out of it. */
struct place {
	const char *state_dir, *socket, *state_home, *runtime, *home; /* variables; NULL: unset */
	bool system;
	const char *want_state, *want_socket; /* NULL: an error */
};

static void set(const char *name, const char *value)
{
	if (value)
		assert_int_equal(setenv(name, value, 1), 0);
	else
		assert_int_equal(unsetenv(name), 0);
}

static int clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

static void enter(const struct place *place)
{
	set("TGPU_STATE_DIR", place->state_dir);
	set("TGPU_SOCKET", place->socket);
	set("XDG_STATE_HOME", place->state_home);
	set("XDG_RUNTIME_DIR", place->runtime);
	set("HOME", place->home);
}

static void test_places(void **state)
{
	static const struct place places[] = {
		{.home = "/h",
		 .want_state = "/h/.local/state/tgpu",
		 .want_socket = "/h/.local/state/tgpu/tgpu.sock"},
		{.home = "/h",
		 .runtime = "/run/user/7",
		 .want_state = "/h/.local/state/tgpu",
		 .want_socket = "/run/user/7/tgpu.sock"},
		{.home = "/h",
		 .state_home = "/s",
		 .want_state = "/s/tgpu",
		 .want_socket = "/s/tgpu/tgpu.sock"},
		{.home = "/h",
		 .state_dir = "/d",
		 .runtime = "/run/user/7",
		 .want_state = "/d",
		 .want_socket = "/d/tgpu.sock"},
		{.state_dir = "/d", .socket = "/x/s", .want_state = "/d", .want_socket = "/x/s"},
		{.home = "/h",
		 .socket = "/x/s",
		 .want_state = "/h/.local/state/tgpu",
		 .want_socket = "/x/s"},
		{.home = "/h",
		 .runtime = "/r",
		 .system = true,
		 .want_state = "/var/lib/tgpu",
		 .want_socket = "/run/tgpu/tgpu.sock"},
		{.state_dir = "/d",
		 .system = true,
		 .want_state = "/d",
		 .want_socket = "/run/tgpu/tgpu.sock"},
		/* An empty variable is an unset one; a relative XDG variable is ignored. */
		{.home = "/h",
		 .state_dir = "",
		 .socket = "",
		 .runtime = "",
		 .want_state = "/h/.local/state/tgpu",
		 .want_socket = "/h/.local/state/tgpu/tgpu.sock"},
		{.home = "/h",
		 .state_home = "s",
		 .runtime = "r",
		 .want_state = "/h/.local/state/tgpu",
		 .want_socket = "/h/.local/state/tgpu/tgpu.sock"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct paths paths = {0};
		struct err err = {0};

		enter(&places[i]);
		assert_int_equal(paths_get(places[i].system, &paths, &err), 0);
		assert_string_equal(paths.state_dir, places[i].want_state);
		assert_string_equal(paths.socket, places[i].want_socket);
		assert_true(paths.system == places[i].system);
		paths_finish(&paths);
	}
}

static void test_refused(void **state)
{
	static const struct {
		struct place place;
		const char *names;
	} bad[] = {
		{{.home = "/h", .state_dir = "d"}, "TGPU_STATE_DIR=d"},
		{{.home = "/h", .socket = "x/s"}, "TGPU_SOCKET=x/s"},
		{{0}, "HOME"},
		{{.home = "h"}, "HOME"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct paths paths = {0};
		struct err err = {0};

		enter(&bad[i].place);
		assert_int_equal(paths_get(false, &paths, &err), -EINVAL);
		assert_non_null(strstr(err.msg, bad[i].names));
		assert_null(paths.state_dir);
	}
}

/* The kernel takes 107 bytes and a NUL. */
static void test_socket_length(void **state)
{
	char path[110];
	struct paths paths = {0};
	struct err err = {0};

	(void)state;
	clear_environment(NULL);
	set("HOME", "/h");
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	set("TGPU_SOCKET", path);
	assert_int_equal(paths_get(false, &paths, &err), 0);
	paths_finish(&paths);
	path[107] = 'a';
	path[108] = '\0';
	set("TGPU_SOCKET", path);
	assert_int_equal(paths_get(false, &paths, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "TGPU_SOCKET"));
}

static void test_finish_accepts_zero(void **state)
{
	struct paths paths = {0};

	(void)state;
	paths_finish(&paths);
	paths_finish(&paths);
}

static void touch_program(const char *path, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_program(void **state)
{
	char dir[] = "/tmp/tgpu-test-paths-XXXXXX";
	_cleanup_(free_ptr) char *program = NULL, *found = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	program = xasprintf("%s/tgpu-nonesuch", dir);
	set("TGPU_LIBEXEC_DIR", dir);
	assert_null(paths_program("tgpu-nonesuch"));
	touch_program(program, 0644);
	if (geteuid() != 0 || access(program, X_OK) < 0)
		assert_null(paths_program("tgpu-nonesuch"));
	touch_program(program, 0755);
	found = paths_program("tgpu-nonesuch");
	assert_string_equal(found, program);
	unsetenv("TGPU_LIBEXEC_DIR");
	assert_null(paths_program("tgpu-nonesuch"));
	unlink(program);
	rmdir(dir);
}

/* Beside the running program: this one. */
static void test_program_beside(void **state)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	_cleanup_(free_ptr) char *found = NULL;

	(void)state;
	assert_true(n > 0);
	self[n] = '\0';
	found = paths_program(strrchr(self, '/') + 1);
	assert_non_null(found);
	assert_string_equal(found, self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_places, clear_environment),
		cmocka_unit_test_setup(test_refused, clear_environment),
		cmocka_unit_test_setup(test_socket_length, clear_environment),
		cmocka_unit_test(test_finish_accepts_zero),
		cmocka_unit_test_setup(test_program, clear_environment),
		cmocka_unit_test_setup(test_program_beside, clear_environment),
	};

	return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
