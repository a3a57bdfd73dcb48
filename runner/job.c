/* SPDX-License-Identifier: MIT */
/*
 * From the runner to the job: what happens between fork and exec.
 *
 * Order: a session of its own, its cgroup, plain signals, the user's identity; from then on with
 * the user's rights only: logs, working directory, exec. So nothing in a user's directory is ever
 * opened as root, and no symlink is followed with rights the user lacks. Invariants: the job
 * inherits no descriptor but 0, 1 and 2; a failure of any step reaches the parent with the step and
 * the errno: they stand in memory that both share, so that telling it cannot fail, and a pipe that
 * closes itself on exec says when to look. A child that was killed on its way has told its step.
 * Read next: explain.c, supervise.c.
 */
#include "runner/job.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/cgroup.h"
#include "runner/oom.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin" /* where the job's environment has no PATH */

/* Signals as a fresh process has them: ignored ones would survive the exec. */
static void reset_signals(void)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Are the supplementary groups those of the record? The kernel sorts them, and keeps doubles. */
static bool has_groups(const struct launch *launch)
{
	int n = getgroups(0, NULL);
	_cleanup_(free_ptr) gid_t *groups = xcalloc((size_t)(n > 0 ? n : 1), sizeof(*groups));

	if (n < 0 || (size_t)n != launch->n_groups || getgroups(n, groups) != n)
		return false;
	for (int i = 0; i < n; i++) {
		size_t at = 0;

		while (at < launch->n_groups && launch->groups[at] != groups[i])
			at++;
		if (at == launch->n_groups)
			return false;
	}
	return true;
}

/* Become the user, and prove it, and that there is no way back. 0 or an errno. */
static int drop_ids(const struct launch *launch)
{
	uid_t real, effective, saved;
	gid_t real_group, group, saved_group;

	if (setgroups(launch->n_groups, launch->groups) < 0 ||
	    setresgid(launch->gid, launch->gid, launch->gid) < 0 ||
	    setresuid(launch->uid, launch->uid, launch->uid) < 0 ||
	    getresuid(&real, &effective, &saved) < 0 ||
	    getresgid(&real_group, &group, &saved_group) < 0)
		return errno;
	if (real != launch->uid || effective != launch->uid || saved != launch->uid ||
	    real_group != launch->gid || group != launch->gid || saved_group != launch->gid ||
	    !has_groups(launch) || (launch->uid != 0 && setuid(0) == 0))
		return EPERM;
	return 0;
}

/* A log to append to. Opened without waiting for the reader of a FIFO, who may never come. */
static int open_log(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -1 : fd;
}

/* Put `fd` in the place of `standard`. 0 or an errno, that of the failed open when fd is -1. */
static int install(int fd, int standard)
{
	return fd < 0 || dup2(fd, standard) < 0 ? errno : 0;
}

/* 0 or an errno, *step being the one that failed. */
static int set_stdio(const struct launch *launch, enum job_step *step)
{
	int error;

	*step = JOB_STEP_INPUT;
	error = install(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	if (error)
		return error;
	*step = JOB_STEP_OUTPUT;
	error = install(open_log(launch->output), STDOUT_FILENO);
	if (error)
		return error;
	*step = JOB_STEP_ERROR;
	return install(launch->error ? open_log(launch->error) : STDOUT_FILENO, STDERR_FILENO);
}

/* A file the kernel does not know how to run: a script without "#!" has no NUL in its beginning,
 * a program for another machine has. */
static bool is_text(const char *path)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[128];
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	return n >= 0 && !memchr(head, '\0', (size_t)n);
}

static void exec_by_shell(const char *path, const struct launch *launch)
{
	char **argv = xcalloc(launch->n_argv + 2, sizeof(char *));

	argv[0] = (char *)"/bin/sh";
	argv[1] = (char *)path;
	memcpy(argv + 2, launch->argv + 1, launch->n_argv * sizeof(char *)); /* and the NULL */
	execve(argv[0], argv, launch->env);
}

/* Try one file. Returns what is wrong with it. */
static struct job_failure exec_file(const char *path, const struct launch *launch)
{
	execve(path, launch->argv, launch->env);
	if (errno == ENOEXEC && is_text(path)) {
		exec_by_shell(path, launch);
		return (struct job_failure){JOB_STEP_INTERPRETER, errno};
	}
	if (errno == ENOENT && access(path, F_OK) == 0)
		return (struct job_failure){JOB_STEP_INTERPRETER, ENOENT};
	return (struct job_failure){JOB_STEP_EXEC, errno};
}

static const char *job_path(const struct launch *launch)
{
	for (size_t i = 0; i < launch->n_env; i++)
		if (strncmp(launch->env[i], "PATH=", 5) == 0)
			return launch->env[i] + 5;
	return DEFAULT_PATH;
}

/*
 * execvp(3) by hand, because that cannot tell a missing interpreter from a missing program, and
 * feeds a program for another machine to the shell. Like there, a file that may not be executed
 * does not end the search, but is what gets reported when nothing better turns up.
 */
static struct job_failure search_and_exec(const struct launch *launch)
{
	struct job_failure worst = {JOB_STEP_EXEC, ENOENT}, failure;
	const char *name = launch->argv[0], *dir = job_path(launch);
	size_t len;

	if (strchr(name, '/') || name[0] == '\0')
		return exec_file(name, launch);
	for (bool more = true; more; dir += len + 1) {
		_cleanup_(free_ptr) char *path = NULL;

		len = strcspn(dir, ":");
		more = dir[len] == ':';
		path = xasprintf("%.*s%s%s", (int)len, dir, len ? "/" : "./", name);
		failure = exec_file(path, launch);
		if (failure.step == JOB_STEP_INTERPRETER)
			return failure;
		if (failure.error == EACCES)
			worst = failure;
		else if (failure.error != ENOENT && failure.error != ENOTDIR)
			return failure;
	}
	return worst;
}

/* A job whose runner is gone is nobody's. After the change of ids, which would undo it. */
static void die_with(pid_t runner)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != runner)
		raise(SIGKILL);
}

static void restore_limits(const struct launch *launch)
{
	struct rlimit limit;

	if (launch->nofile == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    (rlim_t)launch->nofile > limit.rlim_max)
		return;
	limit.rlim_cur = (rlim_t)launch->nofile;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Everything the child does. Returns only when a step failed. */
static struct job_failure become_job(const struct launch *launch, const char *leaf, pid_t runner,
				     struct job_failure *report)
{
	struct job_failure failure = {.step = JOB_STEP_CGROUP};

	setsid();
	if (leaf && (failure.error = -cgroup_leaf_enter(leaf)) > 0)
		return failure;
	reset_signals();
	oom_expose();
	restore_limits(launch);
	umask(launch->umask);
	failure.step = JOB_STEP_IDS;
	if (launch->drop_ids && (failure.error = drop_ids(launch)) > 0)
		return failure;
	die_with(runner);
	failure.error = set_stdio(launch, &failure.step);
	if (failure.error > 0)
		return failure;
	failure.step = JOB_STEP_CWD;
	if (chdir(launch->cwd) < 0) {
		failure.error = errno;
		return failure;
	}
	/* All of the runner's are close-on-exec; this is for what its parent may have leaked. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	report->step = JOB_STEP_EXEC;
	return search_and_exec(launch);
}

/*
 * Fork, the child being born in the leaf where the kernel can do that (5.7): moving a process
 * between groups waits for a grace period of the kernel's, 20 ms on the machine where it was
 * measured, and this costs nothing. *ret_left is the leaf that the child still has to enter.
 */
static pid_t fork_into(const char *leaf, const char **ret_left)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
	_cleanup_(close_fd) int fd = leaf ? open(leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	pid_t pid = -1;

	if (fd >= 0) {
		args.cgroup = (uint64_t)fd;
		pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	}
	*ret_left = pid >= 0 ? NULL : leaf;
	return pid >= 0 ? pid : fork();
}

int job_fork(const struct launch *launch, const char *leaf, struct job_process *ret_process,
	     struct err *err)
{
	_cleanup_(close_fd) int report_fd = -1, child_fd = -1;
	struct job_failure *report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2];
	pid_t pid, runner = getpid();

	if (report == MAP_FAILED || pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "cannot prepare another process: %s", strerror(errno));
	report_fd = ends[0];
	child_fd = ends[1];
	pid = fork_into(leaf, &leaf);
	if (pid < 0)
		return err_set(err, -errno,
			       "cannot start another process: %s; see ulimit -u and pids.max",
			       strerror(errno));
	if (pid == 0) {
		*report = become_job(launch, leaf, runner, report);
		_exit(127);
	}
	*ret_process = (struct job_process){pid, TAKE_FD(report_fd), report};
	return 0;
}
