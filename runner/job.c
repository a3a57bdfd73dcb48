/* SPDX-License-Identifier: MIT */
/*
 * From the runner to the job: what happens between fork and exec.
 *
 * Order: a session of its own, its cgroup, plain signals, the user's identity; from then on with
 * the user's rights only: logs, working directory, exec. So nothing in a user's directory is ever
 * opened as root, and no symlink is followed with rights the user lacks. Invariants: the job
 * inherits no descriptor but 0, 1 and 2; a failure of any step reaches the parent with the step and
 * the errno through a pipe that closes itself on exec. Read next: supervise.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "runner/cgroup.h"
#include "runner/runner.h"

enum step { STEP_NONE, STEP_CGROUP, STEP_IDS, STEP_OUTPUT, STEP_ERROR, STEP_CWD, STEP_EXEC };

/* What a child that fails tells its parent. */
struct failure {
	enum step step;
	int error;
};

/* Signals as a fresh process has them: ignored ones would survive the exec. */
static void reset_signals(void)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Become the user, and prove that there is no way back. */
static int drop_ids(const struct launch *launch)
{
	if (setgroups(launch->n_groups, launch->groups) < 0 ||
	    setresgid(launch->gid, launch->gid, launch->gid) < 0 ||
	    setresuid(launch->uid, launch->uid, launch->uid) < 0)
		return -errno;
	if (launch->uid != 0 && setuid(0) == 0)
		return -EPERM;
	return 0;
}

/* A log to append to. Not waiting for the reader of a FIFO: it may never come. */
static int open_log(const char *path)
{
	_cleanup_(close_fd) int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	int flags;

	if (fd < 0)
		return -errno;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int set_stdio(const struct launch *launch, struct failure *failure)
{
	int in, out, err;

	failure->step = STEP_OUTPUT;
	in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	out = open_log(launch->output);
	if (in < 0 || out < 0)
		return in < 0 ? -errno : out;
	failure->step = STEP_ERROR;
	err = launch->error ? open_log(launch->error) : out;
	if (err < 0)
		return err;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

static void execute(const struct launch *launch)
{
	environ = launch->env;
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execvp(launch->argv[0], launch->argv); /* looks in the job's own PATH */
}

/* Everything the child does. Returns only when it failed. */
static struct failure become_job(const struct launch *launch, const char *leaf, bool in_leaf)
{
	struct failure failure = {.step = STEP_CGROUP};

	setsid();
	if (leaf && !in_leaf && (failure.error = -cgroup_leaf_enter(leaf)) > 0)
		return failure;
	reset_signals();
	umask(launch->umask);
	failure.step = STEP_IDS;
	if (launch->drop_ids && (failure.error = -drop_ids(launch)) > 0)
		return failure;
	failure.error = -set_stdio(launch, &failure);
	if (failure.error > 0)
		return failure;
	failure.step = STEP_CWD;
	if (chdir(launch->cwd) < 0) {
		failure.error = errno;
		return failure;
	}
	execute(launch);
	return (struct failure){STEP_EXEC, errno};
}

/* A program that is there and cannot be executed: often its "#!" line is what is missing. */
static int explain_exec(const struct launch *launch, int error, struct err *err)
{
	const char *program = launch->argv[0];

	if (error == ENOENT && strchr(program, '/') && access(program, F_OK) == 0)
		err_set(err, -error,
			"cannot execute %s: its interpreter does not exist; look at its first line",
			program);
	else if (error == ENOENT)
		err_set(err, -error, "there is no program '%s'; write its path, or look at PATH",
			program);
	else if (error == EACCES)
		err_set(err, -error, "cannot execute %s: %s; is it a program, and chmod +x?",
			program, strerror(error));
	else
		err_set(err, -error, "cannot execute %s: %s", program, strerror(error));
	return error == ENOENT ? 127 : 126;
}

static int explain(const struct launch *launch, const struct failure *failure, struct err *err)
{
	const char *why = strerror(failure->error);

	switch (failure->step) {
	case STEP_EXEC: return explain_exec(launch, failure->error, err);
	case STEP_CWD:
		err_set(err, -failure->error,
			"cannot enter the working directory %s: %s; make it, or submit with "
			"--chdir",
			launch->cwd, why);
		break;
	case STEP_OUTPUT:
	case STEP_ERROR:
		err_set(err, -failure->error,
			"cannot open the log %s: %s; see --output and --error",
			failure->step == STEP_ERROR && launch->error ? launch->error
								     : launch->output,
			why);
		break;
	case STEP_IDS:
		err_set(err, -failure->error, "cannot become user %u: %s", (unsigned)launch->uid,
			why);
		break;
	default: err_set(err, -failure->error, "cannot enter the job's cgroup: %s", why);
	}
	return 126;
}

/*
 * Fork, the child being born in the leaf where the kernel can do that: moving a process between
 * groups waits for a grace period of the kernel's, 20 ms on the machine where it was measured, and
 * this costs nothing.
 */
static pid_t fork_into(const char *leaf, bool *ret_in_leaf)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
	_cleanup_(close_fd) int fd = leaf ? open(leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	pid_t pid = -1;

	if (fd >= 0) {
		args.cgroup = (uint64_t)fd;
		pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	}
	*ret_in_leaf = pid >= 0;
	return pid >= 0 ? pid : fork();
}

static pid_t fork_job(const struct launch *launch, const char *leaf, int report_fd)
{
	bool in_leaf;
	pid_t pid = fork_into(leaf, &in_leaf);
	struct failure failure;

	if (pid != 0)
		return pid;
	failure = become_job(launch, leaf, in_leaf);
	(void)!write(report_fd, &failure, sizeof(failure));
	_exit(127);
}

int job_start(const struct launch *launch, const char *leaf, struct job_process *ret_process,
	      struct err *err)
{
	struct failure failure = {0};
	int report[2];
	pid_t pid;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) < 0) {
		err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
		return 126;
	}
	pid = fork_job(launch, leaf, report[1]);
	if (pid < 0)
		err_set(err, -errno, "cannot start another process: %s", strerror(errno));
	close(report[1]);
	do
		n = pid < 0 ? 0 : read(report[0], &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (pid < 0)
		return 126;
	if (n == sizeof(failure)) {
		waitpid(pid, NULL, 0);
		return explain(launch, &failure, err);
	}
	*ret_process = (struct job_process){pid, clock_wall_ns()};
	return 0;
}
