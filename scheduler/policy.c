/* SPDX-License-Identifier: MIT */
/*
 * The policies, by name. Each lives in a file of its own, policy_NAME.c; to add one, write the file
 * and put it into this list.
 */
#include "scheduler/policy.h"

const struct policy *const policies[] = {&policy_priority, &policy_fifo, NULL};

const struct policy *policy_by_name(const char *name)
{
	for (size_t i = 0; policies[i]; i++)
		if (STREQ(policies[i]->name, name))
			return policies[i];
	return NULL;
}
