/* SPDX-License-Identifier: MIT */
/*
 * The checks of `tgpu doctor`, one function each.
 *
 * Invariants: a check changes nothing but a temporary file of its own in the state directory; what
 * it cannot find out it says so. What only the daemon knows (its cgroup) is taken from its status.
 * Read next: cmd_doctor.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/field.h"
#include "cli/format.h"
#include "common/clock.h"
#include "common/gpureport.h"

#define PROBE_TIMEOUT_MS 20000
#define START_TIMEOUT_MS 60000
#define COMMITS		 8
#define SLOW_COMMIT_MS	 50 /* above this, 20 submits a second is all that one client gets */

static void check_programs(struct doctor *doctor)
{
	static const char *const names[] = {"tgpud", "tgpu-runner", "tgpu-probe"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(free_ptr) char *path = paths_program(names[i]);
		_cleanup_(free_ptr) char *plain = path ? realpath(path, NULL) : NULL;

		if (path)
			doctor_say(doctor, DOCTOR_OK, NULL, "program %s", plain ? plain : path);
		else
			doctor_say(doctor, DOCTOR_FAIL,
				   "install tgpu again, or set TGPU_LIBEXEC_DIR to its directory",
				   "the program %s is not found", names[i]);
	}
}

/* Would the next command find a daemon? Nothing is started: it is asked what it would say. */
static void check_start(struct doctor *doctor)
{
	char name[] = "tgpud", option[] = "--check", *argv[] = {name, option, NULL};
	enum doctor_level level =
		doctor_ask(doctor, argv, START_TIMEOUT_MS, "whether a daemon can start");

	if (level == DOCTOR_FAIL)
		doctor_say(doctor, DOCTOR_FAIL, NULL,
			   "no daemon runs, and none can start until that is set right");
	else
		doctor_say(doctor, DOCTOR_OK, NULL,
			   "no daemon runs; the next command such as \"tgpu list\" starts yours");
}

static void check_daemon(struct doctor *doctor)
{
	const json_t *warnings = json_object_get(doctor->status, "warnings");
	const char *config = field_text(doctor->status, "config");
	const json_t *warning;
	size_t i;

	if (!doctor->status && doctor->worst < DOCTOR_FAIL)
		check_start(doctor);
	if (!doctor->status)
		return;
	doctor_say(doctor, DOCTOR_OK, NULL, "daemon %s runs as %s, pid %" PRId64 ", on %s",
		   field_text(doctor->status, "version"),
		   format_user((uid_t)field_int(doctor->status, "uid", 0)),
		   field_int(doctor->status, "pid", 0), field_text(doctor->status, "socket"));
	doctor_say(doctor, DOCTOR_OK, NULL, "its configuration is %s",
		   config[0] ? config : "the defaults, as there is no file");
	json_array_foreach (warnings, i, warning)
		doctor_say(doctor, DOCTOR_WARN, NULL, "the daemon says: %s",
			   json_string_value(warning));
}

static void say_gpu(struct doctor *doctor, const struct gpu_info *gpu)
{
	if (gpu->health != GPU_HEALTH_OK)
		doctor_say(doctor, DOCTOR_WARN,
			   "see \"nvidia-smi -q\" and the kernel's log (dmesg)",
			   "GPU %d, %s, cannot be used: %s", gpu->index, gpu->name,
			   gpu->health_reason);
	if (!gpu->processes_known)
		doctor_say(doctor, DOCTOR_WARN, NULL,
			   "who else uses GPU %d cannot be seen; its memory in use is all there is",
			   gpu->index);
}

static int probe(struct gpu_report *ret_report, struct err *err)
{
	char name[] = "tgpu-probe", once[] = "--once", *argv[] = {name, once, NULL};
	_cleanup_(buf_finish) struct buf text = {0};
	int r = doctor_run(argv, PROBE_TIMEOUT_MS, &text, err);

	if (r == -ETIMEDOUT)
		return err_set(err, r, "the GPU driver does not answer");
	return r < 0 ? r : gpu_report_parse(buf_get(&text), ret_report, err);
}

/* How many there are, and who says so. */
static void say_gpus(struct doctor *doctor, const struct gpu_report *report)
{
	bool one = report->n_gpus == 1;

	if (report->n_gpus == 0)
		doctor_say(doctor, DOCTOR_WARN,
			   "install the GPU's driver; to try tgpu without one: "
			   "TGPU_GPUS=simulated:8",
			   "no GPU is seen (source: %s); jobs without GPUs run", report->source);
	else if (report->simulated)
		doctor_say(doctor, DOCTOR_WARN, "unset TGPU_GPUS to use real ones",
			   "%zu GPU%s simulated: %s not exist", report->n_gpus,
			   one ? " is" : "s are", one ? "it does" : "they do");
	else
		doctor_say(doctor, DOCTOR_OK, NULL, "%zu GPU%s seen through %s%s%s", report->n_gpus,
			   one ? "" : "s", report->source, report->driver[0] ? ", driver " : "",
			   report->driver);
}

/* Those of the daemon that runs are of interest, not those of this shell. */
static void use_daemons_machine(const struct doctor *doctor)
{
	const char *gpus = field_text(doctor->status, "tgpu_gpus");

	if (doctor->status && gpus[0])
		setenv("TGPU_GPUS", gpus, 1);
	else if (doctor->status)
		unsetenv("TGPU_GPUS");
}

static void check_gpus(struct doctor *doctor)
{
	_cleanup_(gpu_report_finish) struct gpu_report report = {0};
	struct err err = {0};
	int r;

	use_daemons_machine(doctor);
	r = probe(&report, &err);
	if (r < 0) {
		doctor_say(doctor, DOCTOR_FAIL,
			   r == -ECANCELED ? NULL : "see whether \"nvidia-smi\" works", "GPUs: %s",
			   err.msg);
		return;
	}
	say_gpus(doctor, &report);
	for (size_t i = 0; i < report.n_gpus; i++)
		say_gpu(doctor, &report.gpus[i]);
	for (size_t i = 0; i < report.n_warnings; i++)
		doctor_say(doctor, DOCTOR_WARN, NULL, "%s", report.warnings[i]);
}

static void check_isolation(struct doctor *doctor)
{
	doctor_say(
		doctor, DOCTOR_OK, NULL,
		"GPUs are given to jobs by environment (CUDA_VISIBLE_DEVICES); a job that ignores "
		"it can open others");
}

/* Rough: where this shell is. What the daemon can make of it is in its status. */
static void check_own_cgroup(struct doctor *doctor)
{
	_cleanup_(free_ptr) char *text = NULL, *path = NULL;
	const char *line = NULL;

	if (read_file("/proc/self/cgroup", 65536, &text, NULL) == 0)
		line = strstr(text, "0::/");
	if (!line) {
		doctor_say(
			doctor, DOCTOR_WARN, "boot with systemd.unified_cgroup_hierarchy=1",
			"this machine has no cgroup v2; a job's processes are found by session and "
			"parentage");
		return;
	}
	path = xasprintf("/sys/fs/cgroup%.*s", (int)strcspn(line + 3, "\n"), line + 3);
	doctor_say(doctor, DOCTOR_OK, NULL,
		   "cgroup v2 is there, this shell is in %s; a running daemon tells what it can do "
		   "with it",
		   path);
}

static void check_cgroup(struct doctor *doctor)
{
	const char *cgroup = field_text(doctor->status, "cgroup");
	const char *reason = field_text(doctor->status, "cgroup_reason");

	if (!doctor->status)
		check_own_cgroup(doctor);
	else if (cgroup[0])
		doctor_say(doctor, DOCTOR_OK, NULL, "jobs run in cgroups below %s: %s", cgroup,
			   reason);
	else
		doctor_say(
			doctor, DOCTOR_WARN,
			"run tgpud as a systemd service with Delegate=yes for cgroups of its own",
			"jobs have no cgroup: %s", reason);
}

/* The state directory, or the nearest directory above it that exists; owned by the caller. */
static char *nearest_directory(const char *path)
{
	char *dir = xstrdup(path);
	char *slash;

	while (access(dir, F_OK) < 0 && (slash = strrchr(dir, '/')) && slash != dir)
		*slash = '\0';
	return dir;
}

static const char *network_filesystem(const char *dir)
{
	static const struct {
		uint32_t magic; /* statfs(2), and the file systems' own headers */
		const char *name;
	} known[] = {
		{0x6969, "NFS"},	{0xff534d42, "CIFS"}, {0xfe534d42, "SMB"},
		{0x0bd00bd0, "Lustre"}, {0x00c36400, "Ceph"}, {0x47504653, "GPFS"},
		{0x19830326, "BeeGFS"}, {0x5346414f, "AFS"},  {0x65735546, "FUSE"},
		{0x01021997, "9P"},
	};
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if ((uint32_t)fs.f_type == known[i].magic)
			return known[i].name;
	return NULL;
}

/* The mean time of a durable write in `dir`, in milliseconds; -errno. */
static int64_t time_commit_ms(const char *dir)
{
	_cleanup_(free_ptr) char *path = xasprintf("%s/doctor.XXXXXX", dir);
	_cleanup_(close_fd) int fd = mkostemp(path, O_CLOEXEC);
	int64_t start;

	if (fd < 0)
		return -errno;
	unlink(path);
	start = clock_mono_ns();
	for (int i = 0; i < COMMITS; i++)
		if (pwrite(fd, path, strlen(path), 4096 * i) < 0 || fdatasync(fd) < 0)
			return -errno;
	return (clock_mono_ns() - start) / COMMITS / NS_PER_MS;
}

static void check_state(struct doctor *doctor)
{
	const char *running = field_text(doctor->status, "state_dir");
	const char *state = running[0] ? running : doctor->paths.state_dir;
	_cleanup_(free_ptr) char *dir = nearest_directory(state);
	const char *network = network_filesystem(dir);
	int64_t commit_ms;

	if (network)
		doctor_say(doctor, DOCTOR_WARN, "set TGPU_STATE_DIR to a directory on a local disk",
			   "the state directory %s is on %s, whose locks and syncs are less sure",
			   state, network);
	commit_ms = time_commit_ms(dir);
	if (commit_ms < 0 && field_true(doctor->status, "system"))
		doctor_say(doctor, DOCTOR_OK, NULL, "state directory %s, of the system's daemon",
			   state);
	else if (commit_ms < 0)
		doctor_say(doctor, DOCTOR_FAIL, "set TGPU_STATE_DIR to a directory of yours",
			   "the state directory %s cannot be written: %s", state,
			   strerror((int)-commit_ms));
	else
		doctor_say(doctor, commit_ms > SLOW_COMMIT_MS ? DOCTOR_WARN : DOCTOR_OK,
			   commit_ms > SLOW_COMMIT_MS ? "set TGPU_STATE_DIR to a faster disk"
						      : NULL,
			   "state directory %s; a durable write takes %" PRId64 " ms", state,
			   commit_ms);
}

/* Without lingering, the last logout takes the user's runtime directory and with it the socket. */
static void check_lingering(struct doctor *doctor)
{
	_cleanup_(free_ptr) char *path = NULL;

	if (geteuid() == 0 || field_true(doctor->status, "system") ||
	    access("/run/systemd/system", F_OK) < 0)
		return;
	path = xasprintf("/var/lib/systemd/linger/%s", format_user(geteuid()));
	if (access(path, F_OK) == 0)
		doctor_say(doctor, DOCTOR_OK, NULL,
			   "your daemon may stay after you log out (lingering)");
	else
		doctor_say(doctor, DOCTOR_WARN, "run: loginctl enable-linger",
			   "when you log out, systemd may end your daemon and your jobs");
}

const struct doctor_check doctor_checks[] = {
	{"programs", check_programs},	{"daemon", check_daemon},    {"gpus", check_gpus},
	{"isolation", check_isolation}, {"cgroup", check_cgroup},    {"state", check_state},
	{"lingering", check_lingering}, {"told", doctor_check_told}, {NULL, NULL},
};
