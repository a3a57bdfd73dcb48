/* SPDX-License-Identifier: MIT */
/*
 * Prints the tables that the programs work by, as JSON: verbs and options of each program, fields
 * of a job, keys of the configuration, states, exit codes. script/reference makes manual pages and
 * tables of it.
 *
 * Not installed. What is not in a table of the programs is not here either.
 */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/jobview.h"
#include "common/jobspec.h"
#include "daemon/arguments.h"
#include "daemon/config.h"
#include "simulator/command.h"
#include "simulator/preset.h"
#include "simulator/source.h"

static json_t *text(const char *string)
{
	return string ? json_string(string) : json_null();
}

static json_t *option_json(const struct option_desc *option)
{
	char letter[2] = {option->letter, '\0'};

	return json_pack("{s:s, s:s, s:b, s:o, s:s}", "name", option->name, "letter", letter,
			 "switch", option->kind == OPTION_SWITCH, "value",
			 option->kind == OPTION_VALUE ? text(option->metavar) : json_null(), "help",
			 option->help);
}

/* The command's own options (with --help), or those of the job where it takes some. */
static json_t *options_json(const struct option_desc *own, size_t n, enum options_job job)
{
	_cleanup_(options_finish) struct options options;
	json_t *list = json_array();

	options_init(&options, own, n, job);
	for (size_t i = 0; i < options.n_table; i++)
		if ((options.table[i].field != NULL) == (job != OPTIONS_JOB_NONE))
			json_array_append_new(list, option_json(&options.table[i]));
	return list;
}

/* Those of a job's options that the command does not take, as update. */
static json_t *left_out_json(enum options_job job)
{
	json_t *list = json_array();
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n; i++)
		if (job == OPTIONS_JOB_CHANGE && fields[i].option && fields[i].fixed)
			json_array_append_new(list, json_string(fields[i].option));
	return list;
}

static json_t *commands_json(void)
{
	json_t *list = json_array();
	size_t n;
	const struct command *const *all = commands(&n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:o, s:o}", "name",
						all[i]->name, "usage", all[i]->usage, "summary",
						all[i]->summary, "details", text(all[i]->details),
						"examples", all[i]->examples, "job_options",
						all[i]->job_options != OPTIONS_JOB_NONE, "left_out",
						left_out_json(all[i]->job_options), "options",
						options_json(all[i]->options, all[i]->n_options,
							     OPTIONS_JOB_NONE)));
	return list;
}

static json_t *sim_commands_json(void)
{
	json_t *list = json_array();
	size_t n;
	const struct sim_command *const *all = sim_commands(&n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:o}", "name", all[i]->name,
					"usage", all[i]->usage, "summary", all[i]->summary,
					"details", text(all[i]->details), "examples",
					all[i]->examples, "job_options", false, "options",
					options_json(all[i]->options, all[i]->n_options,
						     OPTIONS_JOB_NONE)));
	return list;
}

static json_t *fields_json(void)
{
	json_t *list = json_array();
	size_t n;
	const struct jobspec_field *fields = jobspec_fields(&n);

	for (size_t i = 0; i < n; i++) {
		char letter[2] = {fields[i].letter, '\0'};

		json_array_append_new(
			list, json_pack("{s:s, s:o, s:s, s:b, s:s}", "key", fields[i].key, "option",
					text(fields[i].option), "letter", letter, "switch",
					fields[i].type == JOBSPEC_BOOL, "help", fields[i].help));
	}
	return list;
}

/* Rows of two texts. */
static void add_pair(json_t *list, const char *name, const char *meaning)
{
	json_array_append_new(list, json_pack("[s, s]", name, meaning));
}

static json_t *config_json(void)
{
	json_t *list = json_array();

	for (const struct config_key *key = config_keys; key->name; key++)
		json_array_append_new(list,
				      json_pack("[s, s, s]", key->name, key->fallback, key->help));
	return list;
}

static json_t *policies_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; policies[i]; i++)
		add_pair(list, policies[i]->name, policies[i]->summary);
	return list;
}

static json_t *presets_json(void)
{
	json_t *list = json_array();
	size_t n;
	const struct preset *all = presets(&n);

	for (size_t i = 0; i < n; i++)
		add_pair(list, all[i].name, all[i].summary);
	return list;
}

static json_t *formats_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; trace_formats[i]; i++)
		add_pair(list, trace_formats[i]->name, trace_formats[i]->summary);
	return list;
}

static json_t *states_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; jobview_states[i].name; i++)
		add_pair(list, jobview_states[i].name, jobview_states[i].meaning);
	return list;
}

static json_t *exits_json(void)
{
	json_t *list = json_array();
	size_t n;
	const struct exit_meaning *exits = exit_meanings(&n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("[i, s]", exits[i].code, exits[i].meaning));
	return list;
}

/* Of tgpu and tgpud. */
static json_t *tgpu_json(void)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "commands",
			 commands_json(), "job_options", options_json(NULL, 0, OPTIONS_JOB_ALL),
			 "fields", fields_json(), "config", config_json(), "policies",
			 policies_json(), "states", states_json(), "exits", exits_json(),
			 "exit_of_jobs", exit_of_jobs, "daemon_options",
			 options_json(arguments_table, arguments_count, false));
}

static json_t *sim_json(void)
{
	return json_pack("{s:o, s:o, s:o}", "sim_commands", sim_commands_json(), "sim_policies",
			 presets_json(), "sim_formats", formats_json());
}

int main(void)
{
	_cleanup_(client_json_unref) json_t *tables = tgpu_json(), *sim = sim_json();

	if (json_object_update(tables, sim) < 0 || json_dumpf(tables, stdout, JSON_INDENT(1)) < 0)
		return 1;
	return fflush(stdout) != 0;
}
