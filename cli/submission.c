/* SPDX-License-Identifier: MIT */
/*
 * The job that a command line describes.
 *
 * Order, each winning over the one before: the submitter's environment and directory, the job file
 * or the script's directives, the options. All values go through common/jobspec.
 * Invariants: the job is checked here before a daemon is asked or started; a submission carries a
 * random key, so repeating it after a broken connection cannot make two jobs.
 * Deliberately not here: defaults and bounds of fields (jobspec.c), what a machine can refuse
 * (tgpud).
 */
#include "cli/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/field.h"
#include "cli/jobview.h"
#include "cli/selector.h"
#include "common/clock.h"
#include "common/jobfile.h"
#include "common/utf8.h"

#define KEY_BYTES 16

extern char **environ;

/*
 * Variables of this shell that would mislead a job: what the daemon sets for each job itself, which
 * GPUs the shell was given, and the sockets that a service manager gave to the shell's own service.
 */
static bool is_withheld(const char *variable)
{
	static const char *const names[] = {
		"CUDA_VISIBLE_DEVICES=",
		"CUDA_DEVICE_ORDER=",
		"NVIDIA_VISIBLE_DEVICES=",
		"ROCR_VISIBLE_DEVICES=",
		"HIP_VISIBLE_DEVICES=",
		"GPU_DEVICE_ORDINAL=",
		"ZE_AFFINITY_MASK=",
		"ONEAPI_DEVICE_SELECTOR=",
		"NOTIFY_SOCKET=",
		"LISTEN_",
		"TGPU_",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void warn(void *ctx, const char *sentence)
{
	(void)ctx;
	fprintf(stderr, "tgpu: warning: %s\n", sentence);
}

/* JSON is UTF-8; a variable that is not is left out, by name. */
static bool is_sendable(const char *variable)
{
	const char *equals = strchr(variable, '=');
	char sentence[256];

	if (!equals || equals == variable || is_withheld(variable))
		return false;
	if (utf8_is_valid(variable, strlen(variable)))
		return true;
	snprintf(sentence, sizeof(sentence),
		 "the variable %.*s is not UTF-8 and is left out of the job's environment",
		 (int)(equals - variable > 64 ? 64 : equals - variable), variable);
	warn(NULL, sentence);
	return false;
}

static void take_environment(struct jobspec *spec)
{
	size_t n = 0;

	while (environ[n])
		n++;
	spec->env = xcalloc(n + 1, sizeof(*spec->env));
	for (size_t i = 0; i < n; i++)
		if (is_sendable(environ[i]))
			spec->env[spec->n_env++] = xstrdup(environ[i]);
}

/* $PWD when it is this directory: it keeps the symbolic links a person came by. */
static char *current_directory(void)
{
	const char *pwd = getenv("PWD");
	struct stat a, b;

	if (pwd && pwd[0] == '/' && stat(pwd, &a) == 0 && stat(".", &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return xstrdup(pwd);
	return getcwd(NULL, 0);
}

static int take_surroundings(struct jobspec *spec, struct err *err)
{
	take_environment(spec);
	spec->cwd = current_directory();
	if (!spec->cwd)
		return err_set(err, -EINVAL,
			       "cannot tell the current directory: %s; change to one that exists",
			       strerror(errno));
	spec->umask = umask(022);
	umask(spec->umask);
	return 0;
}

/* "python train.py --lr 3", as far as it fits into a sentence. Owned by the caller. */
static char *join_words(char *const *words, size_t n)
{
	struct buf text = {0};

	for (size_t i = 0; i < n && text.len < 200; i++)
		buf_printf(&text, "%s%.200s", i > 0 ? " " : "", words[i]);
	return buf_take(&text);
}

static bool is_yaml(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (STREQ(dot, ".yaml") || STREQ(dot, ".yml"));
}

/* A word that is no file: a slip in its name, or a command without the dashes before it. */
static int refuse_missing(char *const *words, size_t n, struct err *err)
{
	_cleanup_(free_ptr) char *command = join_words(words, n);

	if (is_yaml(words[0]) || strchr(words[0], '/'))
		return err_set(err, -EINVAL, "there is no job file \"%.200s\"", words[0]);
	if (n > 1 && STREQ(words[1], "--"))
		return err_set(
			err, -EINVAL,
			"\"%.100s\" before \"--\" is neither an option, nor the value of one, "
			"nor a job file; leave it out",
			words[0]);
	return err_set(err, -EINVAL,
		       "there is no job file \"%.100s\"; a command goes after \"--\": -- %s",
		       words[0], command);
}

static int read_job_file(char *const *words, size_t n, char **ret_text, size_t *ret_len,
			 struct err *err)
{
	const char *path = words[0];
	bool is_stdin = STREQ(path, "-");
	int r;

	r = is_stdin ? read_all(STDIN_FILENO, JOBFILE_MAX, ret_text, ret_len)
		     : read_file(path, JOBFILE_MAX, ret_text, ret_len);
	if (r == -ENOENT)
		return refuse_missing(words, n, err);
	if (r == -EFBIG)
		return err_set(err, -EINVAL, "%.100s has more than %u bytes", path, JOBFILE_MAX);
	if (r < 0)
		return err_set(err, -EINVAL, "cannot read %.100s: %s", path, strerror(-r));
	return 0;
}

/* What was read is no job file: is it a program, or a script that has no first line? */
static int refuse_text(const char *path, const char *text, size_t len, struct err *err)
{
	if (STREQ(path, "-"))
		return err_set(err, -EINVAL,
			       "what came on stdin is no script; let its first line be #!/bin/sh, "
			       "or give a file (YAML: .yaml)");
	if (memchr(text, '\0', len))
		return err_set(err, -EINVAL,
			       "%.64s is a program, not a job file; write: tgpu submit -- %s%.64s",
			       path, strchr(path, '/') ? "" : "./", path);
	return err_set(err, -EINVAL,
		       "%.64s is neither YAML (.yaml) nor a script (its first line must begin with "
		       "#!); add \"#!/bin/sh\" as its first line",
		       path);
}

static int parse_job_file(struct jobspec *spec, char *const *words, size_t n, int64_t now_ns,
			  struct err *err)
{
	_cleanup_(free_ptr) char *text = NULL;
	const char *path = words[0];
	size_t len;
	int r = read_job_file(words, n, &text, &len, err);

	if (r < 0)
		return r;
	if (is_yaml(path) && n > 1)
		return err_set(
			err, -EINVAL,
			"\"%.64s\" stands after the YAML file, which takes no arguments; options "
			"go before it",
			words[1]);
	if (is_yaml(path))
		return jobfile_parse_yaml(spec, text, len, path, now_ns, err);
	if (strncmp(text, "#!", 2) != 0)
		return refuse_text(path, text, len, err);
	r = jobfile_parse_script(spec, text, len, path, now_ns, warn, NULL, err);
	if (r < 0)
		return r;
	return n > 1 ? jobspec_set_command_words(spec, words + 1, n - 1, err) : 0;
}

/* The ids of the caller's newest job, or of all tasks of the newest array. Connects. */
static int find_last(struct client *client, char **ret_ids, struct err *err)
{
	_cleanup_(selector_finish) struct selector selector = {.last = true, .uid = -1};
	int r = client_open(client, CLIENT_START, err);

	if (r == 0)
		r = selector_find_last(&selector, client, err);
	if (r < 0)
		return err_wrap(err, "after");
	*ret_ids = idset_format(&selector.ids);
	return 0;
}

/* "last" is a matter of the command line: what a job depends on is told by ids. */
static int apply_after(struct jobspec *spec, const struct option_value *value,
		       struct client *client, int64_t now_ns, struct err *err)
{
	static const char word[] = "last";
	size_t len = strlen(value->text), at = len - strlen(word);
	_cleanup_(free_ptr) char *ids = NULL, *text = NULL;
	int r;

	if (len < strlen(word) || !STREQ(value->text + at, word) ||
	    (at > 0 && !strchr(":,", value->text[at - 1])))
		return jobspec_set_option(spec, value->desc->field, value->text, now_ns, err);
	r = find_last(client, &ids, err);
	if (r < 0)
		return r;
	text = xasprintf("%.*s%s", (int)at, value->text, ids);
	return jobspec_set_option(spec, value->desc->field, text, now_ns, err);
}

static int apply_options(struct jobspec *spec, const struct options *options, struct client *client,
			 int64_t now_ns, struct err *err)
{
	for (size_t i = 0; i < options->n_values; i++) {
		const struct option_value *value = &options->values[i];
		int r = 0;

		if (value->desc->field && STREQ(value->desc->field->key, "after"))
			r = apply_after(spec, value, client, now_ns, err);
		else if (value->desc->field)
			r = jobspec_set_option(spec, value->desc->field, value->text, now_ns, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A variable's setting before a command, "A=1"? Only a shell knows what that means. */
static bool is_setting(const char *word)
{
	size_t len =
		strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return len > 0 && word[len] == '=';
}

/* What only a shell understands would be taken for the name of a program, and fail later. */
static int check_program(char *const *words, size_t n, struct err *err)
{
	_cleanup_(free_ptr) char *command = join_words(words, n);

	if (jobspec_shell_word(words[0]) || access(words[0], X_OK) == 0)
		return 0;
	if (is_setting(words[0]))
		return err_set(
			err, -EINVAL,
			"command: %.100s is no program; set a variable by \"--env %.100s\", or "
			"have a shell do it: cmd=\"%s\"",
			words[0], words[0], command);
	if (strpbrk(words[0], " \t\n;|&<>") && words[0][0] != '/' && words[0][0] != '.')
		return err_set(err, -EINVAL,
			       "command: \"%.100s\" is no program; leave out the quotes, or have a "
			       "shell run it: cmd=\"%s\"",
			       words[0], command);
	return 0;
}

static int build(struct jobspec *spec, const struct options *options, struct client *client,
		 struct err *err)
{
	int64_t now_ns = clock_wall_ns();
	bool is_file = options->n_plain > 0 && !jobspec_shell_word(options->words[0]);
	int r = take_surroundings(spec, err);

	if (r < 0)
		return r;
	if (is_file)
		r = parse_job_file(spec, options->words, options->n_words, now_ns, err);
	else if (options->n_words > 0)
		r = check_program(options->words, options->n_words, err);
	if (r == 0 && !is_file && options->n_words > 0)
		r = jobspec_set_command_words(spec, options->words, options->n_words, err);
	if (r == 0)
		r = apply_options(spec, options, client, now_ns, err);
	return r < 0 ? r : jobspec_validate(spec, err);
}

/* A place that does not exist may be made before the job starts, so this is no refusal. */
static void warn_if_missing(const char *what, const char *dir)
{
	char sentence[256];

	if (!dir || access(dir, F_OK) == 0 || errno != ENOENT)
		return;
	snprintf(sentence, sizeof(sentence), "%s: there is no directory %.160s (yet)", what, dir);
	warn(NULL, sentence);
}

/* The directory that a log is to be in, unless its name depends on the job. */
static void warn_of_log(const struct jobspec *spec, const char *what, const char *pattern)
{
	const char *slash = pattern ? strrchr(pattern, '/') : NULL;
	_cleanup_(free_ptr) char *dir = NULL;

	if (!slash || slash == pattern || (pattern[0] != '/' && !spec->cwd))
		return;
	dir = xasprintf("%s%s%.*s", pattern[0] == '/' ? "" : spec->cwd,
			pattern[0] == '/' ? "" : "/", (int)(slash - pattern), pattern);
	if (!strchr(dir, '%'))
		warn_if_missing(what, dir);
}

void submission_warn(const struct jobspec *spec)
{
	warn_if_missing("chdir", spec->cwd);
	warn_of_log(spec, "output", spec->output);
	warn_of_log(spec, "error", spec->error);
}

static int make_key(char key[2 * KEY_BYTES + 1], struct err *err)
{
	unsigned char bytes[KEY_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(err, -EIO, "no random numbers: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(key + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int submission_send(struct client *client, const struct options *options, json_t **ret_job,
		    struct err *err)
{
	_cleanup_(jobspec_finish) struct jobspec spec = {0};
	_cleanup_(client_json_unref) json_t *body = NULL;
	char key[2 * KEY_BYTES + 1];
	int r;

	jobspec_init(&spec);
	r = build(&spec, options, client, err);
	if (r == 0)
		r = make_key(key, err);
	if (r == 0 && !client->socket)
		r = client_open(client, CLIENT_START, err);
	if (r < 0)
		return r;
	submission_warn(&spec);
	body = jobspec_to_json(&spec);
	r = client_call(client, "POST", "/v1/jobs", key, body, ret_job, err);
	if (r == 0)
		client_warn(*ret_job);
	return r;
}

bool submission_found(const json_t *job, struct buf *line)
{
	uint64_t id = jobview_id(job), n_jobs = (uint64_t)field_int(job, "n_jobs", 1);
	struct idrange jobs = {id, id + n_jobs - 1};

	if (!STREQ(field_text(job, "found_by"), "unique"))
		return false;
	buf_puts(line, n_jobs > 1 ? "jobs " : "job ");
	idrange_format(line, &jobs);
	buf_puts(line, " (");
	format_printable(line, field_text(job, "name"));
	buf_printf(line, ") %s there already, %s%s; nothing was submitted",
		   n_jobs > 1 ? "are" : "is", n_jobs > 1 ? "the first " : "", jobview_state(job));
	return true;
}
