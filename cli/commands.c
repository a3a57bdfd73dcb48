/* SPDX-License-Identifier: MIT */
/*
 * The verbs: all of them, in the order in which people are told of them.
 *
 * To add one, write cmd_NAME.c, declare its constant in command.h and put it into this table; help,
 * man page and completion follow.
 */
#include "cli/command.h"

#include <errno.h>

#include "common/suggest.h"

static const struct command *const table[] = {
	&command_submit,    &command_run,     &command_list,	&command_show,
	&command_why,	    &command_logs,    &command_wait,	&command_cancel,
	&command_hold,	    &command_release, &command_requeue, &command_update,
	&command_drain,	    &command_resume,  &command_reserve, &command_reservations,
	&command_unreserve, &command_gpus,    &command_top,	&command_stats,
	&command_events,    &command_daemon,  &command_doctor,	&command_help,
};

const struct command *const *commands(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (STREQ(table[i]->name, name))
			return table[i];
	return NULL;
}

const struct command *command_suggest(const char *word)
{
	_cleanup_(free_ptr) char *blank = xasprintf(" %s ", word);
	const char *names[ARRAY_SIZE(table)];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		names[i] = table[i]->name;
		if (table[i]->also && strstr(table[i]->also, blank))
			return table[i];
	}
	word = suggest_closest(word, names, ARRAY_SIZE(names));
	return word ? command_find(word) : NULL;
}

/* What begins with a dash is an option in front of the verb; what is near nothing, a program. */
int command_refuse(const char *verb, struct err *err)
{
	const struct command *close = command_suggest(verb);

	if (verb[0] == '-')
		return err_set(err, -EINVAL,
			       "\"%.40s\" stands before the command; options go behind it, as in "
			       "\"tgpu submit --gpus 2 -- python train.py\"",
			       verb);
	if (close)
		return err_set(err, -EINVAL, "there is no command \"%.40s\"; did you mean \"%s\"?",
			       verb, close->name);
	return err_set(
		err, -EINVAL,
		"there is no command \"%.40s\"; see \"tgpu help\", or run a program as a job "
		"with \"tgpu submit -- %.40s\"",
		verb, verb);
}
