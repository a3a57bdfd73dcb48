/* SPDX-License-Identifier: MIT */
/*
 * The policies, by name, and what several of them need. Each lives in a file of its own,
 * policy_NAME.c; to add one, write the file and put it into this list. Read next: running.c.
 */
#include "scheduler/policy.h"

const struct policy *const policies[] = {
	&policy_priority, &policy_fifo, &policy_fair, &policy_shortest,
	&policy_sjf,	  &policy_srsf, NULL,
};

const struct policy *policy_by_name(const char *name)
{
	for (size_t i = 0; policies[i]; i++)
		if (STREQ(policies[i]->name, name))
			return policies[i];
	return NULL;
}

int64_t policy_service(const struct request *request, int64_t estimate_ns)
{
	int64_t width = request->num_gpus ? request->num_gpus : request->cpus, service;

	if (__builtin_mul_overflow(estimate_ns, width ? width : 1, &service))
		return INT64_MAX;
	return service;
}

int policy_compare(void *ctx, const struct shape *shape_a, const struct queue_key *a,
		   const struct shape *shape_b, const struct queue_key *b)
{
	const struct policy_order *order = ctx;

	if (order->policy->score && !shape_is_same(shape_a, shape_b)) {
		double x = order->policy->score(&order->view, shape_a, a);
		double y = order->policy->score(&order->view, shape_b, b);

		if (x < y || x > y)
			return x < y ? -1 : 1;
	}
	return queue_key_compare(a, b);
}
