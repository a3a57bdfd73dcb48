/* SPDX-License-Identifier: MIT */
/*
 * The configuration file.
 *
 * Invariants: a value that cannot be read is never silently a default. Later lines win.
 * Deliberately no sections, no includes, no reload: a restart loses nothing.
 */
#include "daemon/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/duration.h"
#include "common/jobspec.h"
#include "common/suggest.h"

#define CONFIG_FILE_MAX		  (1u << 20)
#define BACKFILL_RESERVATIONS_MAX 64
#define MEM_MIN			  (1u << 20)

/* What a job is planned to take from being told to end: its default grace. */
#define PREEMPT_GRACE_NS (40 * NS_PER_S)

static int refuse_policy(const char *value, struct err *err)
{
	_cleanup_(buf_finish) struct buf names = {0};

	for (size_t i = 0; policies[i]; i++)
		buf_printf(&names, "%s%s",
			   i == 0	     ? ""
			   : policies[i + 1] ? ", "
					     : " or ",
			   policies[i]->name);
	return err_set(err, -EINVAL, "'%.60s' is no policy; write %s", value, buf_get(&names));
}

static int parse_policy(struct config *config, const char *value, struct err *err)
{
	const struct policy *policy = policy_by_name(value);

	if (!policy)
		return refuse_policy(value, err);
	config->sched.policy = policy;
	return 0;
}

/* By mode; NULL: not by a word of its own. BACKFILL_RESERVE is the number of its reservations. */
static const char *const backfill_names[BACKFILL_MODE_COUNT] = {
	[BACKFILL_NONE] = "none",
	[BACKFILL_EASY] = "easy",
	[BACKFILL_CONSERVATIVE] = "conservative",
};

const char *config_backfill(const struct config *config, char number[CONFIG_NUMBER_SIZE])
{
	const char *name = backfill_names[config->sched.backfill];

	if (name)
		return name;
	snprintf(number, CONFIG_NUMBER_SIZE, "%u", config->sched.reservations);
	return number;
}

static int parse_backfill(struct config *config, const char *value, struct err *err)
{
	int64_t reservations;

	for (size_t i = 0; i < ARRAY_SIZE(backfill_names); i++)
		if (backfill_names[i] && STREQ(backfill_names[i], value)) {
			config->sched.backfill = (enum backfill_mode)i;
			return 0;
		}
	if (parse_int64(value, 2, BACKFILL_RESERVATIONS_MAX, &reservations) < 0)
		return err_set(err, -EINVAL,
			       "'%s' is no backfill; write easy, none, conservative, or how many "
			       "jobs hold a reservation (2 to %d)",
			       value, BACKFILL_RESERVATIONS_MAX);
	config->sched.backfill = BACKFILL_RESERVE;
	config->sched.reservations = (unsigned)reservations;
	return 0;
}

static int parse_span(const char *value, int64_t min_ms, int64_t *ret_ms, struct err *err)
{
	int64_t ms;
	int r = duration_parse(value, &ms, err);

	if (r < 0)
		return r;
	if (ms < min_ms)
		return err_set(err, -EINVAL, "'%s' is too short; write at least %lldms", value,
			       (long long)min_ms);
	*ret_ms = ms;
	return 0;
}

static int parse_span_ns(const char *value, int64_t min_ms, int64_t *ret_ns, struct err *err)
{
	int64_t ms = 0;
	int r = parse_span(value, min_ms, &ms, err);

	if (r < 0)
		return r;
	if (ms > INT64_MAX / NS_PER_MS)
		return err_set(err, -EINVAL, "'%s' is too long", value);
	*ret_ns = ms * NS_PER_MS;
	return 0;
}

static int parse_point(struct config *config, const char *value, struct err *err)
{
	return parse_span_ns(value, 0, &config->sched.params.point_ns, err);
}

static int parse_halving(struct config *config, const char *value, struct err *err)
{
	return parse_span_ns(value, 1000, &config->sched.params.tau_ns, err);
}

static int parse_cap(struct config *config, const char *value, struct err *err)
{
	return parse_span_ns(value, 1000, &config->sched.params.cap_ns, err);
}

static int parse_half_life(struct config *config, const char *value, struct err *err)
{
	return parse_span_ns(value, 0, &config->sched.half_life_ns, err);
}

static int parse_switch(const char *value, bool *ret_on, struct err *err)
{
	if (!STREQ(value, "on") && !STREQ(value, "off"))
		return err_set(err, -EINVAL, "'%s' is neither on nor off", value);
	*ret_on = STREQ(value, "on");
	return 0;
}

static int parse_preempt(struct config *config, const char *value, struct err *err)
{
	return parse_switch(value, &config->sched.preempt.enabled, err);
}

static int parse_immunity(struct config *config, const char *value, struct err *err)
{
	return parse_span_ns(value, 0, &config->sched.preempt.immunity_ns, err);
}

static int parse_restart(struct config *config, const char *value, struct err *err)
{
	return parse_span_ns(value, 0, &config->sched.preempt.restart_ns, err);
}

static int parse_probe_interval(struct config *config, const char *value, struct err *err)
{
	return parse_span(value, 100, &config->probe_interval_ms, err);
}

static int parse_probe_timeout(struct config *config, const char *value, struct err *err)
{
	return parse_span(value, 100, &config->probe_timeout_ms, err);
}

/* Of a GPU's memory: 0, or so much that it was meant. */
static int parse_mem(const char *value, uint64_t *ret_bytes, struct err *err)
{
	uint64_t bytes;
	int r = bytes_parse(value, &bytes, err);

	if (r < 0)
		return r;
	if (bytes > 0 && bytes < MEM_MIN)
		return err_set(err, -EINVAL,
			       "'%s' is less than 1M, and a number alone counts bytes; write for "
			       "example 512M",
			       value);
	*ret_bytes = bytes;
	return 0;
}

static int parse_foreign_memory(struct config *config, const char *value, struct err *err)
{
	return parse_mem(value, &config->foreign_mem_bytes, err);
}

static int parse_display_memory(struct config *config, const char *value, struct err *err)
{
	return parse_mem(value, &config->display_mem_bytes, err);
}

static int parse_clean_timeout(struct config *config, const char *value, struct err *err)
{
	return parse_span(value, 0, &config->clean_timeout_ms, err);
}

static int parse_unused_after(struct config *config, const char *value, struct err *err)
{
	return parse_span(value, 0, &config->unused_after_ms, err);
}

static int parse_idle_after(struct config *config, const char *value, struct err *err)
{
	return parse_span(value, 0, &config->idle_after_ms, err);
}

static int parse_idle_action(struct config *config, const char *value, struct err *err)
{
	static const char *const names[] = {
		[IDLE_WARN] = "warn", [IDLE_NOTIFY] = "notify", [IDLE_REQUEUE] = "requeue"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (STREQ(names[i], value)) {
			config->idle_action = (enum idle_action)i;
			return 0;
		}
	return err_set(err, -EINVAL, "'%s' is none of warn, notify and requeue", value);
}

static int parse_cgroup(struct config *config, const char *value, struct err *err)
{
	if (!STREQ(value, "auto") && !STREQ(value, "none"))
		return err_set(err, -EINVAL, "'%s' is neither auto nor none", value);
	config->use_cgroup = STREQ(value, "auto");
	return 0;
}

static int parse_visible_devices(struct config *config, const char *value, struct err *err)
{
	if (!STREQ(value, "index") && !STREQ(value, "uuid"))
		return err_set(err, -EINVAL, "'%s' is neither index nor uuid", value);
	config->export_uuids = STREQ(value, "uuid");
	return 0;
}

static int parse_count(const char *value, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	if (parse_int64(value, min, max, ret) < 0)
		return err_set(err, -EINVAL, "'%s' is not a whole number of %lld to %lld", value,
			       (long long)min, (long long)max);
	return 0;
}

static int parse_user_jobs(struct config *config, const char *value, struct err *err)
{
	int64_t count = 0;
	int r = parse_count(value, 0, INT32_MAX, &count, err);

	config->sched.user_limits.max_jobs = (uint32_t)count;
	return r;
}

static int parse_user_gpus(struct config *config, const char *value, struct err *err)
{
	int64_t count = 0;
	int r = parse_count(value, 0, INT32_MAX, &count, err);

	config->sched.user_limits.max_gpus = (uint32_t)count;
	return r;
}

static int parse_max_jobs(struct config *config, const char *value, struct err *err)
{
	return parse_count(value, 1, INT32_MAX, &config->max_jobs_per_user, err);
}

static int parse_max_body(struct config *config, const char *value, struct err *err)
{
	uint64_t bytes;
	int r = bytes_parse(value, &bytes, err);

	if (r < 0)
		return r;
	if (bytes < 4096 || bytes > (64u << 20))
		return err_set(err, -EINVAL, "'%s' is not between 4K and 64M", value);
	config->max_body_bytes = (int64_t)bytes;
	return 0;
}

static int parse_log_max(struct config *config, const char *value, struct err *err)
{
	uint64_t bytes;
	int r = bytes_parse(value, &bytes, err);

	if (r < 0)
		return r;
	if (bytes > 0 && bytes < JOBSPEC_LOG_MIN)
		return err_set(err, -EINVAL, "'%s' is less than 64K; 0 is all", value);
	config->log_max_bytes = bytes;
	return 0;
}

/* A text, "none" for none. */
static int parse_text(const char *value, char *ret_text, size_t size, struct err *err)
{
	if (strlen(value) >= size)
		return err_set(err, -EINVAL, "longer than %zu bytes", size - 1);
	snprintf(ret_text, size, "%s", STREQ(value, "none") ? "" : value);
	return 0;
}

/* An absolute path, or "none". */
static int parse_path(const char *value, char *ret_path, size_t size, struct err *err)
{
	if (value[0] != '/' && !STREQ(value, "none"))
		return err_set(err, -EINVAL, "'%s' is no absolute path; write /... or none", value);
	return parse_text(value, ret_path, size, err);
}

/* "ADDRESS:PORT" of the loopback interface: who is calling cannot be known there. */
static int parse_loopback(const char *text, struct sockaddr_storage *ret_address, struct err *err)
{
	_cleanup_(free_ptr) char *host = xstrdup(text);
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
	char *colon = strrchr(host, ':');
	int64_t port;

	*ret_address = (struct sockaddr_storage){0};
	if (!colon || parse_int64(colon + 1, 1, 65535, &port) < 0)
		return err_set(err, -EINVAL, "'%s' is no address; write 127.0.0.1:9400", text);
	*colon = '\0';
	if (STREQ(host, "[::1]")) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
					    .sin6_port = htons((uint16_t)port),
					    .sin6_addr = in6addr_loopback};
		return 0;
	}
	*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, host, &v4->sin_addr) != 1 || ntohl(v4->sin_addr.s_addr) >> 24 != 127)
		return err_set(err, -EINVAL,
			       "'%s' is not of the loopback interface; write 127.0.0.1:PORT or "
			       "[::1]:PORT, and put a proxy before it for others",
			       text);
	return 0;
}

static int parse_metrics_listen(struct config *config, const char *value, struct err *err)
{
	int r = parse_text(value, config->metrics_listen, sizeof(config->metrics_listen), err);

	return r < 0 || !config->metrics_listen[0]
		       ? r
		       : parse_loopback(value, &config->metrics_address, err);
}

static int parse_notify_command(struct config *config, const char *value, struct err *err)
{
	return parse_text(value, config->notify_command, sizeof(config->notify_command), err);
}

static int parse_hooks_dir(struct config *config, const char *value, struct err *err)
{
	return parse_path(value, config->hooks_dir, sizeof(config->hooks_dir), err);
}

static int parse_hook_timeout(struct config *config, const char *value, struct err *err)
{
	return parse_span(value, 100, &config->hook_timeout_ms, err);
}

static int parse_metrics_token_file(struct config *config, const char *value, struct err *err)
{
	return parse_path(value, config->metrics_token_file, sizeof(config->metrics_token_file),
			  err);
}

static int parse_trace(struct config *config, const char *value, struct err *err)
{
	return parse_path(value, config->trace, sizeof(config->trace), err);
}

static int parse_trace_max(struct config *config, const char *value, struct err *err)
{
	return bytes_parse(value, &config->trace_max_bytes, err);
}

static int parse_max_connections(struct config *config, const char *value, struct err *err)
{
	return parse_count(value, 1, 100000, &config->max_connections, err);
}

static int parse_max_connections_per_user(struct config *config, const char *value, struct err *err)
{
	return parse_count(value, 1, 100000, &config->max_connections_per_user, err);
}

const struct config_key config_keys[] = {
	{"policy", "priority", "order of the queue: one of the policies below", parse_policy},
	{"backfill", "easy",
	 "who may pass a job that waits for GPUs: easy, none, conservative, or how many jobs hold "
	 "a "
	 "reservation",
	 parse_backfill},
	{"priority_point", "1h", "waiting that counts as much as one point of priority",
	 parse_point},
	{"size_halving", "1h", "shortest: waiting that makes a job count as half its size",
	 parse_halving},
	{"size_cap", "7d", "shortest: waiting after which a job goes before all others", parse_cap},
	{"fair_half_life", "7d", "fair: time in which past use counts half; 0: it never fades",
	 parse_half_life},
	{"user_max_running", "0", "jobs of one user that may run at a time; 0: no limit",
	 parse_user_jobs},
	{"user_max_gpus", "0", "GPUs that one user's jobs may hold at a time; 0: no limit",
	 parse_user_gpus},
	{"preempt", "on",
	 "may preemptible jobs be ended for jobs of higher priority: on or off (never under "
	 "conservative or several reservations)",
	 parse_preempt},
	{"preempt_immunity", "10m", "time after its start in which a job is not preempted",
	 parse_immunity},
	{"preempt_restart", "2m",
	 "what a restart is taken to cost; nobody is preempted to save less waiting",
	 parse_restart},
	{"probe_interval", "5s", "time between two looks at the GPUs", parse_probe_interval},
	{"probe_timeout", "60s", "silence after which the GPU probe is killed and started anew",
	 parse_probe_timeout},
	{"foreign_memory", "1G", "GPU memory in use by nobody visible that makes a GPU foreign",
	 parse_foreign_memory},
	{"display_memory", "512M", "GPU memory a graphics process may use on a GPU that is idle",
	 parse_display_memory},
	{"clean_timeout", "60s", "time after a job until a GPU that is not free again is unhealthy",
	 parse_clean_timeout},
	{"unused_after", "2m", "a job seen for less is not told that it left GPUs unused",
	 parse_unused_after},
	{"idle_after", "30m", "time after which a job whose GPUs do nothing is noticed; 0: never",
	 parse_idle_after},
	{"idle_action", "warn", "then: warn, notify (its owner too) or requeue (end it as well)",
	 parse_idle_action},
	{"cgroup", "auto",
	 "auto: a control group per job where the machine lets one be made; none: never",
	 parse_cgroup},
	{"visible_devices", "index", "what CUDA_VISIBLE_DEVICES lists: index or uuid",
	 parse_visible_devices},
	{"max_jobs_per_user", "1000000", "jobs of one user that have not ended", parse_max_jobs},
	{"log_max", "0", "how much of each log is kept, about, where a job does not say; 0: all",
	 parse_log_max},
	{"max_body", "8M", "size of one request", parse_max_body},
	{"notify_command", "none", "line for the shell, run as a job's owner, that tells him of it",
	 parse_notify_command},
	{"hooks_dir", "none", "directory of programs that are run for each event, as tgpud's user",
	 parse_hooks_dir},
	{"hook_timeout", "30s", "time after which either is killed", parse_hook_timeout},
	{"metrics_listen", "none", "loopback address that serves /metrics: 127.0.0.1:9400",
	 parse_metrics_listen},
	{"metrics_token_file", "none", "file with the token that a reader of it must send",
	 parse_metrics_token_file},
	{"trace", "none", "file to which every decision is written, with its reasons", parse_trace},
	{"trace_max", "1G", "size at which that ends", parse_trace_max},
	{"max_connections", "10000",
	 "clients connected at a time; at most half of the limit of open files (ulimit -n)",
	 parse_max_connections},
	{"max_connections_per_user", "1000", "the same, of one user",
	 parse_max_connections_per_user},
	{NULL, NULL, NULL, NULL},
};

void config_init(struct config *config)
{
	*config = (struct config){.sched.preempt.grace_ns = PREEMPT_GRACE_NS};
	for (const struct config_key *key = config_keys; key->name; key++)
		if (key->parse(config, key->fallback, NULL) < 0)
			abort(); /* the table's own defaults */
}

static int refuse_key(const char *name, struct err *err)
{
	const char *names[ARRAY_SIZE(config_keys)], *close;
	size_t n = 0;

	for (; config_keys[n].name; n++)
		names[n] = config_keys[n].name;
	close = suggest_closest(name, names, n);
	if (close)
		return err_set(err, -EINVAL, "there is no key '%s'; did you mean %s?", name, close);
	return err_set(err, -EINVAL, "there is no key '%s'; see tgpu.conf(5)", name);
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int parse_line(struct config *config, char *line, struct err *err)
{
	char *equals, *name, *value;

	line[strcspn(line, "#")] = '\0';
	line = trim(line);
	if (!*line)
		return 0;
	equals = strchr(line, '=');
	if (!equals)
		return err_set(err, -EINVAL, "'%s' is not of the form key = value", line);
	*equals = '\0';
	name = trim(line);
	value = trim(equals + 1);
	for (const struct config_key *key = config_keys; key->name; key++) {
		if (!STREQ(key->name, name))
			continue;
		if (key->parse(config, value, err) < 0)
			return err_wrap(err, "%s", name);
		return 0;
	}
	return refuse_key(name, err);
}

int config_parse(struct config *config, const char *text, const char *filename, struct err *err)
{
	_cleanup_(free_ptr) char *copy = xstrdup(text);
	char *rest = copy, *line;

	for (int number = 1; (line = strsep(&rest, "\n")); number++)
		if (parse_line(config, line, err) < 0)
			return err_wrap(err, "%s:%d", filename, number);
	return 0;
}

static char *default_path(bool system)
{
	const char *home;

	if (system)
		return xstrdup("/etc/tgpu/tgpu.conf");
	home = getenv("XDG_CONFIG_HOME");
	if (home && *home)
		return xasprintf("%s/tgpu/tgpu.conf", home);
	home = getenv("HOME");
	return xasprintf("%s/.config/tgpu/tgpu.conf", home ? home : "");
}

int config_load(struct config *config, const char *path, bool system, struct err *err)
{
	const char *given = path ? path : getenv("TGPU_CONFIG");
	_cleanup_(free_ptr) char *name = given ? xstrdup(given) : default_path(system);
	_cleanup_(free_ptr) char *text = NULL;
	size_t len;
	int r;

	config_init(config);
	r = read_file(name, CONFIG_FILE_MAX, &text, &len);
	if (r == -ENOENT && !given)
		return 0;
	if (r < 0)
		return err_set(err, r, "cannot read the configuration %s: %s", name, strerror(-r));
	if (memchr(text, '\0', len))
		return err_set(err, -EINVAL, "%s: holds a NUL byte; it must be text", name);
	snprintf(config->file, sizeof(config->file), "%s", name);
	return config_parse(config, text, name, err);
}
