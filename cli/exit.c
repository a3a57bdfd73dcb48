/* SPDX-License-Identifier: MIT */
/*
 * From an error to the number that scripts test.
 *
 * Inside tgpu a failure is a negative errno with a sentence; a few of them have an exit code of
 * their own. Read next: client.c, which turns the daemon's HTTP statuses into the same errnos.
 */
#include "cli/exit.h"

#include <errno.h>

#include "common/util.h"

static const struct exit_meaning meanings[] = {
	{EXIT_DONE, 0, "done"},
	{EXIT_FAILED, 0, "it failed; the message says why"},
	{EXIT_USAGE, -EINVAL, "the command line or the job is wrong; nothing was done"},
	{EXIT_NO_DAEMON, -ENOTCONN, "no daemon answers"},
	{EXIT_NOT_FOUND, -ENOENT, "no such job; logs: no such log"},
	{EXIT_NOT_PERMITTED, -EPERM, "not permitted"},
	{EXIT_TIMEOUT, -ETIMEDOUT, "the time given with --timeout, or of the job, is up"},
	{EXIT_NOT_RUNNABLE, 0, "run, wait: the job's program is there, but could not be run"},
	{EXIT_CANNOT_START, 0, "run, wait: the job's program was not found"},
};

const char exit_of_jobs[] =
	"tgpu run and tgpu wait return the job's own code: its exit code, or 128 and the number "
	"of the signal that ended it.";

const struct exit_meaning *exit_meanings(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(meanings);
	return meanings;
}

int exit_code_of_error(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].error && meanings[i].error == error)
			return meanings[i].code;
	return EXIT_FAILED;
}
