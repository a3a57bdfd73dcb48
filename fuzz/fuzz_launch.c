/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the launch record and the three files of a runner: what is accepted must be written and
 * accepted again, the same.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/launch.h"

static char dir[] = "/tmp/tgpu-fuzz-launch-XXXXXX";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_dir(void)
{
	static const char *const files[] = {LAUNCH_FILE_RUNNER, LAUNCH_FILE_STARTED,
					    LAUNCH_FILE_STATUS};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, files[i]);

		unlink(path);
	}
	rmdir(dir);
}

static void put_file(const char *name, const uint8_t *data, size_t size)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write_all(fd, data, size) < 0)
		abort();
}

static void check_record(const char *data, size_t size)
{
	_cleanup_(launch_finish) struct launch first = {0}, second = {0};
	_cleanup_(free_ptr) char *encoded = NULL, *again = NULL;
	size_t encoded_len, again_len;
	struct err err = {0};

	if (launch_decode(data, size, &first, &err) < 0)
		return;
	launch_encode(&first, &encoded, &encoded_len);
	if (launch_decode(encoded, encoded_len, &second, &err) < 0)
		abort();
	launch_encode(&second, &again, &again_len);
	if (encoded_len != again_len || memcmp(encoded, again, again_len) != 0)
		abort();
}

static void check_runner(const uint8_t *data, size_t size)
{
	_cleanup_(launch_runner_finish) struct launch_runner first = {0}, second = {0};

	put_file(LAUNCH_FILE_RUNNER, data, size);
	if (launch_runner_read(dir, &first, NULL) < 0)
		return;
	if (launch_runner_write(dir, &first) < 0 || launch_runner_read(dir, &second, NULL) < 0 ||
	    first.runner.pid != second.runner.pid || !first.cgroup != !second.cgroup ||
	    (first.cgroup && !STREQ(first.cgroup, second.cgroup)))
		abort();
}

static void check_started(const uint8_t *data, size_t size)
{
	struct launch_started first, second;

	put_file(LAUNCH_FILE_STARTED, data, size);
	if (launch_started_read(dir, &first, NULL) < 0)
		return;
	if (launch_started_write(dir, &first) < 0 || launch_started_read(dir, &second, NULL) < 0 ||
	    first.job_pid != second.job_pid || first.start_ns != second.start_ns)
		abort();
}

static void check_status(const uint8_t *data, size_t size)
{
	struct launch_status first, second;

	put_file(LAUNCH_FILE_STATUS, data, size);
	if (launch_status_read(dir, &first, NULL) < 0)
		return;
	if (launch_status_write(dir, &first) < 0 || launch_status_read(dir, &second, NULL) < 0 ||
	    first.cause != second.cause || first.exit_code != second.exit_code ||
	    !STREQ(first.error, second.error))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_made;

	if (!is_made && (!mkdtemp(dir) || atexit(remove_dir) != 0))
		abort();
	is_made = true;
	check_record((const char *)data, size);
	check_runner(data, size);
	check_started(data, size);
	check_status(data, size);
	return 0;
}
