/* SPDX-License-Identifier: MIT */
/*
 * The check of `tgpu doctor` of who is told what: notify_command, hooks_dir, metrics_listen.
 *
 * What is configured only tgpud knows, so without one there is nothing to say. Deliberately nothing
 * is run: a hook may do anything.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/doctor.h"
#include "cli/field.h"

static bool is_program(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	/* As the shell that runs them: "*" leaves hidden files out. */
	return name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111;
}

/* How many programs are in the directory; -errno. */
static int count_programs(const char *dir)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	int n = 0;

	if (!stream)
		return -errno;
	while ((entry = readdir(stream)))
		n += is_program(dir, entry->d_name);
	closedir(stream);
	return n;
}

static void check_hooks_dir(struct doctor *doctor, const char *dir)
{
	int n = count_programs(dir);

	if (n == -EACCES)
		doctor_say(doctor, DOCTOR_OK, NULL,
			   "the programs in %s are run for each event of a job; you may not look "
			   "there",
			   dir);
	else if (n < 0)
		doctor_say(doctor, DOCTOR_WARN, "make that directory, or take hooks_dir out",
			   "hooks_dir: %s: %s", dir, strerror(-n));
	else if (n == 0)
		doctor_say(doctor, DOCTOR_WARN, "make it executable: chmod +x",
			   "hooks_dir: no file in %s is executable, so none is run", dir);
	else
		doctor_say(doctor, DOCTOR_OK, NULL,
			   "%d program%s in %s %s run for each event of a job", n,
			   n == 1 ? "" : "s", dir, n == 1 ? "is" : "are");
}

static void check_failures(struct doctor *doctor)
{
	const json_t *hooks = json_object_get(doctor->status, "hooks");
	int64_t failed = field_int(hooks, "failed", 0), dropped = field_int(hooks, "dropped", 0);

	if (failed + dropped > 0)
		doctor_say(doctor, DOCTOR_WARN,
			   "tgpud's log has a line \"a hook failed\" for each, with its status",
			   "hooks and notifications since tgpud began: %" PRId64 " failed, %" PRId64
			   " left out",
			   failed, dropped);
}

void doctor_check_told(struct doctor *doctor)
{
	const char *dir = field_text(doctor->status, "hooks_dir");
	const char *listen = field_text(doctor->status, "metrics_listen");

	if (!doctor->status)
		return;
	doctor_say(doctor, DOCTOR_OK, NULL, "%s",
		   field_true(doctor->status, "notify")
			   ? "owners are told of their jobs (--notify) by notify_command"
			   : "nobody is told of their jobs, --notify does nothing: notify_command "
			     "is not set");
	if (dir[0])
		check_hooks_dir(doctor, dir);
	check_failures(doctor);
	if (listen[0])
		doctor_say(doctor, DOCTOR_OK, NULL, "metrics are at http://%s/metrics", listen);
	else
		doctor_say(doctor, DOCTOR_OK, NULL,
			   "metrics are on the socket only: metrics_listen is not set");
}
