/* SPDX-License-Identifier: MIT */
/*
 * Completion from the tables that the parser works by: the shells' own files know nothing.
 *
 * Where the last word stands is told by the option parser itself, run over the words before it;
 * what may stand there is told by the name that help gives such a value ("ID", "FILE"): one row of
 * `kinds` each.
 * Invariants: never starts a daemon, never takes longer than PATIENCE_S, says nothing on failure.
 * Deliberately not here: quoting and display, which are the shell's. Cost: as `tgpu list` where
 * jobs are asked for, else less. Read next: completions/tgpu.bash.
 */
#include "cli/complete.h"

#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/field.h"
#include "cli/jobview.h"
#include "common/jobspec.h"
#include "common/jobspec_lists.h"

#define PATIENCE_S 2 /* a person waits for the shell */
#define JOBS_MAX   100
#define PERSON_UID 1000 /* below are the system's own */
#define NOBODY_UID 65534

struct completion {
	const struct command *command;
	const char *word; /* the last word, which each candidate replaces */
	size_t kept;	  /* so many bytes of it stay: "--state=queued," */
};

static void offer(const struct completion *completion, const char *text, const char *explanation)
{
	const char *part = completion->word + completion->kept;
	_cleanup_(buf_finish) struct buf line = {0};

	if (strncmp(text, part, strlen(part)) != 0)
		return;
	format_printable(&line, explanation);
	printf("%.*s%s\t%s\n", (int)completion->kept, completion->word, text, buf_get(&line));
}

/* Is the state `name` one of `list`: "a,b", or a word or NULL for every one that was asked for? */
static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (!list || STREQ(list, "all") || STREQ(list, "active"))
		return true;

	for (const char *at = list; (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ',') && (at[len] == ',' || !at[len]))
			return true;
	return false;
}

/* A GET of the daemon that runs; NULL when none does. */
static json_t *ask(const char *target)
{
	_cleanup_(client_close) struct client client = {0};
	json_t *answer = NULL;
	struct err err;

	if (client_open(&client, CLIENT_NO_START, &err) == 0)
		client_get(&client, &answer, &err, "%s", target);
	return answer;
}

/* The caller's own jobs in these states, the newest first. */
static void offer_jobs_in(const struct completion *completion, const char *states)
{
	_cleanup_(free_ptr) char *target =
		xasprintf("/v1/jobs?order=newest&limit=%d&uid=%u&state=%s", JOBS_MAX,
			  (unsigned)geteuid(), STREQ(states, "all") ? "all" : "active");
	_cleanup_(client_json_unref) json_t *answer = ask(target);
	const json_t *job;
	size_t i;

	json_array_foreach (json_object_get(answer, "jobs"), i, job) {
		const char *state = jobview_state(job);
		_cleanup_(free_ptr) char *id = xasprintf("%" PRIu64, jobview_id(job));
		_cleanup_(free_ptr) char *text =
			xasprintf("%s, %s", state, field_text(job, "name"));

		if (is_listed(states, state))
			offer(completion, id, text);
	}
}

/* Jobs that the verb makes sense for. */
static void offer_jobs(const struct completion *completion)
{
	offer_jobs_in(completion, completion->command->states);
	/* Not in an empty place, where it would keep a single job from being filled in. */
	if (completion->word[completion->kept])
		offer(completion, "last", "your newest job");
}

static void offer_past_jobs(const struct completion *completion)
{
	offer_jobs_in(completion, "all");
}

/* "12", "afterok:12": jobs to wait for; the kinds once one is begun, as "last" above. */
static void offer_conditions(const struct completion *completion)
{
	struct completion jobs = *completion;
	const char *part = completion->word + completion->kept, *colon = strrchr(part, ':');

	if (colon)
		jobs.kept = (size_t)(colon + 1 - completion->word);
	offer_jobs_in(&jobs, "active");
	if (completion->word[jobs.kept])
		offer(&jobs, "last", "your newest job");
	for (size_t i = 0; part[0] && !colon && after_kinds[i].name; i++) {
		_cleanup_(free_ptr) char *kind = xasprintf("%s:", after_kinds[i].name);

		offer(completion, kind, after_kinds[i].meaning);
	}
}

/* GPUs in the states that the verb makes sense for, and "all" of them. */
static void offer_gpus(const struct completion *completion)
{
	_cleanup_(client_json_unref) json_t *answer = ask("/v1/gpus");
	const char *states = completion->command->states;
	const json_t *gpu;
	bool any = false;
	size_t i;

	json_array_foreach (json_object_get(answer, "gpus"), i, gpu) {
		const char *state = field_text(gpu, "state");
		_cleanup_(free_ptr) char *index =
			xasprintf("%" PRId64, field_int(gpu, "index", -1));
		_cleanup_(free_ptr) char *text =
			xasprintf("%s, %s", state, field_text(gpu, "name"));

		if (!is_listed(states, state))
			continue;
		offer(completion, index, text);
		any = true;
	}
	if (any)
		offer(completion, "all", states ? "every one of them" : "every GPU");
}

static void offer_windows(const struct completion *completion)
{
	_cleanup_(client_json_unref) json_t *answer = ask("/v1/reservations");
	const json_t *window;
	size_t i;

	json_array_foreach (json_object_get(answer, "reservations"), i, window) {
		_cleanup_(free_ptr) char *id = xasprintf("%" PRId64, field_int(window, "id", 0));
		_cleanup_(buf_finish) struct buf text = {0};
		const char *reason = field_text(window, "reason");

		jobview_gpu_names(&text, window);
		buf_printf(&text, " for %s%s%s", format_user((uid_t)field_int(window, "uid", 0)),
			   reason[0] ? ": " : "", reason);
		offer(completion, id, buf_get(&text));
	}
}

/* The word of a GPU's name that tells types apart: the first with a digit, else the last. */
static char *type_of(const char *name)
{
	size_t len = strcspn(name, " ");

	while (name[len] && strcspn(name, "0123456789") >= len) {
		name += len + 1;
		len = strcspn(name, " ");
	}
	return xstrndup(name, len);
}

static void offer_types(const struct completion *completion)
{
	_cleanup_(client_json_unref) json_t *answer = ask("/v1/gpus");
	_cleanup_(client_json_unref) json_t *said = json_object();
	const json_t *gpu;
	size_t i;

	json_array_foreach (json_object_get(answer, "gpus"), i, gpu) {
		_cleanup_(free_ptr) char *type = type_of(field_text(gpu, "name"));

		if (!json_object_get(said, type))
			offer(completion, type, field_text(gpu, "name"));
		json_object_set_new(said, type, json_true());
	}
}

static void offer_states(const struct completion *completion)
{
	for (size_t i = 0; jobview_states[i].name; i++)
		offer(completion, jobview_states[i].name, jobview_states[i].meaning);
}

static void offer_events(const struct completion *completion)
{
	for (size_t i = 0; jobspec_events[i].name; i++)
		offer(completion, jobspec_events[i].name, jobspec_events[i].meaning);
}

static void offer_users(const struct completion *completion)
{
	const struct passwd *user;

	while ((user = getpwent()))
		if (user->pw_uid == 0 || (user->pw_uid >= PERSON_UID && user->pw_uid != NOBODY_UID))
			offer(completion, user->pw_name, user->pw_gecos);
	endpwent();
}

static void offer_signals(const struct completion *completion)
{
	static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGKILL};

	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		offer(completion, sigabbrev_np(ending[i]), sigdescr_np(ending[i]));
}

static void offer_files(const struct completion *completion)
{
	(void)completion;
	puts("@files");
}

static void offer_directories(const struct completion *completion)
{
	(void)completion;
	puts("@dirs");
}

static void offer_verbs(const struct completion *completion)
{
	size_t n;
	const struct command *const *all = commands(&n);

	for (size_t i = 0; i < n; i++)
		offer(completion, all[i]->name, all[i]->summary);
}

/* Every kind of value that there is something to say about, by its name in help. */
static const struct kind {
	const char *name;
	void (*offer)(const struct completion *completion);
	bool is_list; /* several, with commas */
} kinds[] = {
	{"ID", offer_jobs, true},
	{"JOBS", offer_past_jobs, true},
	{"[KIND:]JOBS", offer_conditions, true},
	{"GPU", offer_gpus, false},
	{"TYPE", offer_types, false},
	{"STATES", offer_states, true},
	{"EVENTS", offer_events, true},
	{"USER", offer_users, false},
	{"SIGNAL", offer_signals, false},
	{"FILE", offer_files, false},
	{"DIR", offer_directories, false},
	{"RESERVATION", offer_windows, true},
	{"COMMAND", offer_verbs, false},
};

/* One of "start|status|stop". */
static void offer_choices(const struct completion *completion, const char *choices)
{
	_cleanup_(free_ptr) char *copy = xstrdup(choices);
	char *rest = copy, *choice;

	while ((choice = strsep(&rest, "|")))
		offer(completion, choice, "");
}

/* What may stand for a value of this name, from the byte `kept` of the last word on. */
static void offer_values(struct completion *completion, const char *name)
{
	const char *comma = strrchr(completion->word + completion->kept, ',');

	if (name && strchr(name, '|'))
		offer_choices(completion, name);
	for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++) {
		if (!STREQ(kinds[i].name, name))
			continue;
		if (kinds[i].is_list && comma)
			completion->kept = (size_t)(comma + 1 - completion->word);
		kinds[i].offer(completion);
	}
}

/* "--opt", or the value of "--opt=value". */
static void offer_options(struct completion *completion, const struct options *options)
{
	const char *word = completion->word, *equals = strchr(word, '=');
	const struct option_desc *desc;

	if (equals) {
		desc = options_find(options, word + 2, (size_t)(equals - word) - 2);
		completion->kept = (size_t)(equals + 1 - word);
		offer_values(completion, desc ? desc->metavar : NULL);
		return;
	}
	for (desc = options->table; desc < options->table + options->n_table; desc++) {
		_cleanup_(free_ptr) char *name = xasprintf("--%s", desc->name);
		_cleanup_(free_ptr) char *negated = xasprintf("--no-%s", desc->name);

		offer(completion, name, desc->help);
		if (desc->kind == OPTION_SWITCH && strncmp(word, "--no", 4) == 0)
			offer(completion, negated, "the opposite");
	}
}

/* The last word of `command`, behind these. */
static void complete_command(struct completion *completion, int argc, char **argv)
{
	const struct command *command = completion->command;
	_cleanup_(options_finish) struct options options;
	struct err err;

	options_init(&options, command->options, command->n_options, command->job_options);
	options_parse(&options, argc, argv, command->stop_at_word, &err);
	if (options.pending)
		offer_values(completion, options.pending->metavar);
	else if (command->stop_at_word && options.dashes && options.n_plain == 0)
		printf("@command %zu\n", (size_t)argc + 1 - options.n_words);
	else if (command->stop_at_word && options.n_words > 0)
		puts("@files");
	else if (!options.dashes && completion->word[0] == '-')
		offer_options(completion, &options);
	else
		offer_values(completion, command->words);
}

int complete(int argc, char **argv)
{
	struct completion completion = {.word = argc > 0 ? argv[argc - 1] : ""};

	alarm(PATIENCE_S);
	if (argc <= 1)
		offer_verbs(&completion);
	else if ((completion.command = command_find(argv[0])))
		complete_command(&completion, argc - 2, argv + 1);
	return 0;
}
