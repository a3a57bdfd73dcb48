/* SPDX-License-Identifier: MIT */
/*
 * The verbs of tgpu-sim, in the order in which people are told of them.
 *
 * To add one, write cmd_NAME.c, declare its constant in command.h and put it into this table; help
 * and the manual page follow.
 */
#include "simulator/command.h"

#include "common/suggest.h"

static const struct sim_command *const table[] = {
	&command_replay,
	&command_verify,
	&command_policies,
	&command_formats,
};

const struct sim_command *const *sim_commands(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

const struct sim_command *sim_command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (STREQ(table[i]->name, name))
			return table[i];
	return NULL;
}

const struct sim_command *sim_command_suggest(const char *word)
{
	const char *names[ARRAY_SIZE(table)], *close;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		names[i] = table[i]->name;
	close = suggest_closest(word, names, ARRAY_SIZE(names));
	return close ? sim_command_find(close) : NULL;
}
