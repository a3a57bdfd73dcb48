/* SPDX-License-Identifier: MIT */
/*
 * Why a job never ran, as a sentence: which thing, the kernel's reason, what to do about it.
 *
 * Invariants: pure but for strerror(); every step of job.h has its words. Whoever reads them has
 * submitted the job long ago and sees nothing but `tgpu show`.
 */
#include <errno.h>
#include <string.h>

#include "runner/job.h"

#define NOT_FOUND    127 /* the shell's codes */
#define NOT_RUNNABLE 126
#define PATH_SHOWN   100 /* bytes; a sentence has about 250 */

/* The end of a long path, so that the reason and the remedy after it are not cut off. Whole
 * characters (UTF-8): a sentence that holds half a one could not be sent to anybody. */
static char *shorten(const char *path)
{
	size_t len = strlen(path), cut = len > PATH_SHOWN ? len - PATH_SHOWN : 0;

	while (cut > 0 && (path[cut] & 0xc0) == 0x80)
		cut++;
	return xasprintf("%s%s", cut > 0 ? "..." : "", path + cut);
}

static const char *log_remedy(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR: return "make its directory, or choose another path";
	case EACCES:
	case EPERM:
	case EROFS: return "choose a path that the job's user may write to";
	case EISDIR: return "choose a file in it";
	case ENXIO: return "it is a FIFO that nobody reads; choose a file";
	case ELOOP: return "its symbolic links lead in a circle";
	case ENOSPC:
	case EDQUOT: return "make room, or choose another path";
	}
	return "choose another path";
}

static int explain_log(const struct launch *launch, const struct job_failure *failure,
		       struct err *err)
{
	bool is_error = failure->step == JOB_STEP_ERROR && launch->error;
	_cleanup_(free_ptr) char *path = shorten(is_error ? launch->error : launch->output);

	err_set(err, -failure->error, "cannot open the log %s: %s; %s with %s", path,
		strerror(failure->error), log_remedy(failure->error),
		is_error ? "--error" : "--output");
	return NOT_RUNNABLE;
}

static int explain_interpreter(const char *name, int error, struct err *err)
{
	_cleanup_(free_ptr) char *program = shorten(name);

	err_set(err, -error,
		"cannot execute %s: it is there, but its interpreter is not (%s); look at its "
		"first line, after \"#!\"",
		program, strerror(error));
	return error == ENOENT ? NOT_FOUND : NOT_RUNNABLE;
}

static int explain_exec(const char *name, int error, struct err *err)
{
	_cleanup_(free_ptr) char *program = shorten(name);

	switch (error) {
	case ENOENT:
	case ENOTDIR:
		if (strchr(name, '/'))
			err_set(err, -error, "there is no program %s: %s; look at its path",
				program, strerror(error));
		else
			err_set(err, -error,
				"there is no program '%s' in the job's PATH; write its whole path",
				program);
		return NOT_FOUND;
	case EACCES:
		err_set(err, -error,
			"cannot execute %s: %s; make it executable (chmod +x), or name its "
			"interpreter before it",
			program, strerror(error));
		break;
	case ENOEXEC:
		err_set(err, -error,
			"cannot execute %s: %s; it is neither a program for this machine nor a "
			"script",
			program, strerror(error));
		break;
	case E2BIG:
		err_set(err, -error,
			"cannot execute %s: %s; pass less in its arguments and environment",
			program, strerror(error));
		break;
	default: err_set(err, -error, "cannot execute %s: %s", program, strerror(error));
	}
	return NOT_RUNNABLE;
}

int job_explain(const struct launch *launch, const struct job_failure *failure, struct err *err)
{
	_cleanup_(free_ptr) char *cwd = shorten(launch->cwd);
	const char *why = strerror(failure->error);

	if (failure->error == 0) {
		err_set(err, -EINTR,
			"it was killed before its program began; if nobody did it, the kernel's "
			"log may say why");
		return NOT_RUNNABLE;
	}
	switch (failure->step) {
	case JOB_STEP_EXEC: return explain_exec(launch->argv[0], failure->error, err);
	case JOB_STEP_INTERPRETER: return explain_interpreter(launch->argv[0], failure->error, err);
	case JOB_STEP_OUTPUT:
	case JOB_STEP_ERROR: return explain_log(launch, failure, err);
	case JOB_STEP_CWD:
		err_set(err, -failure->error,
			"cannot enter the working directory %s: %s; make it, or submit with "
			"--chdir",
			cwd, why);
		break;
	case JOB_STEP_IDS:
		err_set(err, -failure->error,
			"cannot become user %u: %s; the runner must be root for that",
			(unsigned)launch->uid, why);
		break;
	case JOB_STEP_INPUT:
		err_set(err, -failure->error, "cannot open /dev/null: %s; is /dev complete?", why);
		break;
	case JOB_STEP_CGROUP:
		err_set(err, -failure->error,
			"cannot enter the job's cgroup: %s; see \"tgpu doctor\"", why);
		break;
	}
	return NOT_RUNNABLE;
}
