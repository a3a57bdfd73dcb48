/* SPDX-License-Identifier: MIT */
/*
 * What a job gets to see: its environment, its log files, its identity.
 *
 * Invariants: the environment is the submitter's plus what is listed here; the daemon's own never
 * leaks. Whatever the submitter's says about GPUs is replaced: an empty list, not an absent one,
 * for a job without GPUs, because CUDA reads "unset" as "all". Deliberately not here: isolation.
 * The variables are advice; see docs/architecture.md. Read next: common/launch.h.
 */
#include "daemon/launch_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/jobspec.h"
#include "daemon/attempt.h"
#include "daemon/launch.h"
#include "daemon/machine.h"

/* MASTER_PORT: below the kernel's default ephemeral range (32768) and above the usual services. */
#define PORT_FIRST 20000
#define PORT_COUNT 10000

struct environment {
	char **vars; /* owned, not terminated until the end */
	size_t n, capacity;
};

static bool names(const char *variable, const char *name)
{
	size_t len = strlen(name);

	return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

static bool environment_has(const struct environment *environment, const char *name)
{
	for (size_t i = 0; i < environment->n; i++)
		if (names(environment->vars[i], name))
			return true;
	return false;
}

static void environment_add(struct environment *environment, char *variable)
{
	xgrow(&environment->vars, &environment->capacity, environment->n + 2, sizeof(char *));
	environment->vars[environment->n++] = variable;
	environment->vars[environment->n] = NULL;
}

PRINTF_LIKE(3, 4)
static void environment_set(struct environment *environment, const char *name, const char *fmt, ...)
{
	char value[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	environment_add(environment, xasprintf("%s=%s", name, value));
}

/* What the submitter's environment must not decide. */
static bool is_replaced(const char *variable)
{
	static const char *const replaced[] = {
		"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER",   "NVIDIA_VISIBLE_DEVICES",
		"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
		"ZE_AFFINITY_MASK",	"NOTIFY_SOCKET",       "LISTEN_FDS",
		"LISTEN_PID",		"LISTEN_FDNAMES",
	};

	if (strncmp(variable, "TGPU_", 5) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(replaced); i++)
		if (names(variable, replaced[i]))
			return true;
	return false;
}

enum list_form { LIST_INDEX, LIST_UUID };

/* Indices do not name MIG instances, nor a GPU whose index nobody knows. */
static enum list_form choose_form(const struct daemon *daemon, uint64_t gpus)
{
	if (daemon->config.export_uuids)
		return LIST_UUID;
	for (uint64_t rest = gpus; rest; rest &= rest - 1) {
		const struct gpu_info *gpu = machine_gpu(daemon, (unsigned)__builtin_ctzll(rest));

		if (!gpu || gpu->index < 0 || gpu->parent[0])
			return LIST_UUID;
	}
	return LIST_INDEX;
}

static void list_gpus(const struct daemon *daemon, uint64_t gpus, const char *vendor,
		      enum list_form form, struct buf *out)
{
	for (; gpus; gpus &= gpus - 1) {
		const struct gpu_info *gpu = machine_gpu(daemon, (unsigned)__builtin_ctzll(gpus));

		if (!gpu || (vendor && !STREQ(gpu->vendor, vendor)))
			continue;
		if (out->len > 0)
			buf_putc(out, ',');
		if (form == LIST_UUID)
			buf_puts(out, gpu->uuid);
		else
			buf_printf(out, "%d", gpu->index);
	}
}

static void set_gpu_variables(const struct daemon *daemon, uint64_t gpus,
			      struct environment *environment)
{
	enum list_form form = choose_form(daemon, gpus);
	_cleanup_(buf_finish) struct buf cuda = {0}, amd = {0}, index = {0}, uuid = {0};

	list_gpus(daemon, gpus, "amd", form, &amd);
	list_gpus(daemon, gpus, amd.len ? "nvidia" : NULL, form, &cuda);
	list_gpus(daemon, gpus, NULL, LIST_INDEX, &index);
	list_gpus(daemon, gpus, NULL, LIST_UUID, &uuid);
	environment_set(environment, "CUDA_DEVICE_ORDER", "PCI_BUS_ID");
	environment_set(environment, "CUDA_VISIBLE_DEVICES", "%s", buf_get(&cuda));
	environment_set(environment, "NVIDIA_VISIBLE_DEVICES", "%s",
			cuda.len ? buf_get(&cuda) : "void");
	if (amd.len > 0)
		environment_set(environment, "ROCR_VISIBLE_DEVICES", "%s", buf_get(&amd));
	environment_set(environment, "TGPU_GPUS", "%s", buf_get(&index));
	environment_set(environment, "TGPU_GPU_UUIDS", "%s", buf_get(&uuid));
}

static bool port_is_free(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	_cleanup_(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool port_is_given(const struct daemon *daemon, uint16_t port)
{
	const struct record *record;

	for (size_t i = 0; (record = record_next_running(daemon, &i));)
		if (record->attempt && record->attempt->port == port)
			return true;
	return false;
}

/* A port for the job's processes to meet at: by job id, so that it is the same in most tries. */
static uint16_t reserve_port(const struct daemon *daemon, uint64_t job)
{
	for (unsigned i = 0; i < 100; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (job + i) % PORT_COUNT);

		if (!port_is_given(daemon, port) && port_is_free(port))
			return port;
	}
	return 0;
}

static void make_environment(const struct daemon *daemon, const struct record *record,
			     struct jobspec *spec, struct launch *launch, uint16_t *ret_port)
{
	const struct job *job = &record->job;
	struct environment environment = {0};
	uint64_t gpus = job->alloc.parts[0].gpus;
	uint16_t port = 0;

	for (size_t i = 0; i < spec->n_env; i++)
		if (!is_replaced(spec->env[i]))
			environment_add(&environment, xstrdup(spec->env[i]));
	set_gpu_variables(daemon, gpus, &environment);
	environment_set(&environment, "TGPU_JOB_ID", "%" PRIu64, job->id);
	environment_set(&environment, "TGPU_JOB_NAME", "%s", record->name);
	environment_set(&environment, "TGPU_NUM_GPUS", "%" PRIu32, job->request.num_gpus);
	environment_set(&environment, "TGPU_RESTART_COUNT", "%" PRIu32, job->attempt - 1);
	if (job->array) {
		environment_set(&environment, "TGPU_ARRAY_JOB_ID", "%" PRIu64, job->array);
		environment_set(&environment, "TGPU_ARRAY_INDEX", "%" PRIu32, job->array_index);
	}
	/* By this, what a killed runner has left is found where there is no cgroup. */
	environment_set(&environment, "TGPU_ATTEMPT", "%s", record->attempt->dir);
	if (job->request.cpus > 1 && !environment_has(&environment, "OMP_NUM_THREADS"))
		environment_set(&environment, "OMP_NUM_THREADS", "%" PRIu32, job->request.cpus);
	if (gpus && !environment_has(&environment, "MASTER_PORT") &&
	    !environment_has(&environment, "MASTER_ADDR"))
		port = reserve_port(daemon, job->id);
	if (port) {
		environment_set(&environment, "MASTER_ADDR", "127.0.0.1");
		environment_set(&environment, "MASTER_PORT", "%u", port);
	}
	launch->env = environment.vars;
	launch->n_env = environment.n;
	*ret_port = port;
}

struct found {
	struct jobspec *spec;
	struct launch *launch;
	int64_t now_ns;
	struct err *err;
};

/* {"uid", "gid", "groups": [...]} as api_submit.c wrote it. */
static int parse_owner(const char *text, struct launch *launch)
{
	json_t *owner = json_loads(text, 0, NULL), *groups, *group;
	json_int_t uid, gid;
	size_t i;

	if (json_unpack(owner, "{s:I, s:I, s:o}", "uid", &uid, "gid", &gid, "groups", &groups) <
	    0) {
		json_decref(owner);
		return -EINVAL;
	}
	launch->uid = (uid_t)uid;
	launch->gid = (gid_t)gid;
	launch->groups = xcalloc(json_array_size(groups), sizeof(*launch->groups));
	json_array_foreach (groups, i, group)
		launch->groups[launch->n_groups++] = (gid_t)json_integer_value(group);
	json_decref(owner);
	return 0;
}

static int read_row(void *ctx, const struct store_row *row)
{
	struct found *found = ctx;
	json_t *spec = row->spec ? json_loads(row->spec, 0, NULL) : NULL;
	int r = spec ? jobspec_from_json(found->spec, spec, found->now_ns, found->err) : -EINVAL;

	json_decref(spec);
	return r < 0 ? r : parse_owner(row->owner ? row->owner : "", found->launch);
}

/* The directory of a user's logs, in the system's daemon: the user's own, so that it can be read.
 */
static int make_user_log_dir(const struct daemon *daemon, const struct launch *launch,
			     struct err *err)
{
	_cleanup_(free_ptr) char *path =
		xasprintf("%s/logs/%u", daemon->paths.state_dir, (unsigned)launch->uid);

	/* Given away each time: a kill may have come between the two. */
	if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    lchown(path, launch->uid, launch->gid) < 0)
		return err_set(err, -errno, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

/* tgpu's own log of a job: private, whatever umask the job has. Logs of its own a user opens as the
 * user. */
static int make_private_log(const struct daemon *daemon, const struct launch *launch,
			    struct err *err)
{
	_cleanup_(close_fd) int fd = -1;

	if (daemon->paths.system && make_user_log_dir(daemon, launch, err) < 0)
		return err->code;
	fd = open(launch->output, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return 0; /* of an earlier attempt */
	if (fd < 0 || (daemon->paths.system && fchown(fd, launch->uid, launch->gid) < 0))
		return err_set(err, -errno, "cannot make the log %s: %s", launch->output,
			       strerror(errno));
	return 0;
}

static int set_logs(const struct daemon *daemon, const struct jobspec *spec,
		    const struct jobspec_identity *identity, struct launch *launch, struct err *err)
{
	launch->output = spec->output ? jobspec_expand_path(spec, spec->output, identity)
				      : launch_default_log(daemon, launch->uid, launch->job);
	launch->error = spec->error ? jobspec_expand_path(spec, spec->error, identity) : NULL;
	return spec->output ? 0 : make_private_log(daemon, launch, err);
}

/* What runs: words, a string for the shell, or a script with words as its arguments. */
static void set_command(struct jobspec *spec, struct launch *launch)
{
	if (spec->command) {
		launch->argv = xcalloc(4, sizeof(char *));
		launch->argv[0] = xstrdup("/bin/sh");
		launch->argv[1] = xstrdup("-c");
		launch->argv[2] = TAKE_PTR(spec->command);
		launch->n_argv = 3;
		return;
	}
	launch->script = TAKE_PTR(spec->script);
	launch->n_argv = spec->n_argv;
	launch->argv = spec->argv ? TAKE_PTR(spec->argv) : xcalloc(1, sizeof(char *));
	spec->n_argv = 0;
}

int launch_spec_make(struct daemon *daemon, const struct record *record, struct launch *ret_launch,
		     uint16_t *ret_port, struct err *err)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(launch_finish) struct launch launch = {.job = record->job.id};
	struct found found = {&spec, &launch, clock_wall_ns(), err};
	struct store_filter filter = {
		.uid = -1,
		.first_id = record->job.id,
		.last_id = record->job.id,
		.with_spec = true,
	};
	struct jobspec_identity identity;
	int r;

	jobspec_init(&spec);
	r = store_walk(daemon->store, &filter, read_row, &found, err);
	if (r < 0)
		return r;
	make_environment(daemon, record, &spec, &launch, ret_port);
	set_command(&spec, &launch);
	identity = (struct jobspec_identity){record->job.id, record->job.array,
					     record->job.array_index};
	r = set_logs(daemon, &spec, &identity, &launch, err);
	if (r < 0)
		return r;
	launch.attempt = record->job.attempt;
	launch.dir = xstrdup(record->attempt->dir);
	launch.hint_socket = xasprintf("%s/hint.sock", daemon->paths.state_dir);
	launch.cgroup = daemon->cgroup ? xstrdup(daemon->cgroup) : NULL;
	launch.drop_ids = daemon->paths.system || launch.uid != geteuid();
	launch.cwd = TAKE_PTR(spec.cwd);
	launch.umask = spec.umask;
	launch.nofile = daemon->nofile;
	launch.log_max_bytes =
		(int64_t)(spec.log_max_bytes ? spec.log_max_bytes : daemon->config.log_max_bytes);
	launch.signal = spec.signal;
	launch.grace_ms = spec.grace_ms;
	launch.limit_ms = spec.time_limit_ms;
	launch.mem_bytes = spec.mem_bytes;
	*ret_launch = launch;
	launch = (struct launch){0};
	return 0;
}
