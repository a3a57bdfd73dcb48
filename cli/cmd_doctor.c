/* SPDX-License-Identifier: MIT */
/*
 * tgpu doctor: runs every check, prints a sentence for each finding and what to do about it.
 *
 * Works without a daemon and starts none. Read next: doctor_checks.c, doctor_store.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "cli/autostart.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/field.h"
#include "cli/format.h"

static const struct option_desc options[] = {
	{"store", 0, OPTION_FLAG, NULL, "look for faults in the database instead", NULL},
	{"json", 0, OPTION_FLAG, NULL, "print the findings as JSON", NULL},
};

static const struct level {
	const char *name;
	enum format_colour colour;
} levels[] = {
	[DOCTOR_OK] = {"ok", COLOUR_GREEN},
	[DOCTOR_WARN] = {"warn", COLOUR_YELLOW},
	[DOCTOR_FAIL] = {"fail", COLOUR_RED},
};

void doctor_say(struct doctor *doctor, enum doctor_level level, const char *remedy, const char *fmt,
		...)
{
	_cleanup_(free_ptr) char *text = NULL;
	json_t *finding = json_object();
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	json_object_set_new(finding, "level", json_string(levels[level].name));
	json_object_set_new(finding, "text", json_string(text));
	json_object_set_new(finding, "remedy", remedy ? json_string(remedy) : json_null());
	json_array_append_new(doctor->findings, finding);
	doctor->worst = level > doctor->worst ? level : doctor->worst;
}

enum doctor_level doctor_take(struct doctor *doctor, json_t *findings)
{
	enum doctor_level worst = DOCTOR_OK;
	const json_t *finding;
	size_t i;

	json_array_foreach (findings, i, finding)
		for (size_t level = 0; level < ARRAY_SIZE(levels); level++)
			if (level > worst &&
			    STREQ(levels[level].name, field_text(finding, "level")))
				worst = level;
	json_array_extend(doctor->findings, findings);
	json_decref(findings);
	doctor->worst = worst > doctor->worst ? worst : doctor->worst;
	return worst;
}

static enum format_colour colour_of(const char *level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (STREQ(levels[i].name, level))
			return levels[i].colour;
	return COLOUR_NONE;
}

static void print_indented(const char *lines)
{
	for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		printf("       %.*s\n", (int)n, lines);
	}
}

static void print_findings(const json_t *findings)
{
	const json_t *finding;
	size_t i;

	json_array_foreach (findings, i, finding) {
		const char *level = field_text(finding, "level");
		_cleanup_(free_ptr) char *label = xasprintf("[%s]", level);
		_cleanup_(free_ptr) char *line =
			xasprintf("%-6s %s", label, field_text(finding, "text"));

		format_line(colour_of(level), line);
		print_indented(field_text(finding, "remedy"));
	}
}

/* The status of a daemon that runs; NULL when none does. One that only does not answer here is not
 * the same as none. */
static json_t *get_status(struct doctor *doctor)
{
	_cleanup_(autostart_found_finish) struct autostart_found found = {.pidfd = -1};
	_cleanup_(client_close) struct client client = {0};
	json_t *status = NULL;
	struct err err = {0};
	int r = client_open(&client, CLIENT_NO_START, &err);

	if (r == 0)
		r = client_get(&client, &status, &err, "/v1/status");
	if (r < 0 && (r != -ENOTCONN || autostart_find(&doctor->paths, &found) == 0))
		doctor_say(doctor, DOCTOR_FAIL, NULL, "the daemon: %s", err.msg);
	return r == 0 ? status : NULL;
}

static int run(const struct options *opts, struct err *err)
{
	_cleanup_(client_json_unref) json_t *findings = json_array(), *status = NULL;
	struct doctor doctor = {.findings = findings};
	int r = paths_get(false, &doctor.paths, err);

	if (r < 0)
		return r;
	status = get_status(&doctor);
	doctor.status = status;
	if (options_has(opts, "store"))
		doctor_check_store(&doctor);
	else
		for (const struct doctor_check *check = doctor_checks; check->name; check++)
			check->run(&doctor);
	paths_finish(&doctor.paths);
	if (options_has(opts, "json"))
		field_print_json(findings);
	else
		print_findings(findings);
	return doctor.worst == DOCTOR_FAIL ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_doctor = {
	.name = "doctor",
	.usage = "[OPTIONS]",
	.summary = "say what this machine allows tgpu to do, and what it does not",
	.examples = "  tgpu doctor\n"
		    "  tgpu doctor --store   after a crash, or when tgpud does not start\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.also = " check diagnose ",
	.run = run,
};
