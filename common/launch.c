/* SPDX-License-Identifier: MIT */
/*
 * The records between tgpud and tgpu-runner, written and read.
 *
 * Invariants: a launch record is "key=value\0" pieces, version first; every scalar key exactly once
 * where it is required, at most once elsewhere; unknown keys are refused, because a runner that
 * ignores what it does not know would run a job otherwise than asked. Sizes are bounded before
 * anything is allocated. libc only. Read next: launch_files.c, the three files; runner/main.c.
 */
#include "common/launch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"

#define LAUNCH_VERSION "1"

static void put(struct buf *out, const char *key, const char *value)
{
	buf_puts(out, key);
	buf_putc(out, '=');
	buf_append(out, value, strlen(value) + 1);
}

static void put_string(struct buf *out, const char *key, const char *value)
{
	if (value)
		put(out, key, value);
}

static void put_number(struct buf *out, const char *key, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	put(out, key, text);
}

void launch_encode(const struct launch *launch, char **ret_data, size_t *ret_len)
{
	struct buf out = {0};

	put(&out, "version", LAUNCH_VERSION);
	put_number(&out, "job", (int64_t)launch->job);
	put_number(&out, "attempt", launch->attempt);
	put_string(&out, "dir", launch->dir);
	put_string(&out, "hint_socket", launch->hint_socket);
	put_string(&out, "cgroup", launch->cgroup);
	put_number(&out, "drop_ids", launch->drop_ids);
	put_number(&out, "uid", launch->uid);
	put_number(&out, "gid", launch->gid);
	for (size_t i = 0; i < launch->n_groups; i++)
		put_number(&out, "group", launch->groups[i]);
	put_string(&out, "cwd", launch->cwd);
	put_string(&out, "output", launch->output);
	put_string(&out, "error", launch->error);
	put_number(&out, "umask", launch->umask);
	put_number(&out, "nofile", launch->nofile);
	put_number(&out, "log_max", launch->log_max_bytes);
	for (size_t i = 0; i < launch->n_argv; i++)
		put(&out, "arg", launch->argv[i]);
	put_string(&out, "script", launch->script);
	for (size_t i = 0; i < launch->n_env; i++)
		put(&out, "env", launch->env[i]);
	put_number(&out, "signal", launch->signal);
	put_number(&out, "grace_ms", launch->grace_ms);
	put_number(&out, "limit_ms", launch->limit_ms);
	put_number(&out, "mem_bytes", (int64_t)launch->mem_bytes);
	*ret_len = out.len;
	*ret_data = buf_take(&out);
}

enum kind { STRING, U32, U64, I64, INT, BOOL, STRINGS, GROUPS };

/* Every key: where it goes, and its bounds. */
static const struct field {
	const char *key;
	enum kind kind;
	size_t offset, count_offset;
	int64_t min, max;
	bool required;
} fields[] = {
#define AT(member) offsetof(struct launch, member)
	{"job", U64, AT(job), 0, 1, INT64_MAX, true},
	{"attempt", U32, AT(attempt), 0, 1, UINT32_MAX, true},
	{"dir", STRING, AT(dir), .required = true},
	{"hint_socket", STRING, AT(hint_socket)},
	{"cgroup", STRING, AT(cgroup)},
	{"drop_ids", BOOL, AT(drop_ids), 0, 0, 1, true},
	{"uid", U32, AT(uid), 0, 0, UINT32_MAX - 1, true},
	{"gid", U32, AT(gid), 0, 0, UINT32_MAX - 1, true},
	{"group", GROUPS, AT(groups), AT(n_groups), 0, UINT32_MAX - 1, false},
	{"cwd", STRING, AT(cwd), .required = true},
	{"output", STRING, AT(output), .required = true},
	{"error", STRING, AT(error)},
	{"umask", U32, AT(umask), 0, 0, 0777, true},
	{"log_max", I64, AT(log_max_bytes), 0, 0, INT64_MAX, false},
	{"nofile", I64, AT(nofile), 0, 0, INT64_MAX, false},
	{"arg", STRINGS, AT(argv), AT(n_argv)},
	{"script", STRING, AT(script)},
	{"env", STRINGS, AT(env), AT(n_env)},
	{"signal", INT, AT(signal), 0, 1, 64, true},
	{"grace_ms", I64, AT(grace_ms), 0, 0, INT64_MAX / 1000000, true},
	{"limit_ms", I64, AT(limit_ms), 0, 0, INT64_MAX / 1000000, true},
	{"mem_bytes", U64, AT(mem_bytes), 0, 0, INT64_MAX, true},
#undef AT
};

static void *member(struct launch *launch, size_t offset)
{
	return (char *)launch + offset;
}

static int set_number(struct launch *launch, const struct field *field, const char *value)
{
	int64_t number;
	int r = parse_int64(value, field->min, field->max, &number);

	if (r < 0)
		return r;
	switch (field->kind) {
	case U32: *(uint32_t *)member(launch, field->offset) = (uint32_t)number; break;
	case U64: *(uint64_t *)member(launch, field->offset) = (uint64_t)number; break;
	case I64: *(int64_t *)member(launch, field->offset) = number; break;
	case INT: *(int *)member(launch, field->offset) = (int)number; break;
	case BOOL: *(bool *)member(launch, field->offset) = number; break;
	case GROUPS:
		launch->groups = xreallocarray(launch->groups, launch->n_groups + 1,
					       sizeof(*launch->groups));
		launch->groups[launch->n_groups++] = (gid_t)number;
		break;
	default: return -EINVAL;
	}
	return 0;
}

/* Append to a NULL-terminated list; grown to the next power of two, so that n appends cost O(n). */
static void add_string(char ***list, size_t *n, const char *value)
{
	if ((*n & (*n + 1)) == 0)
		*list = xreallocarray(*list, 2 * (*n + 1), sizeof(char *));
	(*list)[(*n)++] = xstrdup(value);
	(*list)[*n] = NULL;
}

static int set_field(struct launch *launch, const struct field *field, const char *value)
{
	if (field->kind == STRING) {
		*(char **)member(launch, field->offset) = xstrdup(value);
		return 0;
	}
	if (field->kind == STRINGS) {
		add_string(member(launch, field->offset), member(launch, field->count_offset),
			   value);
		return 0;
	}
	return set_number(launch, field, value);
}

static int decode_piece(struct launch *launch, const char *piece, bool *seen, struct err *err)
{
	const char *equals = strchr(piece, '=');
	size_t len = equals ? (size_t)(equals - piece) : 0;

	for (size_t i = 0; equals && i < ARRAY_SIZE(fields); i++) {
		const struct field *field = &fields[i];
		bool many = field->kind == STRINGS || field->kind == GROUPS;

		if (strlen(field->key) != len || memcmp(field->key, piece, len) != 0)
			continue;
		if (seen[i] && !many)
			return err_set(err, -EINVAL, "launch record: %s stands there twice",
				       field->key);
		seen[i] = true;
		if (set_field(launch, field, equals + 1) < 0)
			return err_set(err, -EINVAL, "launch record: %s: bad value '%.64s'",
				       field->key, equals + 1);
		return 0;
	}
	return err_set(err, -EINVAL, "launch record: unknown piece '%.64s'", piece);
}

static int check_launch(const struct launch *launch, const bool *seen, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].required && !seen[i])
			return err_set(err, -EINVAL, "launch record: %s is missing", fields[i].key);
	if (!launch->script && launch->n_argv == 0)
		return err_set(err, -EINVAL,
			       "launch record: neither arg nor script: nothing to run");
	if (launch->dir[0] != '/' || launch->cwd[0] != '/' || launch->output[0] != '/' ||
	    (launch->error && launch->error[0] != '/'))
		return err_set(err, -EINVAL, "launch record: a path is not absolute");
	return 0;
}

int launch_decode(const char *data, size_t len, struct launch *ret_launch, struct err *err)
{
	static const char version[] = "version=" LAUNCH_VERSION;
	_cleanup_(launch_finish) struct launch launch = {0};
	bool seen[ARRAY_SIZE(fields)] = {0};
	int r;

	if (len > LAUNCH_RECORD_MAX)
		return err_set(err, -EINVAL, "launch record: larger than %u bytes",
			       LAUNCH_RECORD_MAX);
	if (len < sizeof(version) || memcmp(data, version, sizeof(version)) != 0)
		return err_set(err, -EINVAL, "launch record: not of version " LAUNCH_VERSION);
	if (data[len - 1] != '\0')
		return err_set(err, -EINVAL, "launch record: cut off");
	for (const char *at = data + sizeof(version); at < data + len; at += strlen(at) + 1) {
		r = decode_piece(&launch, at, seen, err);
		if (r < 0)
			return r;
	}
	r = check_launch(&launch, seen, err);
	if (r < 0)
		return r;
	if (!launch.argv)
		launch.argv = xcalloc(1, sizeof(char *));
	if (!launch.env)
		launch.env = xcalloc(1, sizeof(char *));
	*ret_launch = launch;
	launch = (struct launch){0};
	return 0;
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void launch_finish(struct launch *launch)
{
	free(launch->dir);
	free(launch->hint_socket);
	free(launch->cgroup);
	free(launch->groups);
	free(launch->cwd);
	free(launch->output);
	free(launch->error);
	free_list(launch->argv, launch->n_argv);
	free(launch->script);
	free_list(launch->env, launch->n_env);
	*launch = (struct launch){0};
}
