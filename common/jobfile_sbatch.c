/* SPDX-License-Identifier: MIT */
/*
 * The options of Slurm's sbatch(1): which are honoured, which are refused, which do nothing here.
 *
 * Invariants: an option is honoured only where it means the same, after translation of its units
 * (a bare --time is minutes, a bare --mem is MiB). One that would change what runs, and cannot be
 * honoured, is refused by name with a remedy; one that would not is named as ignored; an unknown
 * one is refused. None is dropped in silence. Deliberately not here: abbreviated long options,
 * which Slurm takes and which would turn a typing mistake into another option. Source: sbatch(1) of
 * Slurm 23.11. docs/job-spec.md shows the table to people.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/jobfile_internal.h"
#include "common/suggest.h"
#include "common/utf8.h"

/* The longest "--option=value" that a message shows. */
#define SHOWN_SIZE 96

/* Any remedy of the table. */
#define REMEDY_SIZE 128

enum verdict {
	GPUS,	    /* a number of GPUs, or TYPE:NUMBER */
	GRES,	    /* the same behind "gpu" or "gpu:" */
	NO_REQUEUE, /* the opposite of the field */
	ONLY,	    /* fine with this one value, which is what tgpu does anyway */
	IGNORED,
	REFUSED,
};

struct sbatch_option {
	const char *name;
	char letter;
	enum jobfile_value value;
	enum verdict verdict;
	const char *text; /* ONLY: the value; REFUSED: the remedy; IGNORED: why, or NULL */
};

#define NONE	 JOBFILE_VALUE_NONE
#define REQUIRED JOBFILE_VALUE_REQUIRED
#define OPTIONAL JOBFILE_VALUE_OPTIONAL

static const char use_cpus[] = "write --cpus-per-task=N instead";
static const char one_machine[] = "tgpu runs a job on one machine; leave it out";
static const char use_mem[] = "write --mem=SIZE for the whole job instead";
static const char one_task[] = "start several processes from one task, as torchrun does";
static const char any_gpus[] = "write --gpus=N, and #TGPU --gpu-type NAME for the kind";

/* clang-format off */
/* What jobspec's own table does not name: its `sbatch` column holds the options with our meaning. */
static const struct sbatch_option options[] = {
	{ "gpus-per-node", 0, REQUIRED, GPUS, NULL },
	{ "gpus-per-task", 0, REQUIRED, GPUS, NULL },
	{ "gres", 0, REQUIRED, GRES, NULL },
	{ "no-requeue", 0, NONE, NO_REQUEUE, NULL },

	{ "nodes", 'N', REQUIRED, ONLY, "1" },
	{ "ntasks", 'n', REQUIRED, ONLY, "1" },
	{ "ntasks-per-node", 0, REQUIRED, ONLY, "1" },
	{ "tasks-per-node", 0, REQUIRED, ONLY, "1" },
	{ "export", 0, REQUIRED, ONLY, "ALL" },
	{ "open-mode", 0, REQUIRED, ONLY, "append" },

	{ "account", 'A', REQUIRED, IGNORED, NULL },
	{ "acctg-freq", 0, REQUIRED, IGNORED, NULL },
	{ "comment", 0, REQUIRED, IGNORED, NULL },
	{ "contiguous", 0, NONE, IGNORED, NULL },
	{ "core-spec", 'S', REQUIRED, IGNORED, NULL },
	{ "cores-per-socket", 0, REQUIRED, IGNORED, NULL },
	{ "cpu-freq", 0, REQUIRED, IGNORED, NULL },
	{ "delay-boot", 0, REQUIRED, IGNORED, NULL },
	{ "distribution", 'm', REQUIRED, IGNORED, NULL },
	{ "extra-node-info", 'B', REQUIRED, IGNORED, NULL },
	{ "gpu-bind", 0, REQUIRED, IGNORED, NULL },
	{ "gpu-freq", 0, REQUIRED, IGNORED, NULL },
	{ "gres-flags", 0, REQUIRED, IGNORED, NULL },
	{ "hint", 0, REQUIRED, IGNORED, NULL },
	{ "ignore-pbs", 0, NONE, IGNORED, NULL },
	{ "kill-on-invalid-dep", 0, REQUIRED, IGNORED, "write #TGPU --cancel-if-never" },
	{ "mail-type", 0, REQUIRED, IGNORED, NULL },
	{ "mail-user", 0, REQUIRED, IGNORED, NULL },
	{ "mcs-label", 0, REQUIRED, IGNORED, NULL },
	{ "mem-bind", 0, REQUIRED, IGNORED, NULL },
	{ "nice", 0, OPTIONAL, IGNORED, "write #TGPU --priority N to order jobs" },
	{ "no-kill", 'k', OPTIONAL, IGNORED, NULL },
	{ "overcommit", 'O', NONE, IGNORED, NULL },
	{ "oversubscribe", 's', NONE, IGNORED, NULL },
	{ "parsable", 0, NONE, IGNORED, NULL },
	{ "partition", 'p', REQUIRED, IGNORED, "there are no partitions; see --gpu-type" },
	{ "power", 0, REQUIRED, IGNORED, NULL },
	{ "prefer", 0, REQUIRED, IGNORED, NULL },
	{ "priority", 0, REQUIRED, IGNORED, "write #TGPU --priority N, -1000 to 1000" },
	{ "profile", 0, REQUIRED, IGNORED, NULL },
	{ "propagate", 0, OPTIONAL, IGNORED, NULL },
	{ "qos", 'q', REQUIRED, IGNORED, NULL },
	{ "quiet", 'Q', NONE, IGNORED, NULL },
	{ "reservation", 0, REQUIRED, IGNORED, NULL },
	{ "sockets-per-node", 0, REQUIRED, IGNORED, NULL },
	{ "spread-job", 0, NONE, IGNORED, NULL },
	{ "switches", 0, REQUIRED, IGNORED, NULL },
	{ "thread-spec", 0, REQUIRED, IGNORED, NULL },
	{ "threads-per-core", 0, REQUIRED, IGNORED, NULL },
	{ "time-min", 0, REQUIRED, IGNORED, NULL },
	{ "tmp", 0, REQUIRED, IGNORED, NULL },
	{ "use-min-nodes", 0, NONE, IGNORED, NULL },
	{ "verbose", 'v', NONE, IGNORED, NULL },
	{ "wait", 'W', NONE, IGNORED, "use tgpu run to wait for a job" },
	{ "wait-all-nodes", 0, REQUIRED, IGNORED, NULL },
	{ "wckey", 0, REQUIRED, IGNORED, NULL },

	{ "batch", 0, REQUIRED, REFUSED, one_machine },
	{ "bb", 0, REQUIRED, REFUSED, "copy the data in the script" },
	{ "bbf", 0, REQUIRED, REFUSED, "copy the data in the script" },
	{ "cluster-constraint", 0, REQUIRED, REFUSED, one_machine },
	{ "clusters", 'M', REQUIRED, REFUSED, one_machine },
	{ "constraint", 'C', REQUIRED, REFUSED, "write #TGPU --gpu-type NAME for a kind of GPU" },
	{ "container", 0, REQUIRED, REFUSED, "start the container in the script" },
	{ "container-id", 0, REQUIRED, REFUSED, "start the container in the script" },
	{ "cpus-per-gpu", 0, REQUIRED, REFUSED, use_cpus },
	{ "deadline", 0, REQUIRED, REFUSED, "write --time=TIME to limit how long it runs" },
	{ "exclude", 'x', REQUIRED, REFUSED, one_machine },
	{ "exclusive", 0, OPTIONAL, REFUSED, "ask for all GPUs with --gpus=N; each is yours alone" },
	{ "export-file", 0, REQUIRED, REFUSED, "set the variables in the script" },
	{ "get-user-env", 0, OPTIONAL, REFUSED, "jobs get your environment; leave it out" },
	{ "gid", 0, REQUIRED, REFUSED, "submit as the user who shall run it" },
	{ "input", 'i', REQUIRED, REFUSED, "redirect stdin in the script" },
	{ "licenses", 'L', REQUIRED, REFUSED, "there are no licences to count; leave it out" },
	{ "mem-per-cpu", 0, REQUIRED, REFUSED, use_mem },
	{ "mem-per-gpu", 0, REQUIRED, REFUSED, use_mem },
	{ "mincpus", 0, REQUIRED, REFUSED, use_cpus },
	{ "network", 0, REQUIRED, REFUSED, "leave it out" },
	{ "nodefile", 'F', REQUIRED, REFUSED, one_machine },
	{ "nodelist", 'w', REQUIRED, REFUSED, one_machine },
	{ "ntasks-per-core", 0, REQUIRED, REFUSED, one_task },
	{ "ntasks-per-gpu", 0, REQUIRED, REFUSED, one_task },
	{ "ntasks-per-socket", 0, REQUIRED, REFUSED, one_task },
	{ "gpus-per-socket", 0, REQUIRED, REFUSED, any_gpus },
	{ "reboot", 0, NONE, REFUSED, "leave it out" },
	{ "signal", 0, REQUIRED, REFUSED, "write #TGPU --signal USR1 --grace 120 instead" },
	{ "test-only", 0, NONE, REFUSED, "leave it out to submit the job" },
	{ "uid", 0, REQUIRED, REFUSED, "submit as the user who shall run it" },
	{ "wrap", 0, REQUIRED, REFUSED, "write the command after \"--\", or into the script" },
};
/* clang-format on */

static const struct sbatch_option *find_option(const struct jobfile_option *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (option->name ? STREQ(options[i].name, option->name)
				 : options[i].letter == option->letter)
			return &options[i];
	return NULL;
}

static const struct jobspec_field *find_field(const struct jobfile_option *option)
{
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n; i++)
		if (fields[i].sbatch && (option->name ? STREQ(fields[i].sbatch, option->name)
						      : fields[i].letter == option->letter))
			return &fields[i];
	return NULL;
}

/* "--mem=4Q" or "-N 2", as it was written, cut where long. */
static const char *show(const struct jobfile_option *option, char buf[SHOWN_SIZE])
{
	char quoted[UTF8_QUOTE_SIZE];
	const char *value = option->value ? utf8_quote(option->value, quoted) : "";

	if (option->name)
		snprintf(buf, SHOWN_SIZE, "--%.24s%s%s", option->name, option->value ? "=" : "",
			 value);
	else
		snprintf(buf, SHOWN_SIZE, "-%c%s%s", option->letter, option->value ? " " : "",
			 value);
	return buf;
}

static int refuse_unknown(const struct jobfile_option *option, struct err *err)
{
	const char *names[64 + ARRAY_SIZE(options)], *closest = NULL;
	char shown[SHOWN_SIZE], quoted[UTF8_QUOTE_SIZE];
	size_t n, n_names = 0;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n && n_names < 64; i++)
		if (fields[i].sbatch)
			names[n_names++] = fields[i].sbatch;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		names[n_names++] = options[i].name;
	if (option->name)
		closest = suggest_closest(option->name, names, n_names);
	utf8_quote(show(option, shown), quoted);
	if (closest)
		return err_set(err, -EINVAL, "#SBATCH option %s is unknown; did you mean --%s?",
			       quoted, closest);
	return err_set(err, -EINVAL,
		       "#SBATCH option %s is unknown; take it out or write its #TGPU counterpart",
		       quoted);
}

int jobfile_sbatch_takes(const struct jobfile_option *option, enum jobfile_value *ret_value,
			 struct err *err)
{
	const struct jobspec_field *field = find_field(option);
	const struct sbatch_option *row = field ? NULL : find_option(option);

	if (!field && !row)
		return refuse_unknown(option, err);
	if (field)
		*ret_value = field->type == JOBSPEC_BOOL ? NONE : REQUIRED;
	else
		*ret_value = row->value;
	return 0;
}

static bool is_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int set(struct jobspec *spec, const char *key, const char *text, int64_t now_ns,
	       struct err *err)
{
	return jobspec_set_text(spec, jobspec_field_by_key(key), text, now_ns, err);
}

/* "2", "a100", "a100:2": what Slurm takes behind --gpus= and gpu:. `least` stands for no number. */
static int set_gpus(struct jobspec *spec, const char *text, const char *least, struct err *err)
{
	const char *colon = strrchr(text, ':');
	_cleanup_(free_ptr) char *type = NULL;
	int r;

	if (is_digits(text))
		return set(spec, "num_gpus", text, 0, err);
	if (!colon && !least)
		return set(spec, "num_gpus", text, 0, err);
	if (strchr(text, ',') || (colon && !is_digits(colon + 1)))
		return err_set(err, -EINVAL,
			       "num_gpus: \"%.60s\" is more than a kind and a number; write for "
			       "example a100:2",
			       text);
	type = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
	r = set(spec, "gpu_type", type, 0, err);
	return r < 0 ? r : set(spec, "num_gpus", colon ? colon + 1 : least, 0, err);
}

static int set_gres(struct jobspec *spec, const char *text, struct err *err)
{
	char quoted[UTF8_QUOTE_SIZE];

	if (STREQ(text, "gpu"))
		return set(spec, "num_gpus", "1", 0, err);
	if (strncmp(text, "gpu:", 4) == 0)
		return set_gpus(spec, text + 4, "1", err);
	return err_set(err, -EINVAL,
		       "%s is no GPU, and tgpu counts nothing else; write for example --gres=gpu:2",
		       utf8_quote(text, quoted));
}

/* Slurm counts a bare number in minutes. */
static int set_time_limit(struct jobspec *spec, const char *text, struct err *err)
{
	_cleanup_(free_ptr) char *minutes = xasprintf("%sm", text);

	return set(spec, "time_limit", is_digits(text) ? minutes : text, 0, err);
}

/* Slurm counts a bare number in MiB, and 0 asks for all the memory there is. */
static int set_mem(struct jobspec *spec, const char *text, struct err *err)
{
	_cleanup_(free_ptr) char *mebibytes = xasprintf("%sM", text);

	if (*text && text[strspn(text, "0")] == '\0')
		return err_set(err, -EINVAL,
			       "mem: \"%.20s\" means all memory to Slurm, which tgpu does not "
			       "hand out; write for example mem: 32G",
			       text);
	return set(spec, "mem", is_digits(text) ? mebibytes : text, 0, err);
}

static int apply_field(struct jobspec *spec, const struct jobspec_field *field, const char *value,
		       int64_t now_ns, struct err *err)
{
	if (STREQ(field->key, "num_gpus"))
		return set_gpus(spec, value, NULL, err);
	if (STREQ(field->key, "time_limit"))
		return set_time_limit(spec, value, err);
	if (STREQ(field->key, "mem"))
		return set_mem(spec, value, err);
	return jobspec_set_text(spec, field, value ? value : "true", now_ns, err);
}

static int apply_row(struct jobspec *spec, const struct sbatch_option *row,
		     const struct jobfile_option *option, struct err *err)
{
	char shown[SHOWN_SIZE];

	switch (row->verdict) {
	case GPUS: return set_gpus(spec, option->value, NULL, err);
	case GRES: return set_gres(spec, option->value, err);
	case NO_REQUEUE: return set(spec, "requeue", "false", 0, err);
	case ONLY:
		if (STREQ(option->value, row->text))
			return 0;
		return err_set(err, -EINVAL, "tgpu cannot do this; only --%s=%s is known",
			       row->name, row->text);
	case IGNORED:
		err_set(err, 0, "#SBATCH %s has no effect in tgpu%s%s", show(option, shown),
			row->text ? "; " : "", row->text ? row->text : "");
		return JOBFILE_SBATCH_IGNORED;
	case REFUSED: break;
	}
	return err_set(err, -EINVAL, "tgpu cannot do this; %s", row->text);
}

/* The remedy of a row for a command line, where "#TGPU " in front of an option is one word too
 * many.
 */
static void remedy(const struct sbatch_option *row, char buf[REMEDY_SIZE])
{
	const char *text = row->text ? row->text : "leave it out", *mark = strstr(text, "#TGPU ");

	switch (row->verdict) {
	case GPUS:
	case GRES: text = "write --gpus N"; break;
	case NO_REQUEUE: text = "write --no-requeue"; break;
	case ONLY: text = "leave it out"; break;
	case IGNORED:
	case REFUSED: break;
	}
	if (mark)
		snprintf(buf, REMEDY_SIZE, "%.*s%s", (int)(mark - text), text,
			 mark + strlen("#TGPU "));
	else
		snprintf(buf, REMEDY_SIZE, "%s", text);
}

int jobfile_sbatch_advise(const char *name, char letter, struct err *err)
{
	const struct sbatch_option *row =
		find_option(&(struct jobfile_option){.name = name, .letter = letter});
	char text[REMEDY_SIZE], shown[4] = {'-', letter, '\0'};

	if (!row)
		return 0;
	remedy(row, text);
	return err_set(err, -EINVAL, "there is no option %s%s, which is Slurm's%s%s; %s",
		       name ? "--" : shown, name ? name : "", name ? "" : " --",
		       name ? "" : row->name, text);
}

int jobfile_sbatch_apply(struct jobspec *spec, const struct jobfile_option *option, int64_t now_ns,
			 struct err *err)
{
	const struct jobspec_field *field = find_field(option);
	const struct sbatch_option *row = field ? NULL : find_option(option);
	char shown[SHOWN_SIZE];
	int r;

	if (!field && !row)
		return refuse_unknown(option, err);
	r = field ? apply_field(spec, field, option->value, now_ns, err)
		  : apply_row(spec, row, option, err);
	return r < 0 ? err_wrap(err, "#SBATCH %s", show(option, shown)) : r;
}
